"""Validation of files that clients send: which URLs are safe to pass on, and whether base64 is valid.

Nothing is fetched here. But model providers and some client libraries fetch the URLs that they receive, partly from the
server itself, so URLs into private networks are rejected (SSRF).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import socket
import unicodedata
from urllib.parse import unquote_to_bytes, urlsplit

from assistant_stream_ce.jsonvalue import JSON
from assistant_stream_ce.message import FilePart

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DATA_URL = re.compile(r"data:(?P<type>[^;,\s]*)(?P<parameters>(?:;[^,]*)?),", re.IGNORECASE)
# Space, control characters and backslashes, which URL parsers interpret differently.
_ODD = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+*-]+", re.ASCII)
# Networks whose addresses end with an IPv4 address: NAT64, and "IPv4-compatible" and "IPv4-translated" ones.
_EMBEDDING = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96")))
# Networks that some versions of `ipaddress` take for global: of protocols (with a cloud's metadata), and local NAT64.
_PRIVATE_NETWORKS = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv6Network("64:ff9b:1::/48"))
# The last label of names that only private networks, clusters and clouds resolve.
_PRIVATE_NAMES = frozenset(
    {"localhost", "internal", "local", "localdomain", "lan", "home", "corp", "intranet", "private", "svc", "arpa"}
)
_METADATA_NAMES = ("metadata.goog",)
_UNKNOWN_TYPE = "application/octet-stream"


class UnsafeFileError(ValueError):
    """Raised for a file that must not be passed on; the message has the reason."""


def is_url(data: str) -> bool:
    """Return whether the data of a file is a URL. No base64 text has a colon."""
    return _SCHEME.match(data) is not None


def data_url(part: FilePart) -> str:
    """Return the URL of a file: its own, or a data URL of its content."""
    return part.data if is_url(part.data) else f"data:{part.mime_type};base64,{part.data}"


def file_part(data: JSON, media_type: JSON, filename: JSON = None) -> FilePart:
    """Return a file with checked content.

    Args:
        data: base64 text, a data URL, or an http or https URL.
        media_type: its type; the type in a data URL takes precedence.
        filename: its name, if any.

    Raises:
        UnsafeFileError: the file must not be passed on.
    """
    if not isinstance(data, str) or not data:
        raise UnsafeFileError("a file without data")
    kind = media_type if isinstance(media_type, str) and _MEDIA_TYPE.fullmatch(media_type) else _UNKNOWN_TYPE
    name = filename if isinstance(filename, str) and filename else None
    if not is_url(data):
        return FilePart(_checked_base64(data), kind, name)
    if data[:5].lower() == "data:":
        content, own_kind = _from_data_url(data)
        return FilePart(content, own_kind or kind, name)
    _check_url(data)
    return FilePart(data, kind, name)


def _from_data_url(url: str) -> tuple[str, str]:
    match = _DATA_URL.match(url)
    if match is None or match.end() == len(url):
        raise UnsafeFileError("a data URL without content")
    kind = match["type"] if _MEDIA_TYPE.fullmatch(match["type"]) else ""
    content = url[match.end() :]
    if ";base64" in match["parameters"].lower():
        return _checked_base64(content), kind
    return base64.b64encode(unquote_to_bytes(content)).decode(), kind or "text/plain"


def is_base64(text: str) -> bool:
    """Return whether a text is base64."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _checked_base64(text: str) -> str:
    if not is_base64(text):
        raise UnsafeFileError("a file whose data is not base64")
    return text


def _check_url(url: str) -> None:
    """Raise for a URL that is not http or https, or leads to a host of a private network."""
    if url.split(":", 1)[0].lower() not in ("http", "https"):
        raise UnsafeFileError("a file URL that is not https, http or data")
    if _ODD.search(url):
        raise UnsafeFileError("a file URL with spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        # Reading the attribute validates the port.
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UnsafeFileError("a file URL that cannot be parsed") from None
    if not host or "@" in parts.netloc:
        raise UnsafeFileError("a file URL without a host, or with a password")
    if "%" in host:
        # Clients decode it: `%31` is a digit of an address. And an address with a zone is link-local.
        raise UnsafeFileError("a file URL whose host has escaped characters, or a zone")
    if _is_private(host):
        raise UnsafeFileError("a file URL of a private host")


def _is_private(host: str) -> bool:
    # As browsers and HTTP clients normalise it: full-width digits and ideographic dots are digits and dots.
    name = unicodedata.normalize("NFKC", host).replace("\u3002", ".").rstrip(".").lower()
    address = _address(name)
    if address is not None:
        is_private = any(address in network for network in _PRIVATE_NETWORKS)
        return is_private or not address.is_global or address.is_multicast or _is_site_local(address)
    is_metadata = any(name == one or name.endswith(f".{one}") for one in _METADATA_NAMES)
    return "." not in name or is_metadata or name.rpartition(".")[2] in _PRIVATE_NAMES


def _is_site_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    # Deprecated, but still private.
    return isinstance(address, ipaddress.IPv6Address) and address.is_site_local


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a host name is, in any of the spellings that C libraries accept (`0x7f.1`)."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(name))
        except (OSError, UnicodeError, ValueError):
            return None
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if embedded is None and any(address in network for network in _EMBEDDING):
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return embedded or address
    return address
