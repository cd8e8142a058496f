"""WSGI (PEP 3333): runs an application on a request and sees its answer out, whatever the application does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from workerhub.errors import ClientDisconnected, RequestTimeout
from workerhub.http.file_wrapper import FileWrapper
from workerhub.http.response import LengthMismatch, Outcome, Output, Response
from workerhub.http.stream import BodyError

if TYPE_CHECKING:
    from workerhub.http.request import Request
    from workerhub.http.settings import HttpSettings

WsgiApplication = Callable[[dict[str, Any], Callable[..., Callable[[bytes], None]]], Iterable[bytes]]


class WsgiGateway:
    """Runs one WSGI application; one per worker process, may be used by several threads at once.

    Args:
        app: the application.
        settings: `server_header`, `keepalive` and `show_errors` are what is used of them.
        on_error: told about everything that an application did wrong, at once, with its traceback still on the exception; also about
            a `BodyError` that it let through. Not about `RequestTimeout`, which the worker itself raised, nor about clients that left.
    """

    __slots__ = ("_app", "_keepalive", "_on_error", "_server", "_show_errors")

    def __init__(
        self, app: WsgiApplication, settings: HttpSettings, on_error: Callable[[Request, BaseException], None]
    ) -> None:
        self._app = app
        self._on_error = on_error
        self._keepalive = settings.keepalive
        self._show_errors = settings.show_errors
        self._server = f"Server: {settings.server_header}\r\n".encode("latin-1") if settings.server_header else b""

    def run(self, request: Request, output: Output, date: bytes, *, last: bool = False) -> Outcome:
        """Run the application on a request and write its whole answer: the head and the first block in one write.

        Catches everything, `SystemExit` and `RequestTimeout` included; the iterable's `close` is called exactly once. An error before
        the head is out becomes a 500 (504 for `RequestTimeout`), one behind it cuts the connection so that the client can tell.

        Args:
            request: from `ServerConnection.next_request`.
            output: where the answer goes.
            date: from `HttpDate.line`.
            last: answer with `Connection: close`: the worker is draining.

        Raises:
            RequestTimeout: only one that strikes after the answer's fate is settled. The connection has to be closed.
        """
        response = Response(request, output, date, self._server, request.keep_alive and self._keepalive and not last)
        result: Iterable[bytes] = ()
        error: BaseException | None = None
        try:
            result = self._app(request.environ, response.start)
            kind = type(result)
            if kind is list or kind is tuple:
                response.write_all(result)  # type: ignore[arg-type]  # the type was just looked at
            elif kind is FileWrapper and _write_file(response, result):  # type: ignore[arg-type]  # likewise
                response.finish()
            else:
                write = response.write
                for block in result:
                    write(block)
                    if response.bodiless:
                        break
                response.finish()
        except BaseException as caught:  # noqa: BLE001  # whatever an application raises ends its request, not the worker
            error = caught
            self._settle(request, response, caught)
        if type(result) is not list:  # the common case has no `close`, and asking takes 0.06 us
            error = self._close(request, response, result, error)
        if response.overlong and error is None:
            error = LengthMismatch("the application sent more bytes than it announced; the rest was cut off")
            self._on_error(request, error)
        response.error = error
        return response

    def _settle(self, request: Request, response: Response, error: BaseException) -> None:
        """Report an error, and tell the client as well as can be."""
        response.keep_alive = False
        if response.gone:
            return
        if not isinstance(error, RequestTimeout):
            self._on_error(request, error)
        if response.started:
            return
        try:
            status, text = _verdict(error)
            response.replace(status, text, self._page(request, error) if status == 500 else None)
        except ClientDisconnected:
            response.gone = True

    def _page(self, request: Request, error: BaseException) -> tuple[str, bytes] | None:
        """What a developer is shown, where one is: Content-Type and body."""
        if not self._show_errors:
            return None
        from workerhub.http.error_page import error_page  # noqa: PLC0415  # never in production

        return error_page(request, error)

    def _close(
        self, request: Request, response: Response, result: Iterable[bytes], error: BaseException | None
    ) -> BaseException | None:
        """Call the iterable's `close`; the first error stays the first."""
        try:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        except RequestTimeout as caught:
            response.keep_alive = False
            return error or caught
        except BaseException as caught:  # noqa: BLE001  # as above; the answer is out, and whole or cut already
            self._on_error(request, caught)
            return error or caught
        return error


def _verdict(error: BaseException) -> tuple[int, str]:
    """What a client is told whose request ended in an error."""
    if isinstance(error, RequestTimeout):
        return 504, "The request took too long."
    if isinstance(error, BodyError):
        return error.refusal.status, error.refusal.text
    return 500, "The application failed."


def _write_file(response: Response, wrapper: FileWrapper) -> bool:
    """Send a file the short way, if it is one that the kernel can send and nothing was written yet."""
    span = None if response.started else wrapper.span()
    if span is None:
        return False
    response.write_file(*span)
    return True
