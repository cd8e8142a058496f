"""Each request goes through the context: it is on the board while it runs, and nowhere else, and counted once."""

from __future__ import annotations

from workerhub.testing.client import get
from workerhub.testing.contract.clauses import Chapter, expect, expect_equal
from workerhub.testing.contract.kit import REQUEST_TIMEOUT, Kit
from workerhub.testing.contract.site import Site

books = Chapter("books")


@books.clause
def is_on_the_board_while_it_runs(kit: Kit) -> None:
    """A request that runs is on the board, once, with its line, its client and its deadline."""
    with kit.shared() as served, served.connect() as client:
        client.send(get("/hold"))
        served.wait_until(served.app.running.is_open, "run the request")
        runs = served.runs()
        expect_equal(1, len(runs), "requests on the board")
        expect_equal(("GET /hold", client.sock.getsockname()[0]), (runs[0].line, runs[0].client), "line and client")
        expect_equal(REQUEST_TIMEOUT, round(runs[0].deadline - runs[0].started_at, 3), "seconds until the deadline")
        served.app.go_on.open()
        expect_equal("hello /hold", client.answer().text, "the answer")


@books.clause
def is_off_the_board_when_it_is_answered(kit: Kit) -> None:
    """A request is over when its answer is out, whether the client stays or goes."""
    with kit.shared() as served, served.connect() as client:
        client.ask()
        served.wait_until(lambda: not served.runs(), "take the request off the board")


@books.clause
def is_counted_and_logged_once(kit: Kit) -> None:
    """Each request counts once and has one line in the access log, also one whose application failed."""
    targets = ["/one", "/fails", "/two"]
    with kit.shared() as served:
        (_, before), logged = served.requests(), len(served.access())
        for target in targets:
            with served.connect() as client:
                client.ask(target)
        served.wait_until(lambda: len(served.access()) >= logged + len(targets), "log each request")
        lines = sorted(target for _, target, _, _ in served.access()[logged:])
        expect_equal(sorted(targets), lines, "the access log's new lines")
        served.wait_until(lambda: not served.runs(), "take the requests off the board")
        expect_equal((before + 3, before + 3), served.requests(), "requests that began and ended")


@books.clause
def refusals_are_logged(kit: Kit) -> None:
    """What is refused before it becomes a request has its line in the access log, once, and counts for nothing."""
    with kit.shared() as served:
        before, logged = served.requests(), len(served.access())
        for number in range(3):
            with served.connect() as client:
                client.send(get(f"/{number}", version="3.0"))
                expect_equal(505, client.answer().status, "the status")
        served.wait_until(lambda: len(served.access()) >= logged + 3, "log each refusal")
        lines = [(target, status) for _, target, status, _ in served.access()[logged:]]
        expect_equal([(f"/{number}", 505) for number in range(3)], lines, "the access log's new lines")
        expect_equal(before, served.requests(), "requests that began and ended")


@books.clause
def limits_of_its_life_are_not_its_concern(kit: Kit) -> None:
    """After as many requests as the worker may serve it serves on, until it is told to leave; who has counted says so once."""
    with kit.serving(recycle_after=2, limit_reached=_report) as served:
        for number in range(5):
            with served.connect() as client:
                expect_equal(f"hello /{number}", client.ask(f"/{number}").text, "the answer")
        served.wait_until(served.app.over.is_open, "report that it has served enough")
        served.app.over.wait()
        expect(not served.app.over.is_open(), "it was reported more than once")


def _report(site: Site) -> None:
    """The limit is reached."""
    site.over.open()
