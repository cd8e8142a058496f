"""A worker is replaced before it is retired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.client import Load
from support.waiting import wait_for

if TYPE_CHECKING:
    from support.server import Serve, Server


@pytest.mark.parametrize("processes", [1, 2])
def test_max_requests_with_jitter_under_load_fails_no_request(serve: Serve, processes: int) -> None:
    server = serve("[recycle]\nmax_requests = 30\nmax_requests_jitter = 10\n", processes=processes)
    most = 0
    with Load(server.address, "/pid", clients=4) as load:

        def recycled() -> bool:
            nonlocal most
            most = max(most, len(server.worker_pids()))
            return len(load.bodies) >= 3 * processes + 1

        wait_for(recycled, "several workers to be recycled")
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert most <= processes + 1, "at most one more than the pool's size while replacing"
    assert min(count for _, count in load.bodies.most_common()[: processes * 2]) >= 30, "each serves its share first"


def test_without_max_requests_nobody_is_recycled(serve: Serve) -> None:
    server = serve()
    with Load(server.address, "/pid") as load:
        wait_for(lambda: load.answered > 300, "some load")
    assert len(load.bodies) == 1


def replaced(server: Server, load: Load, successors: int) -> int:
    """Wait until so many workers were followed by another one and are gone; the most processes that there were at once."""
    most = 0
    before = len(server.worker_pids())

    def done() -> bool:
        nonlocal most
        most = max(most, len(server.worker_pids()))
        return len(load.bodies) >= before + successors and len(server.log.split("is gone: recycled")) > successors

    wait_for(done, f"{successors} workers to be recycled")
    return most


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "close"])
def test_a_leaking_application_is_replaced_under_load_and_no_request_fails(serve: Serve, *, keep_alive: bool) -> None:
    """The leak stops well above the limit: how long a worker lives depends on the looks, not on how fast the machine is."""
    server = serve('[recycle]\nmax_memory = "100MiB"\n', processes=2)
    with Load(server.address, "/leak?bytes=65536&most=150000000", clients=4, keep_alive=keep_alive) as load:
        most = replaced(server, load, 2)
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert most <= 3, "both are above the limit at the same look, and leave one after the other"
    assert len(server.wait_log(r"is gone: recycled: \d{3}(\.\d)? MiB of memory, limit 100 MiB")) >= 2
    assert server.stop() == 0


def test_a_worker_below_the_limit_is_not_replaced_for_its_memory(serve: Serve) -> None:
    """Its age ends the test: by then its memory was looked at twice."""
    server = serve('[recycle]\nmax_memory = "300MiB"\nmax_age = "7s"\n')
    with Load(server.address, "/leak?bytes=65536&most=50000000"):
        server.wait_log(r"is gone: recycled: it has served for [67]")
    assert "of memory" not in server.log


def test_a_limit_that_is_too_low_is_told_and_costs_no_boot_after_the_other(serve: Serve) -> None:
    server = serve('[recycle]\nmax_memory = "1MiB"\n')
    server.wait_log(r"holds \d+(\.\d)? MiB of memory, limit 1 MiB, as soon as it is ready")
    pids = server.wait_workers(1)
    with Load(server.address, "/pid") as load:
        wait_for(lambda: load.answered > 1000, "some load")
    assert server.worker_pids() == pids


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "close"])
def test_max_age_under_load_fails_no_request(serve: Serve, *, keep_alive: bool) -> None:
    server = serve('[recycle]\nmax_age = "2s"\n', processes=2)
    with Load(server.address, "/pid", clients=4, keep_alive=keep_alive) as load:
        most = replaced(server, load, 4)
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert most <= 3, "workers that are equally old leave one after the other"
    assert len(server.wait_log(r"is gone: recycled: it has served for \d")) >= 4


@pytest.mark.parametrize(
    ("limit", "target"),
    [
        ("max_requests = 200", "/pid"),
        ('max_memory = "60MiB"', "/leak?bytes=1000000&most=100000000"),
        ('max_age = "3s"', "/pid"),
    ],
    ids=["requests", "memory", "age"],
)
def test_workers_that_reach_their_limit_at_once_do_not_leave_together(serve: Serve, limit: str, target: str) -> None:
    """Never fewer than the pool's size serve, never more than `reload.surge` are extra, whatever the limit."""
    server = serve(f'[recycle]\n{limit}\n[log]\nlevel = "debug"\n', processes=3)
    with Load(server.address, target, clients=6) as load:
        most = replaced(server, load, 3)
    assert load.failures == []
    assert most <= 4
    assert least_serving(server.log.splitlines(), size=3) >= 3
    server.stop()


def least_serving(lines: list[str], size: int) -> int:
    """After all are ready: the least number of workers that served, between a worker's report and the end of another."""
    serving, least, complete = 0, size, False
    for line in lines:
        serving += " is ready after " in line
        complete = complete or serving >= size
        serving -= " is gone: " in line
        least = min(least, serving) if complete else least
    return least
