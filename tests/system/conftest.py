"""Servers for the system tests: real processes, cleaned up whatever happens, with their story told when a test fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.server import Serve, Server
from support.worker_classes import WORKER_CLASSES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

HERE = Path(__file__).parent
SERVERS = pytest.StashKey[list[Server]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder is a system test, and none may take longer than a minute unless it says so."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.system)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(60))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put configuration, processes and logs of the servers under a test that failed."""
    report = yield
    if report.failed:
        for server in item.stash.get(SERVERS, []):
            report.sections.append((f"server {server.directory.name}", server.story()))
    return report


@pytest.fixture(params=WORKER_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    """The name of a worker class: each in turn."""
    name: str = request.param
    return name


@pytest.fixture
def serve_default(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Start servers of the default worker class: `serve_default(settings, processes=1, ready=True, ...)`.

    The other arguments are those of `support.server.Server`. `processes=None` leaves the number to the settings.
    """
    servers: list[Server] = []
    request.node.stash[SERVERS] = servers

    def start(
        settings: str = "",
        *,
        processes: int | None = 1,
        ready: bool = True,
        arguments: tuple[str, ...] = (),
        **options: object,
    ) -> Server:
        directory = tmp_path / f"server{len(servers)}"
        directory.mkdir()
        if processes is not None:
            arguments = ("-w", str(processes), *arguments)
        server = Server(directory, settings, arguments=arguments, **options)  # type: ignore[arg-type]  # handed through
        servers.append(server)
        return server.start(ready=ready)

    yield start
    for server in servers:
        server.clean()


@pytest.fixture
def serve(serve_default: Serve, worker_class: str) -> Serve:
    """Start servers as `serve_default` does, once for each worker class."""

    def start(settings: str = "", *, arguments: tuple[str, ...] = (), **options: object) -> Server:
        return serve_default(settings, arguments=("-k", worker_class, *arguments), **options)

    return start


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that isn't there yet: `/hold?file=GATE` waits for it."""
    return tmp_path / "gate"
