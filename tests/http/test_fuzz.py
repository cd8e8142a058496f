"""Mutated requests: both parsers reach the same verdict and read the same requests, however the bytes are cut, and nothing ever raises."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import event, example, given
from hypothesis import strategies as st
from support.corpus import CASES
from support.http_wire import Story, tell, with_parser

from workerhub.http import Phase

SEEDS = [case.data for case in CASES]
PIECES = [
    *(bytes([byte]) for byte in b'\r\n\0\t :;,"\\/%#?*_-+.\x0b\x0c\x1b\x7f\x80\xff0159aAfFxX'),
    *(
        b"\r\n|\r\n\r\n|\n\n|\r|: |HTTP/1.1|HTTP/1.0|HTTP/1.2|GET|HEAD|POST|OPTIONS|CONNECT|PRI|http://a/|*|%00|%2f|//|"
        b"Host: a\r\n|Host: b\r\n|Content-Length: 5\r\n|Content-Length: 0\r\n|content-length: 5, 5\r\n|Transfer-Encoding: chunked\r\n|"
        b"transfer-encoding: gzip, chunked\r\n|Transfer_Encoding: chunked\r\n|Connection: close\r\n|Connection: keep-alive, Upgrade\r\n|"
        b"Upgrade: h2c\r\n|Expect: 100-continue\r\n|Keep-Alive: 5\r\n|Proxy-Connection: close\r\n|X-Forwarded-For: 1.2.3.4\r\n|"
        b'0\r\n\r\n|5\r\nhello\r\n|ffffffff\r\n|;a=b|;a="b"|chunked|identity|hello| |\t|\r\r\n|;\n|;\r|\x85|\xa0|'
        b"X_User: 1\r\n|X-User: 2\r\n|Content_Length: 5\r\n|Expect: x\r\n|Expect:|Content-Length:|Transfer-Encoding:\x0b|Host: [::1]:80\r\n"
    ).split(b"|"),
]
PIECE = st.sampled_from(PIECES) | st.binary(min_size=1, max_size=3)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """One to three requests of the corpus behind each other, with up to four places changed."""
    data = b"".join(draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(0, 6)))
        match draw(st.sampled_from(["insert", "replace", "delete", "repeat", "swap case"])):
            case "insert":
                data = data[:at] + draw(PIECE) + data[at:]
            case "replace":
                data = data[:at] + draw(PIECE) + data[to:]
            case "delete":
                data = data[:at] + data[to:]
            case "repeat":
                data = data[:to] + data[at:]
            case _:
                data = data[:at] + data[at:to].swapcase() + data[to:]
    return data or b"\r"  # no bytes at all would be the end of input


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
