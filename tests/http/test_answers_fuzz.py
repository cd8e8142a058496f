"""Whatever an application says, the connection stays in step: its answer can be read, and the next one behind it, or the connection ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st
from support.http_wire import DATE, SMALL, Recorder, read_answers, request_for

from workerhub.http import WsgiGateway

GOOD_FIELDS = st.tuples(
    st.just("Content-Length"), st.sampled_from(["0", "3", "5", "5", "11", "11", "999"])
) | st.sampled_from(
    [
        ("Content-Type", "text/plain"),
        ("X", "\xe9"),
        ("Date", "today"),
        ("Server", "mine"),
        ("Set-Cookie", "a=b"),
        ("content-length", "05"),
    ]
)
BAD_FIELDS = st.sampled_from(
    [
        ("Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        ("X\r\nEvil", "1"),
        ("X", "a\r\nEvil: 1"),
        ("X", "a\nEvil: 1"),
        ("Content-Length", "+5"),
    ]
) | st.tuples(st.text(max_size=4), st.text(max_size=6) | st.none())
HEADERS = (
    st.lists(GOOD_FIELDS, max_size=3)
    | st.lists(GOOD_FIELDS, max_size=3)
    | st.lists(GOOD_FIELDS | BAD_FIELDS, max_size=3)
)
GOOD_STATUSES = [
    "200 OK",
    "200 OK",
    "200",
    "204 No Content",
    "205 Reset Content",
    "304 Not Modified",
    "404 Not Found",
    "599 \xe9",
]
STATUSES = st.sampled_from(GOOD_STATUSES * 2 + ["100 Continue", "200 OK\r\nEvil: 1"])
GOOD_BLOCKS = [b"", b"Hello", b"Hello", b" world", b"HTTP/1.1 200 OK\r\n\r\n", b"0\r\n\r\n"]
BLOCKS = st.sampled_from(GOOD_BLOCKS * 2 + ["text"])
KINDS: list[Callable[[Any], Any]] = [list, tuple, iter]
LINES = ["GET / HTTP/1.1", "HEAD / HTTP/1.1", "GET / HTTP/1.0", "HEAD / HTTP/1.0"]


def hello(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def broken(blocks: list[Any]) -> Iterator[Any]:
    yield from blocks
    raise ValueError


@given(
    line=st.sampled_from(LINES),
    status=STATUSES,
    headers=HEADERS,
    written=st.lists(BLOCKS, max_size=2),
    blocks=st.lists(BLOCKS, max_size=3),
    kind=st.sampled_from([*KINDS, broken]),
)
def test_the_next_answer_is_the_next_answer(
    *,
    line: str,
    status: str,
    headers: list[tuple[Any, Any]],
    written: list[Any],
    blocks: list[Any],
    kind: Callable[[Any], Any],
) -> None:
    late: list[Callable[[Any], None]] = []

    def app(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        late.append(start_response(status, headers))
        for block in written:
            late[0](block)
        result: Iterable[bytes] = kind(blocks)
        return result

    output = Recorder()
    gateway = WsgiGateway(app, SMALL, lambda _request, _error: None)
    outcome = gateway.run(request_for(f"{line}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n".encode()), output, DATE)
    said = output.data
    for write in late:
        with suppress(TypeError):
            write(b"late")
    method = line.partition(" ")[0]
    event(f"{outcome.status}, {'goes on' if outcome.keep_alive else 'ends'}")
    assert b"\nEvil" not in said
    assert said.startswith(b"HTTP/1.1 ")
    if not outcome.keep_alive:
        assert b"\r\nConnection: close\r\n" in said or outcome.error is not None
        return
    assert output.data == said, "a late write added something"
    WsgiGateway(hello, SMALL, lambda _request, _error: None).run(
        request_for(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), output, DATE
    )
    first, second = read_answers(output.data, [method, "GET"], closed=False)
    assert (first.status, second.body) == (outcome.status, b"hello")
