"""HUP replaces every worker, new before old; what is broken in the new never hurts the old."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from support.client import Client, ConnectionEndedError, Load, fetch
from support.holding import held_request
from support.server import Serve, Server, free_port
from support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path


def pids_that_answer(server: Server, times: int = 20) -> set[bytes]:
    return {server.get("/pid").body for _ in range(times)}


@pytest.mark.parametrize("keep_alive", [False, True], ids=["close", "keep-alive"])
def test_no_request_fails_while_workers_are_replaced(serve: Serve, *, keep_alive: bool) -> None:
    server = serve('[timeouts]\nkeepalive = "30s"\n', processes=2)
    server.wait_workers(2)
    with Load(server.address, "/pid", keep_alive=keep_alive) as load:
        for _ in range(3):
            seen = load.answered
            server.reload()
            wait_for(lambda seen=seen: load.answered > seen + 20, "the load to go on")  # type: ignore[misc]  # a default binds it
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert len(load.bodies) >= 4, "workers of several generations should have answered"


def test_the_new_worker_is_ready_before_the_old_one_leaves(serve: Serve, tmp_path: Path) -> None:
    slow, imports = tmp_path / "slow", tmp_path / "imports"
    server = serve(env={"PLAIN_SLOW": str(slow), "PLAIN_IMPORTS": str(imports)})
    (old,) = server.wait_workers(1)
    slow.touch()
    server.tell(signal.SIGHUP)
    wait_for(lambda: len(imports.read_text().split()) == 2, "the new worker to import the application")
    new = int(imports.read_text().split()[-1])
    assert pids_that_answer(server) == {b"%d" % old}
    slow.unlink()
    wait_for(lambda: server.worker_pids() == [new], "the old worker to leave")
    assert pids_that_answer(server) == {b"%d" % new}


def test_a_request_in_flight_survives_a_reload(serve: Serve, gate: Path) -> None:
    server = serve()
    (old,) = server.wait_workers(1)
    with held_request(server, gate) as client:
        server.tell(signal.SIGHUP)
        wait_for(lambda: set(server.worker_pids()) - {old}, "the new worker")
        wait_for(lambda: server.get("/pid").body != b"%d" % old, "the new worker to answer")
        gate.touch()
        assert client.answer().body == b"let go\n"
    wait_for(lambda: old not in server.worker_pids(), "the old worker to leave")


def test_reload_reads_the_configuration_again(serve: Serve) -> None:
    server = serve('[worker]\nprocesses = 1\n[env]\nCOLOUR = "green"\n', processes=None)
    assert server.get("/process").json()["environment"]["COLOUR"] == "green"
    server.write('[worker]\nprocesses = 3\n[env]\nCOLOUR = "blue"\n')
    server.tell(signal.SIGHUP)
    server.wait_workers(3)
    wait_for(lambda: server.get("/process").json()["environment"]["COLOUR"] == "blue", "the new setting to be in force")


def test_reload_opens_new_listeners_and_closes_old_ones(serve_default: Serve) -> None:
    server = serve_default()
    (first,), old = server.bind, server.endpoint
    second = f"127.0.0.1:{free_port()}"
    new = ("127.0.0.1", int(second.rpartition(":")[2]))
    with Load(server.address) as load:
        server.bind = (first, second)
        server.write()
        server.reload()
        with Client(new) as client:
            assert client.request("/").status == 200
    assert load.failures == []
    server.bind = (second,)
    server.write()
    server.reload()

    def closed() -> bool:
        try:
            fetch(old)
        except ConnectionRefusedError:
            return True
        except ConnectionEndedError:  # it came just before its listener was closed
            return False
        return False

    wait_for(closed, "the old address to be closed")
    with Client(new) as client:
        assert client.request("/").status == 200


def test_a_broken_application_leaves_the_old_workers_serving(serve: Serve, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    server = serve(processes=2, env={"PLAIN_BROKEN": str(broken)})
    old = server.wait_workers(2)
    server.wait_log("2 of 2 workers ready")
    broken.touch()
    server.tell(signal.SIGHUP)
    server.wait_log("RuntimeError: broken on purpose")
    assert pids_that_answer(server) <= {b"%d" % pid for pid in old}
    wait_for(lambda: server.worker_pids() == old, "only the old workers to be left")
    broken.unlink()
    server.reload()
    assert pids_that_answer(server).isdisjoint({b"%d" % pid for pid in old})


def test_when_the_third_of_four_workers_does_not_boot_all_are_old_again(serve_default: Serve, tmp_path: Path) -> None:
    """Code and settings: slots 0 and 1 were new already, and are started again from the old plan; 2 and 3 never noticed."""
    imports = tmp_path / "imports"
    server = serve_default(
        '[env]\nCOLOUR = "green"\n', processes=4, env={"PLAIN_IMPORTS": str(imports), "PLAIN_FAILS_AT": "7"}
    )
    server.wait_log("4 of 4 workers ready")
    old = server.worker_pids()
    with Load(server.address) as load:
        server.write('[env]\nCOLOUR = "blue"\n')
        server.tell(signal.SIGHUP)
        server.wait_log("generation 2 is rolled back: worker main/2 .* this one fails; generation 1 takes 2 slots back")
        server.wait_log("generation 1 serves every slot again")
        wait_for(lambda: len(server.worker_pids()) == 4, "the new workers to leave")
        colours = {server.get("/process").json()["environment"]["COLOUR"] for _ in range(20)}
        assert (colours, server.worker_pids()[:2]) == ({"green"}, old[2:])
        server.reload()
    assert load.failures == []
    assert server.get("/process").json()["environment"]["COLOUR"] == "blue"


def test_workers_killed_in_the_middle_of_a_reload_come_back(serve_default: Serve, tmp_path: Path) -> None:
    slow, imports = tmp_path / "slow", tmp_path / "imports"
    server = serve_default(processes=2, env={"PLAIN_SLOW": str(slow), "PLAIN_IMPORTS": str(imports)})
    server.wait_log("2 of 2 workers ready")
    old = server.worker_pids()
    slow.touch()
    server.tell(signal.SIGHUP)

    def wait_boot(number: int) -> int:
        pids = wait_for(lambda: it if len(it := imports.read_text().split()) == number else [], f"boot {number}")
        return int(pids[-1])

    os.kill(wait_boot(3), signal.SIGKILL)
    wait_boot(4)
    os.kill(old[1], signal.SIGKILL)
    wait_boot(5)
    slow.unlink()
    server.wait_log("generation 2 is serving: 2 workers")
    assert server.get().status == 200


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no full disk to offer")  # noqa: PTH110  # a device
def test_full_disks_for_logs_hurt_no_reload(serve_default: Serve) -> None:
    server = serve_default('[log]\nfile = "/dev/full"\naccess = "/dev/full"\n', processes=2)
    server.wait_workers(2)
    with Load(server.address) as load:
        server.reload()
    assert load.failures == []
    assert server.stop() == 0


def test_a_broken_configuration_changes_nothing(serve: Serve) -> None:
    server = serve()
    old = server.wait_workers(1)
    server.write('[timeouts]\nrequst = "5s"\n')
    server.tell(signal.SIGHUP)
    server.wait_log(r"timeouts\.requst: unknown setting; did you mean \"request\"\?")
    assert pids_that_answer(server) == {b"%d" % old[0]}
    assert server.worker_pids() == old


def test_an_address_in_use_changes_nothing(serve_default: Serve) -> None:
    other = serve_default()
    server = serve_default()
    old = server.wait_workers(1)
    server.bind = (*server.bind, *other.bind)
    server.write()
    server.tell(signal.SIGHUP)
    server.wait_log(rf"can't listen on {other.bind[0]}")
    assert pids_that_answer(server) == {b"%d" % old[0]}
    assert other.get().status == 200


def test_from_one_interface_to_all_is_a_restart_and_a_reload_says_so(serve_default: Serve) -> None:
    server = serve_default()
    (serving,) = server.bind
    with Load(server.address) as load:
        server.bind = (serving.replace("127.0.0.1", "0.0.0.0"),)  # on purpose, and refused
        server.write()
        server.tell(signal.SIGHUP)
        server.wait_log("reload refused; generation 1 keeps serving")
    server.wait_log(rf"can't listen on 0\.0\.0\.0:\d+: it overlaps {serving}, which is served now; a restart ")
    assert load.failures == []


def test_reloads_in_a_row_do_not_pile_up(serve: Serve) -> None:
    server = serve(processes=2)
    old = set(server.wait_workers(2))
    most = 0
    with Load(server.address) as load:
        for _ in range(5):
            server.tell(signal.SIGHUP)

        def settled() -> bool:
            nonlocal most
            pids = server.worker_pids()
            most = max(most, len(pids))
            return len(pids) == 2 and old.isdisjoint(pids)

        wait_for(settled, "the reloads to be done")
    assert load.failures == []
    assert most <= 3, "two workers and one more while replacing"
    assert server.stop() == 0


def test_term_during_a_reload_stops_the_server(serve: Serve, tmp_path: Path) -> None:
    slow, imports = tmp_path / "slow", tmp_path / "imports"
    server = serve(env={"PLAIN_SLOW": str(slow), "PLAIN_IMPORTS": str(imports)})
    slow.touch()
    server.tell(signal.SIGHUP)
    wait_for(lambda: len(imports.read_text().split()) == 2, "the new worker to import the application")
    assert server.stop() == 0
