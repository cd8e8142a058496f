"""Whether a server gets a control socket, and where."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from workerhub.errors import BindError
from workerhub.kernel.control import listener
from workerhub.kernel.control.place import socket_name
from workerhub.logs import open_logs
from workerhub.master.serve import open_control
from workerhub.planning import Invocation, Override, load_plan

if TYPE_CHECKING:
    from pathlib import Path

    from workerhub.kernel.control.listener import ControlListener


class House:
    """A configuration, and the directories in which its server may put the socket."""

    def __init__(self, home: Path) -> None:
        self.file = home / "server.toml"
        self.file.write_text('app = "site"\n[profiles.live]\n', encoding="utf-8")
        self.places = [home / "run"]
        self.log = home / "error.log"

    def open(
        self, *sets: str, path: Path | None = None, app: str | None = None, profile: str = ""
    ) -> ControlListener | None:
        overrides = tuple(Override("control.socket", value, "--set") for value in sets)
        file = None if app else path or self.file
        plan = load_plan(Invocation(file, app, profile or None, overrides, environ={}))
        logs = open_logs(file=str(self.log), access="off")
        try:
            return open_control(plan, logs)
        finally:
            logs.close()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    house = House(tmp_path)
    monkeypatch.setattr(listener, "directories", lambda: house.places)
    return house


def name_of(opened: ControlListener | None) -> str:
    assert opened is not None
    opened.close()
    return opened.path.name


def test_it_is_named_after_file_and_profile(house: House) -> None:
    assert name_of(house.open()) == socket_name(house.file)
    assert name_of(house.open(profile="live")) == socket_name(house.file, "live")


def test_without_a_file_it_is_named_after_application_and_process(house: House) -> None:
    assert name_of(house.open(app="mysite.wsgi:make()")) == f"mysite.wsgi-{os.getpid()}.sock"


def test_it_is_where_the_configuration_wants_it(house: House, tmp_path: Path) -> None:
    opened = house.open(str(tmp_path / "own.sock"))
    assert opened is not None
    assert opened.path == tmp_path / "own.sock"
    with pytest.raises(BindError, match="another server listens there"):
        house.open(str(tmp_path / "own.sock"))
    opened.close()


def test_it_can_be_off(house: House) -> None:
    assert house.open("off") is None
    assert house.log.read_text() == ""


def test_the_same_configuration_twice_is_refused(house: House) -> None:
    opened = house.open()
    with pytest.raises(BindError, match="a server with this configuration"):
        house.open()
    assert name_of(house.open(profile="live"))
    assert name_of(opened)


def test_where_there_is_no_place_for_it_the_server_does_without(house: House) -> None:
    """A read-only file system, say."""
    house.places = [house.file / "run"]
    assert house.open() is None
    (line,) = house.log.read_text().splitlines()
    assert "warning" in line
    assert "no control socket, so `workerhub status` and its like won't find this server" in line
    assert "server.toml/run can't be made: not a directory" in line
