"""The application that every contestant serves."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = b"Hello, world!\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Say hello: `/` at once, `/50` after 50 milliseconds of waiting for something, `/kb/10` in 10 KiB, `/post` once all was read."""
    body = BODY
    if path := environ["PATH_INFO"][1:]:
        body = _otherwise(path, environ)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def _otherwise(path: str, environ: dict[str, Any]) -> bytes:
    if path == "post":
        return b"%d bytes\n" % len(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    if path.startswith("kb/"):
        return _page(int(path[3:]))
    time.sleep(int(path) / 1000)
    return BODY


@cache
def _page(kibibytes: int) -> bytes:
    return bytes(range(32, 96)) * 16 * kibibytes
