"""What isn't in the corpus: phases, interim answers, bodies in files, refusals by the caller, the end of input, pipelining, dates."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import pytest
from support.http_wire import DATE, ENVIRON, PARSERS, SMALL, connect, read_answers, request_for, tell, with_parser

from workerhub.http import HttpDate, HttpSettings, Phase, ServerConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
EXPECTING = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


class Spools:
    """Makes temporary files and remembers them."""

    def __init__(self) -> None:
        self.made: list[BinaryIO] = []

    def __call__(self) -> BinaryIO:
        file: BinaryIO = TemporaryFile()  # noqa: SIM115  # closing it is the request's part
        self.made.append(file)
        return file


def test_phases_of_a_request() -> None:
    connection = connect()
    phases = [connection.phase]
    for piece in (b"PO", POST[2:], b"hel", b"lo"):
        connection.receive(piece)
        phases.append(connection.phase)
    request = connection.next_request()
    phases.append(connection.phase)
    assert phases == [Phase.IDLE, Phase.HEAD, Phase.BODY, Phase.BODY, Phase.READY, Phase.IDLE]
    assert request is not None
    assert request.environ["wsgi.input"].read() == b"hello"
    assert connection.next_request() is None


def test_continue_is_said_once_when_the_client_waits() -> None:
    connection = connect()
    connection.receive(EXPECTING)
    assert connection.take_interim() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert connection.take_interim() == b""
    connection.receive(b"hello")
    assert connection.take_interim() == b""
    assert connection.phase is Phase.READY


@pytest.mark.parametrize("early", [b"h", b"hello"])
def test_continue_is_not_said_to_a_client_that_did_not_wait(early: bytes) -> None:
    connection = connect()
    connection.receive(EXPECTING + early)
    assert connection.take_interim() == b""
    connection = connect()
    connection.receive(EXPECTING)
    connection.receive(early)
    assert connection.take_interim() == b""


def test_continue_is_not_said_when_the_body_is_refused() -> None:
    connection = connect()
    connection.receive(EXPECTING.replace(b"Length: 5", b"Length: 65"))
    assert connection.phase is Phase.FAILED
    assert connection.take_interim() == b""
    assert connection.failure(DATE).startswith(b"HTTP/1.1 413 ")


def test_continue_is_not_said_without_a_body() -> None:
    connection = connect()
    connection.receive(EXPECTING.replace(b"Length: 5", b"Length: 0"))
    assert connection.take_interim() == b""
    assert connection.phase is Phase.READY


def test_continue_for_a_pipelined_request_comes_after_the_answer_before_it() -> None:
    connection = connect()
    connection.receive(GET + EXPECTING)
    assert connection.take_interim() == b""
    assert connection.next_request() is not None
    assert connection.phase is Phase.BODY
    assert connection.take_interim() != b""


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_beyond_the_memory_limit_goes_to_a_file(framing: str) -> None:
    spools = Spools()
    connection = connect(new_spool=spools)
    if framing == "length":
        connection.receive(POST.replace(b"Length: 5", b"Length: 17") + b"0123456789")
        connection.receive(b"0123456")
    else:
        connection.receive(POST.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"))
        connection.receive(b"a\r\n0123456789\r\n7\r\n0123456\r\n0\r\n\r\n")
    request = connection.next_request()
    assert request is not None
    (file,) = spools.made
    assert request.environ["wsgi.input"] is file
    assert file.read() == b"01234567890123456"
    request.close()
    assert file.closed
    request.close()


def test_a_body_at_the_memory_limit_stays_in_memory() -> None:
    spools = Spools()
    connection = connect(new_spool=spools)
    connection.receive(POST.replace(b"Length: 5", b"Length: 16") + b"0123456789012345")
    request = connection.next_request()
    assert request is not None
    assert isinstance(request.environ["wsgi.input"], BytesIO)
    assert not spools.made
    request.close()


@pytest.mark.parametrize("end", ["refuse", "eof", "close", "untaken"])
def test_files_of_requests_that_nobody_took_are_freed(end: str) -> None:
    spools = Spools()
    connection = connect(new_spool=spools)
    connection.receive(POST.replace(b"Length: 5", b"Length: 30") + b"01234567890123456789")
    if end == "untaken":
        connection.receive(b"0123456789")
        assert connection.phase is Phase.READY
    match end:
        case "refuse":
            connection.refuse(408)
        case "eof":
            connection.receive(b"")
        case _:
            connection.close()
    assert [file.closed for file in spools.made] == [True]


def test_errors_of_the_file_come_through() -> None:
    def no_spool() -> BinaryIO:
        raise OSError("disk full")

    connection = connect(new_spool=no_spool)
    with pytest.raises(OSError, match="disk full"):
        connection.receive(POST.replace(b"Length: 5", b"Length: 30") + b"01234567890123456789")


@pytest.mark.parametrize("data", [b"", b"GET", POST, GET])
def test_the_caller_may_refuse_at_any_time(data: bytes) -> None:
    connection = connect()
    if data:
        connection.receive(data)
    connection.refuse(408)
    assert connection.phase is Phase.FAILED
    assert connection.next_request() is None
    (answer,) = read_answers(connection.failure(DATE), ["GET"], closed=True)
    assert (answer.status, answer.reason) == (408, "Request Timeout")
    connection.receive(GET)
    connection.refuse(503)
    assert connection.failure(DATE).startswith(b"HTTP/1.1 408 ")


def test_a_refusal_is_small_and_correct() -> None:
    connection = connect()
    connection.receive(b"GET / HTTP/1.1\r\n\r\n")
    assert connection.failure(DATE) == (
        b"HTTP/1.1 400 Bad Request\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: workerhub\r\n"
        b"Content-Type: text/plain; charset=us-ascii\r\nContent-Length: 50\r\nConnection: close\r\n\r\n"
        b"400 Bad Request\nThe Host header field is missing.\n"
    )


def test_a_refused_head_request_gets_no_body() -> None:
    story = tell([b"HEAD / HTTP/1.1\r\n\r\n"])
    assert read_answers(story.answer, ["HEAD"], closed=True)[0].status == 400
    assert tell([b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", b"junk\r\n"]).answer.endswith(b"malformed.\n")


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([b"GET /a?b HTTP/1.1\r\n\r\n"], ("GET", "/a?b", "HTTP/1.1", 400)),
        ([b"GET /a?b HTTP/1.1\r\n", b"\r\n"], ("GET", "/a?b", "HTTP/1.1", 400)),
        ([b"\r\n", b"BREW /pot HT", b"TP/1.1\r\n"], ("BREW", "/pot", "HTTP/1.1", 501)),
        ([b"GET / HTTP/3.0\r\n"], ("GET", "/", "HTTP/3.0", 505)),
        ([b"GET /" + b"x" * 200], ("", "GET /" + "x" * 95, "", 414)),
        ([b'\x16\x03\x01\xff "\\\n'], ("", '\x16\x03\x01\xff "\\', "", 400)),
        ([b"\n"], ("", "", "", 400)),
        ([GET + b"GET /next HTTP/1.1\r\nHost: a b\r\n\r\n"], ("GET", "/next", "HTTP/1.1", 400)),
        ([POST.replace(b"Length: 5", b"Length: 65")], ("POST", "/", "HTTP/1.1", 413)),
        ([POST + b"hel", b""], ("POST", "/", "HTTP/1.1", 400)),
        ([b"GET / HT", b""], ("", "GET / HT", "", 400)),
    ],
)
def test_a_refusal_is_logged_once_with_what_is_known(pieces: list[bytes], told: tuple[str, str, str, int]) -> None:
    logged: list[tuple[object, ...]] = []

    def access(environ: Mapping[str, Any], status: int, sent: int, seconds: float) -> None:
        line = (environ["REQUEST_METHOD"], environ["REQUEST_URI"], environ["SERVER_PROTOCOL"], status)
        logged.append((*line, environ["REMOTE_ADDR"], sent, seconds))

    connection = ServerConnection(SMALL, ENVIRON, TemporaryFile, access=access)
    for piece in pieces:
        connection.receive(piece)
        connection.next_request()
    assert logged == []
    body = connection.failure(DATE).partition(b"\r\n\r\n")[2]
    connection.failure(DATE)
    assert logged == [(*told, "192.0.2.7", len(body), 0.0)]


def test_a_request_that_was_refused_when_it_was_complete_is_logged_with_its_fields() -> None:
    logged: list[Mapping[str, Any]] = []
    connection = ServerConnection(SMALL, ENVIRON, TemporaryFile, access=lambda environ, *_: logged.append(environ))
    connection.receive(GET.replace(b"\r\n\r\n", b"\r\nUser-Agent: x\r\n\r\n"))
    connection.refuse(503)
    connection.failure(DATE)
    assert [environ["HTTP_USER_AGENT"] for environ in logged] == ["x"]


def test_there_is_nothing_to_say_unless_it_failed() -> None:
    assert connect().failure(DATE) == b""


def test_pipelined_requests_come_in_order_and_wait_their_turn() -> None:
    connection = connect()
    connection.receive(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50)))
    targets = []
    while connection.phase is Phase.READY:
        request = connection.next_request()
        assert request is not None
        targets.append(request.target)
    assert targets == [f"/{number}" for number in range(50)]
    assert connection.phase is Phase.IDLE


def test_bytes_behind_a_waiting_request_are_kept() -> None:
    connection = connect()
    connection.receive(GET)
    connection.receive(GET[:10])
    connection.receive(GET[10:])
    phases = [connection.phase]
    while connection.next_request() is not None:
        phases.append(connection.phase)
    assert phases == [Phase.READY, Phase.READY, Phase.IDLE]


def test_a_client_that_only_stops_sending_is_answered() -> None:
    connection = connect()
    connection.receive(GET + GET)
    connection.receive(b"")
    phases = [connection.phase]
    while connection.next_request() is not None:
        phases.append(connection.phase)
    assert phases == [Phase.READY, Phase.READY, Phase.CLOSED]


def test_the_template_is_copied() -> None:
    connection = connect(REMOTE_ADDR="192.0.2.1")
    connection.receive(GET + GET)
    first = connection.next_request()
    assert first is not None
    first.environ["REMOTE_ADDR"] = "changed"
    first.environ["wsgi.url_scheme"] = "https"
    second = connection.next_request()
    assert second is not None
    assert second.environ["REMOTE_ADDR"] == "192.0.2.1"
    assert second.environ["wsgi.url_scheme"] == "http"
    assert first.environ["wsgi.input"] is not second.environ["wsgi.input"]


def test_the_environment_is_complete() -> None:
    environ = request_for(b"GET /a?b HTTP/1.1\r\nHost: a\r\nContent-Type: x/y\r\n\r\n").environ
    body = environ.pop("wsgi.input")
    wrapper = environ.pop("wsgi.file_wrapper")
    assert environ.pop("wsgi.errors") is not None
    assert environ == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a",
        "QUERY_STRING": "b",
        "RAW_URI": "/a?b",
        "REQUEST_URI": "/a?b",
        "CONTENT_TYPE": "x/y",
        "HTTP_HOST": "a",
        "SERVER_NAME": "server.example",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "40000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    assert body.read() == b""
    assert list(wrapper(BytesIO(b"abc"), 2)) == [b"ab", b"c"]


@pytest.mark.parametrize("parser", PARSERS)
def test_field_names_are_remembered_only_up_to_a_bound(parser: Literal["httptools", "h11"]) -> None:
    """Five thousand made-up names: all are read right, not all are remembered."""
    settings = with_parser(parser, max_headers=200, max_header_bytes=10_000)
    connection = connect(settings)
    for batch in range(30):
        names = [f"X-{batch}-{number}" for number in range(180)]
        lines = "".join(f"{name}: 1\r\n" for name in names)
        connection.receive(f"GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
        request = connection.next_request()
        assert request is not None
        assert all(request.environ["HTTP_" + name.replace("-", "_")] == "1" for name in names)
    assert len(connection._fields._keys) == 4096


class RefusingParser:
    """Finds everything malformed."""

    verdicts = (ArithmeticError,)

    def __init__(self, sink: object) -> None:
        pass

    def parse(self, head: bytes) -> None:
        raise ZeroDivisionError

    @staticmethod
    def accepts(verdict: Exception) -> bool:
        return False


def test_what_the_parser_refuses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate lets nothing through that either parser refuses; were it wrong one day, the parser's verdict counts."""
    monkeypatch.setattr("workerhub.http.profile.parser_class", lambda choice: RefusingParser)
    story = tell([GET], replace(SMALL, max_headers=7))
    assert (story.requests, story.status) == ((), 400)


def test_a_connection_is_freed_without_the_garbage_collector() -> None:
    import gc
    import weakref

    class Watched(ServerConnection):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        connection = Watched(SMALL, ENVIRON, TemporaryFile)
        connection.receive(GET + GET[:5])
        request = connection.next_request()
        gone = weakref.ref(connection)
        del connection, request
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("parser", PARSERS)
def test_real_sizes(parser: Literal["httptools", "h11"]) -> None:
    """The limits that the configuration has by default, reached to the byte."""
    settings = HttpSettings(parser, 8192, 65536, 100, None, 1 << 20, (), "off", None, keepalive=True)
    target = b"/" + b"a" * (8192 - 14)
    fields = b"Host: a\r\nX: " + b"b" * (65536 - 14) + b"\r\n"
    fits = b"GET " + target + b" HTTP/1.1\r\n" + fields + b"\r\n"
    assert len(tell([fits], settings).requests) == 1
    for size in (1000, 4096):
        pieces = [fits[at : at + size] for at in range(0, len(fits), size)]
        assert len(tell(pieces, settings).requests) == 1
    assert tell([fits.replace(b"GET /", b"GET /a")], settings).status == 414
    assert tell([fits.replace(b"X: ", b"X:  ")], settings).status == 431


def test_the_date_line() -> None:
    date = HttpDate()
    assert date.line(784111777) == b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    assert date.line(784111777.9) is date.line(784111777.1)
    assert date.line(784111778) == b"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"
    assert date.line(784111777) == b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    assert date.line(951827696) == b"Date: Tue, 29 Feb 2000 12:34:56 GMT\r\n"
