"""Every command in the README is run, and every file in it used, as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from support import processes, readme
from support.client import fetch
from support.django_project import migrated
from support.nginx import PROGRAM, nginx
from support.server import ROOT, SITES, Serve, free_port
from support.waiting import wait_for

SERVE_HERE, TEST_HERE, *COMMANDS = readme.commands()
VERBS = {"check", "show", "schema", "workers"}
NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "__pycache__", ".*_cache", ".hypothesis")
OFFLINE = re.compile(r"Temporary failure in name resolution|No matching distribution found|Network is unreachable")
SETUP_TIMEOUT = 300
OF_THE_CHECKOUT = pytest.mark.skipif("TESTED_WHEEL" in os.environ, reason="builds the checkout, whatever is installed")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files of the checkout, and nothing that was built in it."""
    return Path(shutil.copytree(ROOT, tmp_path / "clone", ignore=NOT_COPIED))


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The directory of somebody who follows the README: a Django project, a Flask application, the README's files."""
    folder = tmp_path / "desk"
    shutil.copytree(SITES / "django_site", folder)
    shutil.copy(SITES / "flask_site" / "shop.py", folder)
    return folder


def start(command: str, folder: Path, **env: str) -> subprocess.Popen[bytes]:
    """Run a command as somebody's shell would."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}" if folder.name == "desk" else os.environ["PATH"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            ("bash", "-c", command),
            cwd=folder,
            env={**os.environ, "PATH": path, **env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def told(folder: Path) -> str:
    """What the command said."""
    return (folder / "log").read_text(encoding="utf-8")


def stop_after_first_answer(command: str, folder: Path, port: int, **env: str) -> str:
    """Run a command that serves until it answered once; the answer's body."""
    process = start(command, folder, **env)

    def answered() -> str | None:
        if process.poll() is not None:
            if OFFLINE.search(told(folder)):
                pytest.skip("the package index is out of reach")
            pytest.fail(f"{command}\nleft with {process.returncode}:\n{told(folder)}")
        try:
            return fetch(("127.0.0.1", port)).text
        except OSError:
            return None

    try:
        body = wait_for(answered, "the first answer", timeout=SETUP_TIMEOUT - 30)
        assert body is not None
        (master,) = (pid for pid in processes.session(process.pid) if processes.title(pid).endswith(": master"))
        os.kill(master, 15)
        assert process.wait(30) == 0, told(folder)
        return body
    finally:
        for pid in processes.session(process.pid):
            os.kill(pid, 9)


@OF_THE_CHECKOUT
@pytest.mark.timeout(SETUP_TIMEOUT)
def test_the_first_command_builds_installs_and_serves(clone: Path) -> None:
    port = free_port()
    page = stop_after_first_answer(SERVE_HERE, clone, port, WORKERHUB_BIND=f"127.0.0.1:{port}")
    assert "workerhub is serving" in page


def test_ci_runs_the_second_command_as_it_stands_here() -> None:
    """In a fresh clone; so it is the command under which this very test runs there, and not tried once more."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (search,) = re.findall(r"^command=\$\((.*)\)$", script, re.MULTILINE)
    found = subprocess.run(("bash", "-c", search), cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == TEST_HERE
    assert re.search(r'^bash -c "\$command"$', script, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_other_commands(desk: Path, command: str) -> None:
    port = free_port()
    for file in readme.blocks("toml"):
        (desk / file.name).write_text(file.text.replace("127.0.0.1:8000", f"127.0.0.1:{port}"), encoding="utf-8")
    command = command.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    env = {"DJANGO_DATABASE": str(migrated(desk / "db.sqlite3"))}
    if VERBS & set(shlex.split(command)):
        assert start(command, desk, **env).wait(60) == 0, told(desk)
        assert told(desk)
    else:
        assert "<h1>" in stop_after_first_answer(command, desk, port, **env)


def test_the_flask_file(serve_default: Serve, desk: Path) -> None:
    file = desk / "flask.toml"
    file.write_text(readme.block("toml", "flask.toml"), encoding="utf-8")
    assert "Basket" in serve_default(config=file, arguments=("--set", f"chdir={desk}")).get().text


@pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed")
def test_the_nginx_configuration(serve_default: Serve, tmp_path: Path) -> None:
    server = serve_default('[timeouts]\nkeepalive = "75s"\n')
    port = free_port()
    (block,) = readme.blocks("nginx")
    http = block.text.replace("127.0.0.1:8000", server.bind[0]).replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    with nginx(tmp_path / "nginx", http, port) as address:
        assert fetch(address, "/environ").json()["REMOTE_ADDR"] == "127.0.0.1"


def test_the_systemd_unit_runs_a_command_of_this_page() -> None:
    (block,) = readme.blocks("ini")
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    unit.read_string(block.text)
    program, *arguments = unit["Service"]["ExecStart"].split()
    assert shlex.join([Path(program).name, *arguments]) in COMMANDS
    assert unit["Service"]["ExecReload"] == shlex.join([program, "reload", *arguments])


def test_every_link_leads_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
