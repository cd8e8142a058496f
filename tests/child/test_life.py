"""The order of a worker's life, lived by real processes."""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.house import APP, BIND, Counts, Diary, House
from support.waiting import wait_for

from workerhub.config.addresses import TcpAddress
from workerhub.errors import RequestTimeout
from workerhub.plan import Identity
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import ChildReady, Exit, LimitReached
from workerhub.supervisor.exits import WorkerExit
from workerhub.worker import WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerhub.worker import WSGIApplication

pytestmark = pytest.mark.timeout(60)


class Fails(Diary):
    """Fails where it is told to."""

    where = ""

    def __init__(self, context: Any, options: WorkerOptions) -> None:
        super().__init__(context, options)
        self._fail("init")

    def _fail(self, here: str) -> None:
        if here in self.where:
            raise ArithmeticError(f"{here} went wrong")

    def prepare(self) -> None:
        super().prepare()
        self._fail("prepare")

    def serve(self, app: WSGIApplication) -> None:
        self._fail("serve")
        if "return" not in self.where:
            super().serve(app)

    def close(self) -> None:
        super().close()
        self._fail("close")


def test_a_life_in_order(house: House) -> None:
    (house.home / "diary_hooks.py").write_text(
        "def note(facts):\n    open('diary', 'a').write(f\"hook {facts['pool']} {facts['slot']} {facts['generation']}\\n\")\n"
    )
    app = (
        APP
        + "import atexit\nopen('diary', 'a').write('import\\n')\natexit.register(lambda: open('diary', 'a').write('at exit\\n'))\n"
    )
    hook = "diary_hooks:note"
    child = house.spawn(app=app, hooks={"worker_forked": hook, "worker_ready": hook})
    house.ready(child)
    assert (
        Path(f"/proc/{house.stage.pid(child)}/cmdline")
        .read_bytes()
        .startswith(b"workerhub: worker main/1 (generation 3)\0")
    )
    house.stage.kernel.nudge(child, Nudge.DRAIN)
    assert house.end(child) == (WorkerExit.DRAINED, "")
    assert house.diary() == [
        "prepare",
        "hook main 1 3",
        "import",
        "hook main 1 3",
        "serve application",
        "drained",
        "close",
        "at exit",
    ]


@pytest.mark.parametrize(
    ("where", "code", "reason", "closed"),
    [
        (
            "init",
            WorkerExit.SETUP_FAILED,
            "setting up worker class fails failed: ArithmeticError: init went wrong",
            False,
        ),
        (
            "prepare",
            WorkerExit.SETUP_FAILED,
            "setting up worker class fails failed: ArithmeticError: prepare went wrong",
            True,
        ),
        (
            "serve",
            WorkerExit.SERVE_FAILED,
            "worker class fails failed while serving: ArithmeticError: serve went wrong",
            True,
        ),
        ("return", WorkerExit.SERVE_FAILED, "worker class fails stopped serving without being asked to", True),
        (
            "serve close",
            WorkerExit.SERVE_FAILED,
            "worker class fails failed while serving: ArithmeticError: serve went wrong",
            True,
        ),
    ],
)
def test_a_failing_worker_class(house: House, where: str, code: WorkerExit, reason: str, *, closed: bool) -> None:
    child = house.spawn(type("Fails", (Fails,), {"where": where}))
    assert house.end(child) == (code, reason)
    assert (house.diary()[-1:] == ["close"]) is closed
    assert ("closing worker class fails failed: ArithmeticError: close went wrong" in house.log()) is ("close" in where)


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        ({"app": "1 / 0"}, WorkerExit.APP_FAILED, "importing diary_app raised ZeroDivisionError: division by zero"),
        (
            {"hooks": {"worker_forked": "no:f"}},
            WorkerExit.SETUP_FAILED,
            "hooks.worker_forked: no module called no (python_path and chdir say where to look)",
        ),
        (
            {"hooks": {"worker_ready": "no:f"}},
            WorkerExit.SETUP_FAILED,
            "hooks.worker_ready: no module called no (python_path and chdir say where to look)",
        ),
        (
            {"identity": Identity("nobdy", None, None, None, (), {})},
            WorkerExit.SETUP_FAILED,
            "user: there is no user called 'nobdy' on this system",
        ),
        (
            {"app": "class Odd(BaseException): pass\nraise Odd('strange')"},
            WorkerExit.APP_FAILED,
            "importing diary_app raised Odd: strange",
        ),
    ],
    ids=["application", "worker_forked", "worker_ready", "identity", "an exception of its own kind"],
)
def test_what_is_around_the_worker_class_fails(
    house: House, change: dict[str, Any], code: WorkerExit, reason: str
) -> None:
    assert house.end(house.spawn(**change)) == (code, reason)
    if "identity" not in change:
        assert house.diary()[-1:] == ["close"]


def test_an_application_that_leaves_the_process_is_seen_to_exit_before_it_was_ready(house: House) -> None:
    assert house.end(house.spawn(app="import os; os._exit(0)")) == (0, "")
    assert not house.stage.of(ChildReady)


def test_a_worker_that_boots_leaves_at_once_when_told(house: House) -> None:
    child = house.spawn(app="open('importing', 'w')\nimport time\ntime.sleep(60)\n")
    wait_for((house.home / "importing").exists, "the import to begin")
    house.stage.kernel.nudge(child, Nudge.DRAIN)
    assert house.end(child) == (WorkerExit.DRAINED, "")
    assert house.diary() == ["prepare", "close"]


def test_an_application_that_catches_everything_is_told_to_leave_again(house: House) -> None:
    app = "import time\nopen('importing', 'w')\ntry:\n    time.sleep(60)\nexcept BaseException:\n    time.sleep(60)\n"
    child = house.spawn(app=app)
    wait_for((house.home / "importing").exists, "the import to begin")
    house.stage.kernel.nudge(child, Nudge.DRAIN)
    assert house.end(child) == (WorkerExit.DRAINED, "")


def test_a_worker_that_was_told_before_it_lived_does_not_boot(house: House) -> None:
    child = house.spawn()
    house.stage.kernel.nudge(child, Nudge.DRAIN)
    assert house.end(child) == (WorkerExit.DRAINED, "")


def test_abort_ends_a_worker_now_and_saves_what_was_printed(house: House) -> None:
    class Prints(Diary):
        def serve(self, app: WSGIApplication) -> None:
            sys.stdout = Path("printed").open("w")  # noqa: SIM115  # as a redirected standard output: buffered
            print("from a request")
            super().serve(app)

    child = house.spawn(Prints)
    house.ready(child)
    wait_for((house.home / "printed").exists, "serve")
    wait_for(lambda: "serve application" in house.diary(), "serve")
    house.stage.kernel.nudge(child, Nudge.ABORT)
    assert house.end(child) == (WorkerExit.ABORTED, "")
    assert (house.home / "printed").read_text() == "from a request\n"


class Holds(Diary):
    """Has a request in a thread of its own when it is told to leave now."""

    def serve(self, app: WSGIApplication) -> None:
        def held_up_in_here() -> None:
            self.context._books.records[0].begin(b"GET /held", b"192.0.2.1", time.monotonic() - 60.0, math.inf)
            time.sleep(60)

        threading.Thread(target=held_up_in_here, daemon=True).start()
        super().serve(app)


@pytest.mark.parametrize("asked", [True, False], ids=["not drained in time", "fast stop"])
def test_what_is_cut_is_logged_with_its_stack_if_stacks_were_asked_for(house: House, *, asked: bool) -> None:
    child = house.spawn(Holds)
    house.ready(child)
    wait_for(lambda: house.stage.kernel.read_board({})[child].runs, "the request")
    for nudge in (Nudge.DUMP, Nudge.ABORT) if asked else (Nudge.ABORT,):
        house.stage.kernel.nudge(child, nudge)
    assert house.end(child)[0] == WorkerExit.ABORTED
    log = house.log()
    assert log.count("main/1: request cut: GET /held from 192.0.2.1, 60.") == asked
    assert log.count("in held_up_in_here") == asked


def test_where_a_boot_hung_is_logged_by_the_class_whose_tasks_share_a_thread(house: House) -> None:
    def hanging_in_here() -> Iterator[None]:
        yield

    task: Any = hanging_in_here()

    class Hangs(Diary):
        def prepare(self) -> None:
            next(task)
            self.note("prepare")
            time.sleep(60)

        def tasks(self) -> Any:
            return [("the boot", task.gi_frame)]

    child = house.spawn(Hangs)
    wait_for((house.home / "diary").exists, "the hang")
    for nudge in (Nudge.DUMP, Nudge.ABORT):
        house.stage.kernel.nudge(child, nudge)
    assert house.end(child)[0] == WorkerExit.ABORTED
    assert "main/1: cut while booting: the boot waited" in house.log()
    assert "in hanging_in_here" in house.log()


def test_a_cut_that_can_not_be_told_is_a_cut(house: House) -> None:
    class Untold(Holds):
        def stack(self, index: int) -> Any:
            raise SystemExit(3)

    child = house.spawn(Untold)
    house.ready(child)
    wait_for(lambda: house.stage.kernel.read_board({})[child].runs, "the request")
    for nudge in (Nudge.DUMP, Nudge.ABORT):
        house.stage.kernel.nudge(child, nudge)
    assert house.end(child)[0] == WorkerExit.ABORTED


def test_logs_are_opened_anew(house: House) -> None:
    child = house.spawn()
    house.ready(child)
    (house.home / "error.log").rename(house.home / "error.log.1")
    house.stage.kernel.nudge(child, Nudge.REOPEN)
    wait_for((house.home / "error.log").exists, "the log file")


def test_the_limit_is_reported_once_and_serving_goes_on(house: House) -> None:
    child = house.spawn(Counts, recycle_after=3)
    house.ready(child)
    house.stage.play(lambda _story: bool(house.stage.of(LimitReached)))
    house.stage.kernel.nudge(child, Nudge.DRAIN)
    assert house.end(child) == (WorkerExit.DRAINED, "")
    assert len(house.stage.of(LimitReached)) == 1


def test_sockets_of_other_pools_are_closed(house: House) -> None:
    other = TcpAddress("127.0.0.2", 0)
    house.listeners.open([other])
    inodes = {os.fstat(sock.fileno()).st_ino: sock.getsockname()[0] for sock in house.listeners.sockets([BIND, other])}

    class Looks(Diary):
        def serve(self, app: WSGIApplication) -> None:
            for entry in Path("/proc/self/fd").iterdir():
                if entry.exists() and entry.stat().st_ino in inodes:
                    self.note(inodes[entry.stat().st_ino])
            assert [sock.family for sock in self.context.listeners] == [socket.AF_INET]
            super().serve(app)

    child = house.spawn(Looks)
    house.ready(child)
    wait_for(lambda: "serve application" in house.diary(), "serve")
    assert house.diary() == ["prepare", "127.0.0.1", "serve application"]


# Overdue requests


def test_an_overdue_request_is_logged_with_its_threads_stack_and_ended(house: House) -> None:
    class Threaded(Diary):
        """Slot 0 is overdue in a thread of its own; slot 1 has time."""

        def serve(self, app: WSGIApplication) -> None:
            one, two = self.context._books.records
            now = time.monotonic()

            def stuck_in_here() -> None:
                one.begin(b"GET /stuck?x=\x1b[31m", b"192.0.2.1", now - 60.0, now)
                time.sleep(60)

            def fine_in_here() -> None:
                two.begin(b"GET /fine", b"192.0.2.1", now, math.inf)
                time.sleep(60)

            threading.Thread(target=stuck_in_here, daemon=True).start()
            threading.Thread(target=fine_in_here, daemon=True).start()
            super().serve(app)

    child = house.spawn(Threaded)
    house.ready(child)
    wait_for(lambda: len(house.stage.kernel.read_board({})[child].runs) == 2, "both requests")
    for _ in range(2):
        house.stage.kernel.nudge(child, Nudge.INTERRUPT)
        wait_for(lambda: "interrupt 0" in house.diary(), "the interrupt")
        (house.home / "diary").unlink()
    log = house.log()
    assert log.count("request timed out") == 1
    assert r"main/1: request timed out: GET /stuck?x=\x1b[31m from 192.0.2.1, 60." in log
    assert "limit 60 s" in log
    assert "in stuck_in_here" in log
    assert "in fine_in_here" not in log


def test_a_request_in_the_main_thread_is_ended_by_an_exception(house: House) -> None:
    class Inline(Diary):
        def interrupt(self, index: int) -> bool:
            self.note(f"interrupt {index}")
            raise RequestTimeout

        def serve(self, app: WSGIApplication) -> None:
            one, two = self.context._books.records
            two.begin(b"GET /also", b"", 0.0, 1.0)
            try:
                one.begin(b"GET /inline", b"", 0.0, 1.0)
                self.stuck_right_here()
            except RequestTimeout:
                one.end()
                two.end()
                self.note("timed out")
            super().serve(app)

        def stuck_right_here(self) -> None:
            while True:
                time.sleep(60)

    child = house.spawn(Inline)
    house.ready(child)
    wait_for(lambda: len(house.stage.kernel.read_board({})[child].runs) == 2, "the requests")
    house.stage.kernel.nudge(child, Nudge.INTERRUPT)
    wait_for(lambda: "serve application" in house.diary(), "the exception")
    assert house.diary() == ["prepare", "interrupt 0", "interrupt 1", "timed out", "serve application"]
    assert "in stuck_right_here" in house.log()
    assert "in _heard" not in house.log()


def test_an_interrupt_that_fails_is_told(house: House) -> None:
    class Broken(Diary):
        def interrupt(self, index: int) -> bool:
            raise LookupError(index)

        def serve(self, app: WSGIApplication) -> None:
            self.context._books.records[1].begin(b"GET /", b"", 0.0, 1.0)
            super().serve(app)

    child = house.spawn(Broken)
    house.ready(child)
    wait_for(lambda: house.stage.kernel.read_board({})[child].runs, "the request")
    house.stage.kernel.nudge(child, Nudge.INTERRUPT)
    wait_for(lambda: "interrupting GET / failed: 1" in house.log(), "the log")
    house.stage.kernel.nudge(child, Nudge.DRAIN)
    assert house.end(child)[0] == WorkerExit.DRAINED


def test_nothing_overdue_is_nothing_to_do(house: House) -> None:
    child = house.spawn()
    house.ready(child)
    house.stage.kernel.nudge(child, Nudge.INTERRUPT)
    house.stage.kernel.nudge(child, Nudge.DRAIN)
    assert house.stage.exit_of(child).exit == Exit(code=WorkerExit.DRAINED)
    assert house.log() == ""


def test_signals_of_the_terminal_do_not_end_a_worker(house: House) -> None:
    child = house.spawn()
    house.ready(child)
    os.kill(house.stage.pid(child), signal.SIGINT)
    os.kill(house.stage.pid(child), signal.SIGHUP)
    house.stage.kernel.nudge(child, Nudge.FINISH)
    assert house.end(child) == (WorkerExit.DRAINED, "")
