"""Questions to the master: what is going on, and where every worker is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

import pytest
from support.supervision import policy

from workerhub.kernel.protocol import (
    DiffRequested,
    Happening,
    StacksRequested,
    StacksWritten,
    StatusRequested,
    TaskEnded,
)
from workerhub.master import Master
from workerhub.master.stacks import DUMP_PATIENCE, PATIENCE
from workerhub.supervisor import ChildId, Exit, PoolPolicy, Reading, Ticket
from workerhub.testing import FakeKernel, FakeStage, Request, Script


class HearingKernel(FakeKernel):
    """Keeps what askers are answered, and when."""

    def __init__(self, *scripts: Script) -> None:
        super().__init__(dict(enumerate(scripts, start=1)))
        self.answers: dict[Ticket, tuple[float, bool, str, Mapping[str, Any]]] = {}
        self.weighed: list[float] = []

    def answer(self, ticket: Ticket, message: str, *, ok: bool, detail: str, fields: Mapping[str, object]) -> None:
        super().answer(ticket, message, ok=ok, detail=detail, fields=fields)
        assert ticket not in self.answers, "answered twice"
        self.answers[ticket] = self.now(), ok, message, json.loads(json.dumps(fields, allow_nan=False))

    def read_board(self, memory: Mapping[ChildId, int]) -> Mapping[ChildId, Reading]:
        if memory:
            self.weighed.append(self.now())
        return super().read_board(memory)


def run(kernel: FakeKernel, policy: PoolPolicy) -> None:
    kernel.send_signal(100, "SIGTERM")
    assert Master(kernel, FakeStage(kernel, [policy]), lambda most: most).run() == 0


def test_the_status_is_told_with_who_the_server_is() -> None:
    kernel = HearingKernel(Script(requests=(Request(after=5, lasts=30, timeout=inf),)))
    kernel.ask(StatusRequested(10, Ticket(1)))
    run(kernel, policy(size=2))
    at, ok, message, fields = kernel.answers[Ticket(1)]
    assert (at, ok, message) == (10, True, "generation 1, main: 2 of 2 serving")
    assert (fields["title"], fields["uptime"], fields["generation"]) == ("a pretend server", 10, 1)
    ((pool),) = fields["pools"]
    assert [worker["memory"] for worker in pool["workers"]] == [32 << 20] * 2
    assert [run["line"] for run in pool["workers"][0]["running"]] == ["GET /"]


def test_who_asks_all_the_time_gets_a_weight_that_is_a_second_old() -> None:
    """Weighing a worker of 1 GiB takes 12 ms, in which the master does nothing else."""
    kernel = HearingKernel()
    for number in range(100):
        kernel.ask(StatusRequested(10 + number / 50, Ticket(number)))
    run(kernel, policy(size=2))
    assert kernel.weighed == [10, 11]
    assert all(
        worker["memory"] == 32 << 20
        for _, _, _, fields in kernel.answers.values()
        for worker in fields["pools"][0]["workers"]
    )


def test_a_server_that_reloads_or_stops_says_so_in_its_line() -> None:
    kernel = HearingKernel(Script(), Script(boots_after=5))
    kernel.send_signal(10, "SIGHUP")
    kernel.ask(StatusRequested(11, Ticket(1)))
    kernel.ask(StatusRequested(100.01, Ticket(2)))
    run(kernel, policy(size=1))
    assert kernel.answers[Ticket(1)][2] == "generation 1, reloading, main: 1 of 1 serving"
    assert kernel.answers[Ticket(2)][2] == "generation 2, stopping, main: 0 of 1 serving"


def changes_asked(kernel: HearingKernel, *reloads: str) -> None:
    kernel.ask(DiffRequested(10, Ticket(1)))
    kernel.send_signal(100, "SIGTERM")
    stage = FakeStage(kernel, [policy(size=1)], reloads)
    assert Master(kernel, stage, lambda most: most).run() == 0


def test_what_a_reload_would_change_is_found_out_without_a_reload() -> None:
    kernel = HearingKernel()
    changes_asked(kernel)
    assert kernel.answers[Ticket(1)][1:] == (True, "a reload would change 0 settings", {"changes": []})
    assert kernel.births == 1


def test_that_a_reload_would_be_refused_is_told_with_the_reason() -> None:
    kernel = HearingKernel()
    changes_asked(kernel, "server.toml:7: timeouts.requst: unknown setting")
    assert kernel.answers[Ticket(1)][1:3] == (False, "a reload would be refused")
    assert "timeouts.requst: unknown setting" in str(kernel.transcript)


def test_who_asks_while_the_configuration_is_read_shares_the_answer() -> None:
    class SlowReader(HearingKernel):
        tasks = 0

        def run_task(self, task: str, work: Callable[[], bytes], timeout: float) -> None:
            self.tasks += 1
            self._plan(self._now + 5, lambda: TaskEnded(self._now, task, None, "it exited with code 9"))

    kernel = SlowReader()
    kernel.ask(DiffRequested(12, Ticket(2)))
    changes_asked(kernel)
    assert kernel.tasks == 1
    assert {ticket: answer[:2] for ticket, answer in kernel.answers.items()} == {1: (15, False), 2: (15, False)}
    assert "the process that reads the configuration failed: it exited with code 9" in str(kernel.transcript)


def workers(kernel: HearingKernel, ticket: int = 1) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kernel.answers[Ticket(ticket)][3]["workers"]
    return found


def test_every_worker_says_where_it_is() -> None:
    kernel = HearingKernel()
    kernel.ask(StacksRequested(10, Ticket(1)))
    run(kernel, policy(size=2))
    at, ok, message, _ = kernel.answers[Ticket(1)]
    assert (ok, message) == (True, "stacks of 2 workers")
    assert at < 10.1
    assert [(worker["slot"], worker["pid"], worker["tasks"]) for worker in workers(kernel)] == [
        (0, 101, [{"names": ["child 1"]}]),
        (1, 102, [{"names": ["child 2"]}]),
    ]


def test_a_template_says_where_it_is_too() -> None:
    """Where its import hangs is what one most wants to know."""
    kernel = HearingKernel()
    kernel.ask(StacksRequested(10, Ticket(1)))
    run(kernel, policy(size=1, preload=True))
    assert kernel.answers[Ticket(1)][1:3] == (True, "stacks of 1 worker and 1 template")
    assert [(told.get("slot"), told["pid"], told["tasks"]) for told in workers(kernel)] == [
        (0, 102, [{"names": ["child 2"]}]),
        (None, 101, [{"names": ["child 1"]}]),
    ]


def test_for_one_that_cannot_say_faulthandler_does() -> None:
    kernel = HearingKernel(Script(tells_after=inf, requests=(Request(after=5, lasts=30, line="GET /stuck"),)))
    kernel.ask(StacksRequested(10, Ticket(1)))
    run(kernel, policy(size=2))
    at, ok, message, _ = kernel.answers[Ticket(1)]
    assert (at, ok, message) == (10 + PATIENCE + DUMP_PATIENCE, True, "stacks of 2 workers")
    held_up, fine = workers(kernel)
    assert held_up["dump"] == "stacks of child 1 at 12.000\n"
    assert held_up["note"].startswith("it doesn't answer within 2 s: held up in C code")
    assert [run["line"] for run in held_up["runs"]] == ["GET /stuck"]
    assert "dump" not in fine


class SilentKernel(HearingKernel):
    """Its processes leave no dump: they are stopped, say."""

    def read_dump(self, child: ChildId) -> str:  # nobody's
        return ""


def test_one_that_leaves_nothing_is_a_no() -> None:
    kernel = SilentKernel(Script(tells_after=inf))
    kernel.ask(StacksRequested(10, Ticket(1)))
    run(kernel, policy(size=2))
    _, ok, message, _ = kernel.answers[Ticket(1)]
    assert (ok, message) == (False, "stacks of 1 worker; 1 didn't answer")
    assert "it doesn't answer" in workers(kernel)[0]["note"]


def test_who_asks_meanwhile_gets_the_same_answer_and_who_asks_later_a_new_one() -> None:
    kernel = HearingKernel(Script(tells_after=1))
    for ticket, at in ((1, 10), (2, 10.5), (3, 20)):
        kernel.ask(StacksRequested(at, Ticket(ticket)))
    run(kernel, policy(size=1))
    assert [answer[0] for answer in kernel.answers.values()] == [11, 11, 21]
    assert str(kernel.transcript).count("tells child 1: stacks") == 2


def test_one_that_exits_is_not_waited_for() -> None:
    kernel = HearingKernel(Script(tells_after=inf))
    kernel.end_process(11, 1, Exit(signal=9))
    kernel.ask(StacksRequested(10, Ticket(1)))
    run(kernel, policy(size=2))
    assert kernel.answers[Ticket(1)][:3] == (11, True, "stacks of 1 worker")


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"tasks": 1}', "[" * 100_000])
def test_what_an_application_scribbles_over_is_no_answer(text: str) -> None:
    class Scribbling(HearingKernel):
        def wait(self, until: float | None) -> Sequence[Happening]:
            return [
                StacksWritten(it.at, it.child, text) if isinstance(it, StacksWritten) else it
                for it in super().wait(until)
            ]

    kernel = Scribbling()
    kernel.ask(StacksRequested(10, Ticket(1)))
    run(kernel, policy(size=1))
    assert workers(kernel)[0]["note"] == "its answer makes no sense"
    assert kernel.answers[Ticket(1)][1] is False


def test_without_workers_there_is_nothing_to_wait_for() -> None:
    refused = Script(refused="no process can be started")
    kernel = HearingKernel(refused, refused)
    kernel.ask(StacksRequested(0.5, Ticket(1)))
    run(kernel, policy(size=1))
    assert kernel.answers[Ticket(1)][:3] == (0.5, True, "stacks of 0 workers")


def test_a_stop_ends_the_round() -> None:
    kernel = HearingKernel(Script(tells_after=inf, drains_after=1))
    kernel.ask(StacksRequested(99.5, Ticket(1)))
    run(kernel, policy(size=1))
    assert kernel.answers[Ticket(1)][:3] == (101, True, "stacks of 0 workers")
