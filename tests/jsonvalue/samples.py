"""Values for the tests of the JSON boundary."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support import django_settings  # noqa: F401 - configures Django


class Text(str):
    pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
    max_leaves=20,
)
