"""The control protocol without a socket: what is said, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerhub.kernel.control.wire import (
    MAX_REQUEST,
    MAX_WORKERS,
    Lines,
    Outcome,
    Request,
    Step,
    Verb,
    WireError,
    read_reply,
    read_request,
    write_reply,
    write_request,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUESTS = [
    (Request(Verb.STATUS), {"verb": "status"}),
    (Request(Verb.RELOAD), {"verb": "reload"}),
    (Request(Verb.STACKS), {"verb": "stacks"}),
    (Request(Verb.DIFF), {"verb": "diff"}),
    (Request(Verb.STOP), {"verb": "stop"}),
    (Request(Verb.STOP, fast=True), {"verb": "stop", "fast": True}),
    (Request(Verb.SCALE, size=8), {"verb": "scale", "size": 8}),
    (Request(Verb.SCALE, change=-2, pool="web"), {"verb": "scale", "change": -2, "pool": "web"}),
]


@pytest.mark.parametrize(("request_", "told"), REQUESTS)
def test_a_request_is_one_line_of_json_and_means_the_same_at_the_other_end(request_: Request, told: object) -> None:
    line = write_request(request_)
    assert line.endswith(b"\n")
    assert json.loads(line) == {"workerhub": 1, **told}  # type: ignore[dict-item]  # a dictionary each
    assert read_request(line) == request_


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"", "expected an object such as"),
        (b"GET / HTTP/1.1", "expected an object such as"),
        (b"[1]", "expected an object such as"),
        (b'{"verb": "status"}', "expected an object such as"),
        (b"[" * 4000, "expected an object such as"),
        (b"\xff\xfe", "expected an object such as"),
        (b'{"workerhub": 2, "verb": "status"}', "version 2 of the control protocol; this end speaks version 1"),
        (b'{"workerhub": 1}', "no such verb: null (there are: status, reload, upgrade, scale, stop, stacks, diff)"),
        (b'{"workerhub": 1, "verb": ["stop"]}', 'no such verb: ["stop"]'),
        (b'{"workerhub": 1, "verb": "stpo"}', 'no such verb: "stpo"'),
        (b'{"workerhub": 1, "verb": "stop", "fsat": true}', 'stop takes no "fsat"'),
        (b'{"workerhub": 1, "verb": "stop", "fast": 1}', "stop: fast can't be 1"),
        (b'{"workerhub": 1, "verb": "status", "fast": true}', 'status takes no "fast"'),
        (b'{"workerhub": 1, "verb": "scale"}', "scale takes either a size or a change"),
        (b'{"workerhub": 1, "verb": "scale", "size": 2, "change": 1}', "scale takes either a size or a change"),
        (b'{"workerhub": 1, "verb": "scale", "size": 0}', "scale: size can't be 0"),
        (b'{"workerhub": 1, "verb": "scale", "size": true}', "scale: size can't be true"),
        (b'{"workerhub": 1, "verb": "scale", "size": 1e9}', "scale: size can't be 1000000000.0"),
        (b'{"workerhub": 1, "verb": "scale", "change": %d}' % (MAX_WORKERS + 1), "scale: change can't be 4097"),
        (b'{"workerhub": 1, "verb": "scale", "size": 1, "pool": {}}', "scale: pool can't be {}"),
    ],
)
def test_what_is_no_request_is_refused_in_words(line: bytes, told: str) -> None:
    with pytest.raises(WireError) as refusal:
        read_request(line)
    assert told in str(refusal.value)


def test_a_refusal_repeats_no_more_than_a_few_words_of_a_stranger() -> None:
    with pytest.raises(WireError) as refusal:
        read_request(b'{"workerhub": 1, "verb": "%s"}' % (b"x" * 3000))
    assert len(str(refusal.value)) < 200


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(data: bytes) -> None:
    for read in (read_request, read_reply):
        with pytest.raises(WireError):
            read(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["verb", "size", "change", "pool", "fast", "x"]), JSON))
def test_any_object_is_a_request_or_a_refusal(told: dict[str, object]) -> None:
    try:
        request = read_request(json.dumps({"workerhub": 1, **told}).encode())
    except WireError:
        return
    assert read_request(write_request(request)) == request


@pytest.mark.parametrize(
    "reply",
    [
        Step("generation 4 has proven itself", {"generation": 4}),
        Outcome(ok=True, message="generation 4 is serving (8 of 8)", fields={"generation": 4}),
        Outcome(ok=False, message="generation 3 keeps serving", detail="Traceback ...\nSyntaxError: ä\u2028"),
    ],
)
def test_a_reply_is_one_line_and_means_the_same_at_the_other_end(reply: Step | Outcome) -> None:
    line = write_reply(reply)
    assert line.count(b"\n") == 1
    assert read_reply(line) == reply


def test_what_json_has_no_word_for_becomes_text() -> None:
    reply = read_reply(write_reply(Step("told", {"verb": Verb.STOP})))
    assert reply == Step("told", {"verb": "Verb.STOP"})


def test_what_is_no_reply_is_refused() -> None:
    with pytest.raises(WireError):
        read_reply(b'{"workerhub": 1, "ok": "yes", "message": "", "detail": ""}')


def lines_of(pieces: Sequence[bytes], limit: int = MAX_REQUEST) -> list[bytes]:
    lines, found = Lines(limit), []
    for piece in pieces:
        lines.feed(piece)
        while (line := lines.take()) is not None:
            found.append(line)
    return found


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=5), st.data())
def test_lines_are_the_same_however_they_come_in_pieces(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    byte_by_byte = [whole[at : at + 1] for at in range(len(whole))]
    assert lines_of([whole]) == lines_of(pieces) == lines_of(byte_by_byte) == lines


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_too_long_is_refused_before_its_end_comes(end: bytes) -> None:
    assert lines_of([b"x" * 10 + b"\n"], limit=10) == [b"x" * 10]
    with pytest.raises(WireError, match="a line of more than 10 bytes"):
        lines_of([b"x" * 11 + end], limit=10)
