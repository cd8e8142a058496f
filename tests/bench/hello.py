"""The application that every contestant serves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = b"Hello, world!\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Say hello: `/` at once, `/50` after 50 milliseconds of waiting for something."""
    if milliseconds := environ["PATH_INFO"][1:]:
        time.sleep(int(milliseconds) / 1000)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]
