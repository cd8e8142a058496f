from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerhub.config.addresses import (
    BindAddress,
    InheritedSocket,
    SystemdSockets,
    TcpAddress,
    UnixAddress,
    parse_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", TcpAddress("127.0.0.1", 8000)),
        (":8000", TcpAddress("", 8000)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("web-1.example.com:80", TcpAddress("web-1.example.com", 80)),
        ("[::1]:8000", TcpAddress("::1", 8000)),
        ("[::]:65535", TcpAddress("::", 65535)),
        ("[fe80::1%eth0]:1", TcpAddress("fe80::1%eth0", 1)),
        ("unix:/run/app.sock", UnixAddress("/run/app.sock")),
        ("unix:///run/app.sock", UnixAddress("/run/app.sock")),
        ("unix:app.sock", UnixAddress("app.sock")),
        ("fd://3", InheritedSocket(3)),
        ("systemd", SystemdSockets()),
        ("systemd:web.socket", SystemdSockets("web.socket")),
    ],
)
def test_every_form(text: str, address: BindAddress) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a",
        "a:b",
        "[::1]",
        "[:::1]:80",
        "1.2.3:80",
        "-a:80",
        "a_b:80",
        ":80 ",
        "fd://",
        "fd://-3",
        "fd://2",
        "unix:",
        "systemd:",
        "systemd:a:b",
        "systemd:a b",
        "😀:80",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the hints are pinned in cases/bind-forms.toml.report
        parse_address(text)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.from_regex(r"[:\[\]a0.]*:[0-9]*")))
def test_it_reads_or_says_no(value: object) -> None:
    try:
        address = parse_address(value)
    except ValueError:
        return
    assert parse_address(str(address)) == address
