"""Mutated requests: both parsers reach the same verdict and read the same requests, however the bytes are cut, and nothing ever raises."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import event, example, given
from hypothesis import strategies as st
from support.http_wire import Story, tell, with_parser
from support.mutations import mutated

from workerhub.http import Phase


def both(*pieces: bytes) -> Story:
    with_llhttp = tell(pieces, with_parser("httptools"))
    with_h11 = tell(pieces, with_parser("h11"))
    assert with_llhttp == with_h11
    return with_llhttp


@given(data=mutated(), cuts=st.lists(st.integers(0, 400), max_size=6))
@example(data=b"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", cuts=[])
@example(data=b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello", cuts=[])
def test_one_verdict_and_one_reading(data: bytes, cuts: list[int]) -> None:
    whole = both(data)
    event(f"{len(whole.requests)} requests, then {whole.status or whole.phase.name}")
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(bounds) if begin < end]
    assert both(*pieces) == whole


@given(data=mutated())
def test_nothing_incomplete_gets_through_at_the_end_of_input(data: bytes) -> None:
    whole = both(data)
    ended = both(data, b"")
    assert ended.requests == whole.requests
    assert ended.phase in {Phase.CLOSED, Phase.FAILED}


@given(data=st.binary(min_size=1, max_size=600))
def test_noise(data: bytes) -> None:
    story = both(data)
    assert story.requests == ()


@given(data=mutated())
def test_what_is_accepted_is_clean(data: bytes) -> None:
    """No control character, no second meaning: what an application sees could be written down as one plain request."""
    for seen in both(data).requests:
        assert seen.target.isascii()
        assert seen.target.isprintable()
        assert " " not in seen.target
        assert "\0" not in seen.environ["PATH_INFO"]
        assert "HTTP_TRANSFER_ENCODING" not in seen.environ
        for key, value in seen.environ.items():
            assert "_FORWARDED" not in key
            if key.startswith("HTTP_"):
                assert key == key.upper()
                assert not set(value) & set(map(chr, (*range(9), *range(10, 32), 127)))
        assert int(seen.environ.get("CONTENT_LENGTH", 0)) == len(seen.body)
