"""As many requests at a time as the class has said, no more, and nothing accepted that can't be run."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from workerhub.testing.client import Client, ConnectionEndedError, get
from workerhub.testing.contract.clauses import Chapter, NotTriedError, expect, expect_equal
from workerhub.testing.contract.kit import Kit
from workerhub.testing.contract.site import Site
from workerhub.testing.contract.sockets import new_listener, take_waiting
from workerhub.testing.served import Served

capacity = Chapter("capacity")

FILLABLE = 64
"""Requests that a test process can have waiting at once without asking for more descriptors than it may have."""

SURPLUS = 2
"""Requests that are sent beyond the capacity."""


@capacity.clause
def requests_run_side_by_side(kit: Kit) -> None:
    """A capacity of more than one is real: two requests are run at the same time, if need be after the first was interrupted."""
    if kit.capacity == 1:
        return
    with kit.shared() as served, served.connect() as first, served.connect() as second:
        first.send(get("/stubborn"))
        served.wait_until(served.app.running.is_open, "run the first request")
        served.app.running.wait()
        second.send(get("/stubborn"))
        served.settle()
        if not served.app.running.is_open():
            served.interrupt()
        served.wait_until(served.app.running.is_open, "run a second request beside the first")
        expect_equal(2, len(served.runs()), "requests on the board")
        served.app.go_on.open(2)
        expect_equal("hello /stubborn", second.answer().text, "the answer")


@capacity.clause
def capacity_is_not_exceeded(kit: Kit) -> None:
    """No more requests run at a time than `capacity()` has said, each in a slot of its own, and none of the others is lost."""
    with _crowded(kit) as (served, _, clients):
        expect(
            len(served.runs()) <= kit.capacity, f"{len(served.runs())} requests run, and the capacity is {kit.capacity}"
        )
        served.app.go_on.open(len(clients))
        for client in clients:
            expect_equal("hello /hold", client.answer().text, "the answer")


@capacity.clause
def busy_workers_accept_nothing(kit: Kit) -> None:
    """A worker leaves connections whose requests it can't run to its siblings, also if many come at once."""
    with _crowded(kit) as (served, sibling, clients):
        left = take_waiting(sibling)
        served.app.go_on.open(len(clients) - left)
        expect(
            left >= SURPLUS, f"it has accepted {len(clients) - left} connections, and the capacity is {kit.capacity}"
        )
        expect_equal(len(clients) - left, sum(map(_is_answered, clients)), "clients that were answered")


@contextmanager
def _crowded(kit: Kit) -> Iterator[tuple[Served[Site], socket.socket, list[Client]]]:
    """A worker at rest with more requests than it can run, its listener, and the clients.

    Raises:
        NotTriedError: it can run too many.
    """
    if kit.capacity > FILLABLE:
        raise NotTriedError(
            f"the capacity is {kit.capacity}; with options that make it {FILLABLE} or less this can be tried"
        )
    with ExitStack() as stack:
        sibling = stack.enter_context(new_listener())
        served = stack.enter_context(kit.serving(listeners=(sibling.dup(),)))
        served.settle()
        served.freeze()  # so that it finds them all at once: then it is most tempted to take more than it can run
        clients = [stack.enter_context(served.connect()) for _ in range(kit.capacity + SURPLUS)]
        for client in clients:
            client.send(get("/hold", "Connection: close"))
        served.thaw()
        served.settle()
        yield served, sibling, clients
        served.app.go_on.shut()


def _is_answered(client: Client) -> bool:
    """Whether an answer came; if not, the sibling has taken the connection."""
    try:
        return client.answer().status == 200
    except ConnectionEndedError:
        return False
