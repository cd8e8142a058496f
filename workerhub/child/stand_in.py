"""What answers in the place of an application that can't be loaded, while somebody develops it."""

from __future__ import annotations

from typing import Any, NoReturn

from workerhub.child.application import LoadError
from workerhub.worker import WSGIApplication


def stand_in(failure: LoadError) -> WSGIApplication:
    """Make an application that fails each request as its import has failed."""

    def application(_environ: dict[str, Any], _start_response: Any) -> NoReturn:
        raise failure.with_traceback(None)  # it would grow with each request, and its cause has all that matters

    return application
