"""Servers for the system tests: real processes, cleaned up whatever happens, with their story told when a test fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.server import ENVIRONMENT, Serve, Server
from support.worker_classes import WORKER_CLASSES

from workerhub.cli import run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

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
    told: list[Server] = request.node.stash.setdefault(SERVERS, [])

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
        told.append(server)
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


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """The servers that tests of one module share, by what they were started with."""
    servers: dict[object, Server] = {}

    def find(settings: str, arguments: tuple[str, ...], **options: Any) -> Server:
        key = (settings, arguments, *options.items())
        if key not in servers:
            server = Server(tmp_path_factory.mktemp("shared"), settings, arguments=arguments, **options)
            servers[key] = server
            server.start()
        return servers[key]

    yield find
    for server in servers.values():
        server.clean()


@pytest.fixture
def share_default(_shared: Callable[..., Server], request: pytest.FixtureRequest) -> Serve:
    """Give a server of the default worker class to a test that leaves it as it was: `share_default(settings, processes=1, ...)`.

    Started for the first test of the module that asks for the like.
    """
    servers: list[Server] = request.node.stash.setdefault(SERVERS, [])

    def find(settings: str = "", *, processes: int = 1, arguments: tuple[str, ...] = (), **options: object) -> Server:
        servers.append(server := _shared(settings, ("-w", str(processes), *arguments), **options))
        return server

    return find


@pytest.fixture
def share(share_default: Serve, worker_class: str) -> Serve:
    """Give servers as `share_default` does, once for each worker class."""

    def find(settings: str = "", **options: object) -> Server:
        return share_default(settings, arguments=("-k", worker_class), **options)

    return find


@pytest.fixture
def check(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """`workerhub check` without a process of its own: its exit code, and what it said on standard error."""
    for name in os.environ.keys() - ENVIRONMENT.keys():
        monkeypatch.delenv(name)

    def run_check(*arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        return run(("check", *arguments)), capfd.readouterr().err

    return run_check


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that isn't there yet: `/hold?file=GATE` waits for it."""
    return tmp_path / "gate"
