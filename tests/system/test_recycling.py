"""A worker is replaced before it is retired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.client import Load
from support.waiting import wait_for

if TYPE_CHECKING:
    from support.server import Serve, Server


KEEPALIVE = '[timeouts]\nkeepalive = "30s"\n'
"""Off by default for `sync`."""


@pytest.mark.cell("max_requests")
def test_the_only_worker_is_recycled_with_jitter_under_load_and_no_request_fails(serve: Serve) -> None:
    server = serve(f"{KEEPALIVE}[recycle]\nmax_requests = 30\nmax_requests_jitter = 10\n")
    most = 0
    with Load(server.address, "/pid", mixed=True) as load:

        def recycled() -> bool:
            nonlocal most
            most = max(most, len(server.worker_pids()))
            return len(load.bodies) >= 4

        wait_for(recycled, "several workers to be recycled")
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert most <= 2, "at most one more than the pool's size while replacing"
    assert min(count for _, count in load.bodies.most_common()[:2]) >= 30, "each serves its share first"


def test_without_max_requests_nobody_is_recycled(serve_default: Serve) -> None:
    server = serve_default()
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


def test_a_worker_below_the_limit_is_not_replaced_for_its_memory(serve_default: Serve) -> None:
    """Its age ends the test: by then its memory was looked at twice."""
    server = serve_default('[recycle]\nmax_memory = "300MiB"\nmax_age = "7s"\n')
    with Load(server.address, "/leak?bytes=65536&most=50000000"):
        server.wait_log(r"is gone: recycled: it has served for [67]")
    assert "of memory" not in server.log


def test_a_limit_that_is_too_low_is_told_and_costs_no_boot_after_the_other(serve_default: Serve) -> None:
    server = serve_default('[recycle]\nmax_memory = "1MiB"\n')
    server.wait_log(r"holds \d+(\.\d)? MiB of memory, limit 1 MiB, as soon as it is ready")
    pids = server.wait_workers(1)
    with Load(server.address, "/pid") as load:
        wait_for(lambda: load.answered > 1000, "some load")
    assert server.worker_pids() == pids


@pytest.mark.cell("not together")
@pytest.mark.parametrize(
    ("limit", "target", "told"),
    [
        pytest.param(
            "max_requests = 200", "/pid", "its share of requests is done", marks=pytest.mark.cell("max_requests")
        ),
        # The leak stops well above the limit: how long a worker lives depends on the looks, not on how fast the machine is.
        pytest.param(
            'max_memory = "60MiB"',
            "/leak?bytes=1000000&most=100000000",
            r"\d+(\.\d)? MiB of memory, limit 60 MiB",
            marks=pytest.mark.cell("max_memory"),
        ),
        pytest.param('max_age = "3s"', "/pid", r"it has served for \d", marks=pytest.mark.cell("max_age")),
    ],
    ids=["requests", "memory", "age"],
)
def test_workers_that_reach_their_limit_at_once_leave_one_after_the_other_and_no_request_fails(
    serve: Serve, limit: str, target: str, told: str
) -> None:
    """Never fewer than the pool's size serve, never more than `reload.surge` are extra, whatever the limit."""
    server = serve(f'{KEEPALIVE}[recycle]\n{limit}\n[log]\nlevel = "debug"\n', processes=3)
    with Load(server.address, target, clients=6, mixed=True) as load:
        most = replaced(server, load, 3)
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert most <= 4
    assert server.least_serving(3) == 3
    assert len(server.wait_log(rf"is gone: recycled: {told}")) >= 3
    assert server.stop() == 0
