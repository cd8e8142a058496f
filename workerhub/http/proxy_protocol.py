"""The header that a proxy puts before everything else on a connection: whose connection it is (haproxy's proxy-protocol.txt, 2.1 and 2.2).

Version 1 is one line of text, version 2 is binary and tells its own length. Both are read from the beginning of what has arrived, as
often as something has, until they are whole: a header is one small packet, so this happens once. Refused is whatever isn't in the
specification, what nobody needs in front of HTTP (datagrams), and what is longer than any proxy makes it.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal, TypeAlias

from workerhub.slotted import dataclass

Source: TypeAlias = tuple[str, int] | Literal[""] | None
"""Who the client is: address and port; "" for one that called the proxy on a UNIX socket; None: what the connection itself says counts."""

MAX_LENGTH: Final = 4096
"""Bytes of a header, its TLVs included; nginx's limit too. Cloud providers add some ten bytes, HAProxy at most a few certificate names."""

_MAX_LENGTH_1: Final = 107
"""Bytes of a line of version 1, CRLF included: the specification has worked it out (2.1)."""

_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_WORD: Final = b"PROXY "

_PORT: Final = rb"(0|[1-9][0-9]{0,4})"
_LINE: Final = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) %b %b)\r\n" % (_PORT, _PORT)
)
_ADDRESSES: Final[dict[bytes, type[IPv4Address | IPv6Address]]] = {b"4": IPv4Address, b"6": IPv6Address}

_FIXED: Final = 16
"""Bytes of version 2 before the addresses: signature, version and command, family and transport, length of the rest."""

_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31

_SIZES: Final = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX: 216}
"""Bytes of the addresses of each family. What follows them are TLVs, which say nothing that is needed here."""


class ProxyHeaderError(ValueError):
    """What arrived isn't a PROXY protocol header, or none that can be accepted. The message says why, on one line."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A whole header.

    Attributes:
        length: its bytes; what is behind them is the client's.
        source: who the client is.
    """

    length: int
    source: Source


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """The header that stands at the beginning of what has arrived on a connection; None: only a part of it is there, and nothing else.

    Raises:
        ProxyHeaderError: there is no header, or a malformed one.
    """
    if data.startswith(_SIGNATURE[: len(data)]):
        return _read_2(data)
    if data.startswith(_WORD[: len(data)]):
        return _read_1(data)
    raise ProxyHeaderError(f"no PROXY protocol header, it begins with {data[:16]!r}")


def _read_1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _MAX_LENGTH_1) + 2
    if end < 2:  # not found
        if len(data) >= _MAX_LENGTH_1:
            raise ProxyHeaderError(f"a PROXY line without an end in {_MAX_LENGTH_1} bytes")
        return None
    match = _LINE.fullmatch(data, 0, end)
    if match is None:
        raise ProxyHeaderError(f"a malformed PROXY line, {data[: end - 2]!r}")
    family, *ends = match.groups()
    if family is None:
        return ProxyHeader(end, None)
    source, destination, source_port, destination_port = (text.decode() for text in ends)
    try:
        address, _ = _ADDRESSES[family](source), _ADDRESSES[family](destination)
        port, _ = _port(source_port), _port(destination_port)
    except ValueError:
        raise ProxyHeaderError(f"a PROXY line with an impossible address, {data[: end - 2]!r}") from None
    return ProxyHeader(end, (_shown(address), port))


def _port(text: str) -> int:
    port = int(text)
    if port > 0xFFFF:
        raise ValueError
    return port


def _read_2(data: bytes) -> ProxyHeader | None:
    if len(data) < _FIXED:
        return None
    command, family = data[12], data[13]
    length = _FIXED + int.from_bytes(data[14:_FIXED])
    if command not in (_LOCAL, _PROXY):
        raise ProxyHeaderError(f"a PROXY header of unknown version or command, 0x{command:02x}")
    if length > MAX_LENGTH:
        raise ProxyHeaderError(f"a PROXY header of {length} bytes; {MAX_LENGTH} are the limit")
    # What a proxy says about a connection of its own, a health check, is to be ignored (2.2).
    if command == _PROXY:
        if family not in _SIZES:
            raise ProxyHeaderError(f"a PROXY header of a family or transport that can't be here, 0x{family:02x}")
        if length - _FIXED < _SIZES[family]:
            raise ProxyHeaderError("a PROXY header too short for its addresses")
    if len(data) < length:
        return None
    return ProxyHeader(length, _source(data, family) if command == _PROXY else None)


def _source(data: bytes, family: int) -> Source:
    if family == _TCP4:
        return str(IPv4Address(data[16:20])), int.from_bytes(data[24:26])
    if family == _TCP6:
        return _shown(IPv6Address(data[16:32])), int.from_bytes(data[48:50])
    return "" if family == _UNIX else None


def _shown(address: IPv4Address | IPv6Address) -> str:
    """An IPv4 client of a proxy that listens on IPv6 is an IPv4 client."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
