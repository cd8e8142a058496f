"""The circumstances in which a worker class is put to work without a master."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from workerhub.http import HttpSettings
from workerhub.testing.waiting import PATIENCE
from workerhub.worker import ServeSettings

HTTP = HttpSettings(
    parser="auto",
    max_request_line=8192,
    max_header_bytes=65536,
    max_headers=100,
    max_body=None,
    body_memory=64 * 1024,
    trusted_proxies=(),
    forwarded="off",
    server_header="workerhub",
    keepalive=True,
)
SETTINGS = ServeSettings(
    http=HTTP,
    request_timeout=None,
    header_timeout=PATIENCE * 2,
    body_timeout=PATIENCE * 2,
    write_timeout=PATIENCE * 2,
    keepalive_timeout=PATIENCE * 2,
    response_memory=64 * 1024,
    multiprocess=False,
)
"""No timeout that could end a test's connection by itself, and little memory, so that a megabyte is much."""


HOOKS = ("limit_reached", "before", "loading", "after")
"""The fields of `Staging` that are called."""


def _nothing() -> None:
    """Nothing is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """What a worker class meets.

    Attributes:
        options: its own options, as the `[worker]` table would say them.
        listeners: listening sockets, which are handed over; one on a free port of the loopback where none is given.
        http: fields of `HTTP` to change.
        settings: fields of `SETTINGS` to change.
        recycle_after: as in `workerhub.worker.Books`.
        limit_reached: as in `workerhub.worker.Books`; runs in the worker.
        template: `prepare` is called on one instance and `serve` on another, as where a template process forks workers.
        before: runs in the worker before the class is made.
        loading: runs in the worker between `prepare` and `serve`, where an application would be imported.
        after: runs in the worker after `close`.
        patience: seconds that anything may take.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    listeners: tuple[socket.socket, ...] = ()
    http: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    recycle_after: int | None = None
    limit_reached: Callable[[], None] = _nothing
    template: bool = False
    before: Callable[[], None] = _nothing
    loading: Callable[[], None] = _nothing
    after: Callable[[], None] = _nothing
    patience: float = PATIENCE

    @classmethod
    def of(cls, **circumstances: Any) -> Self:
        """Make one of its fields; any other name is one of `SETTINGS`."""
        own = {known.name: circumstances.pop(known.name) for known in fields(cls) if known.name in circumstances}
        return cls(**own, settings=circumstances)

    @property
    def serve_settings(self) -> ServeSettings:
        """`SETTINGS`, changed."""
        return replace(SETTINGS, **{"http": replace(HTTP, **self.http), **self.settings})
