"""The shipped client, under the name by which our tests know it; and one that keeps asking."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from workerhub.testing.client import Address, Answer, Client, ConnectionEndedError, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

__all__ = ["Address", "Answer", "Client", "ConnectionEndedError", "Load", "connect", "fetch"]


def fetch(
    address: Address,
    target: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    timeout: float = 30.0,
) -> Answer:
    """One request on a connection of its own."""
    with Client(address, timeout=timeout) as client:
        return client.request(target, method=method, headers={"Connection": "close", **(headers or {})}, body=body)


@dataclass
class Load:
    """Clients that ask one after the other until the `with` block ends, and count what they got.

    Attributes:
        statuses: how often each status came.
        bodies: how often each body came.
        failures: what went wrong with a request that the server had to answer. A keep-alive connection that was closed
            between two requests is no failure (RFC 9112, 9.3.1: the client tries again), `stale` counts those.
    """

    address: Address
    target: str = "/"
    clients: int = 4
    keep_alive: bool = False
    mixed: bool = False
    """Every other client keeps its connection, whatever `keep_alive` says."""
    connect: Callable[[Address], Client] = Client
    statuses: Counter[int] = field(default_factory=Counter)
    bodies: Counter[bytes] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stale: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for number in range(self.clients):
            keep_alive = number % 2 == 0 if self.mixed else self.keep_alive
            thread = threading.Thread(target=self._ask, args=(keep_alive,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        """How many answers have come so far."""
        return self.statuses.total()

    def _ask(self, keep_alive: bool) -> None:  # noqa: FBT001  # a thread's arguments have no names
        client: Client | None = None
        headers = {} if keep_alive else {"Connection": "close"}
        while not self._over.is_set():
            reused = client is not None
            try:
                client = client or self.connect(self.address)
                answer = client.request(self.target, headers=headers)
            except OSError as error:
                if client is not None:
                    client.close()
                    client = None
                if reused and not getattr(error, "received", False):
                    self.stale += 1
                else:
                    self.failures.append(repr(error))
                continue
            self.statuses[answer.status] += 1
            self.bodies[answer.body] += 1
            if answer.closes or not keep_alive:
                client.close()
                client = None
        if client is not None:
            client.close()
