"""One client connection without I/O: bytes in, complete requests out (RFC 9112).

How a head comes in. When it arrives whole and clean, which is nearly always, one regular expression finds its end and checks every byte;
then the parser hands its fields to the collector, which writes them straight into a copy of the connection's environment. Any other
head goes through the `HeadScanner` line by line and then takes the same way. What the fields mean together (Host, framing, expectations)
is judged here, once for both parsers. A body is framed by `body` and collected; with its last byte the request is READY.

A body may also be streamed: then the request is READY with its head, and handed out; `wsgi.input` has the caller receive what it needs.
BODY then means that the body of the request that was handed out is still to come, and when it is complete the phase goes on to speak of
what came behind it. A body that is here together with its head is never streamed: there is nothing to wait for.

Only one request is ever read ahead. Bytes behind a READY one wait as they are, so what a pipelining client can make this hold is what
the caller reads at once: it should stop reading while `phase` is READY.
"""

from __future__ import annotations

import re
from enum import IntEnum
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from workerhub.http.body import BodyBuffer, BodyFraming, ChunkedFraming, LengthFraming
from workerhub.http.errors import REFUSALS, Fault, Refusal, Refused, error_answer
from workerhub.http.grammar import HEAD, METHODS, TRAILING_SPACE
from workerhub.http.profile import profile_of
from workerhub.http.request import Request
from workerhub.http.request_start import waited
from workerhub.http.scanner import HeadScanner
from workerhub.http.stream import BodyStream
from workerhub.http.target import known_hosts, split_target, valid_host
from workerhub.http.told import environ_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workerhub.http.settings import HttpSettings


class Phase(IntEnum):
    """What a connection is waiting for. The caller's timers follow it: keep-alive in IDLE, header in HEAD, body in BODY."""

    IDLE = 0
    """Nothing of a request is here."""
    HEAD = 1
    """A part of a head is here."""
    BODY = 2
    """The head is here and fine, the body isn't complete. Streamed: also while the request runs, and after it until the rest is read."""
    READY = 3
    """A complete request (streamed: its head) waits for `next_request`; don't read more before it was taken."""
    FAILED = 4
    """The input was refused: answer `failure()` and close. Whatever still comes is ignored."""
    CLOSED = 5
    """Nothing more will come: the peer is done, or asked for the connection to end with the request that was taken last."""


_IDLE, _HEAD, _BODY, _READY, _FAILED, _CLOSED = Phase
"""By global name: on Python 3.11 looking a member up on its class takes 0.1 us, and a request needs six."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LENGTH: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
"""Content-Length: without sign, list or leading zeros, which some read as octal; and no number that overflows anywhere."""
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)

_VERSIONS: Final = {b"1": (True, (1, 1), "HTTP/1.1"), b"0": (False, (1, 0), "HTTP/1.0")}


class ServerConnection:
    """Bytes in, complete requests out. One object per connection, no clock, no socket; not to be used by two threads at once.

    Args:
        settings: limits and choices.
        environ: from `environ_template`: what every request has in its environment. Copied for each.
        new_spool: makes the temporary file (binary, read and write) for a body larger than `settings.body_memory`.
        peer: the peer's REMOTE_ADDR and REMOTE_PORT, where these aren't in `environ`.
        pull: given, bodies are streamed. Called by `wsgi.input` when it needs more: has to send what `take_interim` gives, wait for the
            client, and `receive` what it sent, or `refuse`; or may raise, which the application sees.
        stream_chunked: also bodies in chunks. Else these are collected, because only then there is a CONTENT_LENGTH, without which
            Django, for one, takes a body for empty.
        access: writes the access log's line of a request that is refused before it could be taken; with what is known of its environ, the
            status, the body's bytes, and 0 seconds.
    """

    __slots__ = (
        "_access",
        "_apply_forwarded",
        "_body",
        "_ended",
        "_fields",
        "_framing",
        "_interim",
        "_is_head",
        "_new_spool",
        "_peer",
        "_profile",
        "_pull",
        "_refusal",
        "_refused",
        "_request",
        "_rest",
        "_scanner",
        "_settings",
        "_stream_chunked",
        "_streamed",
        "_template",
        "phase",
    )

    _refused: dict[str, Any] | None
    """What is still to be logged of the request that was refused. There only if one was."""

    def __init__(
        self,
        settings: HttpSettings,
        environ: dict[str, Any],
        new_spool: Callable[[], BinaryIO],
        *,
        peer: tuple[str, str] | None = None,
        pull: Callable[[], None] | None = None,
        stream_chunked: bool = False,
        access: Callable[[Mapping[str, Any], int, int, float], None] | None = None,
    ) -> None:
        profile = self._profile = profile_of(settings)
        self._peer = peer = peer or (environ["REMOTE_ADDR"], environ["REMOTE_PORT"])
        trusted = peer[0] in profile.trusted
        self._apply_forwarded = profile.apply if trusted else None
        self._fields = profile.trusted_fields if trusted else profile.other_fields
        self._settings = settings
        self._template = environ
        self._new_spool = new_spool
        self._pull = pull
        self._stream_chunked = stream_chunked
        self._access = access
        self._scanner: HeadScanner | None = None
        self._request: Request | None = None
        """The request that is being read, from its complete head on."""
        self._streamed: Request | None = None
        """The request that was handed out and whose body is still being read."""
        self._framing: BodyFraming | None = None
        self._body: BodyBuffer | BodyStream | None = None
        self._rest = b""
        """What came behind a READY request."""
        self._ended = False
        """The peer closed its sending side."""
        self._interim = False
        self._is_head = False
        """The request being read is HEAD: not even its refusal has a body."""
        self._refusal: Refusal | None = None
        self.phase = _IDLE

    def receive(self, data: bytes) -> None:
        """Take what the peer sent; b"": it closed its sending side. Bad input never raises: `phase` becomes FAILED.

        Raises:
            OSError: from the file that keeps a large body.
        """
        phase = self.phase
        if phase is _IDLE:
            # What is known already (`memory`) needn't be read again.
            line, _, fields = data.partition(b"\r\n")
            known = self._fields.memory.fields.get(fields)
            if known is not None and self._scanner is None:
                memory = self._fields.memory
                plain = memory.lines.get(line) or memory.read_line(line)
                if plain is not None:
                    self._is_head, method, target, method_and_target, entries = plain
                    environ = {**self._template, **entries, **known[0], "wsgi.input": BytesIO()}
                    environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = self._peer
                    self._request = Request(method, target, method_and_target, environ, (1, 1), known[1])
                    self.phase = _READY
                    return
        if phase is _READY:
            self._rest += data
            self._ended = self._ended or not data
        elif phase < _READY:
            if data:
                self._read(data)
            else:
                self._end()

    def take_interim(self) -> bytes:
        """What to send before the body is waited for: 100 Continue once, if the client waits for it, else b"".

        Look after each `receive`, and after a response when `phase` is BODY; streamed: whenever more of a body is needed.
        """
        if not self._interim or self.phase is not _BODY:
            return b""
        self._interim = False
        if self._streamed is not None and self._streamed.stream is not None and self._streamed.stream.answered:
            return b""
        return _CONTINUE

    def next_request(self) -> Request | None:
        """The complete request, or None. Then `phase` speaks of what came behind it, which may be READY or FAILED at once: answer first.

        Raises:
            OSError: from the file that keeps a large body.
        """
        if self.phase is not _READY:
            return None
        request, self._request = self._request, None
        rest = self._rest
        if self._body is not None:
            self._hand_out(request, rest)
            return request
        if not rest and not self._ended and request is not None and request.keep_alive:
            self.phase = _IDLE
            return request
        self._go_on(request, rest)
        return request

    def know(self, facts: Mapping[str, str]) -> None:
        """Have more stand in the environment of every request: what the caller has learnt about the connection meanwhile."""
        self._template = {**self._template, **facts}

    def refuse(self, status: int, text: str = "The request was refused.", *, retry_after: int = 0) -> None:
        """The caller's own verdict, for example 408 when a timer ran out. A request that wasn't taken is dropped.

        Args:
            status: that of the answer.
            text: what the answer says, where the status has no sentence of its own here.
            retry_after: seconds that the client is asked to wait before it tries again, if it is.
        """
        if self.phase < _FAILED:
            text = _CALLERS.get(status, text)
            self._fail(Refusal(status, text, f"Retry-After: {retry_after}\r\n" if retry_after else ""))

    def waited(self, now: float) -> float:
        """In phase READY: seconds since a trusted proxy got the request, if it says so in X-Request-Start; else 0.

        Args:
            now: seconds since the epoch.
        """
        if self._request is None or self._fields is not self._profile.trusted_fields:
            return 0.0
        return waited(self._request.environ.get("HTTP_X_REQUEST_START", ""), now)

    def failure(self, date: bytes) -> bytes:
        """In phase FAILED: the whole small answer, to be sent before closing; in any other, or where a running request answers, b"".

        Asked for the first time, it writes the access log's line.

        Args:
            date: from `HttpDate.line`.
        """
        refusal = self._refusal
        if refusal is None:
            return b""
        server = self._settings.server_header
        answer, sent = error_answer(
            refusal.status,
            refusal.text,
            fields=refusal.fields,
            date=date,
            server=server,
            with_body=not self._is_head,
        )
        if self._access is not None and self._refused is not None:
            self._access(self._refused, refusal.status, sent, 0.0)
            self._refused = None
        return answer

    def close(self) -> None:
        """Free what is held for requests that weren't handed out; those that were are freed by `Request.close`."""
        self._drop()
        self._pull = None
        self.phase = _CLOSED

    def _read(self, data: bytes) -> None:
        try:
            if self.phase is _BODY:
                self._interim = False
                self._read_body(data)
            elif self._scanner is None and (match := HEAD.match(data)) is not None:
                end = match.end()
                # No copy where nothing stands behind the head.
                if end == len(data):
                    self._begin(match, data)
                else:
                    self._begin(match, data[:end], data[end:])
            else:
                self._scan(data)
        except Refused as refused:
            self._fail(REFUSALS[refused.fault], data)

    def _scan(self, data: bytes) -> None:
        """A head in pieces, or one that the gate didn't let through: line by line, to the same verdict."""
        scanner = self._scanner
        if scanner is None:
            scanner = self._scanner = HeadScanner(self._settings)
            self._is_head = False
        complete = scanner.feed(data)
        if complete is None:
            self.phase = _IDLE if scanner.is_empty else _HEAD
            return
        head, rest = complete
        head = TRAILING_SPACE.sub(b"", head)
        match = HEAD.match(head)
        if match is None:
            raise Refused(Fault.PARSER)
        self._begin(match, head, rest)
        self._scanner = None

    def _begin(self, match: re.Match[bytes], head: bytes, rest: bytes = b"") -> None:  # noqa: C901  # in one piece on the hot path
        """A whole head that the gate let through; what stands behind it is body or the next request."""
        method_bytes, target_bytes, minor = match.groups()
        self._is_head = method_bytes == b"HEAD"
        settings = self._settings
        line_end = match.end(3)
        if line_end > settings.max_request_line:
            raise Refused(Fault.REQUEST_LINE_SIZE)
        method = METHODS.get(method_bytes)
        if method is None:
            raise Refused(Fault.METHOD)
        target = target_bytes.decode()  # visible ASCII, as the gate knows
        authority, path, query = split_target(method, target)
        if len(head) - line_end - 4 > settings.max_header_bytes:
            raise Refused(Fault.FIELD_BYTES)
        count = head.count(b"\n") - 2
        if count > settings.max_headers:
            raise Refused(Fault.FIELD_COUNT)

        environ = self._template.copy()
        accepted = self._fields.read(head, count, environ)
        is_1_1, version, protocol = _VERSIONS[minor]
        if authority or environ.get("HTTP_HOST") not in known_hosts:
            _judge_host(environ, authority, is_1_1=is_1_1)
        environ["REQUEST_METHOD"] = method
        environ["PATH_INFO"] = path
        environ["QUERY_STRING"] = query
        environ["RAW_URI"] = environ["REQUEST_URI"] = target
        environ["SERVER_PROTOCOL"] = protocol
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = self._peer
        connection = environ.get("HTTP_CONNECTION")
        keep_alive = is_1_1 if connection is None else _wants_keep_alive(connection, is_1_1=is_1_1)
        self._request = Request(method, target, head[: match.end(2)], environ, version, keep_alive)

        framed = "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ or "HTTP_EXPECT" in environ
        if framed:
            self._frame(environ, is_1_1=is_1_1)
        if not accepted:
            # Both libraries judge framing too, each in its own words and at its own moment: our own verdict comes first.
            raise Refused(Fault.PARSER)
        if self._apply_forwarded is not None and self._fields.names.saw_forwarding:
            self._apply_forwarded(environ, self._profile.trusted)
        elif is_1_1 and not framed and self._fields.memory.is_due():
            self._fields.memory.learn_fields(head[line_end + 2 :], environ, keep_alive=keep_alive)
        if self._framing is None:
            environ["wsgi.input"] = BytesIO()
            self._rest = rest
            self.phase = _READY
        else:
            self._begin_body(rest)

    def _begin_body(self, rest: bytes) -> None:
        if self._pull is not None and self._is_to_stream(len(rest)):
            self._begin_stream(self._pull, rest)
            return
        self.phase = _BODY
        self._body = BodyBuffer(self._settings.body_memory, self._new_spool)
        if rest:
            self._interim = False
            self._read_body(rest)

    def _is_to_stream(self, here: int) -> bool:
        """Whether the body is one to be streamed; so many bytes of it are here."""
        framing = self._framing
        return here < framing.length if isinstance(framing, LengthFraming) else self._stream_chunked

    def _begin_stream(self, pull: Callable[[], None], rest: bytes) -> None:
        """READY, without having looked at what is here of the body."""
        request, framing = self._request, self._framing
        if request is None:
            raise AssertionError("a body without a request")
        length = framing.length if isinstance(framing, LengthFraming) else None
        self._interim = self._interim and not rest
        self._body = request.stream = BodyStream(pull, length, expects=self._interim)
        request.environ["wsgi.input"] = request.stream.open()
        self._rest = rest
        self.phase = _READY

    def _hand_out(self, request: Request | None, rest: bytes) -> None:
        """Go on with the body of a request that runs from now on."""
        self._streamed = request
        self._rest = b""
        self.phase = _BODY
        if rest:
            self._read(rest)
        if self._ended and self.phase < _READY:
            self._end()

    def _end_stream(self, stream: BodyStream, rest: bytes) -> None:
        """The body of the request that runs is complete; go on with what is behind it."""
        stream.complete = True
        request, self._streamed = self._streamed, None
        self._framing = self._body = None
        self._go_on(request, rest)

    def _frame(self, environ: dict[str, Any], *, is_1_1: bool) -> None:
        """How the body is framed (RFC 9112, 6.3), and what the client expects before it sends it (RFC 9110, 10.1.1)."""
        length: str | None = environ.get("CONTENT_LENGTH")
        codings: str | None = environ.pop("HTTP_TRANSFER_ENCODING", None)
        if codings is not None:
            _check_codings(codings, length, is_1_1=is_1_1)
            self._framing = ChunkedFraming(self._settings)
        elif length is not None:
            if not _LENGTH.fullmatch(length):
                raise Refused(Fault.CONTENT_LENGTH)
            size = int(length)
            if self._settings.max_body is not None and size > self._settings.max_body:
                raise Refused(Fault.BODY_SIZE)
            if size:
                self._framing = LengthFraming(size)
        expectation = environ.get("HTTP_EXPECT")
        # HTTP/1.0 has no expectations; one that stands there all the same is to be ignored.
        if expectation is not None and is_1_1:
            if expectation.lower() != "100-continue":
                raise Refused(Fault.EXPECTATION)
            self._interim = self._framing is not None

    def _read_body(self, data: bytes) -> None:
        framing, body, request = self._framing, self._body, self._request
        if framing is None or body is None:
            raise AssertionError("phase BODY without a body")
        rest = framing.feed(data, body)
        if rest is None:
            return
        if isinstance(body, BodyStream):
            self._end_stream(body, rest)
            return
        if request is None:
            raise AssertionError("a body without a request")
        # RFC 9112, 7.1.3: once decoded the body has a length, which frameworks that know no other way of ending one rely on.
        request.environ["CONTENT_LENGTH"] = str(body.size)
        request.environ["wsgi.input"] = body.finish()
        request.spool = body.spool
        self._framing = self._body = None
        self._rest = rest
        self.phase = _READY

    def _go_on(self, request: Request | None, rest: bytes) -> None:
        """What follows a request that was taken, if anything may."""
        self._rest = b""
        if request is None or not request.keep_alive:
            self.phase = _CLOSED  # RFC 9112, 9.6: nothing behind a request that says close is looked at
            return
        self.phase = _IDLE
        if rest:
            self._read(rest)
        if self._ended and self.phase < _READY:
            self._end()

    def _end(self) -> None:
        """The peer is done. Fine between two requests; in the middle of one it is the end of that one too."""
        self._ended = True
        if self.phase is _IDLE:
            self.phase = _CLOSED
        else:
            self._fail(REFUSALS[Fault.TRUNCATED])

    def _fail(self, refusal: Refusal, data: bytes = b"") -> None:
        """Refuse the request that is being read, if need be with what has come of it last."""
        if isinstance(self._body, BodyStream):
            self._body.fail(refusal)
        # A request that was handed out is answered by whoever runs it, after its `wsgi.input` raised.
        if self._streamed is None:
            self._refusal = refusal
            self._refused = self._told(data)
        self._drop()
        self.phase = _FAILED

    def _told(self, data: bytes) -> dict[str, Any]:
        """What the access log is told of the request that is being read."""
        if self._request is not None:
            return self._request.environ
        beginning = data if self._scanner is None else self._scanner.beginning
        return environ_of(beginning, self._settings.max_request_line, self._peer)

    def _drop(self) -> None:
        self._interim = False
        self._rest = b""
        self._scanner = self._framing = None
        body, self._body = self._body, None
        request, self._request = self._request, None
        self._streamed = None
        if isinstance(body, BodyBuffer):  # a stream is its request's, which may be running
            body.close()
        if request is not None:
            request.close()


_CALLERS: Final = {
    408: "The request took too long to arrive.",
    503: "The server can take no more requests now.",
}
"""Sentences for the verdicts that only the caller can reach."""


def _judge_host(environ: dict[str, Any], authority: str, *, is_1_1: bool) -> None:
    """RFC 9112, 3.2: one valid Host, and the one that an absolute target names."""
    host = environ.get("HTTP_HOST")
    if host is None:
        if is_1_1:
            raise Refused(Fault.HOST_MISSING)
        if authority:
            environ["HTTP_HOST"] = authority
    elif not valid_host(host) or (authority and host.lower() != authority):
        # A client MUST send them identical: whoever routes by one and whoever routes by the other would disagree.
        raise Refused(Fault.HOST_INVALID)


_USUAL: Final = frozenset({"keep-alive", "close"})


def _wants_keep_alive(connection: str, *, is_1_1: bool) -> bool:
    """RFC 9112, 9.3."""
    options = connection.lower()
    if options in _USUAL:
        return options == "keep-alive"
    listed = {option.strip(" \t") for option in options.split(",")}
    return "close" not in listed and (is_1_1 or "keep-alive" in listed)


def _check_codings(value: str, length: str | None, *, is_1_1: bool) -> None:
    """RFC 9112, 6.1 and 6.3: chunked, once, alone, on HTTP/1.1, and no Content-Length."""
    if not is_1_1:
        raise Refused(Fault.CODING_IN_1_0)
    if length is not None:
        raise Refused(Fault.LENGTH_AND_CODING)
    codings = [coding.strip(" \t").lower() for coding in value.split(",")]
    if not all(map(_TOKEN.fullmatch, codings)):
        raise Refused(Fault.CODING_FRAMING)
    if any(coding != "chunked" for coding in codings):
        raise Refused(Fault.CODING_UNKNOWN)
    if len(codings) != 1:
        raise Refused(Fault.CODING_FRAMING)
