"""A WSGI application for any server: says which process it is, after as many milliseconds as the path says, and repeats what it was sent."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer `/` at once, `/30` after 30 ms."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"hello\n"
    if milliseconds := environ["PATH_INFO"][1:]:
        time.sleep(int(milliseconds) / 1000)
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Pid", str(os.getpid()))])
    return [body]
