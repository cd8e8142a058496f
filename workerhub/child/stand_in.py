"""What answers in the place of an application that can't be loaded, while somebody develops it."""

from __future__ import annotations

from typing import Any, NoReturn

from workerhub.child.application import LoadError
from workerhub.child.stacks import part_of_application
from workerhub.worker import WSGIApplication


def stand_in(failure: LoadError) -> WSGIApplication:
    """Make an application that fails each request as its import has failed: with the application's own error, where it was one."""
    cause = failure.__cause__
    error = cause if isinstance(cause, Exception) else failure
    trace = part_of_application(error.__traceback__)

    def application(_environ: dict[str, Any], _start_response: Any) -> NoReturn:
        raise error.with_traceback(trace)  # as it was: it would grow with each request

    return application
