"""Heads of answers that come again: what is remembered of them makes no difference to any answer, and doesn't grow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.http_wire import DATE, SMALL, Recorder, request_for

from workerhub.http import WsgiGateway, response_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from workerhub.http import Request


class Loud(str):
    """Equal to a plain string, and formatted as another."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return "loud\r\nX: y"

    def __str__(self) -> str:
        return "loud\r\nX: y"


FIELDS: tuple[Any, ...] = (
    ("X", "a"),
    ("X", "b"),
    ("x", "a"),
    ("X", Loud("a")),
    (Loud("X"), "a"),
    ["X", "a"],
    ("X", "\u00e9"),
    ("X", "\u20ac"),
    ("X", "a\r\nY: b"),
    ("X", b"a"),
    ("X", 1),
    ("X Y", "a"),
    ("Connection", "close"),
    ("Content-Length", "2"),
    ("content-length", "02"),
    ("Content-Length", "3"),
    ("Date", "now"),
    ("Server", "mine"),
)


@dataclass(frozen=True)
class Case:
    """One request and what the application makes of it."""

    status: str
    fields: tuple[Any, ...]
    blocks: tuple[bytes, ...] = (b"hi",)
    kind: Callable[..., Any] = list
    line: str = "GET / HTTP/1.1"
    connection: str = ""
    date: bytes = DATE
    server: str | None = "workerhub"

    def run(self) -> object:
        """All that can be told from outside."""
        errors: list[str] = []

        def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            start_response(self.status, self.kind(self.fields))
            return list(self.blocks)

        def report(request: Request, error: BaseException) -> None:
            errors.append(repr(error))

        output = Recorder()
        request = request_for(f"{self.line}\r\nHost: a\r\n{self.connection}\r\n".encode())
        outcome = WsgiGateway(app, replace(SMALL, server_header=self.server), report).run(request, output, self.date)
        return output.data, outcome.status, outcome.sent, outcome.keep_alive, outcome.broke_off, errors


CASES = st.builds(
    Case,
    st.sampled_from(["200 OK", Loud("200 OK"), "204 No Content", "304 Not Modified", "200 OK\r\n", "99 x", "200"]),
    st.lists(st.sampled_from(FIELDS), max_size=2).map(tuple),
    st.sampled_from([(b"hi",), (b"hi!",), (), (b"h", b"i"), (b"",)]),
    st.sampled_from([list, tuple, iter]),
    st.sampled_from(["GET / HTTP/1.1", "HEAD / HTTP/1.1", "GET / HTTP/1.0"]),
    st.sampled_from(["", "Connection: close\r\n", "Connection: keep-alive\r\n"]),
    st.sampled_from([DATE, DATE.replace(b"37", b"38")]),
    st.sampled_from(["workerhub", "other", None]),
)
PLAIN = Case("200 OK", (("X", "a"),))


@given(cases=st.lists(CASES, min_size=1, max_size=5))
@example(cases=[PLAIN, replace(PLAIN, line="HEAD / HTTP/1.1")])
@example(cases=[PLAIN, replace(PLAIN, line="GET / HTTP/1.0", connection="Connection: keep-alive\r\n")])
@example(cases=[PLAIN, replace(PLAIN, connection="Connection: close\r\n")])
@example(cases=[PLAIN, replace(PLAIN, date=DATE.replace(b"37", b"38"))])
@example(cases=[PLAIN, replace(PLAIN, server="other")])
@example(cases=[PLAIN, replace(PLAIN, blocks=(b"hi!",))])
@example(cases=[PLAIN, replace(PLAIN, kind=iter)])
@example(cases=[replace(PLAIN, fields=(("Content-Length", "3"),)), replace(PLAIN, fields=(("Content-Length", "3"),))])
@example(cases=[replace(PLAIN, fields=(("X", Loud("a")),)), PLAIN, replace(PLAIN, fields=(("X", Loud("a")),))])
@example(cases=[PLAIN, replace(PLAIN, fields=(["X", "a"],))])
def test_with_and_without_a_memory(cases: list[Case]) -> None:
    """Each answer twice, and each with what was remembered of the others."""
    told: dict[bool, list[object]] = {}
    for remembers in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(response_head, "_is_due", lambda remembers=remembers: remembers)
            response_head.heads.clear()
            told[remembers] = [case.run() for case in cases * 2]
            assert remembers or not response_head.heads
    assert told[True] == told[False]


def test_a_memory_is_small() -> None:
    response_head.heads.clear()
    most = 0
    for number in range(10000):
        replace(PLAIN, fields=(("X", f"{number} " + "x" * (number % 5 * 300)),)).run()
        most = max(most, len(response_head.heads))
    assert most == 128
    assert max(len(head.lines) for head in response_head.heads.values()) <= 1024
