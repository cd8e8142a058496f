"""TTIN and TTOU; several workers; who they say they are."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from support import processes
from support.client import Load
from support.waiting import wait_for

if TYPE_CHECKING:
    from support.server import Serve


@pytest.mark.cell("scale")
def test_ttin_adds_a_worker_and_ttou_takes_one_away(serve: Serve) -> None:
    server = serve()
    with Load(server.address, clients=2) as load:
        server.wait_workers(1)
        server.tell(signal.SIGTTIN)
        server.wait_workers(2)
        server.tell(signal.SIGTTIN)
        server.wait_workers(3)
        server.tell(signal.SIGTTOU)
        server.wait_workers(2)
    assert load.failures == []


def test_the_last_worker_stays(serve_default: Serve) -> None:
    server = serve_default(processes=2)
    server.wait_workers(2)
    for _ in range(3):
        server.tell(signal.SIGTTOU)
    server.wait_workers(1)
    assert server.get().status == 200


def test_scaling_survives_a_reload(serve_default: Serve) -> None:
    server = serve_default()
    server.tell(signal.SIGTTIN)
    server.wait_workers(2)
    server.reload()
    server.wait_workers(2)


def test_all_workers_take_part(serve: Serve) -> None:
    server = serve(processes=3)
    pids = set(server.wait_workers(3))
    with Load(server.address, "/pid", clients=8) as load:
        wait_for(lambda: {int(body) for body in list(load.bodies)} == pids, "every worker to answer")
    assert load.failures == []


def test_by_default_there_is_a_worker_for_each_processor(serve_default: Serve) -> None:
    server = serve_default(processes=None)
    assert 1 <= len(server.wait_workers(len(server.worker_pids()))) <= len(os.sched_getaffinity(0))


def test_processes_say_who_they_are(serve_default: Serve) -> None:
    server = serve_default(processes=2)
    titles = [processes.title(pid) for pid in server.wait_workers(2)]
    assert processes.title(server.pid) == "workerhub: master"
    assert sorted(titles) == [f"workerhub: worker main/{slot} (generation 1)" for slot in (0, 1)]
    server.reload()
    titles = [processes.title(pid) for pid in server.wait_workers(2)]
    assert sorted(titles) == [f"workerhub: worker main/{slot} (generation 2)" for slot in (0, 1)]
