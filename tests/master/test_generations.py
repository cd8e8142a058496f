"""The real stage: plans from a file, real listeners, real log files."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from workerhub.config.report import render
from workerhub.errors import ConfigError
from workerhub.kernel.listeners import Listeners
from workerhub.master import generations
from workerhub.master.generations import Generations, open_plan_logs
from workerhub.master.serve import start_line
from workerhub.master.stage import Loaded, PlanRefusedError
from workerhub.plan import Effect, Plan, Refusal
from workerhub.planning import Invocation, load_plan

BASE = 'app = "hello:application"\n'


class Place:
    """A configuration in a directory, and what a master would have opened for it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "server.toml"
        self.write()
        self.first = load_plan(Invocation(path=self.file, environ={}))
        self.listeners = Listeners(self.first.backlog)
        self.listeners.open(self.first.bind)
        self.stage = Generations(self._plan, self.first, open_plan_logs(self.first), self.listeners)

    def _plan(self, consequence: str) -> Plan | Refusal:
        try:
            return load_plan(Invocation(path=self.file, environ={}))
        except ConfigError as error:
            return Refusal(2, render(error, consequence))

    def load(self, generation: int) -> Loaded:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(generations, "set_title", lambda *_: None)  # this process is not the one that is meant
            return self.stage.load(generation, self.stage.planner()())

    def planned(self) -> bytes:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(generations, "set_title", lambda *_: None)  # as above
            return self.stage.planner()()

    def write(self, *sockets: str, more: str = "", log: str = "error.log") -> None:
        binds = ", ".join(f'"unix:{self.socket(name)}"' for name in sockets or ("one",))
        table = f'[log]\nfile = "{self.directory / log}"\naccess = "off"\n'
        self.file.write_text(f"{BASE}bind = [{binds}]\n{more}{table}", encoding="utf-8")

    def socket(self, name: str) -> Path:
        return self.directory / f"{name}.sock"

    def answers(self, name: str) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.socket(name)))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            return True

    def log(self, name: str = "error.log") -> str:
        return (self.directory / name).read_text(encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.stage.close()


def test_the_start_line_says_what_runs_where(place: Place) -> None:
    line = start_line(place.first, place.listeners)
    assert f"sync on unix:{place.socket('one')}, config {place.file}" in line


def test_new_listeners_are_opened_before_and_old_ones_closed_after_the_commit(place: Place) -> None:
    place.write("two")
    place.load(2)
    assert (place.answers("one"), place.answers("two")) == (True, True)
    place.stage.commit(2)
    assert (place.answers("one"), place.answers("two")) == (False, True)


def test_an_abandoned_plan_leaves_nothing_behind(place: Place) -> None:
    place.write("one", "two")
    place.load(2)
    place.stage.abandon(2)
    assert (place.answers("one"), place.answers("two")) == (True, False)
    assert place.stage.plan is place.first


def test_a_shared_listener_keeps_the_connections_that_wait_in_it(place: Place) -> None:
    (before,) = place.listeners.sockets(place.first.bind)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(place.socket("one")))
        place.write("one", "two")
        place.load(2)
        place.stage.commit(2)
        connection, _ = before.accept()
        connection.close()


def test_a_configuration_that_is_refused_is_told_in_full(place: Place) -> None:
    place.write(more='[timeouts]\nrequst = "5s"\nboot = "soon"\n')
    with pytest.raises(PlanRefusedError) as error:
        place.load(2)
    assert "timeouts.requst: unknown setting" in str(error.value)
    assert str(error.value).splitlines()[-1].endswith("; nothing was changed.")


def test_an_address_in_use_refuses_the_plan(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place.socket("two")))
        other.listen()
        place.write("one", "two")
        with pytest.raises(PlanRefusedError, match=r"can't listen on unix:.*two\.sock"):
            place.load(2)
    assert place.answers("one")


def test_a_log_that_cannot_be_opened_refuses_the_plan(place: Place) -> None:
    (place.directory / "loop.log").symlink_to(place.directory / "loop.log")
    place.write(log="loop.log")
    with pytest.raises(PlanRefusedError, match=r"can't open the log .*loop\.log"):
        place.load(2)


def test_the_log_of_the_plan_in_force_is_written(place: Place) -> None:
    place.stage.log("info", "first", {}, "")
    place.write(log="other.log")
    place.load(2)
    place.stage.log("info", "second", {}, "")
    place.stage.commit(2)
    place.stage.log("info", "third", {}, "with detail")
    assert ["first" in place.log(), "second" in place.log(), "third" in place.log()] == [True, True, False]
    assert "third" in place.log("other.log")


def test_what_cannot_change_is_named_and_stays(place: Place) -> None:
    place.write(more=f'pidfile = "{place.directory / "new.pid"}"\n')
    assert place.load(2).unchanged == ("pidfile",)


def test_what_a_reload_would_change_is_told_and_nothing_is_touched(place: Place) -> None:
    place.write("two", more=f'pidfile = "{place.directory / "new.pid"}"\nbacklog = 2048\n')
    found = place.stage.compare(place.planned())
    assert [(change.key, change.effect) for change in found] == [("bind", Effect.LIVE), ("pidfile", Effect.KEPT)]
    assert found[1].facts() == {
        "key": "pidfile",
        "old": None,
        "new": f"{place.directory / 'new.pid'}",
        "place": f"{place.file}:3",
        "effect": "not before a restart",
    }
    assert (place.answers("one"), place.answers("two")) == (True, False)
    assert place.stage.plan is place.first
    place.write()
    assert place.stage.compare(place.planned()) == ()


def test_what_would_be_refused_is_told(place: Place) -> None:
    place.write(more='[timeouts]\nboot = "soon"\n')
    with pytest.raises(PlanRefusedError, match=r"timeouts\.boot: expected a time"):
        place.stage.compare(place.planned())


def test_no_hook_is_no_hook(place: Place) -> None:
    assert place.stage.hook("server_ready", {}) is None


def test_a_stop_lets_nobody_new_in_and_says_who_was_left_waiting(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(place.socket("one")))
        place.stage.stop_listening("main")
        assert not place.answers("one")
        place.stage.close()
    assert "1 connection was still waiting to be accepted, and cut" in place.log()


def test_closing_takes_the_socket_files_away(place: Place) -> None:
    place.stage.close()
    assert not place.socket("one").exists()
