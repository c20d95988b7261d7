"""The interface of stores."""

from __future__ import annotations

import pytest

from assistant_stream_ce.resumable.store import Store, StoreOptions, StoreSession


def test_a_store_has_to_have_every_method() -> None:
    with pytest.raises(TypeError, match="connect"):
        Store()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="append"):
        StoreSession()  # type: ignore[abstract]
    assert (Store.looks, Store.is_inline) == (2, False)


def test_the_default_settings_are_those_of_the_streams() -> None:
    assert (StoreOptions().retention, StoreOptions().message_retention) == (600.0, 86400.0)
