"""Who is believed about the client, and how much."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from support.http_wire import SMALL, request_for, tell

if TYPE_CHECKING:
    from workerhub.http import HttpSettings

WIDE = replace(SMALL, max_header_bytes=2000, max_headers=20)
RFC7239 = replace(WIDE, forwarded="rfc7239")
OFF = replace(WIDE, forwarded="off")
PROXY = "10.1.2.3"


def environ_of(fields: str, settings: HttpSettings = WIDE, peer: str = PROXY) -> dict[str, Any]:
    lines = "".join(f"{line.strip()}\r\n" for line in fields.strip().splitlines() if line.strip())
    return request_for(f"GET /x HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode(), settings, REMOTE_ADDR=peer).environ


def client_of(fields: str, settings: HttpSettings = WIDE, peer: str = PROXY) -> str:
    client: str = environ_of(fields, settings, peer)["REMOTE_ADDR"]
    return client


def test_everything_a_proxy_says() -> None:
    environ = environ_of("""
        X-Forwarded-For: 198.51.100.4
        X-Forwarded-Proto: HTTPS
        X-Forwarded-Host: www.example:8443
        X-Forwarded-Port: 8443
        X-Forwarded-Prefix: /shop%20floor/
    """)
    assert environ["REMOTE_ADDR"] == "198.51.100.4"
    assert environ["REMOTE_PORT"] == ""
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["HTTP_HOST"] == "www.example:8443"
    assert environ["SERVER_PORT"] == "8443"
    assert environ["SCRIPT_NAME"] == "/shop floor"
    assert environ["PATH_INFO"] == "/x"
    assert environ["HTTP_X_FORWARDED_FOR"] == "198.51.100.4"


def test_nothing_said() -> None:
    environ = environ_of("Accept: x")
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"], environ["HTTP_HOST"]) == (PROXY, "40000", "a")
    assert (environ["wsgi.url_scheme"], environ["SCRIPT_NAME"], environ["SERVER_PORT"]) == ("http", "", "8000")


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", False),
        ("10.255.0.1", True),
        ("11.0.0.1", False),
        ("::ffff:10.0.0.1", True),
        ("2001:db8::7", True),
        ("2001:db9::7", False),
        ("", True),
        ("nonsense", False),
    ],
)
def test_who_is_trusted(peer: str, trusted: bool) -> None:  # noqa: FBT001  # a column of the table
    assert client_of("X-Forwarded-For: 198.51.100.4", peer=peer) == ("198.51.100.4" if trusted else peer)


def test_a_unix_peer_is_trusted_only_if_the_setting_says_so() -> None:
    settings = replace(WIDE, trusted_proxies=("10.0.0.0/8",))
    assert client_of("X-Forwarded-For: 198.51.100.4", settings, peer="") == ""


def test_a_peer_on_a_link_has_a_zone() -> None:
    settings = replace(WIDE, trusted_proxies=("fe80::/10",))
    assert client_of("X-Forwarded-For: 198.51.100.4", settings, peer="fe80::1%eth0") == "198.51.100.4"


def test_more_clients_than_are_remembered_are_told_apart() -> None:
    names = [f"198.51.{number // 256}.{number % 256}" for number in range(5000)]
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: %b\r\n\r\n"
    story = tell([head % name.encode() for name in names], WIDE, REMOTE_ADDR=PROXY)
    assert [seen.environ["REMOTE_ADDR"] for seen in story.requests] == names


def test_a_broken_setting_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        tell([], replace(WIDE, trusted_proxies=("10.0.0.0/99",)))


@pytest.mark.parametrize("settings", [WIDE, RFC7239, OFF])
def test_from_anyone_else_nothing_reaches_the_application(settings: HttpSettings) -> None:
    fields = """
        X-Forwarded-For: 198.51.100.4
        X_Forwarded_By: 198.51.100.4
        x-forwarded-proto: https
        X-Forwarded-Port: 443
        X-Forwarded-Host: evil.example
        X-FORWARDED-PREFIX: /evil
        X-Forwarded-Anything: 1
        X-Forwarded: for=198.51.100.4
        Forwarded: for=198.51.100.4;proto=https;host=evil.example
    """
    environ = environ_of(fields, settings, peer="192.0.2.7")
    assert not [key for key in environ if "FORWARDED" in key]
    assert environ["REMOTE_ADDR"] == "192.0.2.7"
    assert environ["wsgi.url_scheme"] == "http"
    assert (environ["HTTP_HOST"], environ["SERVER_PORT"]) == ("a", "8000")
    assert environ["SCRIPT_NAME"] == ""


def test_the_family_that_was_not_chosen_is_dropped_from_a_trusted_peer_too() -> None:
    """The proxy that writes one family lets through what the client wrote in the other."""
    both = "X-Forwarded-For: 198.51.100.4\nForwarded: for=203.0.113.9"
    environ = environ_of(both)
    assert environ["REMOTE_ADDR"] == "198.51.100.4"
    assert "HTTP_FORWARDED" not in environ
    environ = environ_of(both, RFC7239)
    assert environ["REMOTE_ADDR"] == "203.0.113.9"
    assert "HTTP_X_FORWARDED_FOR" not in environ


def test_off_hands_on_what_a_trusted_peer_says_and_believes_nothing() -> None:
    environ = environ_of("X-Forwarded-For: 198.51.100.4\nForwarded: junk", OFF)
    assert environ["REMOTE_ADDR"] == PROXY
    assert environ["HTTP_X_FORWARDED_FOR"] == "198.51.100.4"
    assert environ["HTTP_FORWARDED"] == "junk"


@pytest.mark.parametrize(
    ("chain", "client", "kept"),
    [
        ("198.51.100.4", "198.51.100.4", "198.51.100.4"),
        ("1.1.1.1, 198.51.100.4", "198.51.100.4", "198.51.100.4"),
        ("1.1.1.1, 198.51.100.4, 10.0.0.9", "198.51.100.4", "198.51.100.4, 10.0.0.9"),
        ("10.0.0.8, 10.0.0.9", "10.0.0.8", "10.0.0.8, 10.0.0.9"),
        ("198.51.100.4:1234", "198.51.100.4", "198.51.100.4:1234"),
        ("[2001:db9::1]:1234", "2001:db9::1", "[2001:db9::1]:1234"),
        ("2001:db9::1", "2001:db9::1", "2001:db9::1"),
        ("1.1.1.1, unknown", PROXY, "unknown"),
        ("1.1.1.1, unknown, 10.0.0.9", "10.0.0.9", "unknown, 10.0.0.9"),
        ("1.1.1.1, ", PROXY, ""),
        ("999.1.1.1", PROXY, "999.1.1.1"),
        ("1.1.1.1;drop table, 198.51.100.4", "198.51.100.4", "198.51.100.4"),
    ],
)
def test_the_rightmost_untrusted_is_the_client(chain: str, client: str, kept: str) -> None:
    environ = environ_of(f"X-Forwarded-For: {chain}")
    assert environ["REMOTE_ADDR"] == client
    assert environ["HTTP_X_FORWARDED_FOR"] == kept


def test_the_port_of_the_client() -> None:
    assert environ_of("X-Forwarded-For: 198.51.100.4:1234")["REMOTE_PORT"] == "1234"


def test_lines_are_one_list() -> None:
    assert client_of("X-Forwarded-For: 1.1.1.1\nX-Forwarded-For: 198.51.100.4") == "198.51.100.4"


@pytest.mark.parametrize(
    ("chain", "protocols", "scheme"),
    [
        ("198.51.100.4", "https, http", "http"),  # the client wrote the first one itself
        ("198.51.100.4, 10.0.0.9", "https, http", "https"),  # the outer proxy saw https, the inner one http
        ("1.1.1.1, 198.51.100.4, 10.0.0.9", "http, https, http", "https"),
        ("198.51.100.4, 10.0.0.9", "https", "https"),  # only one of the proxies writes it
        ("198.51.100.4", "gopher", "http"),
    ],
)
def test_the_scheme_is_what_the_clients_own_hop_wrote(chain: str, protocols: str, scheme: str) -> None:
    assert environ_of(f"X-Forwarded-For: {chain}\nX-Forwarded-Proto: {protocols}")["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize("prefix", ["shop", "//evil.example", "/", "/a b", "/a?b", ""])
def test_a_prefix_has_to_be_a_path(prefix: str) -> None:
    assert environ_of(f"X-Forwarded-Prefix: {prefix}")["SCRIPT_NAME"] == ""


@pytest.mark.parametrize("port", ["0", "080", "123456", "-1", "https", "80 80", ""])
def test_a_port_has_to_be_one(port: str) -> None:
    assert environ_of(f"X-Forwarded-Port: {port}")["SERVER_PORT"] == "8000"


def test_a_forwarded_host_has_to_be_one() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: a/b\r\n\r\n"
    assert tell([data], WIDE, REMOTE_ADDR=PROXY).status == 400


def test_rfc7239() -> None:
    environ = environ_of(
        'Forwarded: for=1.1.1.1;proto=http, FOR="198.51.100.4:99" ; Proto=https;host="www.example:1";by=_x, for=10.0.0.9',
        RFC7239,
    )
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("198.51.100.4", "99")
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["HTTP_HOST"] == "www.example:1"
    assert environ["HTTP_FORWARDED"] == ('FOR="198.51.100.4:99" ; Proto=https;host="www.example:1";by=_x, for=10.0.0.9')


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ('for="[2001:db9::1]:80"', "2001:db9::1"),
        ("for=_hidden", PROXY),
        ("for=unknown", PROXY),
        ("proto=https", PROXY),
        (r'for="198.51.\100.4"', "198.51.100.4"),
    ],
)
def test_rfc7239_nodes(value: str, client: str) -> None:
    assert client_of(f"Forwarded: {value}", RFC7239) == client


@pytest.mark.parametrize(
    "value", ["", "for", "for=a b", "for=1.1.1.1;for=2.2.2.2", 'for="1', "for=1.1.1.1,", "=x", "for=[::1]"]
)
def test_rfc7239_malformed_is_refused(value: str) -> None:
    data = f"GET / HTTP/1.1\r\nHost: a\r\nForwarded: {value}\r\n\r\n".encode()
    assert tell([data], RFC7239, REMOTE_ADDR=PROXY).status == 400


@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_requests_of_one_connection_are_told_apart(parser: Literal["httptools", "h11"]) -> None:
    settings = replace(WIDE, parser=parser)
    head = b"GET / HTTP/1.1\r\nHost: a\r\n"
    story = tell([head + b"X-Forwarded-For: 1.1.1.1\r\n\r\n" + head + b"\r\n"], settings, REMOTE_ADDR=PROXY)
    assert [seen.environ["REMOTE_ADDR"] for seen in story.requests] == ["1.1.1.1", PROXY]
