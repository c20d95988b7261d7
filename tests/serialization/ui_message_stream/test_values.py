"""Field values of the UI message stream: URLs of files, and signatures of reasoning."""

from __future__ import annotations

from typing import Any

import pytest

from assistant_stream_ce.serialization.ui_message_stream.values import file_data, file_url, signature_of


@pytest.mark.parametrize("data", ["eA==", "https://example.org/a.png", "data:image/png;base64,eA==", ""])
def test_a_file_survives_its_url(data: str) -> None:
    url = file_url(data, "image/png")
    assert ":" in url
    assert file_data(url, "image/png") == data.removeprefix("data:image/png;base64,")


def test_base64_text_gets_a_data_url() -> None:
    assert file_url("eA==", "image/png") == "data:image/png;base64,eA=="


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("data:text/plain;charset=utf-8;base64,eA==", "eA=="),
        ("DATA:image/png;BASE64,eA==", "eA=="),
        ("data:text/plain,hello", "data:text/plain,hello"),
        ("https://example.org", "https://example.org"),
    ],
)
def test_only_base64_data_urls_are_unpacked(url: str, data: str) -> None:
    assert file_data(url, "image/png") == data


@pytest.mark.parametrize(
    ("value", "signature"),
    [
        ({"providerMetadata": {"anthropic": {"signature": "s"}}}, "s"),
        ({"providerMetadata": {"google": {"thoughtSignature": "s"}}}, "s"),
        ({"providerMetadata": {"openai": {"itemId": "i", "reasoningEncryptedContent": "s"}}}, "s"),
        ({"providerMetadata": {"openai": {"signature": 5}}}, None),
        ({"providerMetadata": {"openai": None}}, None),
        ({"providerMetadata": None}, None),
        ({}, None),
    ],
)
def test_the_signature_of_any_provider_is_found(value: dict[str, Any], signature: str | None) -> None:
    assert signature_of(value) == signature
