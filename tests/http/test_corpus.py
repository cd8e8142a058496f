"""Every case of the corpus (`support.corpus`), fed in every way, to both parsers."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import h11
import httptools
import pytest
from support.corpus import CASES, Case
from support.http_wire import PARSERS, Seen, Story, tell, with_parser

from workerhub.http import Phase
from workerhub.http.grammar import TRAILING_SPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORT = 100
"""Bytes up to which a case is cut everywhere; longer ones are only at their line ends, and so they are for h11, which takes long
and sees whole heads anyway."""

LINE_ENDS = set(b"\r\n")

JUNK = b"\x00\r\njunk \xff\r\n\r\n"
EVERY_CASE = [pytest.param(case, id=str(case)) for case in CASES]

Parser = Literal["httptools", "h11"]


def feed(case: Case, parser: Parser, *pieces: bytes) -> Story:
    return tell(pieces, with_parser(parser, **case.settings))


def cuts(data: bytes, *, everywhere: bool) -> list[int]:
    return [at for at in range(1, len(data)) if everywhere or set(data[at - 1 : at + 1]) & LINE_ENDS]


def check_request(seen: Seen, expected: Mapping[str, Any]) -> None:
    for key, value in expected.items():
        match key:
            case "method" | "target" | "keep_alive":
                assert getattr(seen, key) == value
            case "path":
                assert seen.environ["PATH_INFO"] == value
            case "query":
                assert seen.environ["QUERY_STRING"] == value
            case "host":
                assert seen.environ["HTTP_HOST"] == value
            case "version":
                assert seen.version == tuple(value)
            case "body":
                assert seen.body == value.encode("latin-1")
            case "environ":
                assert {name: seen.environ.get(name) for name in value} == value
            case "absent":
                assert not set(value) & seen.environ.keys()
            case _:
                pytest.fail(f"the case expects {key!r}, which nobody checks")
    assert seen.environ["REQUEST_METHOD"] == seen.method
    assert seen.environ["RAW_URI"] == seen.environ["REQUEST_URI"] == seen.target
    assert seen.environ["SERVER_PROTOCOL"] == "HTTP/{}.{}".format(*seen.version)


@pytest.mark.parametrize("case", EVERY_CASE)
def test_the_verdict_and_the_requests(case: Case) -> None:
    story = feed(case, "httptools", case.data)
    assert len(story.requests) == len(case.requests)
    for seen, wanted in zip(story.requests, case.requests, strict=True):
        check_request(seen, wanted)
    assert (story.status, story.phase.name) == (case.refused, case.phase)
    assert feed(case, "h11", case.data) == story


@pytest.mark.parametrize("case", EVERY_CASE)
def test_it_does_not_matter_how_the_bytes_come(case: Case) -> None:
    data = case.data
    for parser in PARSERS:
        whole = feed(case, parser, data)
        assert feed(case, parser, *(data[at : at + 1] for at in range(len(data)))) == whole, "byte by byte"
        for at in cuts(data, everywhere=parser == "httptools" and len(data) <= SHORT):
            assert feed(case, parser, data[:at], data[at:]) == whole, at


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("case", EVERY_CASE)
def test_what_follows(case: Case, parser: Parser) -> None:
    """Refused stays refused, complete stays what it was, and junk gets its own 400 where it is looked at.

    At the end of input a request that was begun and never finished is refused and reaches nobody.
    """
    whole = feed(case, parser, case.data)
    ended = feed(case, parser, case.data, b"")
    behind = feed(case, parser, case.data + JUNK)
    assert ended.requests == whole.requests
    match whole.phase:
        case Phase.FAILED | Phase.CLOSED:
            assert ended == behind == whole
        case Phase.IDLE:
            assert ended.phase is Phase.CLOSED
            assert (behind.requests, behind.status) == (whole.requests, 400)
        case _:
            assert ended.status == 400


class Callbacks:
    """What llhttp itself reads."""

    def __init__(self) -> None:
        self.url = b""

    def on_url(self, url: bytes) -> None:
        self.url += url


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case)) for case in CASES if case.requests])
def test_the_libraries_read_the_same_request_line(case: Case) -> None:
    """The gate reads method, target and version itself; what the libraries make of the same bytes is the same."""
    (seen, *_) = feed(case, "h11", case.data).requests
    head = case.data.removeprefix(b"\r\n").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    head = TRAILING_SPACE.sub(b"", head)  # llhttp makes it part of the value
    callbacks = Callbacks()
    parser = httptools.HttpRequestParser(callbacks)
    with suppress(httptools.HttpParserUpgrade):
        parser.feed_data(head)
    major, minor = seen.version
    assert (parser.get_method(), callbacks.url) == (seen.method.encode(), seen.target.encode())
    assert parser.get_http_version() == f"{major}.{minor}"
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method, event.target) == (seen.method.encode(), seen.target.encode())
    assert event.http_version == f"{major}.{minor}".encode()
