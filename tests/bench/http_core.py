"""What the HTTP core costs per request, without any I/O: `python tests/bench/http_core.py`.

Prints microseconds, the best of many short runs (on a shared machine the only number that repeats), beside what the parser library alone
takes for the same bytes.
"""

from __future__ import annotations

import timeit
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import httptools

from workerhub.http import HttpDate, HttpSettings, Request, ServerConnection, WsgiGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BARE = b"GET / HTTP/1.1\r\nHost: localhost:8000\r\n\r\n"
USUAL = (
    b"GET /hello?x=1 HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n"
    b"Accept-Encoding: gzip, deflate\r\n\r\n"
)
ENVIRON: dict[str, Any] = {
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "8000",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "40000",
    "wsgi.errors": None,
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
}


class Discard:
    """An output that forgets."""

    def write(self, data: bytes) -> None:
        pass

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        pass


class Callbacks:
    """What a parser needs at the least to be of use."""

    def on_url(self, url: bytes) -> None:
        pass

    def on_header(self, name: bytes, value: bytes) -> None:
        pass


def settings(parser: Literal["httptools", "h11"], trusted: tuple[str, ...] = ()) -> HttpSettings:
    return HttpSettings(
        parser=parser,
        max_request_line=8192,
        max_header_bytes=65536,
        max_headers=100,
        max_body=None,
        body_memory=1 << 20,
        trusted_proxies=trusted,
        forwarded="x-forwarded",
        server_header="workerhub",
        keepalive=True,
    )


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello, World!"]


def best(call: Callable[[], object], number: int = 500, repeat: int = 300) -> float:
    return min(timeit.repeat(call, number=number, repeat=repeat)) / number * 1e6


def fail(request: Request, error: BaseException) -> None:
    raise error


def main() -> None:
    date = HttpDate().line(1_000_000_000)
    output = Discard()
    for label, head in (("GET, 1 field", BARE), ("GET, 4 fields", USUAL)):
        library = httptools.HttpRequestParser(Callbacks())
        print(f"{label}: httptools alone {best(lambda: library.feed_data(head)):.2f}")  # noqa: B023  # called at once
        for parser in ("httptools", "h11"):
            chosen = settings(parser)
            connection = ServerConnection(chosen, ENVIRON, TemporaryFile)
            gateway = WsgiGateway(app, chosen, fail)

            def read() -> Request | None:
                connection.receive(head)  # noqa: B023  # called at once
                return connection.next_request()  # noqa: B023  # called at once

            def whole() -> None:
                request = read()  # called at once
                if request is not None:
                    gateway.run(request, output, date)  # noqa: B023  # called at once

            number = 500 if parser == "httptools" else 20
            print(f"  {parser}: read {best(read, number):.2f}, read + run {best(whole, number):.2f}")
    chosen = settings("httptools")
    print(f"new connection {best(lambda: ServerConnection(chosen, ENVIRON, TemporaryFile)):.2f}")


if __name__ == "__main__":
    main()
