"""Taking the control socket: stale ones are replaced, live ones respected, none is left behind."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from workerhub.errors import BindError
from workerhub.kernel.control import listener as module
from workerhub.kernel.control.listener import find_place, take_place
from workerhub.kernel.control.place import PlaceError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where this user's sockets may lie."""
    found = [tmp_path / "first", tmp_path / "second"]
    monkeypatch.setattr(module, "directories", lambda: found)
    return found


def stale(path: Path) -> None:
    """What a server leaves that was killed."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def test_it_is_this_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        listener = take_place(tmp_path / "control")
    finally:
        assert os.umask(before) == 0, "the umask is put back"
    assert stat.S_IMODE(listener.path.stat().st_mode) == 0o600
    listener.close()
    assert not listener.path.exists()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control"
    stale(path)
    listener = take_place(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()


def test_a_live_one_is_respected_and_its_holder_named(tmp_path: Path) -> None:
    first = take_place(tmp_path / "control")
    with pytest.raises(BindError, match=rf"another server listens there \(held by pid {os.getpid()} "):
        take_place(tmp_path / "control")
    assert first.path.exists()
    first.close()


def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    file = tmp_path / "control"
    file.write_text("precious", encoding="utf-8")
    with pytest.raises(BindError, match="it is no socket"):
        take_place(file)
    assert file.read_text(encoding="utf-8") == "precious"


def test_a_path_that_is_too_long_and_one_that_leads_nowhere(tmp_path: Path) -> None:
    with pytest.raises(BindError, match="at most 107 bytes"):
        take_place(tmp_path / ("x" * 108))
    with pytest.raises(BindError, match="no such file or directory"):
        take_place(tmp_path / "nowhere" / "control")


def test_who_holds_the_directory_for_ever_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    fd = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    take_place(tmp_path / "control").close()
    os.close(fd)


def test_a_file_that_is_not_ours_any_more_is_left_alone(tmp_path: Path) -> None:
    first = take_place(tmp_path / "control")
    first.path.unlink()
    second = take_place(tmp_path / "control")
    first.close()
    assert second.path.exists()
    second.close()


def test_the_best_directory_is_taken(places: list[Path]) -> None:
    listener = find_place("server.sock")
    assert listener.path == places[0] / "server.sock"
    listener.close()


def test_a_directory_that_will_not_do_is_passed_over(places: list[Path]) -> None:
    places[0].symlink_to("/")
    listener = find_place("server.sock")
    assert listener.path == places[1] / "server.sock"
    listener.close()


def test_where_no_directory_will_do_each_reason_is_told(places: list[Path]) -> None:
    places[0].symlink_to("/")
    places[1].touch()
    with pytest.raises(PlaceError, match=r"first is not a directory but a link; .*second is not a directory"):
        find_place("server.sock")


def test_two_servers_of_the_same_name_do_not_meet_in_two_directories(places: list[Path]) -> None:
    first = find_place("server.sock")
    with pytest.raises(BindError, match="a server with this configuration is running"):
        find_place("server.sock")
    first.close()


def test_what_dead_servers_left_is_cleared_away(places: list[Path]) -> None:
    living = find_place("living.sock")
    stale(places[0] / "dead.sock")
    (places[0] / "note.txt").touch()
    listener = find_place("server.sock")
    assert sorted(path.name for path in places[0].iterdir()) == ["living.sock", "note.txt", "server.sock"]
    listener.close()
    living.close()
