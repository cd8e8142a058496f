"""What a proxy writes in front of a connection (haproxy's proxy-protocol.txt), for tests to send."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"

LOCAL, PROXY = 0x20, 0x21
UNSPECIFIED, TCP4, TCP6, UNIX = 0x00, 0x11, 0x21, 0x31


def version_1(source: str = "192.0.2.7", port: int = 40000, destination: str = "192.0.2.80") -> bytes:
    """The line for a client of this address."""
    return f"PROXY TCP{ip_address(source).version} {source} {destination} {port} 80\r\n".encode()


def version_2(
    source: str = "192.0.2.7", port: int = 40000, *, command: int = PROXY, family: int | None = None, tlvs: bytes = b""
) -> bytes:
    """The binary header for a client of this address; "": one on a UNIX socket."""
    if source:
        address = ip_address(source)
        ends = address.packed + bytes(len(address.packed)) + port.to_bytes(2) + (80).to_bytes(2)
        usual = TCP4 if address.version == 4 else TCP6
    else:
        ends, usual = bytes(216), UNIX
    return raw_2(command, usual if family is None else family, ends + tlvs)


def raw_2(command: int, family: int, rest: bytes) -> bytes:
    """A binary header of these parts."""
    return SIGNATURE + bytes([command, family]) + len(rest).to_bytes(2) + rest


def tlv(kind: int, value: bytes) -> bytes:
    """One of the things that may follow the addresses."""
    return bytes([kind]) + len(value).to_bytes(2) + value
