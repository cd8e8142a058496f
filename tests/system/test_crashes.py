"""Workers die; the log says why and of what; they come back, with back-off; a start that can't succeed says so."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from support.client import ConnectionEndedError
from support.holding import ask, held_request
from support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve, Server


def die(server: Server, target: str) -> None:
    """Ask for something that no worker survives."""
    with server.connect() as client:
        ask(client, target)
        with pytest.raises(ConnectionEndedError):
            client.answer()


@pytest.mark.cell("crash")
def test_a_worker_that_leaves_is_replaced_and_the_log_says_what_it_did(serve: Serve) -> None:
    server = serve('[restart]\nbackoff = "100ms"\n')
    (old,) = server.wait_workers(1)
    die(server, "/exit?code=9")
    (line,) = server.wait_log(rf".*\b{old}\b.*\b9\b.*")
    assert "GET /exit?code=9" in line.group(), line.group()
    assert server.get("/pid").body != b"%d" % old


@pytest.mark.cell("crash")
def test_a_worker_killed_from_outside_is_replaced_and_the_log_says_what_it_did(serve: Serve, gate: Path) -> None:
    server = serve('[restart]\nbackoff = "100ms"\n')
    (old,) = server.wait_workers(1)
    with held_request(server, gate):
        os.kill(old, signal.SIGKILL)
        (line,) = server.wait_log(rf".*\b{old}\b.*SIGKILL.*")
    assert "GET /hold" in line.group(), line.group()
    assert "127.0.0.1" in line.group(), line.group()
    assert server.get("/pid").body != b"%d" % old


@pytest.mark.cell("crash")
def test_a_segmentation_fault_leaves_its_stack_in_the_log(serve: Serve) -> None:
    server = serve('[restart]\nbackoff = "100ms"\n')
    die(server, "/segfault")
    (line,) = server.wait_log(r".*SIGSEGV.*")
    assert "GET /segfault" in line.group(), line.group()
    server.wait_log(r"plain\.py.* in _segfault")
    assert server.get().status == 200


@pytest.mark.cell("crash")
def test_one_crash_does_not_touch_the_siblings(serve: Serve) -> None:
    server = serve('[restart]\nbackoff = "100ms"\n', processes=3)
    first, *others = server.wait_workers(3)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: len(pids := server.worker_pids()) == 3 and first not in pids, "the replacement")
    assert set(others) < set(server.worker_pids())


BUDGET = '[restart]\nintensity = 2\nperiod = "{period}"\nbackoff = "100ms"\nbackoff_max = "400ms"\n'


@pytest.mark.cell("crash loop")
def test_a_crash_loop_is_slowed_down_while_healthy_siblings_serve(serve: Serve, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    server = serve(BUDGET.format(period="60s"), processes=2, env={"PLAIN_BROKEN": str(broken)})
    first, second = server.wait_workers(2)
    server.wait_log("2 of 2 workers ready")  # else it is the second worker's first boot that breaks
    broken.touch()
    os.kill(first, signal.SIGKILL)
    server.wait_log("degraded")
    assert server.get("/pid").body == b"%d" % second
    broken.unlink()
    server.wait_workers(2)
    assert second in server.worker_pids()
    assert server.stop() == 0


def test_a_pool_with_nothing_healthy_left_ends_with_code_5(serve_default: Serve, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    server = serve_default(BUDGET.format(period="2s"), env={"PLAIN_BROKEN": str(broken)})
    (worker,) = server.wait_workers(1)
    broken.touch()
    os.kill(worker, signal.SIGKILL)
    assert server.wait() == 5


@pytest.mark.cell("load")
def test_an_application_that_fails_to_import_ends_the_start_with_its_traceback_once(
    serve: Serve, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    server = serve(processes=4, ready=False, env={"PLAIN_BROKEN": str(broken)})
    assert server.wait() == 4
    assert server.log.count("Traceback (most recent call last)") == 1, server.log
    assert "RuntimeError: broken on purpose" in server.log
    assert "importlib" not in server.log, "the frames of the import machinery help nobody"


@pytest.mark.parametrize(
    ("app", "named"),
    [
        ("nosuchmodule:application", "nosuchmodule"),
        ("plain:nosuchname", "nosuchname"),
        ("plain:LATE_ERROR", "LATE_ERROR"),
        ("plain:on_hook()", "on_hook"),
    ],
    ids=["no module", "no attribute", "not callable", "bad factory"],
)
def test_an_application_that_is_not_there_is_named(serve_default: Serve, app: str, named: str) -> None:
    server = serve_default(app=app, ready=False)
    assert server.wait() == 4
    assert named in server.log


def test_factory_and_bare_module_are_applications(serve_default: Serve) -> None:
    assert serve_default(app="plain:factory()").get().body == b"hello\n"
    assert serve_default(app="plain").get().body == b"hello\n"


@pytest.mark.cell("boot")
def test_a_worker_that_never_becomes_ready_is_ended_after_the_boot_timeout(serve: Serve, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.touch()
    settings = '[timeouts]\nboot = "1s"\nkill = "1s"\n' + BUDGET.format(period="60s")
    server = serve(settings, ready=False, env={"PLAIN_SLOW": str(slow)})
    server.wait_log(r"was not ready within 1 s; it is ended")
    assert server.wait() == 4
    server.wait_log(r"is gone: not ready within timeouts\.boot")
    server.wait_log(r"plain\.py.* in _import_as_told\b")


@pytest.mark.cell("boot", "readiness")
def test_a_boot_timeout_during_a_reload_leaves_the_old_worker_serving(serve: Serve, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    server = serve(env={"PLAIN_SLOW": str(slow)})
    old = server.wait_workers(1)
    slow.touch()
    server.write('[timeouts]\nboot = "1s"\n')
    server.tell(signal.SIGHUP)
    wait_for(lambda: len(server.worker_pids()) == 2, "the new worker")
    wait_for(lambda: server.worker_pids() == old, "the new worker to be ended")
    assert server.get("/pid").body == b"%d" % old[0]
