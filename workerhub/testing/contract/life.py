"""A worker's life: what happens when, and what is left of it."""

from __future__ import annotations

import signal
from _thread import allocate_lock, start_new_thread
from typing import Any, NoReturn

from workerhub.testing.client import get
from workerhub.testing.contract.clauses import Chapter, expect, expect_equal
from workerhub.testing.contract.kit import Kit
from workerhub.testing.contract.site import Site
from workerhub.testing.contract.sockets import new_listener, take_waiting
from workerhub.testing.served import Moment

life = Chapter("life")


@life.clause
def making_one_does_nothing_yet(kit: Kit) -> None:
    """`__init__` keeps what it is given: it starts nothing, opens nothing and handles no signal."""
    with kit.shared() as served:
        changed = served.come_to(Moment.BORN).changes(served.come_to(Moment.MADE))
        expect(not changed, f"it changed {changed}")


@life.clause
def prepare_serves_nothing(kit: Kit) -> None:
    """`prepare()` leaves connections in the accept queue: there is no application yet."""
    with (
        new_listener() as sibling,
        kit.life(listeners=(sibling.dup(),), loading=Site.pause) as served,
        served.connect() as client,
    ):
        client.send(get())
        served.wait_until(served.app.running.is_open, "be prepared")
        served.settle()
        expect_equal(1, take_waiting(sibling), "connections in the accept queue")


@life.clause
def prepare_is_for_the_process(kit: Kit) -> None:
    """`prepare()` starts no threads and keeps nothing in the instance: it may be another one, in a process forked from this one, that serves."""
    with kit.serving(template=True) as served, served.connect() as client:
        changed = served.come_to(Moment.BORN).changes(served.come_to(Moment.PREPARED), "threads", "children")
        expect(not changed, f"it changed {changed}")
        expect_equal("hello /", client.ask().text, "the other instance's answer")


@life.clause
def close_works_whatever_happened_before(kit: Kit) -> None:
    """`close()` can be called on an instance whose `prepare()` raised, and on one that was prepared and never served."""
    unprepared = type(kit.worker.__name__, (kit.worker,), {"prepare": _stumble})
    for worker, loading in ((unprepared, Site.pause), (kit.worker, _stumble)):
        with kit.life(worker, loading=loading) as served:
            served.wait()
            expect(served.reached(Moment.CLOSED), "close() raised")


@life.clause
def serves_until_it_is_told(kit: Kit) -> None:
    """`serve()` doesn't return by itself: not when there is nothing to do, not after so many requests, not after failures."""
    with kit.serving() as served:
        for target in ("/hello", "/fails", "/fails?exit"):
            with served.connect() as client:
                client.ask(target)
        served.connect().vanish()
        served.settle()
        expect(not served.reached(Moment.SERVED), "serve() has returned")


@life.clause
def leaves_when_it_is_told(kit: Kit) -> None:
    """Told to leave, and with nothing left to do, `serve()` returns. It doesn't end the process itself."""
    with kit.serving() as served:
        with served.connect() as client:
            client.ask()
        served.drain()
        code = served.wait()
        expect(served.reached(Moment.SERVED), f"the process exited with {code} before serve() had returned")
        expect_equal(0, code, "the exit code")


@life.clause
def may_be_told_before_it_serves(kit: Kit) -> None:
    """If the worker was told to leave before `serve()` is called, that returns, having served what waits if the whole server stops."""
    with kit.life(loading=Site.pause) as served, served.connect() as client:
        client.send(get("/early", "Connection: close"))
        served.wait_until(served.app.running.is_open, "be prepared")
        served.stop_server()
        served.app.go_on.open()
        expect_equal("hello /early", client.answer().text, "the answer")
        expect_equal(0, served.wait(), "the exit code")


@life.clause
def hears_while_it_sleeps(kit: Kit) -> None:
    """An interrupt and a stop are heard by a main thread that waits for clients, whichever thread the system gives the signal to."""
    with kit.serving(before=_deafen) as served:
        served.settle()
        served.interrupt()
        served.wait_until(served.interrupts, "hear the interrupt")
        served.drain()
        expect_equal(0, served.wait(), "the exit code")


@life.clause
def signals_are_left_alone(kit: Kit) -> None:
    """The class installs no signal handlers."""
    with kit.serving(before=Site.note_handlers) as served, served.connect() as client:
        changed = client.ask("/signals").text or served.come_to(Moment.BORN).changes(served.anatomy(), "signals")
        expect(not changed, f"it has changed {changed}")


@life.clause
def process_is_left_as_it_is(kit: Kit) -> None:
    """The class changes neither directory, user, group nor umask, and starts no processes."""
    with kit.shared() as served, served.connect() as client:
        client.ask()
        parts = ("directory", "users", "groups", "umask", "children")
        changed = served.come_to(Moment.BORN).changes(served.anatomy(), *parts)
        expect(not changed, f"it has changed {changed}")


@life.clause
def close_gives_everything_back(kit: Kit) -> None:
    """After `serve()` and `close()` no thread and no socket of the class's is left, and the listeners are still open."""
    with kit.serving(after=Site.pause) as served:
        with served.connect() as client:
            client.ask()
        served.drain()
        served.wait_until(served.app.running.is_open, "close")
        born, parts = served.come_to(Moment.BORN), ("threads", "sockets", "children")
        served.wait_until(lambda: not born.changes(served.anatomy(), *parts), "give back what it has, and nothing else")
        served.app.go_on.open()


@life.clause
def listeners_listen_on(kit: Kit) -> None:
    """The class doesn't shut the listeners down, which are its siblings' too: they accept after its end."""
    with new_listener() as sibling:
        with kit.serving(listeners=(sibling.dup(),)) as served:
            with served.connect() as client:
                client.ask()
            served.drain()
            served.wait()
        with served.connect():
            expect_equal(1, take_waiting(sibling), "connections that a sibling can accept")


def _stumble(_self: Any) -> NoReturn:
    """Fail."""
    raise RuntimeError("on purpose")


def _deafen(_site: Site) -> None:
    """Have signals meet another thread than the main one, which goes on sleeping, then."""

    def listen() -> None:
        lock = allocate_lock()
        lock.acquire()
        lock.acquire()

    start_new_thread(listen, ())
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2})
