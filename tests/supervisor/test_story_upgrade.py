"""Upgrading: a new master takes over when all of it serves, or this one stays."""

from __future__ import annotations

import pytest
from support.supervision import exited, policy, ready, serving, spawn, story, tell

from workerhub.supervisor import (
    Answer,
    ClaimInheritance,
    Command,
    DeadlineReached,
    EndSuccessor,
    Exit,
    HandOver,
    Inherited,
    Leave,
    Nudge,
    ReloadRequested,
    Started,
    StartSuccessor,
    StopListening,
    StopRequested,
    SuccessorLost,
    SuccessorReady,
    SuccessorStarted,
    Supervisor,
    Tell,
    Ticket,
    UpgradeRequested,
)
from workerhub.testing import Logged, Playbook

PID = 4711


def usr2(at: float, ticket: Ticket | None = None) -> UpgradeRequested:
    return UpgradeRequested(at, "SIGUSR2", ticket)


def begun(book: Playbook, ticket: Ticket | None = None) -> None:
    """Tell the part that most of these begin with: two workers serve, and at 10 a new master is started."""
    serving(book)
    book >> usr2(10, ticket) << Logged("info", "upgrade asked for (SIGUSR2)") << StartSuccessor()  # tells the story
    book >> SuccessorStarted(10, PID) << Logged("info", "the new master boots, pid 4711")  # as above
    if ticket is not None:
        book << Tell(ticket, "the new master boots, pid 4711", {"pid": PID})  # as above


def test_the_new_master_serves_before_the_old_one_drains() -> None:
    with story(policy(drain_delay=20)) as book:
        begun(book, Ticket(1))
        book >> SuccessorReady(14)
        book << Logged("info", "the new master serves, pid 4711; this one leaves")
        (
            book
            << HandOver(PID)
            << Answer(Ticket(1), ok=True, message="the new master serves, pid 4711", fields={"pid": PID})
        )
        book << tell(1, Nudge.DRAIN) << tell(2, Nudge.DRAIN)
        book >> exited(1, at=15) << Logged("info", "worker main/0 is gone")
        book >> exited(2, at=16) << Logged("info", "worker main/1 is gone")
        book << Logged("info", "stopped after 2 s: no request was cut") << Leave(0)


def commands_of(*happened: object, heir: bool = False) -> list[Command]:
    """Everything that is commanded by the time the last of it has happened."""
    supervisor = Supervisor([policy(size=1)], lambda most: most, heir=heir)
    return [command for event in happened for command in supervisor.handle(event)]  # type: ignore[arg-type]  # events


def test_what_another_master_serves_from_is_not_closed_to_newcomers() -> None:
    boot = (Started(0), ready(1, at=0))
    term = StopRequested(20, fast=False, origin="SIGTERM")
    assert StopListening("main") in commands_of(*boot, term)
    assert StopListening("main") not in commands_of(*boot, usr2(10), SuccessorStarted(10, PID), SuccessorReady(12))
    assert StopListening("main") not in commands_of(*boot, term, heir=True)
    assert StopListening("main") in commands_of(*boot, Inherited(10), term, heir=True)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (None, "the new master can't be started"),
        (Exit(code=2), "its configuration can't be used (exit code 2)"),
        (Exit(code=4), "its application fails to boot (exit code 4)"),
        (Exit(signal=9), "it was killed (SIGKILL)"),
    ],
)
def test_a_new_master_that_fails_changes_nothing(how: Exit | None, words: str) -> None:
    with story() as book:
        begun(book, Ticket(1))
        book >> SuccessorLost(12, how, "what it said")
        book << Logged("error", words, "this master stays", "what it said")
        message = f"not upgraded: the new master has left: {words}; generation 1 keeps serving"
        if how is None:
            message = f"not upgraded: {words}; generation 1 keeps serving"
        book << Answer(Ticket(1), ok=False, message=message, detail="what it said", fields={"generation": 1})
        book >> usr2(20) << Logged("info", "upgrade asked for") << StartSuccessor()


def test_a_new_master_that_hangs_is_told_to_leave_then_killed() -> None:
    with story(policy(reload_deadline=60, graceful_timeout=30, kill_timeout=5)) as book:
        begun(book)
        book >> DeadlineReached(70)
        book << Logged("error", "not all of it serves within reload.deadline (60 s)") << EndSuccessor(Nudge.DRAIN)
        book >> SuccessorReady(71)  # crossed the order on its way
        book >> DeadlineReached(105) << EndSuccessor(Nudge.KILL)
        book >> SuccessorLost(106, Exit(signal=9)) << Logged("info", "the new master is gone")


def test_a_stop_before_it_is_ready_stops_both_and_waits_for_it() -> None:
    with story() as book:
        begun(book, Ticket(1))
        book >> StopRequested(12, fast=False, origin="SIGTERM") << Logged("info", "graceful stop asked for")
        book << Answer(Ticket(1), ok=False, message="not upgraded: the server stops") << EndSuccessor(Nudge.DRAIN)
        book << tell(1, Nudge.FINISH) << tell(2, Nudge.FINISH)
        book >> exited(1, at=13) << Logged("info", "worker main/0 is gone")
        book >> exited(2, at=13) << Logged("info", "worker main/1 is gone")
        book >> StopRequested(14, fast=True, origin="SIGINT") << Logged("info", "fast stop asked for")
        book << EndSuccessor(Nudge.ABORT)
        book >> SuccessorLost(15, Exit(code=0)) << Logged("info", "the new master is gone")
        book << Logged("info", "stopped after 3 s") << Leave(0)


def test_one_thing_at_a_time() -> None:
    with story() as book:
        begun(book)
        book >> usr2(11, Ticket(2)) << Logged("warning", "an upgrade is running already")
        book << Answer(Ticket(2), ok=False, message="not upgraded: an upgrade is running already")
        book >> ReloadRequested(11, "SIGHUP", Ticket(3)) << Logged("warning", "an upgrade is running")
        book << Answer(Ticket(3), ok=False, message="not reloaded: an upgrade is running")


def test_not_while_it_reloads_or_stops() -> None:
    supervisor = Supervisor([policy(size=1)], lambda most: most)
    for event in (Started(0), ready(1, at=0), ReloadRequested(10, "SIGHUP")):
        supervisor.handle(event)
    with Playbook(supervisor) as book:
        book >> usr2(11) << Logged("warning", "upgrade asked for (SIGUSR2): a reload is running")
    supervisor.handle(StopRequested(12, fast=False, origin="SIGTERM"))
    with Playbook(supervisor) as book:
        book >> usr2(13) << Logged("warning", "upgrade asked for (SIGUSR2): the server is stopping")


def test_an_heir_claims_once_when_every_slot_serves() -> None:
    supervisor = Supervisor([policy(size=2), policy(name="api", size=1)], lambda most: most, heir=True)
    with Playbook(supervisor) as book:
        book >> Started(0) << spawn(1) << spawn(2, slot=1) << spawn(3, pool="api")
        book >> ready(1, at=1)
        book >> ready(3, at=1) << Logged("info", "api: 1 of 1 workers ready")
        book >> ready(2, at=2) << Logged("info", "main: 2 of 2 workers ready") << ClaimInheritance()
        book >> usr2(3) << Logged("warning", "this server is itself about to take over")
        book >> Inherited(4) << Logged("info", "has handed over")
        book >> usr2(5) << Logged("info", "upgrade asked for") << StartSuccessor()
