"""Bodies that are read while they arrive: what the application sees, what the client is told, and how the connection goes on."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from support.http_wire import DATE, ENVIRON, PARSERS, Recorder, read_answers, with_parser

from workerhub.http import BodyError, Phase, Request, ServerConnection, WsgiGateway

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO, Literal

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n"
EXPECTING = HEAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b"line1\nline2\n"
CHUNKS = b"5\r\nline1\r\n7\r\n\nline2\n\r\n0\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Client:
    """A connection and the pieces that its client will send, one for each `pull`; then it closes its side."""

    def __init__(
        self, pieces: Iterable[bytes] = (), parser: Literal["httptools", "h11"] = "httptools", **limits: Any
    ) -> None:
        self.pieces = deque(pieces)
        self.pulled = 0
        self.said: list[bytes] = []
        self.connection = ServerConnection(
            with_parser(parser, **limits), ENVIRON, self._no_spool, pull=self._pull, stream_chunked=True
        )

    def begin(self, data: bytes) -> Request:
        self.connection.receive(data)
        assert self.connection.phase is Phase.READY
        request = self.connection.next_request()
        assert request is not None
        return request

    def run(self, request: Request, app: Any) -> tuple[Recorder, list[BaseException]]:
        """Have the gateway run an application; what was written, and what it complained about."""
        output, errors = Recorder(), []
        gateway = WsgiGateway(app, with_parser("httptools"), lambda _, error: errors.append(error))
        outcome = gateway.run(request, output, DATE)
        request.close()
        self.keep_alive = outcome.keep_alive
        return output, errors

    def _pull(self) -> None:
        self.pulled += 1
        if interim := self.connection.take_interim():
            self.said.append(interim)
        self.connection.receive(self.pieces.popleft() if self.pieces else b"")

    def _no_spool(self) -> BinaryIO:
        raise AssertionError("a body that streams needs no file")


def body_of(request: Request) -> Any:
    return request.environ["wsgi.input"]


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("head", "wire"), [(HEAD, BODY), (CHUNKED, CHUNKS)], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 2, 5, 7, 100])
def test_every_split_reads_the_same(parser: Literal["httptools", "h11"], head: bytes, wire: bytes, size: int) -> None:
    client = Client([wire[at : at + size] for at in range(0, len(wire), size)], parser)
    request = client.begin(head)
    phases = [client.connection.phase]
    assert body_of(request).read() == BODY
    assert body_of(request).read() == b""
    assert [*phases, client.connection.phase] == [Phase.BODY, Phase.IDLE]


@pytest.mark.parametrize(("head", "wire"), [(HEAD, BODY), (CHUNKED, CHUNKS)], ids=["length", "chunked"])
@pytest.mark.parametrize("at", range(1, 12))
def test_what_came_with_the_head_is_read_first(head: bytes, wire: bytes, at: int) -> None:
    client = Client([wire[at:]])
    assert body_of(client.begin(head + wire[:at])).read() == BODY


def test_it_is_handed_out_with_its_head_and_read_as_it_arrives() -> None:
    client = Client([b"line1\nl", b"ine2\n"])
    body = body_of(client.begin(HEAD))
    assert (client.pulled, body.readline(), client.pulled) == (0, b"line1\n", 1)
    assert (body.read1(100), body.read(100), client.pulled) == (b"l", b"ine2\n", 2)


def test_all_of_the_file_methods_are_there() -> None:
    lines = [b"line1\n", b"line2\n"]
    assert list(body_of(Client([BODY]).begin(HEAD))) == lines
    assert body_of(Client([BODY]).begin(HEAD)).readlines() == lines
    digest = hashlib.file_digest(body_of(Client([BODY]).begin(HEAD)), "sha256")
    assert digest.digest() == hashlib.sha256(BODY).digest()


def test_a_body_that_is_here_with_its_head_is_not_waited_for() -> None:
    client = Client()
    request = client.begin(HEAD + BODY)
    assert request.stream is None
    assert body_of(request).read() == BODY


def test_chunked_bodies_are_collected_unless_asked_for() -> None:
    connection = ServerConnection(with_parser("httptools"), ENVIRON, lambda: 1 / 0, pull=lambda: 1 / 0)  # type: ignore[arg-type, return-value]  # neither is to be called
    connection.receive(CHUNKED)
    assert connection.phase is Phase.BODY
    connection.receive(CHUNKS)
    request = connection.next_request()
    assert request is not None
    assert (request.environ["CONTENT_LENGTH"], body_of(request).read()) == ("12", BODY)


def test_a_streamed_chunked_body_has_no_length() -> None:
    request = Client().begin(CHUNKED)
    assert "CONTENT_LENGTH" not in request.environ
    assert request.environ["wsgi.input_terminated"] is True


def test_what_is_behind_the_body_is_the_next_request() -> None:
    client = Client([BODY[5:] + NEXT])
    assert body_of(client.begin(HEAD + BODY[:5])).read() == BODY
    assert client.connection.phase is Phase.READY
    following = client.connection.next_request()
    assert following is not None
    assert following.target == "/next"


def test_the_memory_is_what_one_receive_brought() -> None:
    size = 50_000
    head = HEAD.replace(b" 12", b" %d" % (20 * size))
    client = Client([b"x" * size] * 20, max_body=None)
    request = client.begin(head)
    body, total = body_of(request), 0
    assert request.stream is not None
    while data := body.read(1000):
        total += len(data)
        assert len(request.stream._buffer) <= size
        assert client.pulled <= total // size + 1
    assert total == 20 * size


def test_continue_is_said_when_the_application_reads_and_once() -> None:
    client = Client([BODY[:5], BODY[5:]])
    request = client.begin(EXPECTING)
    assert client.connection.phase is Phase.BODY
    assert body_of(request).read() == BODY
    assert client.said == [CONTINUE]


def test_continue_is_not_said_where_the_application_does_not_read() -> None:
    """Nobody knows whether the client still sends the body, so the connection ends (RFC 9110, 10.1.1)."""
    client = Client()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("403 Forbidden", [])
        return [b"no"]

    output, errors = client.run(client.begin(EXPECTING), app)
    (answer,) = read_answers(output.data, ["POST"], closed=True)
    assert (answer.status, answer.fields["connection"]) == (403, "close")
    assert (client.keep_alive, client.said, errors) == (False, [], [])


def test_continue_is_not_said_once_the_answer_has_begun() -> None:
    client = Client([BODY])

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        yield environ["wsgi.input"].read()

    output, _ = client.run(client.begin(EXPECTING), app)
    (answer,) = read_answers(output.data, ["POST"], closed=True)
    assert (answer.body, client.said) == (b"begun" + BODY, [])


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("head", "pieces", "status"),
    [
        (HEAD, [BODY[:5]], 400),
        (CHUNKED, [CHUNKS[:12]], 400),
        (CHUNKED, [CHUNKS[:-2]], 400),
        (CHUNKED, [b"nonsense\r\n"], 400),
        (CHUNKED, [b"3c\r\n" + b"x" * 60 + b"\r\n", b"5\r\n"], 413),
    ],
    ids=["short", "in a chunk", "before the end", "malformed", "too large"],
)
def test_a_body_that_fails_never_looks_complete(
    parser: Literal["httptools", "h11"], head: bytes, pieces: list[bytes], status: int
) -> None:
    client = Client(pieces, parser)
    request = client.begin(head)
    reads: list[bytes] = []
    with pytest.raises(BodyError) as caught:
        reads.extend(iter(lambda: body_of(request).read1(100), b""))
    assert b"".join(reads) in (BODY, BODY[:5], b"x" * 60, b"")
    assert caught.value.refusal.status == status
    with pytest.raises(BodyError):
        body_of(request).read()
    assert (client.connection.phase, client.connection.failure(DATE)) == (Phase.FAILED, b"")


@pytest.mark.parametrize("status", [400, 413])
def test_left_alone_the_error_is_the_answer_that_a_collected_body_gets(status: int) -> None:
    client = Client([b"5\r\nline1" if status == 400 else b"41\r\n"])

    def app(environ: Any, start_response: Any) -> list[bytes]:
        return [environ["wsgi.input"].read()]

    output, errors = client.run(client.begin(CHUNKED), app)
    (answer,) = read_answers(output.data, ["POST"], closed=True)
    assert (answer.status, answer.fields["connection"], client.keep_alive) == (status, "close", False)
    assert [type(error) for error in errors] == [BodyError]


def test_an_application_that_answers_the_error_itself_is_the_last_on_its_connection() -> None:
    client = Client([BODY[:3]])

    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError:
            start_response("400 Bad Request", [])
        return [b"short"]

    output, errors = client.run(client.begin(HEAD), app)
    (answer,) = read_answers(output.data, ["POST"], closed=True)
    assert (answer.body, answer.fields["connection"], errors) == (b"short", "close", [])


def test_a_caller_that_loses_patience_ends_the_body() -> None:
    client = Client()
    request = client.begin(HEAD + BODY[:5])
    client.connection.refuse(408)
    with pytest.raises(BodyError) as caught:
        body_of(request).read()
    assert caught.value.refusal.status == 408


def test_a_short_rest_that_nobody_read_is_dropped() -> None:
    client = Client()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"done"]

    client.run(client.begin(HEAD + BODY[:5]), app)
    assert (client.keep_alive, client.connection.phase) == (True, Phase.BODY)
    client.connection.receive(BODY[5:] + NEXT)
    following = client.connection.next_request()
    assert following is not None
    assert following.target == "/next"


@pytest.mark.parametrize("head", [HEAD.replace(b" 12", b" 1000000"), CHUNKED], ids=["long", "unknown"])
def test_a_rest_that_may_be_long_ends_the_connection(head: bytes) -> None:
    client = Client(max_body=None)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"done"]

    output, _ = client.run(client.begin(head), app)
    (answer,) = read_answers(output.data, ["POST"], closed=True)
    assert (answer.fields["connection"], client.keep_alive) == ("close", False)


def test_a_body_is_not_read_after_its_request() -> None:
    request = Client([BODY]).begin(HEAD)
    request.close()
    with pytest.raises(ValueError, match="the request is over"):
        body_of(request).read()
