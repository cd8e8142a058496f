"""Requests that nobody would send: the corpus', changed at some places. What fuzzing of the HTTP core and of whole servers shares."""

from __future__ import annotations

from hypothesis import strategies as st
from support.corpus import CASES

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
