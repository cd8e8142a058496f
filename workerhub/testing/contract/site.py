"""The application that a class serves while it is put to the test."""

from __future__ import annotations

import hashlib
import json
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from workerhub.errors import RequestTimeout
from workerhub.testing.latch import Latch

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

LARGE = bytes(range(256)) * 4096 * 4
"""4 MiB: more than the buffers of two sockets on the loopback take, and many times `response_memory`."""


class Site:
    """A WSGI application whose pages do what the clauses are about. Any other path says hello. Made before the fork.

    Attributes:
        running: opened by a page that has begun to run.
        go_on: waited for by a page that is to be held.
        over: opened by a page that came to its end in an unusual way.
    """

    def __init__(self, patience: float) -> None:
        self.running = Latch(patience)
        self.go_on = Latch(patience)
        self.over = Latch(patience)
        self._handlers: dict[str, str] = {}
        self._pages: dict[str, Callable[[Environ, StartResponse], Iterable[bytes]]] = {
            "/begun": self.begun,
            "/breaks": breaks,
            "/digest": digest,
            "/endless": self.endless,
            "/environ": environ_as_json,
            "/fails": fails,
            "/file": file,
            "/hold": self.hold,
            "/large": large,
            "/loop": self.loop,
            "/signals": self.signals,
            "/stream": self.stream,
            "/stubborn": self.stubborn,
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Find the page and have it answer."""
        return self._pages.get(environ["PATH_INFO"], hello)(environ, start_response)

    def shut(self) -> None:
        """Forget what was opened and not waited for."""
        for latch in (self.running, self.go_on, self.over):
            latch.shut()

    def close(self) -> None:
        """Give the descriptors back."""
        for latch in (self.running, self.go_on, self.over):
            latch.close()

    # What a life may be held with.

    def pause(self) -> None:
        """Say that it has come so far, and wait."""
        self.running.open()
        self.go_on.wait()

    def note_handlers(self) -> None:
        """Remember who handles signals now, for the page that tells whether somebody else does then."""
        self._handlers = _handlers()

    # The pages.

    def hold(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Runs until it may go on, asleep."""
        self.pause()
        return hello(environ, start_response)

    def loop(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Runs until it may go on, awake."""
        try:
            self.running.open()
            while not self.go_on.is_open():
                sum(range(100))
        except RequestTimeout:
            self.over.open()
            raise
        return hello(environ, start_response)

    def stubborn(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Runs until it may go on, asleep, and isn't ended by what is raised in it."""
        try:
            self.pause()
        except RequestTimeout:
            self.go_on.wait()
        return hello(environ, start_response)

    def begun(self, _environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        """Has said something before it runs until it may go on."""
        start_response("200 OK", [("Content-Length", "10")])
        yield b"begun"
        self.running.open()
        while not self.go_on.is_open():
            sum(range(100))
        yield b"ended"

    def stream(self, _environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        """Says one thing, and another when it may go on."""
        start_response("200 OK", [])
        yield b"first"
        self.go_on.wait()
        yield b"second"

    def endless(self, _environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        """Never comes to an end by itself."""
        start_response("200 OK", [])
        try:
            self.running.open()
            while True:
                yield LARGE[:65536]
        finally:
            self.over.open()

    def signals(self, _environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Says which signals are handled by somebody else than at first."""
        now = _handlers()
        changed = [f"{name}: {now[name]}" for name in now if now[name] != self._handlers[name]]
        return say("; ".join(changed).encode(), start_response)


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Says the path that it was asked for."""
    return say(f"hello {environ['PATH_INFO']}".encode(), start_response)


def say(body: bytes, start_response: StartResponse) -> Iterable[bytes]:
    """An answer of known length."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def digest(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Says the SHA-256 of the request's body."""
    hashed = hashlib.sha256()
    while piece := environ["wsgi.input"].read(65536):
        hashed.update(piece)
    return say(hashed.hexdigest().encode(), start_response)


def environ_as_json(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Says the strings and flags of its environ."""
    known = {key: value for key, value in environ.items() if isinstance(value, str | bool | int)}
    return say(json.dumps(known).encode(), start_response)


def fails(environ: Environ, _start_response: StartResponse) -> Iterable[bytes]:
    """Raises what it is asked to."""
    raise {"exit": SystemExit(3), "interrupt": KeyboardInterrupt()}.get(
        environ["QUERY_STRING"], ValueError("on purpose")
    )


def breaks(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """Says something, and fails before it has said all."""
    start_response("200 OK", [])
    yield b"begun"
    raise ValueError("on purpose")


def file(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Much, from behind the first byte of a file, by `wsgi.file_wrapper`."""
    content = tempfile.TemporaryFile()  # noqa: SIM115  # the wrapper closes it
    content.write(b"!" + LARGE)
    content.seek(1)
    start_response("200 OK", [("Content-Length", str(len(LARGE)))])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](content)
    return wrapped


def large(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Much, in one piece."""
    return say(LARGE, start_response)


def _handlers() -> dict[str, str]:
    """Who handles each signal, in words that stay the same within one process."""
    return {known.name: repr(signal.getsignal(known)) for known in signal.Signals}
