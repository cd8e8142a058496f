"""What a worker writes down when it is asked where everything is: real processes, asked by the real kernel."""

from __future__ import annotations

import json
import math
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import wait_for

from workerhub.child import whereabouts
from workerhub.child.whereabouts import Whereabouts
from workerhub.kernel.protocol import StacksWritten
from workerhub.kernel.signals import Heard
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import ChildReady

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stage import Stage

    from workerhub.kernel.birth import Birth
    from workerhub.supervisor.events import ChildId

pytestmark = pytest.mark.timeout(60)


def listens(birth: Birth) -> None:
    """Wait for signals, as a worker's main thread does."""
    while True:
        select.select([birth.signals], [], [])
        birth.signals.clear()


def tells(prepare: Callable[[Birth, Whereabouts], None]) -> Callable[[Birth], int]:
    """A life in which one is asked where everything is."""

    def live(birth: Birth) -> int:
        place = Whereabouts(birth)
        birth.signals.actions[Heard.STACKS] = place
        prepare(birth, place)
        birth.report_ready()
        listens(birth)
        return 0

    return live


def asked(stage: Stage, child: ChildId) -> dict[str, Any]:
    """Ask a child; what it answers."""
    if not stage.story:
        stage.play(bool)  # it lives: its handlers are in place
    stage.story.clear()
    stage.kernel.nudge(child, Nudge.STACKS)
    stage.play(lambda _story: bool(stage.of(StacksWritten, child)))
    (written,) = stage.of(StacksWritten, child)
    assert isinstance(written, StacksWritten)
    told: dict[str, Any] = json.loads(written.text)
    return told


def test_the_main_thread_is_told_from_where_somebody_elses_code_begins(stage: Stage) -> None:
    child = stage.spawn(tells(lambda birth, _place: setattr(birth.row, "closing", False)))
    wait_for(lambda: where(asked(stage, child)) == ["live", "listens"], "it to listen")
    told = asked(stage, child)
    ((task),) = told["tasks"]
    assert (task["kind"], task["names"], task["count"], task["runs"]) == ("thread", ["MainThread"], 1, [])
    assert told["left_out"] == 0


def where(told: dict[str, Any]) -> list[str]:
    """The functions in the first stack."""
    lines = [line for line in told["tasks"][0]["stack"].splitlines() if line.startswith("  File")]
    return [line.rpartition(" in ")[2] for line in lines]


def test_threads_are_told_with_what_they_serve_and_idle_ones_together(stage: Stage) -> None:
    def idle_here() -> None:
        time.sleep(60)

    def busy_here(birth: Birth, place: Whereabouts) -> None:
        place.records[1].begin(b"GET /slow", b"192.0.2.1", time.monotonic() - 5.0, math.inf)
        birth.report_ready()
        time.sleep(60)

    def prepare(birth: Birth, place: Whereabouts) -> None:
        place.records = birth.row.records()
        for number in range(6):
            threading.Thread(target=idle_here, name=f"idle-{number}", daemon=True).start()
        threading.Thread(target=busy_here, args=(birth, place), name="busy", daemon=True).start()

    child = stage.spawn(tells(prepare), capacity=2)
    wait_for(lambda: stage.kernel.read_board({})[child].runs, "the request")
    first, *others = asked(stage, child)["tasks"]
    assert first["names"] == ["busy"], "what serves comes first"
    ((run),) = first["runs"]
    assert (run["line"], run["client"]) == ("GET /slow", "192.0.2.1")
    assert run["seconds"] >= 5.0
    assert "in busy_here" in first["stack"]
    (idle,) = [task for task in others if "in idle_here" in task["stack"]]
    assert (idle["count"], len(idle["names"])) == (6, 4)


class Tasks:
    """A worker class with a request and two other tasks that wait in no thread's stack."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.waiting = self._wait()
        next(self.waiting)

    def _wait(self) -> Any:
        yield sys._getframe()

    def stack(self, index: int) -> Any:
        if self.broken:
            raise ArithmeticError
        return self.waiting.gi_frame if index == 0 else None

    def tasks(self) -> Any:
        if self.broken:
            raise ArithmeticError
        return [("one", self.waiting.gi_frame), ("two", self.waiting.gi_frame)]


@pytest.mark.parametrize("broken", [False, True])
def test_tasks_of_the_worker_class_are_told_and_its_failure_costs_a_detail(stage: Stage, *, broken: bool) -> None:
    def prepare(birth: Birth, place: Whereabouts) -> None:
        place.records = birth.row.records()
        place.worker = Tasks(broken=broken)  # type: ignore[assignment]  # as far as it is looked at
        place.records[0].begin(b"GET /waits", b"", time.monotonic(), math.inf)

    tasks = asked(stage, stage.spawn(tells(prepare)))["tasks"]
    named = [(task["kind"], task["names"], len(task["runs"])) for task in tasks]
    if broken:
        assert named == [("thread", ["MainThread"], 1)]
    else:
        assert named == [("task", ["request"], 1), ("thread", ["MainThread"], 0), ("task", ["one", "two"], 0)]


def test_a_request_whose_thread_is_gone_is_told(stage: Stage) -> None:
    def prepare(birth: Birth, place: Whereabouts) -> None:
        place.records = birth.row.records()
        begin = place.records[0].begin
        thread = threading.Thread(target=begin, args=(b"GET /lost", b"", time.monotonic(), math.inf))
        thread.start()
        thread.join()

    first, *_ = asked(stage, stage.spawn(tells(prepare)))["tasks"]
    assert first["names"][0].endswith("which is gone")
    assert first["runs"][0]["line"] == "GET /lost"


def test_it_is_told_while_booting(stage: Stage) -> None:
    def hangs(birth: Birth, _place: Whereabouts) -> None:
        birth.report_limit()  # a sign of life that isn't readiness
        while True:
            time.sleep(60)

    ((task),) = asked(stage, stage.spawn(tells(hangs)))["tasks"]
    assert "in hangs" in task["stack"]


def test_too_much_is_cut_and_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty stacks of 150 frames, each another one at its end."""

    def deep(levels: int, turns: int) -> None:
        if levels:
            (deep if turns >> levels & 1 else deeper)(levels - 1, turns)
        else:
            time.sleep(60)

    def deeper(levels: int, turns: int) -> None:
        deep(levels, turns)

    def prepare(birth: Birth, place: Whereabouts) -> None:
        place.records = birth.row.records()
        for number in range(20):
            threading.Thread(target=deep, args=(150, number << 1), daemon=True).start()
        place.records[0].begin(b"GET /", b"", time.monotonic(), math.inf)

    monkeypatch.setattr(whereabouts, "MOST", 60_000)
    told = asked(stage, stage.spawn(tells(prepare)))
    assert told["tasks"][0]["runs"], "what serves is not left out"
    assert told["left_out"] > 10
    assert len(told["tasks"]) + told["left_out"] == 21
    assert all(len(task["stack"]) < 17_000 for task in told["tasks"])


def test_an_ordinary_interrupt_writes_nothing(stage: Stage) -> None:
    def prepare(birth: Birth, _place: Whereabouts) -> None:
        birth.signals.actions[Heard.INTERRUPT] = lambda _frame: setattr(birth.row, "closing", True)

    child = stage.spawn(tells(prepare))
    asked(stage, child)
    row = stage.kernel._children[child].row
    row.closing = False
    stage.kernel.nudge(child, Nudge.INTERRUPT)
    wait_for(lambda: row.closing, "the interrupt")
    assert stage.play(lambda _story: True) == stage.of(StacksWritten)
    assert len(stage.story) == 1


def test_who_is_interrupted_in_the_middle_of_a_report_tells_behind_it(stage: Stage) -> None:
    """The handler runs in the very thread that holds the lock: waiting for it would be for ever."""

    def prepare(birth: Birth, _place: Whereabouts) -> None:
        with birth._lock:
            birth.row.closing = True
            while not birth._owed:
                time.sleep(0.01)

    child = stage.spawn(tells(prepare))
    wait_for(lambda: stage.kernel._children[child].row.closing, "the lock to be held")
    stage.kernel.nudge(child, Nudge.STACKS)
    stage.play(lambda _story: bool(stage.of(StacksWritten)))
    assert [type(it) for it in stage.story] == [ChildReady, StacksWritten]
