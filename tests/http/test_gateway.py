"""PEP 3333 by the letter, and what becomes of applications that don't keep it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest
from support.http_wire import DATE, SMALL, Answer, Recorder, read_answers, request_for

from workerhub.errors import ClientDisconnected, RequestTimeout
from workerhub.http import HttpSettings, LengthMismatch, Outcome, WsgiGateway

if TYPE_CHECKING:
    from pathlib import Path

StartResponse = Callable[..., Callable[[bytes], None]]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
Headers = list[tuple[str, str]]

TEXT: Headers = [("Content-Type", "text/plain")]


class Run:
    """An application's answer to one request: bytes, outcome, and what was reported."""

    def __init__(
        self,
        app: App,
        line: str = "GET / HTTP/1.1",
        *,
        settings: HttpSettings = SMALL,
        last: bool = False,
        output: Recorder | None = None,
        fields: str = "",
    ) -> None:
        self.method = line.partition(" ")[0]
        self.errors: list[BaseException] = []
        self.output = output or Recorder()
        self.request = request_for(f"{line}\r\nHost: a\r\n{fields}\r\n".encode())
        gateway = WsgiGateway(app, settings, lambda request, error: self.errors.append(error))
        self.outcome: Outcome = gateway.run(self.request, self.output, DATE, last=last)
        self.request.close()

    @property
    def summary(self) -> tuple[int, int, bool, BaseException | None]:
        """Status, bytes sent, whether the connection goes on, error."""
        return self.outcome.status, self.outcome.sent, self.outcome.keep_alive, self.outcome.error

    @property
    def answer(self) -> Answer:
        (answer,) = read_answers(self.output.data, [self.method], closed=not self.outcome.keep_alive)
        return answer


def answering(*blocks: bytes, status: str = "200 OK", headers: Headers = TEXT, kind: Callable[..., Any] = list) -> App:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, list(headers))
        result: Iterable[bytes] = kind(blocks)
        return result

    return app


class Blocks:
    """An iterable with a `close` that counts, and perhaps an error behind its blocks, or in its `close`."""

    def __init__(
        self, *blocks: bytes, error: BaseException | None = None, close_error: BaseException | None = None
    ) -> None:
        self.blocks = blocks
        self.error = error
        self.close_error = close_error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.blocks
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


def returning(result: Iterable[bytes], status: str = "200 OK", headers: Headers = TEXT) -> App:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, list(headers))
        return result

    return app


# What goes over the wire.


def test_the_bytes_of_a_plain_answer() -> None:
    run = Run(answering(b"Hello"))
    assert len(run.output.writes) == 1
    assert run.output.data == (
        b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: workerhub\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 5\r\n\r\nHello"
    )
    assert run.summary == (200, 5, True, None)


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_blocks_is_one_write_with_its_length(kind: Callable[..., Any]) -> None:
    run = Run(answering(b"He", b"", b"llo", kind=kind))
    assert len(run.output.writes) == 1
    assert run.answer.fields["content-length"] == "5"
    assert run.answer.body == b"Hello"


def test_a_large_list_is_not_copied_together() -> None:
    run = Run(answering(b"a" * 50_000, b"b" * 50_000))
    assert [len(data) for data in run.output.writes[1:]] == [50_000]
    assert run.answer.fields["content-length"] == "100000"


def test_an_unknown_length_is_chunked_and_each_block_goes_at_once() -> None:
    run = Run(answering(b"", b"Hel", b"", b"lo", kind=iter))
    assert run.output.writes[0].endswith(b"\r\n\r\n3\r\nHel\r\n")
    assert run.output.writes[1:] == [b"2\r\nlo\r\n", b"0\r\n\r\n"]
    assert run.answer.body == b"Hello"
    assert run.outcome.sent == 5
    assert run.outcome.keep_alive


def test_an_unknown_length_in_1_0_ends_with_the_connection() -> None:
    run = Run(answering(b"Hel", b"lo", kind=iter), "GET / HTTP/1.0", fields="Connection: keep-alive\r\n")
    assert "transfer-encoding" not in run.answer.fields
    assert run.answer.body == b"Hello"
    assert not run.outcome.keep_alive


def test_a_known_length_in_1_0_can_be_kept_alive() -> None:
    run = Run(answering(b"Hello"), "GET / HTTP/1.0", fields="Connection: keep-alive\r\n")
    assert run.answer.fields["connection"] == "keep-alive"
    assert run.outcome.keep_alive
    run = Run(answering(b"Hello"), "GET / HTTP/1.0")
    assert run.answer.fields["connection"] == "close"
    assert not run.outcome.keep_alive


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_no_blocks_at_all(kind: Callable[..., Any]) -> None:
    run = Run(answering(kind=kind))
    assert run.answer.fields["content-length"] == "0"
    assert len(run.output.writes) == 1


@pytest.mark.parametrize(
    ("line", "fields", "settings", "last"),
    [
        ("GET / HTTP/1.1", "Connection: close\r\n", SMALL, False),
        ("GET / HTTP/1.1", "", SMALL, True),
        ("GET / HTTP/1.1", "", replace(SMALL, keepalive=False), False),
    ],
)
def test_the_connection_is_said_to_close(line: str, fields: str, settings: HttpSettings, last: bool) -> None:  # noqa: FBT001  # a column of the table
    run = Run(answering(b"x"), line, fields=fields, settings=settings, last=last)
    assert run.answer.fields["connection"] == "close"
    assert not run.outcome.keep_alive


def test_the_server_field_can_be_off_and_the_application_may_have_its_own() -> None:
    assert "server" not in Run(answering(b"x"), settings=replace(SMALL, server_header=None)).answer.fields
    fields = Run(answering(b"x", headers=[("sErver", "mine"), ("DATE", "now")])).answer.fields
    assert fields["server"] == "mine"
    assert fields["date"] == "now"


def test_repeated_fields_stay_apart() -> None:
    run = Run(answering(b"x", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]))
    assert b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n" in run.output.data


def test_latin_1_in_values_and_reasons() -> None:
    run = Run(answering(b"x", status="200 D'accord \u00e9", headers=[("X", "\u00e9\t\u00ff")]))
    assert run.answer.reason == "D'accord \u00e9"
    assert run.answer.fields["x"] == "\u00e9\t\u00ff"


# Answers without a body.


@pytest.mark.parametrize("kind", [list, iter])
def test_head_gets_the_fields_and_no_body(kind: Callable[..., Any]) -> None:
    run = Run(answering(b"Hello", kind=kind, headers=[("Content-Length", "5")]), "HEAD / HTTP/1.1")
    assert run.answer.fields["content-length"] == "5"
    assert run.output.data.endswith(b"\r\n\r\n")
    assert run.summary == (200, 0, True, None)


def test_head_learns_the_length_that_get_would_have() -> None:
    assert Run(answering(b"Hello"), "HEAD / HTTP/1.1").answer.fields["content-length"] == "5"


def test_head_of_nothing_says_nothing_about_the_length() -> None:
    """Frameworks take the body away themselves; that isn't the length that GET would have."""
    assert "content-length" not in Run(answering(), "HEAD / HTTP/1.1").answer.fields
    assert Run(answering(headers=[("Content-Length", "0")]), "HEAD / HTTP/1.1").answer.fields["content-length"] == "0"
    assert Run(answering(headers=[("Content-Length", "9")]), "HEAD / HTTP/1.1").answer.fields["content-length"] == "9"


def test_head_does_not_wait_for_the_end_of_a_stream() -> None:
    blocks = Blocks(b"x", error=AssertionError("asked for more"))
    run = Run(returning(blocks), "HEAD / HTTP/1.1")
    assert not run.errors
    assert blocks.closed == 1
    assert "transfer-encoding" not in run.answer.fields


@pytest.mark.parametrize(
    ("status", "announced", "said"),
    [("204 No Content", "5", None), ("304 Not Modified", "5", "5"), ("205 Reset Content", "5", "0")],
)
@pytest.mark.parametrize("kind", [list, iter])
def test_statuses_without_a_body(status: str, announced: str, said: str | None, kind: Callable[..., Any]) -> None:
    run = Run(answering(b"Hello", status=status, kind=kind, headers=[("Content-Length", announced)]))
    assert run.answer.fields.get("content-length") == said
    assert run.output.data.endswith(b"\r\n\r\n")
    assert run.outcome.keep_alive
    assert run.outcome.sent == 0


# The length that was announced and the body that came.


@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize("blocks", [(b"Hello", b"World"), (b"HelloWorld",)])
def test_a_body_that_is_too_long_is_cut(kind: Callable[..., Any], blocks: tuple[bytes, ...]) -> None:
    run = Run(answering(*blocks, kind=kind, headers=[("Content-Length", "7")]))
    assert run.answer.body == b"HelloWo"
    assert run.outcome.keep_alive
    assert run.outcome.sent == 7
    (error,) = run.errors
    assert isinstance(error, LengthMismatch)
    assert run.outcome.error is error


@pytest.mark.parametrize("kind", [list, iter])
def test_a_body_that_is_too_short_closes_the_connection(kind: Callable[..., Any]) -> None:
    run = Run(answering(b"Hello", kind=kind, headers=[("Content-Length", "7")]))
    assert run.output.data.endswith(b"Content-Length: 7\r\n\r\nHello")
    assert not run.outcome.keep_alive
    (error,) = run.errors
    assert str(error) == "the application announced 7 bytes and sent 5"


def test_a_body_announced_and_missing() -> None:
    run = Run(answering(headers=[("Content-Length", "7")]))
    assert not run.outcome.keep_alive
    assert len(run.errors) == 1


# start_response and write.


def fail() -> None:
    raise ValueError("oops")


def test_write() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", list(TEXT))
        write(b"")
        write(b"He")
        write(b"l")
        return [b"lo"]

    run = Run(app)
    assert run.answer.body == b"Hello"
    assert len(run.output.writes) == 4


def test_write_with_a_length() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "5")])(b"Hello")
        return []

    run = Run(app)
    assert (run.answer.body, len(run.output.writes), run.errors) == (b"Hello", 1, [])


def test_a_generator_may_call_start_response_late() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        yield b""
        start_response("201 Created", list(TEXT))
        yield b"Hello"

    assert Run(app).answer.status == 201


def test_start_response_again_with_exc_info_replaces_the_head() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "99"), ("Date", "never"), ("X", "1")])
        try:
            fail()
        except ValueError:
            start_response("500 Oops", list(TEXT), sys.exc_info())
        return [b"sorry"]

    answer = Run(app).answer
    assert (answer.status, answer.reason, answer.body) == (500, "Oops", b"sorry")
    assert answer.fields.keys() == {"date", "server", "content-type", "content-length"}
    assert answer.fields["date"].startswith("Sun, ")


def test_start_response_with_exc_info_behind_the_head_raises_it() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", list(TEXT))
        yield b"Hello"
        try:
            fail()
        except ValueError:
            start_response("500 Oops", list(TEXT), sys.exc_info())
        yield b"never"

    run = Run(app)
    (error,) = run.errors
    assert str(error) == "oops"
    assert run.output.data.endswith(b"5\r\nHello\r\n")
    assert not run.outcome.keep_alive


def test_start_response_again_without_exc_info_is_an_error() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", list(TEXT))
        start_response("200 OK", list(TEXT))
        return []

    run = Run(app)
    assert run.answer.status == 500
    assert isinstance(run.errors[0], RuntimeError)


@pytest.mark.parametrize("result", [[], [b"x"], iter([b"x"]), iter([])])
def test_no_start_response_is_an_error(result: Iterable[bytes]) -> None:
    run = Run(lambda environ, start_response: result)
    assert run.answer.status == 500
    assert "without calling start_response" in str(run.errors[0])


@pytest.mark.parametrize(
    "result", [["text"], [b"x", "text"], [bytearray(b"x")], iter(["text"]), [None], None, 5, "text"]
)
def test_a_body_that_is_not_bytes_is_an_error(result: Any) -> None:
    run = Run(returning(result))
    assert len(run.errors) == 1
    assert not run.outcome.keep_alive
    assert run.output.data.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "headers",
    [
        [("X", "a\r\nSet-Cookie: evil=1")],
        [("X", "a\nb")],
        [("X", "a\rb")],
        [("X", "a\0b")],
        [("X", "a\x1bb")],
        [("X", "a\x7f")],
        [("X", "\u20ac")],
        [("X\r\nY", "a")],
        [("X:", "a")],
        [("X Y", "a")],
        [("", "a")],
        [("\u00e9", "a")],
        [("X", 5)],
        [("X", b"a")],
        [(b"X", "a")],
        [("X", None)],
        [("X",)],
        [("Content-Length", "5, 5")],
        [("Content-Length", "-1")],
        [("Content-Length", "+5")],
        [("Content-Length", "")],
        [("Content-Length", "\u00b2")],
        [("Content-Length", "5"), ("content-length", "6")],
        [("Connection", "close")],
        [("connection", "keep-alive")],
        [("Keep-Alive", "5")],
        [("Transfer-Encoding", "chunked")],
        [("TE", "x")],
        [("Trailer", "x")],
        [("Upgrade", "x")],
        [("Proxy-Authenticate", "x")],
        None,
    ],
)
def test_fields_that_are_refused(headers: Any) -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", headers)
        return [b"x"]

    for _ in range(2):  # the second time the names are known
        run = Run(app)
        assert run.answer.status == 500
        assert isinstance(run.errors[0], TypeError | ValueError)
        assert b"evil" not in run.output.data


def test_fields_of_subclasses_are_their_text() -> None:
    """Not what they make of it when they are formatted: that was not looked at."""

    class Evil(str):
        __slots__ = ()

        def __format__(self, _spec: str, /) -> str:
            return "x\r\nEvil: 1"

        __str__ = __repr__ = lambda self: "x\r\nEvil: 2"
        lower = lambda self: self  # noqa: E731  # an attribute like the others

        def __int__(self) -> int:
            return 99

    status = Evil("200 Fine")
    run = Run(
        answering(b"Hello", status=status, headers=[(Evil("X-Name"), Evil("text")), ("Content-Length", Evil("5"))])
    )
    assert (run.answer.reason, run.answer.fields["x-name"], run.answer.body) == ("Fine", "text", b"Hello")
    assert b"Evil" not in run.output.data


@pytest.mark.parametrize(
    "status",
    ["", "OK", "20 OK", "2000 OK", "200OK", "100 Continue", "200 OK\r\nX: 1", "200 \u20ac", 200, b"200 OK", None],
)
def test_statuses_that_are_refused(status: Any) -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [])
        return [b"x"]

    run = Run(app)
    assert run.answer.status == 500
    assert isinstance(run.errors[0], TypeError | ValueError)


def test_a_refused_call_shows_the_place_in_the_application() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            start_response("200 OK", [("Connection", "close")])
        except ValueError as error:
            start_response("409 Conflict", list(TEXT))
            return [str(error).encode()]
        return []

    run = Run(app)
    assert run.answer.status == 409
    assert run.answer.body == b"Connection is a hop-by-hop header: it belongs to the server, not to the application"


# Errors.

RAISED = [ValueError("oops"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError()]


@pytest.mark.parametrize("error", RAISED, ids=repr)
def test_an_error_before_the_head_is_a_500(error: BaseException) -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "5"), ("Set-Cookie", "a")])
        raise error

    run = Run(app)
    assert run.errors == [error]
    assert (run.answer.status, run.answer.fields["connection"]) == (500, "close")
    assert run.answer.fields["content-type"] == "text/plain; charset=us-ascii"
    assert "set-cookie" not in run.answer.fields
    assert "oops" not in run.answer.body.decode()
    assert run.summary == (500, len(run.answer.body), False, error)
    assert len(run.output.writes) == 1


def test_the_error_answer_to_head_has_no_body() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        raise ValueError

    assert Run(app, "HEAD / HTTP/1.1").answer.status == 500


@pytest.mark.parametrize("error", RAISED, ids=repr)
@pytest.mark.parametrize("headers", [TEXT, [("Content-Length", "9")]])
def test_an_error_behind_the_head_cuts_the_answer(error: BaseException, headers: Headers) -> None:
    blocks = Blocks(b"Hello", error=error)
    run = Run(returning(blocks, headers=headers))
    assert run.errors == [error]
    assert not run.outcome.keep_alive
    assert run.outcome.sent == 5
    assert blocks.closed == 1
    with pytest.raises((AssertionError, ValueError)):
        _ = run.answer


@pytest.mark.parametrize(
    ("line", "headers", "blocks", "broke_off"),
    [
        ("GET / HTTP/1.0", TEXT, Blocks(b"Hello", error=ValueError()), True),
        ("GET / HTTP/1.0", TEXT, Blocks(b"Hello", error=RequestTimeout()), True),
        ("GET / HTTP/1.0", TEXT, Blocks(b"Hello"), False),
        ("GET / HTTP/1.0", TEXT, Blocks(b"Hello", close_error=ValueError()), False),
        ("GET / HTTP/1.0", TEXT, Blocks(error=ValueError()), False),  # a 500
        ("HEAD / HTTP/1.0", TEXT, Blocks(b"Hello", error=ValueError()), False),
        ("GET / HTTP/1.0", [("Content-Length", "9")], Blocks(b"Hello", error=ValueError()), False),
        ("GET / HTTP/1.1", TEXT, Blocks(b"Hello", error=ValueError()), False),
        ("GET / HTTP/1.1", TEXT, Blocks(b"Hello", close_error=ValueError()), False),
    ],
)
def test_what_only_the_end_of_the_connection_ends_is_known_to_have_broken_off(
    line: str,
    headers: Headers,
    blocks: Blocks,
    broke_off: bool,  # noqa: FBT001  # a column of the table
) -> None:
    """Length and chunks tell the client themselves; so does the status of a 500."""
    assert Run(returning(blocks, headers=headers), line).outcome.broke_off is broke_off


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "HEAD / HTTP/1.1", "GET / HTTP/1.0"])
@pytest.mark.parametrize("headers", [TEXT, [("Content-Length", "5")]])
@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_write_that_comes_late_adds_nothing(
    line: str,
    headers: Headers,
    kind: Callable[..., Any],
    is_there: bool,  # noqa: FBT001  # a column of the table
) -> None:
    """From a thread of the application's, say: the next answer may be on its way."""
    late: list[Callable[[bytes], None]] = []

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        late.append(start_response("200 OK", list(headers)))
        if not is_there:
            raise ValueError
        result: Iterable[bytes] = kind([b"Hello"])
        return result

    run = Run(app, line)
    before = run.output.data
    for write in late:
        write(b"more")
        write(b"and more")
    assert run.output.data == before


def test_a_timeout_before_the_head_is_a_504_and_nobody_is_told() -> None:
    blocks = Blocks(error=RequestTimeout())
    run = Run(returning(blocks))
    assert run.errors == []
    assert run.answer.status == run.outcome.status == 504
    assert isinstance(run.outcome.error, RequestTimeout)
    assert not run.outcome.keep_alive
    assert blocks.closed == 1


def test_a_timeout_behind_the_head_cuts_the_answer() -> None:
    blocks = Blocks(b"Hello", error=RequestTimeout())
    run = Run(returning(blocks))
    assert run.errors == []
    assert run.output.data.endswith(b"5\r\nHello\r\n")
    assert (run.outcome.status, run.outcome.keep_alive) == (200, False)


def test_a_timeout_in_the_middle_of_a_write_cuts_the_answer() -> None:
    """Nobody knows how much of it went out: another head must not follow."""

    class Interrupted(Recorder):
        def write(self, data: bytes) -> None:
            if not self.writes:
                self.writes.append(data[:10])
                raise RequestTimeout
            super().write(data)

    run = Run(answering(b"Hello"), output=Interrupted())
    assert run.output.data == b"HTTP/1.1 2"
    assert not run.outcome.keep_alive


def test_a_timeout_in_close() -> None:
    blocks = Blocks(b"Hello", close_error=RequestTimeout())
    run = Run(returning(blocks))
    assert run.answer.body == b"Hello"
    assert run.errors == []
    assert not run.outcome.keep_alive
    assert isinstance(run.outcome.error, RequestTimeout)


def test_an_error_in_close_is_reported_and_changes_nothing_else() -> None:
    error = ValueError("close")
    run = Run(returning(Blocks(b"Hello", close_error=error)))
    assert run.answer.body == b"Hello"
    assert run.errors == [error]
    assert run.summary == (200, 5, True, error)


@pytest.mark.parametrize("second", [ValueError("second"), RequestTimeout()], ids=repr)
def test_an_error_in_close_does_not_hide_the_first(second: BaseException) -> None:
    first = ValueError("first")
    run = Run(returning(Blocks(b"Hello", error=first, close_error=second)))
    assert run.errors[0] is first
    assert run.outcome.error is first


@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_a_client_that_left_ends_the_work_and_is_no_error(fail_at: int) -> None:
    blocks = Blocks(b"a", b"b")
    run = Run(returning(blocks), output=Recorder(fail_at=fail_at))
    assert run.errors == []
    assert isinstance(run.outcome.error, ClientDisconnected)
    assert not run.outcome.keep_alive
    assert blocks.closed == 1


def test_an_application_that_wraps_the_disconnect_is_not_blamed() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", list(TEXT))
        try:
            write(b"x")
        except ClientDisconnected as error:
            raise RuntimeError("can't write") from error
        return []

    assert Run(app, output=Recorder(fail_at=1)).errors == []


def test_a_client_that_left_before_the_error_answer() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        raise ValueError("oops")

    run = Run(app, output=Recorder(fail_at=1))
    assert [str(error) for error in run.errors] == ["oops"]
    assert not run.outcome.keep_alive


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "HEAD / HTTP/1.1", "GET / HTTP/1.0"])
def test_close_is_called_once(line: str) -> None:
    blocks = Blocks(b"a", b"b")
    Run(returning(blocks), line)
    assert blocks.closed == 1


# Files.


def file_app(file: Any, headers: Headers = TEXT, **options: Any) -> App:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        result: Iterable[bytes] = environ["wsgi.file_wrapper"](file, **options)
        return result

    return app


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


def test_a_file_goes_by_sendfile(path: Path) -> None:
    file = path.open("rb")
    run = Run(file_app(file))
    assert run.output.files == [(0, 10)]
    assert run.answer.body == b"0123456789"
    assert run.summary == (200, 10, True, None)
    assert file.closed


def test_a_file_from_where_it_stands_and_as_much_as_announced(path: Path) -> None:
    file = path.open("rb")
    file.read(3)
    run = Run(file_app(file, [("Content-Length", "4")]))
    assert run.output.files == [(3, 4)]
    assert run.answer.body == b"3456"
    assert run.outcome.keep_alive


def test_a_file_shorter_than_announced(path: Path) -> None:
    run = Run(file_app(path.open("rb"), [("Content-Length", "11")]))
    assert run.output.files == [(0, 10)]
    assert not run.outcome.keep_alive


def test_head_and_empty_files_send_nothing(path: Path) -> None:
    run = Run(file_app(path.open("rb")), "HEAD / HTTP/1.1")
    assert run.output.files == []
    assert run.answer.fields["content-length"] == "10"
    assert run.errors == []
    path.write_bytes(b"")
    run = Run(file_app(path.open("rb")))
    assert run.output.files == []
    assert run.answer.fields["content-length"] == "0"


def test_what_only_looks_like_a_file_is_read(path: Path) -> None:
    """A GzipFile has the `fileno` of the compressed file."""
    import gzip

    with gzip.open(path, "wb") as file:
        file.write(b"uncompressed")
    for filelike in (gzip.open(path), BytesIO(b"uncompressed")):  # noqa: SIM115  # closing it is the gateway's part
        run = Run(file_app(filelike, block_size=5))
        assert run.output.files == []
        assert run.answer.body == b"uncompressed"
        assert filelike.closed


def test_a_named_temporary_file_is_read_or_sent() -> None:
    with NamedTemporaryFile() as file:
        file.write(b"Hello")
        file.seek(0)
        assert Run(file_app(file)).answer.body == b"Hello"


def test_a_file_behind_a_write_is_read(path: Path) -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", list(TEXT))(b">")
        result: Iterable[bytes] = environ["wsgi.file_wrapper"](path.open("rb"))
        return result

    assert Run(app).answer.body == b">0123456789"


# The standard library's judge.


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("line", ["GET /a%20b?c HTTP/1.1", "HEAD / HTTP/1.1", "OPTIONS * HTTP/1.1", "GET / HTTP/1.0"])
@pytest.mark.parametrize("how", ["list", "generator", "write", "file"])
def test_wsgiref_validate(line: str, how: str) -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"].read(10)
        environ["wsgi.errors"].write("")
        write = start_response("200 OK", list(TEXT))
        match how:
            case "list":
                return [b"Hello"]
            case "generator":
                return (block for block in (b"Hel", b"lo"))
            case "file":
                file = TemporaryFile()  # noqa: SIM115  # closing it is the gateway's part
                file.write(b"Hello")
                file.seek(0)
                result: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
                return result
        write(b"Hello")
        return []

    run = Run(validator(app), line)  # type: ignore[arg-type]  # typeshed wants its own protocol types
    assert run.errors == []
    assert run.answer.body == (b"" if run.method == "HEAD" else b"Hello")


@pytest.mark.parametrize("times", [1, 3], ids=["in memory", "in a file"])
def test_wsgiref_validate_reads_a_body(times: int) -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        read = [body.readline(), *body.readlines(5), body.read(2), *body, body.read(1)]
        start_response("200 OK", list(TEXT))
        return [b"|".join(read)]

    body = b"a\nb\ncd\ne" * times
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    request = request_for(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunks)
    output = Recorder()
    errors: list[BaseException] = []
    gateway = WsgiGateway(validator(app), SMALL, lambda request, error: errors.append(error))  # type: ignore[arg-type]  # as above
    assert gateway.run(request, output, DATE).status == 200
    request.close()
    assert errors == []
    assert read_answers(output.data, ["POST"], closed=False)[0].body.replace(b"|", b"") == body


def test_answers_of_one_connection_follow_each_other() -> None:
    """Whatever the application does, the client finds the beginning of the next answer."""
    outputs = b""
    methods = []
    for app, line in [
        (answering(b"x", kind=iter), "GET / HTTP/1.1"),
        (answering(b"too long", headers=[("Content-Length", "3")]), "GET / HTTP/1.1"),
        (answering(b"x", status="304 Not Modified"), "GET / HTTP/1.1"),
        (answering(b"x"), "HEAD / HTTP/1.1"),
        (answering(), "GET / HTTP/1.1"),
        (answering(b"end"), "GET / HTTP/1.1"),
    ]:
        run = Run(app, line)
        assert run.outcome.keep_alive
        outputs += run.output.data
        methods.append(run.method)
    assert read_answers(outputs, methods, closed=False)[-1].body == b"end"
