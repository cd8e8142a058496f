"""The PROXY protocol's headers: what is read, what is refused, and that it doesn't matter how they arrive."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.proxied import LOCAL, PROXY, SIGNATURE, TCP4, TCP6, UNIX, UNSPECIFIED, raw_2, tlv, version_1, version_2

from workerhub.http.proxy_protocol import MAX_LENGTH, ProxyHeader, ProxyHeaderError, Source, read_proxy_header

V4 = ("192.0.2.7", 40000)
V6 = ("2001:db8::7", 40000)
LONGEST_LINE = b"PROXY UNKNOWN" + b" " + b"f" * 91 + b"\r\n"

GOOD: dict[str, tuple[bytes, Source]] = {
    "TCP4": (b"PROXY TCP4 192.0.2.7 192.0.2.80 40000 80\r\n", V4),
    "TCP6": (b"PROXY TCP6 2001:db8::7 ::1 40000 80\r\n", V6),
    "TCP6, spelt at length": (b"PROXY TCP6 2001:0DB8:0:0:0:0:0:7 ::1 40000 80\r\n", V6),
    "TCP6 of an IPv4 client": (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 40000 80\r\n", V4),
    "the longest addresses": (
        b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
    ),
    "port 0": (b"PROXY TCP4 192.0.2.7 192.0.2.80 0 0\r\n", ("192.0.2.7", 0)),
    "UNKNOWN": (b"PROXY UNKNOWN\r\n", None),
    "UNKNOWN, with what is to be ignored": (b"PROXY UNKNOWN ff:ff 127.0.0.1 and more\r\n", None),
    "UNKNOWN, the longest line": (LONGEST_LINE, None),
    "version 2, TCP4": (version_2(*V4), V4),
    "version 2, TCP6": (version_2(*V6), V6),
    "version 2, TCP6 of an IPv4 client": (version_2("::ffff:192.0.2.7"), V4),
    "version 2, UNIX": (version_2(""), ""),
    "version 2, TLVs": (version_2(*V4, tlvs=tlv(0x02, b"shop.example") + tlv(0xEA, bytes(30))), V4),
    "version 2, TLVs that make no sense": (version_2(*V4, tlvs=b"\xff\xff\xff\xff"), V4),
    "version 2, as long as may be": (version_2(*V4, tlvs=bytes(MAX_LENGTH - 28)), V4),
    "version 2, LOCAL": (raw_2(LOCAL, UNSPECIFIED, b""), None),
    "version 2, LOCAL with addresses that are to be ignored": (version_2(*V4, command=LOCAL), None),
    "version 2, LOCAL with a family that nobody knows": (raw_2(LOCAL, 0xFF, b"?"), None),
    "version 2, no family": (raw_2(PROXY, UNSPECIFIED, b""), None),
    "version 2, no family but TLVs": (raw_2(PROXY, UNSPECIFIED, tlv(0x04, bytes(5))), None),
}

BAD: dict[str, tuple[bytes, str]] = {
    "a request": (
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "no PROXY protocol header, it begins with b'GET / HTTP/1.1\\r\\n'",
    ),
    "a TLS handshake": (b"\x16\x03\x01\x02\x00\x01", "no PROXY protocol header"),
    "small letters": (b"proxy TCP4 192.0.2.7 192.0.2.80 40000 80\r\n", "no PROXY protocol header"),
    "another family": (b"PROXY UDP4 192.0.2.7 192.0.2.80 40000 80\r\n", "malformed"),
    "no addresses": (b"PROXY TCP4\r\n", "malformed"),
    "a port short": (b"PROXY TCP4 192.0.2.7 192.0.2.80 40000\r\n", "malformed"),
    "a word more": (b"PROXY TCP4 192.0.2.7 192.0.2.80 40000 80 1\r\n", "malformed"),
    "two spaces": (b"PROXY TCP4  192.0.2.7 192.0.2.80 40000 80\r\n", "malformed"),
    "space at the end": (b"PROXY TCP4 192.0.2.7 192.0.2.80 40000 80 \r\n", "malformed"),
    "UNKNOWN and nearly that": (b"PROXY UNKNOWNS\r\n", "malformed"),
    "a bare LF": (b"PROXY TCP4 192.0.2.7 192.0.2.80 40000 80\nGET / HTTP/1.1\r\n", "malformed"),
    "a bare CR": (b"PROXY UNKNOWN \r \r\n", "malformed"),
    "an octet too large": (b"PROXY TCP4 192.0.2.256 192.0.2.80 40000 80\r\n", "impossible address"),
    "an octal octet": (b"PROXY TCP4 192.0.02.7 192.0.2.80 40000 80\r\n", "impossible address"),
    "the wrong family": (b"PROXY TCP4 2001:db8::7 ::1 40000 80\r\n", "impossible address"),
    "IPv4 where IPv6 is said": (b"PROXY TCP6 192.0.2.7 192.0.2.80 40000 80\r\n", "impossible address"),
    "a bad destination": (b"PROXY TCP4 192.0.2.7 192.0.2 40000 80\r\n", "impossible address"),
    "a port too large": (b"PROXY TCP4 192.0.2.7 192.0.2.80 65536 80\r\n", "impossible address"),
    "a bad destination port": (b"PROXY TCP4 192.0.2.7 192.0.2.80 1 99999\r\n", "impossible address"),
    "a port with a leading zero": (b"PROXY TCP4 192.0.2.7 192.0.2.80 0400 80\r\n", "malformed"),
    "a negative port": (b"PROXY TCP4 192.0.2.7 192.0.2.80 -1 80\r\n", "malformed"),
    "a line too long": (LONGEST_LINE[:-2] + b"f\r\n", "without an end in 107 bytes"),
    "a line that doesn't end": (b"PROXY UNKNOWN " + b"f" * 93, "without an end in 107 bytes"),
    "version 3": (SIGNATURE + b"\x31\x11\x00\x00", "unknown version or command, 0x31"),
    "another command": (SIGNATURE + b"\x22\x11\x00\x00", "unknown version or command, 0x22"),
    "datagrams": (raw_2(PROXY, 0x12, bytes(12)), "can't be here, 0x12"),
    "a family that nobody knows": (raw_2(PROXY, 0x41, bytes(12)), "can't be here, 0x41"),
    "TCP4 without addresses": (raw_2(PROXY, TCP4, bytes(11)), "too short"),
    "TCP6 without addresses": (raw_2(PROXY, TCP6, bytes(35)), "too short"),
    "UNIX without addresses": (raw_2(PROXY, UNIX, bytes(215)), "too short"),
    "version 2, too long": (SIGNATURE + b"\x21\x11" + (MAX_LENGTH - 15).to_bytes(2), "4097 bytes; 4096 are the limit"),
    "LOCAL, too long": (SIGNATURE + b"\x20\x00\xff\xff", "65551 bytes; 4096 are the limit"),
}

BEHIND = [b"", b"G", b"GET / HTTP/1.1\r\n", b"\r\n", b"PROXY UNKNOWN\r\n", SIGNATURE]


@pytest.mark.parametrize("name", GOOD)
def test_a_header_is_read_and_nothing_behind_it(name: str) -> None:
    data, source = GOOD[name]
    assert [read_proxy_header(data + behind) for behind in BEHIND] == [ProxyHeader(len(data), source)] * len(BEHIND)


@pytest.mark.parametrize("name", GOOD)
def test_a_part_of_a_header_is_none_yet(name: str) -> None:
    data, _ = GOOD[name]
    assert [read_proxy_header(data[:end]) for end in range(len(data))] == [None] * len(data)


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_a_header_is_refused_with_the_reason(name: str) -> None:
    data, reason = BAD[name]
    with pytest.raises(ProxyHeaderError, match=r"^a |^no ") as caught:
        read_proxy_header(data)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


ADDRESSES = st.ip_addresses().filter(lambda address: isinstance(address, IPv4Address) or not address.ipv4_mapped)
TLVS = st.lists(st.builds(tlv, st.integers(0, 255), st.binary(max_size=40)), max_size=4).map(b"".join)


@given(address=ADDRESSES, port=st.integers(0, 65535), behind=st.binary(max_size=20), tlvs=TLVS)
def test_every_address_comes_through_in_both_versions(
    address: IPv4Address | IPv6Address, port: int, behind: bytes, tlvs: bytes
) -> None:
    source = str(address)
    for header in (version_1(source, port, source), version_2(source, port, tlvs=tlvs)):
        assert read_proxy_header(header + behind) == ProxyHeader(len(header), (source, port))


def verdict_on(data: bytes) -> ProxyHeader | str | None:
    """The header, or why there is none, or None for not yet."""
    try:
        return read_proxy_header(data)
    except ProxyHeaderError as error:
        return type(error).__name__


@given(
    seed=st.sampled_from([data[:300] for data, _ in (*GOOD.values(), *BAD.values())]),
    at=st.integers(0, 120),
    piece=st.binary(max_size=4),
    cut=st.integers(0, 4),
)
def test_there_is_one_verdict_which_more_of_it_does_not_change(seed: bytes, at: int, piece: bytes, cut: int) -> None:
    """And until there is one, what has come is bounded."""
    data = seed[:at] + piece + seed[at + cut :]
    verdict = None
    for end in range(len(data) + 1):
        now = verdict_on(data[:end])
        assert verdict is None or now == verdict
        verdict = now
        assert not isinstance(verdict, ProxyHeader) or verdict.length <= end
    assert verdict_on(data + bytes(MAX_LENGTH)) is not None
