"""Heads that come again: what is remembered of them makes no difference to any request, and doesn't grow."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.http_wire import DATE, PARSERS, SMALL, connect, look, tell
from support.mutations import mutated

from workerhub.http import HttpSettings
from workerhub.http.memory import HeadMemory
from workerhub.http.profile import profile_of

LINES = (
    b"GET / HTTP/1.1",
    b"GET /a%20b?x=%20&y HTTP/1.1",
    b"GET //a?x#y HTTP/1.1",
    b"GET /%00 HTTP/1.1",
    b"GET / HTTP/1.0",
    b"GET / HTTP/1.2",
    b"GET  / HTTP/1.1",
    b"HEAD / HTTP/1.1",
    b"POST / HTTP/1.1",
    b"M-SEARCH /{|} HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"BREW / HTTP/1.1",
    b"CONNECT /a HTTP/1.1",
    b"GET http://a/b HTTP/1.1",
    b"GET http://b/b HTTP/1.1",
    b"GET /" + b"a" * 100 + b" HTTP/1.1",
    b"",
)
FIELDS = (
    b"Host: a",
    b"Host: a:80",
    b"Host: a b",
    b"host: a",
    b"Accept: */*",
    b"Accept:",
    b"Accept: text/html ",
    b"X-Obs: \xe4\xff\t",
    b"Content-Type: text/plain",
    b"Content-Length: 0",
    b"Content-Length: 3",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Proxy: a",
    b"X_Y: 1",
    b"X-Y: 2",
    b"X-Forwarded-For: 192.0.2.1",
    b"X-Forwarded-For: 192.0.2.1, 10.0.0.1",
    b"X-Forwarded-Host: b",
    b"Forwarded: for=192.0.2.1",
    b"X-Y : 1",
    b"X-Y: \x00",
    b" folded",
)

heads = st.builds(
    lambda line, fields: b"\r\n".join((line, *fields, b"", b"")),
    st.sampled_from(LINES),
    st.lists(st.sampled_from(FIELDS), max_size=3).map(lambda fields: [b"Host: a", *fields]),
)


def memories(settings: HttpSettings) -> tuple[HeadMemory, HeadMemory]:
    profile = profile_of(settings)
    return profile.trusted_fields.memory, profile.other_fields.memory


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("peer", ["192.0.2.7", "127.0.0.1"])
@given(story=st.lists(heads | mutated(), min_size=1, max_size=4))
@example(story=[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"])
@example(story=[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"])
@example(story=[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
@example(story=[b"GET / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n\r\n"])
@example(story=[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /" + b"a" * 100 + b" HTTP/1.1\r\nHost: a\r\n\r\n"])
@example(story=[b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", b"HEAD /b HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_with_and_without_a_memory(story: list[bytes], peer: str, parser: Literal["httptools", "h11"]) -> None:
    """Each of the heads a second time, and each with what was remembered of the others."""
    with_memory, without = replace(SMALL, parser=parser), replace(SMALL, parser=parser)
    for memory in memories(with_memory):
        memory.is_due = lambda: True
    for memory in memories(without):
        memory.is_due = lambda: False
    for pieces in (*([head] for head in story * 2), story * 2):
        assert tell(pieces, with_memory, REMOTE_ADDR=peer) == tell(pieces, without, REMOTE_ADDR=peer)
    assert not any(memory.lines or memory.fields for memory in memories(without))


@pytest.mark.parametrize("parser", PARSERS)
def test_what_was_recalled_is_a_request_like_any_other(parser: Literal["httptools", "h11"]) -> None:
    """Also what `look` doesn't show: its line on the board, its own environ and input, and what comes behind it on the connection."""
    settings = replace(SMALL, parser=parser)  # its own, so that nobody else's heads are remembered
    _, memory = memories(settings)
    head = b"GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n"
    connection = connect(settings)
    requests = []
    for _ in range(70):
        connection.receive(head)
        requests.append(connection.next_request())
    assert len(memory.fields) == len(memory.lines) == 1
    assert [request and request.line for request in requests] == [b"GET /x?y"] * 70
    environs = [request.environ for request in requests if request is not None]
    assert len({id(environ) for environ in environs}) == len({id(environ["wsgi.input"]) for environ in environs}) == 70
    environs[-1]["HTTP_HOST"] = "changed by the application"
    connection.receive(head + head[:5])
    connection.receive(head[5:])
    behind = [
        look(request).environ["HTTP_HOST"] for _ in range(2) if (request := connection.next_request()) is not None
    ]
    assert behind == ["a", "a"]
    connection.receive(head)
    connection.refuse(503)
    assert b"503" in connection.failure(DATE)


def test_a_refusal_of_a_head_request_has_no_body() -> None:
    settings = replace(SMALL, parser="httptools")
    connection = connect(settings)
    for _ in range(70):
        connection.receive(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.next_request()
    connection.receive(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.refuse(503)
    assert connection.failure(DATE).endswith(b"\r\n\r\n")


def test_a_memory_is_small() -> None:
    """However many kinds of clients come, and whatever they send."""
    settings = replace(SMALL, parser="httptools", max_request_line=5000, max_header_bytes=5000)
    _, memory = memories(settings)
    connection = connect(settings)
    most = 0
    for number in range(13000):
        long = b"x" * (number % 4 * 400)
        connection.receive(
            b"GET /%d%b HTTP/1.1\r\nHost: a\r\nX-Kind: %d%b\r\n\r\n" % (number, long, number // 64, long)
        )
        assert connection.next_request() is not None
        most = max(most, len(memory.fields), len(memory.lines))
    assert most == 128
    assert max(map(len, memory.fields)) <= 1024
    assert max(map(len, memory.lines)) <= 256
