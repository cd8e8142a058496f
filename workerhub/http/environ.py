"""What is known of a request's environment before the request (PEP 3333, "environ Variables")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workerhub.http.file_wrapper import FileWrapper

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEGINNING: Final[Mapping[str, Any]] = {
    # A request replaces these. They are here because replacing costs less than adding, and because a copy of a dictionary of
    # this size has room for the fields of a usual head: a request spends nothing on letting it grow.
    "REQUEST_METHOD": "",
    "SCRIPT_NAME": "",
    "PATH_INFO": "",
    "QUERY_STRING": "",
    "RAW_URI": "",
    "REQUEST_URI": "",
    "SERVER_PROTOCOL": "",
    "REMOTE_ADDR": "",
    "REMOTE_PORT": "",
    "wsgi.input": None,
    "wsgi.errors": None,
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
    "wsgi.file_wrapper": FileWrapper,
}


def environ_template(environ: Mapping[str, Any]) -> dict[str, Any]:
    """What requests' environments are copied from, completed: for all connections that have it in common.

    Args:
        environ: at least SERVER_NAME, SERVER_PORT, wsgi.multithread and wsgi.multiprocess. REMOTE_ADDR (empty for a UNIX socket) and
            REMOTE_PORT may be here or be told for each connection. wsgi.errors may be set for each request.
    """
    return {**_BEGINNING, **environ}
