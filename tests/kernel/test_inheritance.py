"""What one master leaves to the next, and how the next is started."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from workerhub.config.addresses import TcpAddress, UnixAddress
from workerhub.errors import BindError
from workerhub.kernel.command_line import CommandLine
from workerhub.kernel.inheritance import VARIABLE, YOURS, Legacy, take_inheritance
from workerhub.kernel.listeners import Listeners
from workerhub.kernel.notify import Notifier
from workerhub.kernel.successor import CANNOT_EXECUTE, Successor
from workerhub.kernel.systemd import FromSystemd, PassedSocket
from workerhub.master.estate import Estate
from workerhub.supervisor import Moment

if TYPE_CHECKING:
    from pathlib import Path

TCP = TcpAddress("127.0.0.1", 0)


def test_everything_is_found_again(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with socket.create_server(("127.0.0.1", 0)) as listening, ours:
        fd = listening.fileno()
        systemd = FromSystemd((PassedSocket(fd, "web"),), "", str(tmp_path / "notify"), 30.0)
        legacy = Legacy({"127.0.0.1:8000": (fd,)}, "/run/pid", ("/run/control", fd), systemd)
        os.set_inheritable(fd, True)
        environ = {VARIABLE: legacy.describe(theirs.detach(), os.getppid())}
        found = take_inheritance(environ)
        assert found is not None
        assert (found.legacy, environ) == (legacy, {})
        assert not os.get_inheritable(fd)
        assert found.hear() is None
        found.claim()
        assert ours.recv(100) == b"ready"
        ours.send(YOURS)
        assert found.hear() is True
        ours.close()
        assert found.hear() is False
        found.complain("nobody hears it")
        found.close()


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", json.dumps({"version": 2}), Legacy().describe(0, 1 << 22), Legacy().describe(9999, os.getppid())],
)
def test_what_nobody_has_left_for_us_is_taken_away_all_the_same(text: str) -> None:
    environ = {VARIABLE: text}
    assert take_inheritance(environ) is None
    assert environ == {}


def test_a_script_is_executed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first line may name another Python by now."""
    script = tmp_path / "workerhub"
    script.write_text("#!/srv/venv/bin/python -I\n")
    monkeypatch.setattr(sys, "argv", [str(script), "-c", "x"])
    monkeypatch.setattr(sys, "orig_argv", ["/srv/venv/bin/python", "-I", str(script), "-c", "x"])
    assert CommandLine.of_this_process().words == tuple(sys.orig_argv), "it can't be executed"
    script.chmod(0o755)
    assert CommandLine.of_this_process().words == (str(script), "-c", "x")
    monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "dev", str(script), "-c", "x"])
    assert CommandLine.of_this_process().words == tuple(sys.orig_argv), "somebody wanted these options"


def test_the_directory_is_the_one_that_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "current").symlink_to("one")
    monkeypatch.chdir(tmp_path / "one")
    monkeypatch.setenv("PWD", str(tmp_path / "current"))
    assert CommandLine.of_this_process().directory == str(tmp_path / "current")
    monkeypatch.setenv("PWD", str(tmp_path))
    assert CommandLine.of_this_process().directory == str(tmp_path / "one")


def test_a_program_that_is_gone_says_so() -> None:
    successor = Successor(Legacy(), CommandLine(("/no/such/python", "-m", "workerhub"), "/"))
    _, status = os.waitpid(successor.pid, 0)
    assert os.waitstatus_to_exitcode(status) == CANNOT_EXECUTE
    assert list(successor.hear()) == []
    assert successor.troubles == ["can't execute /no/such/python in /: No such file or directory"]
    assert successor.ended
    successor.close()


def test_the_first_process_of_a_container_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.raises(OSError, match=r"PID 1.*replace the container"):
        Successor(Legacy(), CommandLine(("true",), "/"))


def test_the_owner_alone_takes_files_and_waiting_clients_away(tmp_path: Path) -> None:
    path = UnixAddress(str(tmp_path / "socket"))
    old, new = Listeners(16), Listeners(16)
    old.open([TCP, path])
    (where,) = (sock.getsockname() for sock in old.sockets([TCP]))
    new.inherit({text: [os.dup(fd) for fd in fds] for text, fds in old.descriptors().items()})
    new.open([TCP, path])
    assert [sock.getsockname() for sock in new.sockets([TCP])] == [where]
    with socket.create_connection(where) as waiting:
        old.shared = True
        old.refuse([TCP, path])
        assert old.close() == 0
        assert (tmp_path / "socket").exists()
        socket.create_connection(where).close()
        new.shared = False
        (accepting,) = new.sockets([TCP])
        accepted, peer = accepting.accept()
        accepted.close()
        assert peer == waiting.getsockname()
    new.retain([TCP])
    assert not (tmp_path / "socket").exists()
    assert new.close() == 1


def test_what_is_no_listening_socket_is_refused() -> None:
    with socket.socket() as plain, pytest.raises(BindError, match="not a listening stream socket"):
        Listeners(16).inherit({"127.0.0.1:1": [plain.fileno()]})


def test_the_pidfile_changes_hands(tmp_path: Path) -> None:
    estates = [Estate(Listeners(16), Notifier(), path=tmp_path / "pid") for _ in range(2)]
    old, new = estates
    old.take_pidfile()
    (tmp_path / "pid").write_text("4711\n")
    old.give_up(os.getpid())
    new.take_over(0)
    old.close()
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    new.close()
    assert not (tmp_path / "pid").exists()


def test_systemd_hears_of_one_master_at_a_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)
        old = Notifier(heard.getsockname())
        new = Notifier(heard.getsockname(), 10, silent=True)
        new.announce(Moment.READY, "all serve", 0)
        assert new.turn(0) is None
        old.hand_over(4711)
        old.announce(Moment.STOPPING, "stopping", 1)
        new.speak(2)
        new.turn(2)
        assert [heard.recv(4096).decode().split("\n") for _ in range(3)] == [
            ["MAINPID=4711"],
            ["READY=1", f"MAINPID={os.getpid()}", "STATUS=all serve"],
            ["WATCHDOG=1"],
        ]
        with pytest.raises(BlockingIOError):
            heard.recv(1)
        new.close()
