"""The order of a template's life, and of its workers', lived by real processes."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.house import APP, Counts, Diary, House
from support.processes import title
from support.waiting import wait_for

from workerhub.kernel.memory import private_memory
from workerhub.supervisor.commands import Nudge
from workerhub.supervisor.events import ChildReady, LimitReached
from workerhub.supervisor.exits import WorkerExit

if TYPE_CHECKING:
    from workerhub.worker import WSGIApplication

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has child subreapers"),
]

AT_EXIT = "import atexit\natexit.register(lambda: open('diary', 'a').write('at exit\\n'))\n"


class Tells(Diary):
    """Tells what it is made with, and what it has kept."""

    kept = ""

    def __init__(self, context: Any, options: Any) -> None:
        super().__init__(context, options)
        self.note(f"made for slot {context.slot}")

    def prepare(self) -> None:
        super().prepare()
        self.kept = "something"

    def serve(self, app: WSGIApplication) -> None:
        self.note(f"slot {self.context.slot} kept {self.kept or 'nothing'}")
        super().serve(app)


def test_lives_in_order(house: House) -> None:
    (house.home / "diary_hooks.py").write_text(
        "def forked(facts):\n    open('diary', 'a').write(f\"forked {facts['slot']}\\n\")\n"
        "def ready(facts):\n    open('diary', 'a').write(f\"ready {facts['slot']}\\n\")\n"
    )
    hooks = {"worker_forked": "diary_hooks:forked", "worker_ready": "diary_hooks:ready"}
    template = house.spawn_template(Tells, APP + "open('diary', 'a').write('import\\n')\n" + AT_EXIT, hooks=hooks)
    house.ready(template)
    assert house.diary() == ["made for slot -1", "prepare", "import"]
    assert title(house.stage.pid(template)) == "workerhub: template main (generation 3)"
    (house.home / "diary").unlink()

    worker = house.spawn_from(template, slot=4)
    house.ready(worker)
    assert title(house.stage.pid(worker)) == "workerhub: worker main/4 (generation 3)"
    house.stage.kernel.nudge(worker, Nudge.DRAIN)
    assert house.end(worker) == (WorkerExit.DRAINED, "")
    assert house.diary() == [
        "made for slot 4",
        "forked 4",
        "ready 4",
        "slot 4 kept nothing",
        "serve application",
        "drained",
        "close",
        "at exit",
    ]
    (house.home / "diary").unlink()

    house.stage.kernel.nudge(template, Nudge.DRAIN)
    assert house.end(template) == (WorkerExit.DRAINED, "")
    assert house.diary() == []
    assert house.log() == ""


class Unprepared(Diary):
    def prepare(self) -> None:
        super().prepare()
        raise ArithmeticError("prepare went wrong")


@pytest.mark.parametrize(
    ("cls", "app", "code", "reason"),
    [
        (Diary, "1 / 0", WorkerExit.APP_FAILED, "importing diary_app raised ZeroDivisionError: division by zero"),
        (
            Unprepared,
            APP,
            WorkerExit.SETUP_FAILED,
            "setting up worker class unprepared failed: ArithmeticError: prepare went wrong",
        ),
    ],
    ids=["application", "prepare"],
)
def test_a_template_that_fails_says_why_and_cleans_up(
    house: House, cls: type[Diary], app: str, code: WorkerExit, reason: str
) -> None:
    template = house.spawn_template(cls, AT_EXIT + app)
    assert house.end(template) == (code, reason)
    assert house.diary() == ["prepare", "close", *(["at exit"] if cls is Diary else [])]


def test_a_template_that_imports_leaves_at_once_when_told(house: House) -> None:
    template = house.spawn_template(app="open('importing', 'w')\nimport time\ntime.sleep(60)\n")
    wait_for((house.home / "importing").exists, "the import to begin")
    house.stage.kernel.nudge(template, Nudge.DRAIN)
    assert house.end(template) == (WorkerExit.DRAINED, "")
    assert not house.stage.of(ChildReady)


def test_a_worker_is_told_to_leave_and_reports_its_limit_for_itself(house: House) -> None:
    template = house.spawn_template(Counts)
    house.ready(template)
    workers = [house.spawn_from(template, slot, recycle_after=limit) for slot, limit in enumerate([3, None, 5])]
    for worker in workers:
        house.ready(worker)
    house.stage.kernel.nudge(workers[1], Nudge.DRAIN)
    assert house.end(workers[1]) == (WorkerExit.DRAINED, "")
    house.stage.play(lambda _story: len(house.stage.of(LimitReached)) == 2)
    assert {it.child for it in house.stage.of(LimitReached) if isinstance(it, LimitReached)} == {workers[0], workers[2]}


def test_a_worker_that_can_not_be_made_says_why_and_the_template_goes_on(house: House) -> None:
    template = house.spawn_template(hooks={"worker_ready": "no:f"})
    house.ready(template)
    reason = "hooks.worker_ready: no module called no (python_path and chdir say where to look)"
    for _ in range(2):
        assert house.end(house.spawn_from(template)) == (WorkerExit.SETUP_FAILED, reason)


def test_what_was_imported_stays_shared_when_a_worker_collects_garbage(house: House) -> None:
    app = "kept = [[] for _ in range(100_000)]\ndef application(environ, start_response): pass\n"

    class Collects(Diary):
        def serve(self, app: WSGIApplication) -> None:
            import gc

            before = private_memory(os.getpid(), 0) or 0
            gc.collect()
            self.note(f"{(private_memory(os.getpid(), 0) or 0) - before} bytes, enabled {gc.isenabled()}")
            super().serve(app)

    template = house.spawn_template(Collects, app)
    house.ready(template)
    house.ready(house.spawn_from(template))
    wait_for(lambda: "serve application" in house.diary(), "serve")
    _, told, _ = house.diary()
    assert told.endswith("enabled True")
    assert int(told.partition(" ")[0]) < 1 << 20, "the lists alone are 5.6 MB"


def test_logs_are_opened_anew_in_the_template_too(house: House) -> None:
    template = house.spawn_template()
    house.ready(template)
    (house.home / "error.log").rename(house.home / "error.log.1")
    house.stage.kernel.nudge(template, Nudge.REOPEN)
    wait_for((house.home / "error.log").exists, "the log file")


# What the import leaves behind


def test_threads_and_connections_that_the_import_leaves_are_told_once_by_name(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(house.home / "redis.sock"))
        local.listen()
        port = server.getsockname()[1]
        app = (
            "import pathlib, socket, threading, time, _thread\n"
            "threading.Thread(target=time.sleep, args=(60,), name='scheduler', daemon=True).start()\n"
            "_thread.start_new_thread(time.sleep, (60,))\n"
            "def library():\n"
            "    open('/proc/thread-self/comm', 'w').write('rdk:broker1')\n"
            "    time.sleep(60)\n"
            "_thread.start_new_thread(library, ())\n"
            "while 'rdk' not in ''.join(path.read_text() for path in pathlib.Path('/proc/self/task').glob('*/comm')): pass\n"
            f"tcp = socket.create_connection(('127.0.0.1', {port}))\n"
            "unix = socket.socket(socket.AF_UNIX)\n"
            "unix.connect('redis.sock')\n"
            "udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "udp.connect(('127.0.0.1', 8125))\n"
            "pair = socket.socketpair()\n"
            "unconnected = socket.socket()\n"
        )
        template = house.spawn_template(app=app + APP)
        house.ready(template)
        house.ready(house.spawn_from(template))
    threads, connections = house.log().splitlines()
    assert "warning main template: threads that the import has started don't exist in the workers" in threads
    assert "the workers: scheduler, rdk:broker1;" in threads
    assert f"each other's answers: 127.0.0.1:{port}, unix:{house.home}/redis.sock;" in connections


def test_what_was_there_before_the_import_is_not_told(house: House) -> None:
    """Standard error may be a socket, of systemd's journal for instance."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        house.ready(house.spawn_template())
    assert house.log() == ""
