"""Driving `workerhub.http` in tests: what came of some bytes, as one comparable value, and an answer read back from bytes."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from workerhub.errors import ClientDisconnected
from workerhub.http import HttpSettings, Phase, Request, ServerConnection, environ_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DATE = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
PARSERS: tuple[Literal["httptools", "h11"], ...] = ("httptools", "h11")

SMALL = HttpSettings(
    parser="httptools",
    max_request_line=100,
    max_header_bytes=400,
    max_headers=8,
    max_body=64,
    body_memory=16,
    trusted_proxies=("127.0.0.1", "10.0.0.0/8", "2001:db8::/32", "unix"),
    forwarded="x-forwarded",
    server_header="workerhub",
    keepalive=True,
)
"""Limits so small that tests reach them."""

ENVIRON = environ_template(
    {
        "SERVER_NAME": "server.example",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "40000",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
    }
)
"""A connection from somebody who isn't trusted."""


def connect(
    settings: HttpSettings = SMALL, new_spool: Callable[[], BinaryIO] = TemporaryFile, **environ: Any
) -> ServerConnection:
    """A connection; keywords change the template, with the dots of WSGI's own keys as they are."""
    return ServerConnection(settings, {**ENVIRON, **environ}, new_spool)


@dataclass(frozen=True)
class Seen:
    """What an application could see of one request."""

    method: str
    target: str
    version: tuple[int, int]
    keep_alive: bool
    environ: dict[str, Any]
    body: bytes


@dataclass(frozen=True)
class Story:
    """Everything that came of some bytes: the requests in order, the final phase, the answer to a refusal."""

    requests: tuple[Seen, ...]
    phase: Phase
    answer: bytes

    @property
    def status(self) -> int | None:
        """The status of the refusal, if there was one."""
        return int(self.answer.split(b" ", 2)[1]) if self.answer else None


def look(request: Request) -> Seen:
    """Take a request apart, and close it."""
    environ = {key: value for key, value in request.environ.items() if not key.startswith("wsgi.")}
    body = request.environ["wsgi.input"].read()
    request.close()
    return Seen(request.method, request.target, request.http_version, request.keep_alive, environ, body)


def tell(pieces: Iterable[bytes], settings: HttpSettings = SMALL, **environ: Any) -> Story:
    """Feed the pieces to a connection, taking every request as it gets READY."""
    connection = connect(settings, **environ)
    requests = []
    for piece in pieces:
        connection.receive(piece)
        while (request := connection.next_request()) is not None:
            requests.append(look(request))
    story = Story(tuple(requests), connection.phase, connection.failure(DATE))
    connection.close()
    return story


@cache
def with_parser(parser: Literal["httptools", "h11"], **changes: Any) -> HttpSettings:
    """The small settings, with a parser and other changes. The same object each time: what connections share is made once for it."""
    return replace(SMALL, parser=parser, **changes)


def request_for(data: bytes, settings: HttpSettings = SMALL, **environ: Any) -> Request:
    """The one request in the bytes."""
    connection = connect(settings, **environ)
    connection.receive(data)
    request = connection.next_request()
    assert request is not None, connection.failure(DATE)
    return request


@dataclass
class Recorder:
    """An `Output` that keeps what it is given; `fail_at` is the number of the write that finds the client gone."""

    writes: list[bytes] = field(default_factory=list)
    files: list[tuple[int, int]] = field(default_factory=list)
    fail_at: int | None = None

    def write(self, data: bytes) -> None:
        assert data, "nothing to write"
        if self.fail_at is not None and len(self.writes) + 1 >= self.fail_at:
            raise ClientDisconnected("gone")
        self.writes.append(data)

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        self.files.append((offset, count))
        position = file.tell()
        file.seek(offset)
        self.writes.append(file.read(count))
        file.seek(position)

    @property
    def data(self) -> bytes:
        return b"".join(self.writes)


@dataclass(frozen=True)
class Answer:
    """One response as a client understands it."""

    status: int
    reason: str
    fields: dict[str, str]
    body: bytes


_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ([\t\x20-\x7e\x80-\xff]*)\r\n")


def read_answers(data: bytes, methods: Iterable[str], *, closed: bool) -> list[Answer]:
    """Read responses strictly, one per method; whatever doesn't add up fails.

    Args:
        data: everything the server sent.
        methods: of the requests, in order.
        closed: whether the connection was closed behind the data, which may end the last body.
    """
    stream = BytesIO(data)
    answers = []
    for method in methods:
        match = _STATUS_LINE.fullmatch(stream.readline())
        assert match is not None, data
        status = int(match[1])
        fields = _read_fields(stream)
        if method == "HEAD" or status in {204, 304}:
            body = b""
        elif "transfer-encoding" in fields:
            assert fields["transfer-encoding"] == "chunked"
            assert "content-length" not in fields
            body = _read_chunks(stream)
        elif "content-length" in fields:
            length = int(fields["content-length"])
            body = stream.read(length)
            assert len(body) == length, "the answer is shorter than announced"
        else:
            assert closed, "nothing but the end of the connection ends this body"
            assert fields["connection"] == "close"
            body = stream.read()
        answers.append(Answer(status, match[2].decode("latin-1"), fields, body))
    assert stream.read() == b"", "bytes behind the last answer"
    return answers


def _read_fields(stream: BytesIO) -> dict[str, str]:
    fields: dict[str, str] = {}
    while (line := stream.readline()) != b"\r\n":
        assert line.endswith(b"\r\n"), line
        name, colon, value = line[:-2].decode("latin-1").partition(": ")
        assert colon, line
        fields[name.lower()] = f"{fields[name.lower()]}, {value}" if name.lower() in fields else value
    return fields


def _read_chunks(stream: BytesIO) -> bytes:
    body = b""
    while size := int(stream.readline().removesuffix(b"\r\n"), 16):
        body += stream.read(size)
        assert stream.read(2) == b"\r\n"
    assert stream.readline() == b"\r\n"
    return body
