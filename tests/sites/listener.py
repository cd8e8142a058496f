"""A WSGI application that reads every body to its end and says what it got, as a test compares it; and who it is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Method, target and the body's digest in fields of the answer, so that HEAD has them too; the pid for a body."""
    body = environ["wsgi.input"].read()
    heard = [
        ("X-Method", environ["REQUEST_METHOD"]),
        ("X-Target", environ["REQUEST_URI"]),
        ("X-Body", hashlib.sha256(body).hexdigest()),
    ]
    start_response("200 OK", heard)
    return [f"{os.getpid()}".encode()]
