"""What the start refuses: mistakes in the configuration, addresses that are taken."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from support import server as harness
from support.server import Serve, free_port

if TYPE_CHECKING:
    from pathlib import Path


def test_every_mistake_is_reported_at_once_and_nothing_is_started(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(
        'app = "plain:application"\n\n[worker]\nclass = "snyc"\n\n[timeouts]\nrequst = "5s"\nboot = "soon"\n',
        encoding="utf-8",
    )
    ended = harness.run("-c", "server.toml", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert [line.split(": ")[:2] for line in lines[:-1]] == [
        ["server.toml:4", "worker.class"],
        ["server.toml:7", "timeouts.requst"],
        ["server.toml:8", "timeouts.boot"],
    ]
    assert 'did you mean "sync"?' in lines[0]
    assert 'did you mean "request"?' in lines[1]
    assert 'got "soon"' in lines[2]
    assert lines[-1] == "3 problems in server.toml; nothing was started."


def test_a_syntax_error_has_its_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text('app = "plain:application"\nbind = \n', encoding="utf-8")
    ended = harness.run("-c", "server.toml", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("server.toml:2:8: "), ended.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    ended = harness.run("-c", "nowhere.toml", cwd=tmp_path)
    assert ended.returncode == 2
    assert "nowhere.toml" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_in_use_is_named_with_its_holder(serve_default: Serve) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        server = serve_default(bind=f"127.0.0.1:{port}", ready=False)
        assert server.wait() == 3
    assert f"127.0.0.1:{port}" in server.log
    assert f"pid {os.getpid()}" in server.log
    assert "Traceback" not in server.log


def test_the_same_server_twice_fails_and_leaves_the_first_alone(serve_default: Serve) -> None:
    first = serve_default()
    second = serve_default(bind=first.bind[0], ready=False)
    assert second.wait() == 3
    assert f"pid {first.pid}" in second.log
    assert first.get().status == 200


def test_a_directory_that_is_not_there_for_a_unix_socket(serve_default: Serve, tmp_path: Path) -> None:
    server = serve_default(bind=f"unix:{tmp_path}/nowhere/socket", ready=False)
    assert server.wait() == 2
    assert f"{tmp_path}/nowhere" in server.log


def test_without_an_application_the_missing_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text("backlog = 5\n", encoding="utf-8")
    ended = harness.run("-c", "server.toml", cwd=tmp_path)
    assert ended.returncode == 2
    assert "app" in ended.stderr


def test_serving_without_a_file(serve_default: Serve) -> None:
    """`workerhub module:callable -b ... --set key=value`: the harness's file is one way, this is the other."""
    port = free_port()
    ended = harness.run("check", "plain:application", "-b", f":{port}", "-w", "4", "--set", "timeouts.request=5s")
    assert ended.returncode == 0, ended.stderr
