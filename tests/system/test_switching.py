"""The worker class is a setting like any other: a reload moves the running pool to another one, and each deployment has its own."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from support.client import Load
from support.waiting import wait_for
from support.worker_classes import WORKER_CLASSES

if TYPE_CHECKING:
    from support.server import Serve

SETTINGS = """\
[timeouts]
keepalive = "30s"
[worker]
class = "{}"
processes = 2
"""


@pytest.mark.cell("HUP", "switch")
def test_a_running_pool_moves_to_every_class_and_back_under_load_without_a_failed_request(
    serve_default: Serve, worker_class: str
) -> None:
    """Round the circle of all classes, from each of them: every move there is is made by some of these."""
    first = WORKER_CLASSES.index(worker_class)
    server = serve_default(SETTINGS.format(worker_class), processes=None)
    server.wait_log("2 of 2 workers ready")
    with Load(server.address, "/class", mixed=True) as load:
        for generation, name in enumerate((*WORKER_CLASSES[first + 1 :], *WORKER_CLASSES[: first + 1]), start=2):
            server.write(SETTINGS.format(name))
            server.tell(signal.SIGHUP)
            server.wait_log(rf"generation {generation} is serving: 2 workers")
            load.bodies.clear()
            wait_for(lambda name=name: load.bodies[name.encode()] > 20, f"answers of {name}")  # type: ignore[misc]  # a default binds it
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert server.stop() == 0


def test_a_class_that_can_not_be_used_leaves_the_pool_as_it_is(serve_default: Serve) -> None:
    """Nor do the options of the class before, which the new one doesn't have."""
    settings = '[worker]\nclass = "{}"\nprocesses = 1\nthreads = 2\n'
    server = serve_default(settings.format("threaded"), processes=None)
    workers = server.wait_workers(1)
    for name, complaint in (
        ("gevnt", r'worker\.class: .*did you mean "gevent"'),
        ("sync", r"worker\.threads: .*sync"),
    ):
        server.write(settings.format(name))
        server.tell(signal.SIGHUP)
        server.wait_log(complaint)
    assert server.worker_pids() == workers
    assert server.get("/class").body == b"threaded"


def test_each_deployment_chooses_by_environment_profile_or_command_line(serve_default: Serve) -> None:
    settings = '[worker]\nclass = "sync"\n[profiles.staging.worker]\nclass = "threaded"\n'
    deployments = [
        serve_default(settings),
        serve_default(settings, env={"WORKERHUB_WORKER__CLASS": "gevent"}),
        serve_default(settings, arguments=("--profile", "staging")),
        serve_default(settings, env={"WORKERHUB_PROFILE": "staging"}),
        serve_default(settings, env={"WORKERHUB_PROFILE": "staging"}, arguments=("-k", "gevent")),
    ]
    chosen = ["sync", "gevent", "threaded", "threaded", "gevent"]
    assert [server.get("/class").text for server in deployments] == chosen
