"""What `[worker]` takes for `gevent`. Apart from the class, so that its workers need no pydantic."""

from __future__ import annotations

from pydantic import Field

from workerhub.worker import WorkerOptions


class GeventOptions(WorkerOptions):
    """What `[worker]` takes for `gevent`."""

    connections: int = Field(
        default=1000,  # as nginx's worker_connections of old, Gunicorn's, and our own reactor's
        ge=1,
        le=100_000,
        description="Connections that one process holds at the same time; each request that runs has a greenlet.",
    )
    stream_chunked: bool = Field(
        default=False,
        description="Hand a request with a chunked body out before the body is here, without CONTENT_LENGTH. "
        "Not for Django, which then takes the body for empty.",
    )
