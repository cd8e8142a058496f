"""What an interrupt does to the request that it is meant for, and to nothing else.

A class that can't end a request says False and leaves it alone; the master then replaces the worker.
"""

from __future__ import annotations

from workerhub.testing.client import Client, ConnectionEndedError, get
from workerhub.testing.contract.clauses import Chapter, expect, expect_equal
from workerhub.testing.contract.kit import Kit
from workerhub.testing.contract.serving import expect_says
from workerhub.testing.contract.site import Site
from workerhub.testing.served import Served

interrupting = Chapter("interrupting")

STORM = 200
"""Requests, every other one of which is interrupted at some moment."""

_ASLEEP = "/hold"
"""The page that waits for something; the others compute."""

REFUSED = "False"
"""What `interrupt()` says if it leaves the request alone."""


@interrupting.clause
def a_request_that_computes_is_ended(kit: Kit) -> None:
    """`interrupt()` raises `RequestTimeout` in the application, and its client is told 504; or it says False, and nothing happens."""
    with kit.shared() as served:
        with served.connect() as client:
            if _interrupt(served, client, "/loop") == REFUSED:
                served.app.go_on.open()
                expect_says("hello /loop", client.answer())
            else:
                answer = client.answer()
                expect_equal((504, True), (answer.status, answer.closes), "status, and whether the connection closes")
                served.wait_until(served.app.over.is_open, "raise RequestTimeout in the application")
        with served.connect() as other:
            expect_says("hello /after", other.ask("/after"))


@interrupting.clause
def a_request_that_sleeps_is_ended(kit: Kit) -> None:
    """A request that waits for something ends, too, at the latest when it wakes up; or `interrupt()` says False, and nothing happens."""
    with kit.shared() as served, served.connect() as client:
        said = _interrupt(served, client, _ASLEEP)
        served.settle()
        served.app.go_on.open()
        expect_equal("200" if said == REFUSED else "504", _end(client), "what the client was told")


@interrupting.clause
def an_answer_that_has_begun_is_cut(kit: Kit) -> None:
    """If the answer has begun, `interrupt()` has it cut, so that the client can tell; or it says False, and nothing happens."""
    with kit.shared() as served, served.connect() as client:
        said = _interrupt(served, client, "/begun")
        if said == REFUSED:
            served.app.go_on.open()
        expect_equal("200" if said == REFUSED else "cut", _end(client), "what the client was told")


@interrupting.clause
def others_are_unharmed(kit: Kit) -> None:
    """One request alone feels an interrupt: others that run, wait or arrive in the same worker are served."""
    with kit.shared() as served, served.connect() as first, served.connect() as second, served.connect() as arriving:
        arriving.send(get("/arriving")[:20])
        served.settle()
        first.send(get("/hold"))
        served.wait_until(served.app.running.is_open, "run the request")
        second.send(get("/hold"))
        served.settle()
        _hear(served)
        served.settle()
        served.app.go_on.open(2)
        expect_says("hello /hold", second.answer())
        arriving.send(get("/arriving")[20:])
        expect_says("hello /arriving", arriving.answer())


@interrupting.clause
def an_interrupt_that_comes_late_is_refused(kit: Kit) -> None:
    """Where no request runs, `interrupt()` says False, and the next one doesn't feel it."""
    with kit.shared() as served, served.connect() as client:
        expect_says("hello /before", client.ask("/before"))
        served.wait_until(lambda: not served.runs(), "take the request off the board")
        expect_equal(REFUSED, _hear(served), "what interrupt() said")
        expect_says("hello /after", client.ask("/after"))


@interrupting.clause
def interrupts_may_come_at_any_moment(kit: Kit) -> None:
    """Whenever interrupts come, each request is answered by the application or by 504, or is cut, and the worker serves on."""
    ends: set[int | str] = set()
    with kit.shared() as served:
        client = served.connect()
        for number in range(STORM):
            try:
                client.send(get("/x"))
                if number % 2:
                    served.interrupt()
                answer = client.answer()
                ends.add(answer.status)
                is_over = answer.closes
            except ConnectionError:
                ends.add("cut")
                is_over = True
            if is_over:
                client.close()
                client = served.connect()
        client.close()
        expect(ends <= {200, 504, "cut"}, f"clients were told {ends}")
        with served.connect() as other:
            expect_says("hello /after", other.ask("/after"))
        served.wait_until(lambda: len(set(served.requests())) == 1, "end as many requests as have begun")


@interrupting.clause
def the_stack_is_the_requests(kit: Kit) -> None:
    """`stack()` tells where the request is; or None, if the stack of its thread tells that."""
    with kit.shared() as served, served.connect() as client:
        _interrupt(served, client, _ASLEEP)
        stack = served.stacks()[-1]
        served.app.go_on.open()
        expect(" in hold\n" in stack, f"it doesn't lead to the application:\n{stack}")
        _end(client)


@interrupting.clause
def tasks_are_what_else_waits(kit: Kit) -> None:
    """`tasks()` can be asked whenever a signal comes, while the application is imported and while requests run; a request is none of them."""
    with kit.life(loading=Site.pause) as served:
        served.wait_until(served.app.running.is_open, "be prepared")
        served.settle()
        served.tasks()
        served.app.shut()
        served.app.go_on.open()
        with served.connect() as client:
            client.send(get("/hold"))
            served.wait_until(served.app.running.is_open, "run the request")
            served.settle()
            requests = [stack for _, stack in served.tasks() if " in hold\n" in stack]
            served.app.go_on.open()
            expect(not requests, f"a request is among them:\n{requests[:1]}")
            _end(client)


def _interrupt(served: Served[Site], client: Client, target: str) -> str:
    """Have a request interrupted that runs, and return what the class said."""
    client.send(get(target))
    served.wait_until(served.app.running.is_open, "run the request")
    if target == _ASLEEP:
        served.settle()  # a signal that comes right before a call that waits is only heard after it
    return _hear(served)


def _hear(served: Served[Site]) -> str:
    """Interrupt the oldest request, and return what the class said."""
    before = len(served.interrupts())
    served.interrupt()
    return served.wait_until(lambda: served.interrupts()[before:], "hear the interrupt")[0]


def _end(client: Client) -> str:
    """What the client is told: the status of a complete answer, or "cut"."""
    try:
        return str(client.answer().status)
    except ConnectionEndedError:
        return "cut"
