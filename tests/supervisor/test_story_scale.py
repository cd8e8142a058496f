"""More or fewer workers, and who waits for them."""

from __future__ import annotations

from support.supervision import SEGFAULT, exited, policy, ready, serving, spawn, story, tell

from workerhub.supervisor import (
    Answer,
    ChildFailed,
    ChildId,
    DeadlineReached,
    Exit,
    Leave,
    Nudge,
    ScaleRequested,
    SpawnFailed,
    StopRequested,
    Ticket,
)
from workerhub.supervisor.events import Started
from workerhub.testing import Logged


def scale(at: float, change: int, pool: str = "") -> ScaleRequested:
    return ScaleRequested(at, change, "SIGTTIN" if change > 0 else "SIGTTOU", pool)


def test_scaling_up_starts_and_scaling_down_drains_the_highest_slot() -> None:
    with story() as book:
        serving(book)
        book >> scale(10, +1) << Logged("info", "main: workers 2 -> 3 (SIGTTIN)") << spawn(3, slot=2)
        book >> ready(3, at=11) << Logged("info", "main: 3 of 3 workers ready")
        book >> scale(12, -1) << Logged("info", "main: workers 3 -> 2 (SIGTTOU)") << tell(3, Nudge.DRAIN)
        book >> exited(3, at=13) << Logged("info", "worker main/2 is gone: fewer workers are wanted")


def test_the_last_worker_stays() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> scale(10, -1) << Logged("info", "main: workers stays at 1, the least (SIGTTOU)")


def test_up_and_down_in_a_hurry_does_not_pile_up() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> scale(10, +1) << Logged("info", "1 -> 2") << spawn(2, slot=1)
        book >> scale(10, -1) << Logged("info", "2 -> 1") << tell(2, Nudge.DRAIN)
        book >> scale(10, +1) << Logged("info", "1 -> 2") << spawn(3, slot=1)
        book >> scale(10, -1) << Logged("info", "2 -> 1") << tell(3, Nudge.DRAIN)
        book >> scale(10, +1) << Logged("info", "1 -> 2")
        book >> exited(2, at=11) << Logged("info", "fewer") << spawn(4, slot=1)


def test_one_pool_can_be_scaled_alone() -> None:
    with story(policy(name="web", size=1), policy(name="api", size=1)) as book:
        book >> Started(0) << spawn(1, pool="web") << spawn(2, pool="api")
        book >> scale(1, +1, "api") << Logged("info", "api: workers 1 -> 2") << spawn(3, slot=1, pool="api")
        book >> scale(2, +1, "nope") << Logged("warning", "no pool is called 'nope'")


def test_a_stopping_server_is_not_scaled() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> StopRequested(10, fast=False, origin="SIGTERM") << Logged("info", "graceful stop")
        book << tell(1, Nudge.FINISH) >> scale(11, +1) << Logged("warning", "the server is stopping")


def wish(at: float, size: int, ticket: int = 7, pool: str = "") -> ScaleRequested:
    return ScaleRequested(at, 0, "control", pool, Ticket(ticket), size)


def yes(message: str, ticket: int = 7, **sizes: int) -> Answer:
    return Answer(Ticket(ticket), ok=True, message=message, fields={"sizes": sizes})


def no(message: str, ticket: int = 7) -> Answer:
    return Answer(Ticket(ticket), ok=False, message=message)


def test_who_asked_hears_when_the_new_workers_serve() -> None:
    with story() as book:
        serving(book)
        book >> wish(10, 4) << Logged("info", "main: workers 2 -> 4 (control)")
        book << spawn(3, slot=2) << spawn(4, slot=3)
        book >> ready(4, at=11) >> ready(3, at=12) << Logged("info", "main: 4 of 4 workers ready")
        book << yes("main: 4 of 4 workers ready", main=4)


def test_who_asked_hears_when_the_others_are_gone() -> None:
    with story() as book:
        serving(book)
        book >> wish(10, 1) << Logged("info", "main: workers 2 -> 1 (control)") << tell(2, Nudge.DRAIN)
        book >> exited(2, at=11) << Logged("info", "fewer") << yes("main: 1 of 1 workers ready", main=1)


def test_a_size_that_is_there_already_is_answered_at_once_and_none_is_not_possible() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> wish(10, 0) << Logged("info", "main: workers stays at 1, the least")
        book << yes("main: 1 of 1 workers ready", main=1)


def test_a_worker_that_does_not_boot_is_a_no_though_it_is_tried_again() -> None:
    with story() as book:
        serving(book)
        book >> wish(10, 3) << Logged("info", "2 -> 3") << spawn(3, slot=2)
        book >> ChildFailed(11, ChildId(3), "disk full", "Traceback")
        book >> exited(3, Exit(code=64), at=11) << Logged("error", "disk full") << spawn(4, slot=2)
        book << no(
            "main: 2 of 3 workers ready; worker main/2: the application failed to load: disk full; it is tried again"
        )
        book >> ready(4, at=12) << Logged("info", "main: 3 of 3 workers ready")


def test_no_room_for_another_process_is_a_no() -> None:
    with story() as book:
        serving(book)
        book >> wish(10, 3) << Logged("info", "2 -> 3") << spawn(3, slot=2)
        book >> SpawnFailed(10, ChildId(3), "no memory") << Logged("error", "no memory") << spawn(4, slot=2)
        book << no("main: 2 of 3 workers ready; worker main/2: could not be started; it is tried again")


def test_a_serving_worker_that_crashes_meanwhile_is_no_reason_to_give_up() -> None:
    with story() as book:
        serving(book)
        book >> wish(10, 3) << Logged("info", "2 -> 3") << spawn(3, slot=2)
        book >> exited(1, SEGFAULT, at=11) << Logged("error", "crashed") << spawn(4)
        book >> ready(3, at=12) >> ready(4, at=12) << Logged("info", "main: 3 of 3 workers ready")
        book << yes("main: 3 of 3 workers ready", main=3)


def test_a_later_wish_is_the_end_of_an_earlier_one() -> None:
    with story() as book:
        serving(book)
        book >> wish(10, 4, ticket=7) << Logged("info", "2 -> 4") << spawn(3, slot=2) << spawn(4, slot=3)
        book >> wish(11, 3, ticket=8) << Logged("info", "4 -> 3") << tell(4, Nudge.DRAIN)
        book << no("main: 3 workers are wanted meanwhile", ticket=7)
        book >> ready(3, at=12) << Logged("info", "3 of 3") >> DeadlineReached(16) << tell(4, Nudge.KILL)
        book >> exited(4, Exit(signal=9), at=17) << Logged("info", "fewer")
        book << yes("main: 3 of 3 workers ready", 8, main=3)


def test_a_pool_that_nobody_knows_is_a_no() -> None:
    with story() as book:
        serving(book)
        book >> wish(10, 3, pool="nope") << Logged("warning", "no pool is called 'nope'")
        book << no("not scaled: no pool is called 'nope'")


def test_when_the_server_stops_nobody_is_left_waiting() -> None:
    with story(policy(size=1)) as book:
        serving(book, 1)
        book >> wish(10, 2) << Logged("info", "1 -> 2") << spawn(2, slot=1)
        book >> StopRequested(11, fast=False, origin="control", ticket=Ticket(8)) << Logged("info", "graceful stop")
        book << no("not scaled: the server stops") << tell(1, Nudge.FINISH) << tell(2, Nudge.DRAIN)
        book >> wish(11, 3, ticket=9) << Logged("warning", "the server is stopping")
        book << no("not scaled: the server is stopping", ticket=9)
        book >> exited(2, at=12) << Logged("info", "the server stops")
        book >> exited(1, at=12) << Logged("info", "the server stops") << Logged("info", "stopped after 1 s")
        facts = {"cut": 0, "finished": 0, "code": 0}
        book << Answer(Ticket(8), ok=True, message="stopped after 1 s: no request was cut", fields=facts) << Leave(0)
