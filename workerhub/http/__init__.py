"""HTTP/1.x without I/O: bytes in, requests out; responses in, bytes out; the WSGI gateway.

A worker class's loop, in words: `recv` into `ServerConnection.receive`; send `take_interim()` if it has anything to say;
while `phase` is READY take `next_request()`, run it with `WsgiGateway.run`, and look at `phase` again; when it is FAILED send
`failure(date)` and close; when it is CLOSED close after the last answer.

A class that can wait in the middle of a request may have bodies streamed: see `ServerConnection`.
"""

from workerhub.http.connection import Phase, ServerConnection
from workerhub.http.date import HttpDate
from workerhub.http.environ import environ_template
from workerhub.http.errors import error_answer
from workerhub.http.gateway import WsgiGateway
from workerhub.http.request import Request
from workerhub.http.response import LengthMismatch, Outcome, Output
from workerhub.http.settings import HttpSettings
from workerhub.http.stream import BodyError

__all__ = [
    "BodyError",
    "HttpDate",
    "HttpSettings",
    "LengthMismatch",
    "Outcome",
    "Output",
    "Phase",
    "Request",
    "ServerConnection",
    "WsgiGateway",
    "environ_template",
    "error_answer",
]
