"""A third party's worker class, installed into a path of its own, comes in through the same door as the built-in ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve

WORKER = '''
"""The simplest worker class that keeps the contract: one connection after the other, one request each."""

import select

from pydantic import Field
from workerhub.http import Phase
from workerhub.worker import Worker, WorkerOptions


class PlainOptions(WorkerOptions):
    greeting: str = Field(default="hello", description="What to write into the log at the start.")
    patience: int = Field(default=5, ge=1, description="Seconds that a client may take.")


class Output:
    def __init__(self, sock):
        self.sock = sock

    def write(self, data):
        self.sock.sendall(data)

    def sendfile(self, file, offset, count):
        self.sock.sendfile(file, offset, count)


class PlainWorker(Worker):
    Options = PlainOptions
    default_keepalive = None

    @classmethod
    def capacity(cls, options):
        return 1

    def serve(self, app):
        self.context.log.info(self.options.greeting)
        slot = self.context.request(app)
        while not self.context.stopping:
            ready, _, _ = select.select([self.context.stopping, *self.context.listeners], [], [])
            for listener in ready:
                if listener is self.context.stopping:
                    continue
                try:
                    sock, peer = listener.accept()
                except BlockingIOError:
                    continue
                with sock:
                    sock.settimeout(self.options.patience)
                    self.answer(slot, sock, self.context.connection(listener, peer))

    def answer(self, slot, sock, connection):
        request = None
        while request is None and connection.phase is not Phase.FAILED:
            data = sock.recv(65536)
            connection.receive(data)
            request = connection.next_request()
            if not data:
                return
        if request is not None:
            slot.run(request, Output(sock), last=True)

    def interrupt(self, index):
        return False


class Hopeless:
    Options = dict

    def capacity(self):
        return 0
'''


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a server that finds the package."""
    place = tmp_path / "site-packages"
    info = place / "workerhub_plain-1.2.dist-info"
    info.mkdir(parents=True)
    (place / "workerhub_plain.py").write_text(WORKER, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: workerhub-plain\nVersion: 1.2\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[workerhub.workers]\nplain = workerhub_plain:PlainWorker\nhopeless = workerhub_plain:Hopeless\n",
        encoding="utf-8",
    )
    return {"PYTHONPATH": str(place)}


def workerhub(*arguments: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-P", "-m", "workerhub", *arguments),
        env={**os.environ, **env},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", ["plain", "workerhub_plain:PlainWorker"])
def test_it_serves(serve_default: Serve, installed: dict[str, str], name: str) -> None:
    server = serve_default(
        f'[worker]\nclass = "{name}"\ngreeting = "good morning"\n', env=installed, isolated=False, processes=2
    )
    server.wait_log("good morning", count=2)
    assert {server.get().body for _ in range(10)} == {b"hello\n"}
    server.reload()
    assert server.get("/environ").json()["wsgi.multiprocess"]
    assert server.stop() == 0


def test_its_options_are_validated_by_its_own_model(installed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text(
        'app = "plain:application"\n[worker]\nclass = "plain"\ngreetin = "hi"\npatience = 0\n', encoding="utf-8"
    )
    ended = workerhub("check", "-c", "server.toml", env=installed, cwd=tmp_path)
    assert ended.returncode == 2
    first, second, *_ = ended.stderr.splitlines()
    assert first.startswith("server.toml:4: worker.greetin: "), first
    assert 'did you mean "greeting"?' in first
    assert second.startswith("server.toml:5: worker.patience: "), second


def test_it_is_listed_and_in_the_schema(installed: dict[str, str], tmp_path: Path) -> None:
    listed = workerhub("workers", env=installed, cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "workerhub-plain 1.2" in listed.stdout
    assert "greeting" in listed.stdout
    schema = workerhub("schema", env=installed, cwd=tmp_path)
    assert "What to write into the log at the start." in json.dumps(json.loads(schema.stdout))


def test_a_class_that_does_not_keep_the_contract_is_refused_with_every_defect(
    installed: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "server.toml").write_text('app = "plain:application"\n[worker]\nclass = "hopeless"\n', encoding="utf-8")
    ended = workerhub("-c", "server.toml", env=installed, cwd=tmp_path)
    assert ended.returncode == 2
    assert "server.toml:3: worker.class" in ended.stderr
    for defect in (
        "does not derive from",
        "capacity(options) must be a classmethod",
        "serve(app) is missing",
        "Options must be",
    ):
        assert defect in ended.stderr, defect
