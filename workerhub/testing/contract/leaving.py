"""How a worker leaves: it accepts no more, finishes what it has, and loses no request."""

from __future__ import annotations

from contextlib import ExitStack

from workerhub.testing.client import Client, get, post
from workerhub.testing.contract.clauses import Chapter, expect, expect_equal
from workerhub.testing.contract.clients import GENEROUS
from workerhub.testing.contract.kit import Kit
from workerhub.testing.contract.serving import expect_says
from workerhub.testing.contract.site import LARGE
from workerhub.testing.contract.sockets import new_listener, take_waiting
from workerhub.testing.served import Moment

leaving = Chapter("leaving")


@leaving.clause
def running_requests_are_finished(kit: Kit) -> None:
    """A request that runs when the worker is told to leave is finished and answered, and its connection ends in order."""
    with kit.serving() as served, served.connect() as client:
        client.send(get("/hold"))
        served.wait_until(served.app.running.is_open, "run the request")
        served.drain()
        served.settle()
        served.app.go_on.open()
        expect_says("hello /hold", client.answer())
        _expect_an_end_in_order(client)
        expect_equal(0, served.wait(), "the exit code")


@leaving.clause
def idle_connections_may_speak_once_more(kit: Kit) -> None:
    """A request that comes on an idle connection in the moment of leaving is answered, with `Connection: close`."""
    with kit.serving() as served, served.connect() as client:
        expect_says("hello /before", client.ask("/before"))
        served.drain()
        served.settle()
        answer = client.ask("/after")
        expect_says("hello /after", answer)
        expect(answer.closes, "the answer doesn't say `Connection: close`")
        _expect_an_end_in_order(client)
        expect_equal(0, served.wait(), "the exit code")


@leaving.clause
def idle_connections_hold_nobody_up(kit: Kit) -> None:
    """Connections that are idle are closed soon after the worker was told to leave, whether something was said on them or not."""
    with kit.serving() as served, served.connect() as known, served.connect() as silent:
        expect_says("hello /", known.ask())
        served.settle()
        served.drain()
        _expect_an_end_in_order(known)
        _expect_an_end_in_order(silent)
        expect_equal(0, served.wait(), "the exit code")


@leaving.clause
def arriving_requests_are_served(kit: Kit) -> None:
    """A request of which a part was here when the worker was told to leave is waited for, and is its connection's last."""
    request = post(b"body", "/digest")
    with kit.serving() as served, served.connect() as in_head, served.connect() as in_body:
        in_head.send(request[:20])
        in_body.send(request[:-1])
        served.settle()
        served.drain()
        served.settle()
        in_head.send(request[20:])
        in_body.send(request[-1:])
        for client in (in_head, in_body):
            answer = client.answer()
            expect_equal((200, True), (answer.status, answer.closes), "status, and whether the connection closes")
        expect_equal(0, served.wait(), "the exit code")


@leaving.clause
def answers_are_read_to_the_end(kit: Kit) -> None:
    """A client that is still reading its answer when the worker is told to leave gets all of it."""
    with kit.serving(**GENEROUS) as served, served.connect(receive_buffer=4096) as client:
        client.send(get("/large", "Connection: close"))
        client.head()
        served.drain()
        served.settle()
        expect(client.take(len(LARGE)) == LARGE, "the body that came is another one")
        expect_equal(0, served.wait(), "the exit code")


@leaving.clause
def new_connections_are_left_to_siblings(kit: Kit) -> None:
    """Told to leave, the worker accepts no more."""
    with new_listener() as sibling, kit.serving(listeners=(sibling.dup(),)) as served, served.connect() as client:
        client.send(get("/hold", "Connection: close"))
        served.wait_until(served.app.running.is_open, "run the request")
        served.drain()
        served.settle()
        with served.connect() as late:
            late.send(get())
            served.settle()
            expect_equal(1, take_waiting(sibling), "connections in the accept queue")
        served.app.go_on.open()
        expect_says("hello /hold", client.answer())
        expect_equal(0, served.wait(), "the exit code")


@leaving.clause
def accept_queue_is_emptied_when_the_server_stops(kit: Kit) -> None:
    """If the whole server stops, connections that wait to be accepted are accepted and served first: nobody else will."""
    with kit.serving() as served, ExitStack() as stack:
        served.settle()
        served.freeze()
        clients = [stack.enter_context(served.connect()) for _ in range(10)]
        for client in clients:
            client.send(get("/waits"))
        served.stop_server()
        served.thaw()
        for client in clients:
            answer = client.answer()
            expect_says("hello /waits", answer)
            expect(answer.closes, "an answer doesn't say `Connection: close`")
        expect_equal(0, served.wait(), "the exit code")


@leaving.clause
def what_runs_is_waited_for(kit: Kit) -> None:
    """`serve()` doesn't return while a request runs, also if its client has left."""
    with kit.serving() as served:
        client = served.connect()
        client.send(get("/hold"))
        served.wait_until(served.app.running.is_open, "run the request")
        client.vanish()
        served.drain()
        served.settle()
        expect(not served.reached(Moment.SERVED), "serve() has returned")
        served.app.go_on.open()
        expect_equal(0, served.wait(), "the exit code")
        expect_equal((1, 1), served.requests(), "requests that began and ended")


def _expect_an_end_in_order(client: Client) -> None:
    """Go on only if the server closes the connection, and not by a reset."""
    expect(not client.was_reset(), "the connection was reset")
