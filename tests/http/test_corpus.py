"""Every case of the corpus, fed in every way, to both parsers.

A case: `name`, `reason`, the `rfc` and section it follows, the `input` (latin-1), and what has to come of it: `requests` (each with
what matters of it), `refused` (a status), `end` (a phase; IDLE or, if refused, FAILED unless said otherwise). `settings` change the
small limits of `support.http_wire.SMALL`.
"""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import h11
import httptools
import pytest
from support.http_wire import PARSERS, Seen, Story, tell, with_parser

from workerhub.http import Phase

CORPUS = Path(__file__).parent / "corpus"
BY_NAME: dict[str, dict[str, Any]] = {}
for path in sorted(CORPUS.glob("*.toml")):
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["case"]:
        name = f"{path.stem}: {entry['name']}"
        assert name not in BY_NAME, f"two cases are called {name}"
        BY_NAME[name] = entry
CASES = [pytest.param(case, id=name) for name, case in BY_NAME.items()]
JUNK = b"\x00\r\njunk \xff\r\n\r\n"

Parser = Literal["httptools", "h11"]
Case = dict[str, Any]


def feed(case: Case, parser: Parser, *pieces: bytes) -> Story:
    return tell(pieces, with_parser(parser, **case.get("settings", {})))


def data_of(case: Case) -> bytes:
    data: bytes = case["input"].encode("latin-1")
    return data


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_complete(case: Case) -> None:
    known = {"name", "reason", "rfc", "input", "requests", "refused", "end", "settings"}
    assert {"name", "reason", "rfc", "input"} <= case.keys() <= known
    assert case.keys() & {"requests", "refused", "end"}


def check_request(seen: Seen, expected: dict[str, Any]) -> None:
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


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("case", CASES)
def test_whole(case: Case, parser: Parser) -> None:
    story = feed(case, parser, data_of(case))
    expected = case.get("requests", [])
    assert len(story.requests) == len(expected)
    for seen, wanted in zip(story.requests, expected, strict=True):
        check_request(seen, wanted)
    assert story.status == case.get("refused")
    assert story.phase.name == case.get("end", "FAILED" if "refused" in case else "IDLE")


@pytest.mark.parametrize("case", CASES)
def test_both_parsers_say_the_same(case: Case) -> None:
    assert feed(case, "httptools", data_of(case)) == feed(case, "h11", data_of(case))


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("case", CASES)
def test_byte_by_byte(case: Case, parser: Parser) -> None:
    data = data_of(case)
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert feed(case, parser, *pieces) == feed(case, parser, data)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("case", CASES)
def test_every_split(case: Case, parser: Parser) -> None:
    data = data_of(case)
    whole = feed(case, parser, data)
    for at in range(1, len(data)):
        assert feed(case, parser, data[:at], data[at:]) == whole, at


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("case", CASES)
def test_junk_behind(case: Case, parser: Parser) -> None:
    """What was refused stays refused, what was complete stays what it was, and the junk gets its own 400 where it is looked at."""
    whole = feed(case, parser, data_of(case))
    story = feed(case, parser, data_of(case) + JUNK)
    if whole.phase in {Phase.FAILED, Phase.CLOSED}:
        assert story == whole
    elif whole.phase is Phase.IDLE:
        assert (story.requests, story.status) == (whole.requests, 400)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("case", CASES)
def test_the_end_of_input(case: Case, parser: Parser) -> None:
    """A request that was begun and never finished is refused and reaches nobody."""
    whole = feed(case, parser, data_of(case))
    story = feed(case, parser, data_of(case), b"")
    assert story.requests == whole.requests
    if whole.phase in {Phase.HEAD, Phase.BODY}:
        assert story.status == 400
    elif whole.phase is Phase.IDLE:
        assert story.phase is Phase.CLOSED
    else:
        assert story == whole


class Callbacks:
    """What llhttp itself reads."""

    def __init__(self) -> None:
        self.url = b""

    def on_url(self, url: bytes) -> None:
        self.url += url


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=name) for name, case in BY_NAME.items() if case.get("requests")]
)
def test_the_libraries_read_the_same_request_line(case: Case) -> None:
    """The gate reads method, target and version itself; what the libraries make of the same bytes is the same."""
    (seen, *_) = feed(case, "h11", data_of(case)).requests
    head = data_of(case).removeprefix(b"\r\n").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
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
