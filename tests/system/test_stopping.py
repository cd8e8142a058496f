"""TERM lets what runs finish; INT and QUIT don't wait; nothing is left behind either way."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest
from support import processes
from support.client import Client, ConnectionEndedError
from support.holding import ask, held_request
from support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve


@pytest.mark.cell("TERM", "drain")
def test_term_lets_the_request_in_flight_finish(serve: Serve, gate: Path) -> None:
    server = serve()
    with held_request(server, gate) as client:
        server.tell(signal.SIGTERM)
        server.wait_log("SIGTERM")
        assert server.running
        gate.touch()
        answer = client.answer()
    assert (answer.status, answer.body) == (200, b"let go\n")
    assert server.wait() == 0
    assert processes.session(server.pid) == []


@pytest.mark.cell("TERM")
def test_term_serves_the_connections_that_wait_in_the_accept_queue(serve: Serve, gate: Path) -> None:
    """The kernel completed them, so their clients believe that they are connected: they are served, not reset."""
    server = serve()
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(held_request(server, gate))
        waiting = [stack.enter_context(server.connect()) for _ in range(6)]
        for client in waiting:
            ask(client, "/")
        server.tell(signal.SIGTERM)
        server.wait_log("SIGTERM")
        gate.touch()
        assert holder.answer().status == 200
        assert [client.answer().status for client in waiting] == [200] * 6
    assert server.wait() == 0


def test_after_the_end_nobody_listens(serve_default: Serve) -> None:
    server = serve_default(processes=2)
    assert server.stop() == 0
    with pytest.raises(ConnectionRefusedError):
        Client(server.address)


@pytest.mark.cell("TERM")
def test_drain_delay_keeps_serving_after_term(serve: Serve) -> None:
    """Load balancers need a moment to notice. Who can't wait says it again."""
    server = serve('[timeouts]\ndrain_delay = "1h"\n')
    server.tell(signal.SIGTERM)
    server.wait_log("SIGTERM")
    assert server.get().status == 200
    assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
@pytest.mark.cell("INT")
def test_a_fast_stop_does_not_wait_for_requests(serve: Serve, gate: Path, number: signal.Signals) -> None:
    server = serve()
    with held_request(server, gate) as client:
        assert server.stop(number) == 0
        with pytest.raises(ConnectionEndedError):
            client.answer()
    assert processes.session(server.pid) == []


@pytest.mark.cell("INT")
def test_a_fast_stop_overtakes_a_graceful_one(serve: Serve, gate: Path) -> None:
    server = serve()
    with held_request(server, gate):
        server.tell(signal.SIGTERM)
        server.wait_log("SIGTERM")
        assert server.stop(signal.SIGINT) == 0


@pytest.mark.cell("INT")
def test_ctrl_c_reaches_the_whole_group_and_the_master_orchestrates(serve: Serve) -> None:
    """A terminal sends SIGINT to every process of the group: no worker may die of it on its own, let alone noisily."""
    server = serve(processes=2)
    server.wait_workers(2)
    os.killpg(server.pid, signal.SIGINT)
    assert server.wait() == 0
    assert "Traceback" not in server.log


@pytest.mark.cell("TERM")
def test_term_to_the_whole_group_cuts_nobody(serve: Serve, gate: Path) -> None:
    """`timeout`, `kill 0` and systemd's default `KillMode` tell the workers at the same time as the master."""
    server = serve()
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(held_request(server, gate))
        waiting = [stack.enter_context(server.connect()) for _ in range(6)]
        for client in waiting:
            ask(client, "/")
        os.killpg(server.pid, signal.SIGTERM)
        server.wait_log("SIGTERM")
        gate.touch()
        assert holder.answer().status == 200
        assert [client.answer().status for client in waiting] == [200] * 6
    assert server.wait() == 0


@pytest.mark.cell("drain: cut")
def test_graceful_timeout_ends_what_does_not_end_and_lists_what_was_cut_with_stacks(serve: Serve, gate: Path) -> None:
    server = serve('[timeouts]\ngraceful = "1s"\nkill = "1s"\n')
    with held_request(server, gate) as client:
        server.tell(signal.SIGTERM)
        with pytest.raises(ConnectionEndedError):
            client.answer()
    assert server.wait() == 0
    server.wait_log(
        r"request cut: GET /hold\?file=\S+ from 127\.0\.0\.1, \d+\.\d s old\n(    .*\n)*    .*plain\.py.* in _hold\b"
    )
    server.wait_log(
        r"is gone: did not finish within timeouts\.graceful \(exit code 67\); it was running GET /hold\?file=\S+ from 127\.0\.0\.1"
    )
    server.wait_log(r"stopped after .*: 1 request cut")
    assert processes.session(server.pid) == []


@pytest.mark.cell("drain: cut")
def test_what_c_code_holds_is_cut_in_time_too_and_its_stack_listed(serve: Serve, gate: Path) -> None:
    """Nothing can be logged by a worker whose interpreter lock is held; what it leaves behind is in the master's line."""
    server = serve('[timeouts]\ngraceful = "500ms"\nkill = "500ms"\n')
    with server.connect() as client:
        ask(client, f"/native?lock=kept&file={gate}")
        wait_for(gate.with_name(f"{gate.name}.started").exists, "the application to be stuck")
        assert server.stop() == 0
        with pytest.raises(ConnectionEndedError):
            client.answer()
    server.wait_log(r"is gone: did not finish within timeouts\.graceful \(.*SIGKILL\); it was running GET /native")
    server.wait_log(r"plain\.py.* in _native\b")


@pytest.mark.cell("TERM", "boot")
def test_term_while_the_workers_still_boot(serve: Serve, tmp_path: Path) -> None:
    slow, imports = tmp_path / "slow", tmp_path / "imports"
    slow.touch()
    server = serve(ready=False, env={"PLAIN_SLOW": str(slow), "PLAIN_IMPORTS": str(imports)})
    wait_for(imports.exists, "the worker to import the application")
    assert server.stop() == 0
    assert processes.session(server.pid) == []


@pytest.mark.cell("orphan")
def test_workers_leave_when_their_master_is_killed(serve: Serve, gate: Path) -> None:
    """Those that run nothing at once; the others when `timeouts.graceful` is over, though nobody is there any more to end them."""
    server = serve('[timeouts]\ngraceful = "1s"\n', processes=2)
    workers = server.wait_workers(2)
    with held_request(server, gate) as client:
        server.tell(signal.SIGKILL)
        server.wait()
        with pytest.raises(ConnectionEndedError):
            client.answer()
    wait_for(lambda: not any(map(processes.alive, workers)), "the orphans to leave", timeout=10)
    assert "the master is gone; what runs here has timeouts.graceful (1 s) to finish" in server.log
    assert '", line ' in server.log.split("Timeout (0:00:01)!")[1], "it leaves its stacks"


@pytest.mark.cell("orphan")
def test_an_orphan_finishes_the_request_in_flight(serve: Serve, gate: Path) -> None:
    server = serve()
    with held_request(server, gate) as client:
        server.tell(signal.SIGKILL)
        server.wait()
        gate.touch()
        assert client.answer().body == b"let go\n"
    wait_for(lambda: not processes.session(server.pid), "the orphan to leave", timeout=10)
