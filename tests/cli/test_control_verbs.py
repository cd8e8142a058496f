"""The verbs that talk to a running server, and a server that only pretends to be one."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workerhub.cli import reaching, run
from workerhub.kernel.control import client, listener
from workerhub.kernel.control.client import connect, converse
from workerhub.kernel.control.listener import ControlListener, find_place, take_place
from workerhub.kernel.control.peers import Peer
from workerhub.kernel.control.place import socket_name
from workerhub.kernel.control.wire import Outcome, Request, Step, Verb, read_request, write_reply, write_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

YES = Outcome(ok=True, message="done", fields={"generation": 4})
NO = Outcome(ok=False, message="generation 3 keeps serving", detail="Traceback ...\nSyntaxError: no\n")


class Pretender:
    """Answers every request with the same words, and keeps the requests."""

    def __init__(self, place: ControlListener, *replies: Step | Outcome) -> None:
        self.place = place
        self.replies = b"".join(map(write_reply, replies))
        self.asked: list[dict[str, Any]] = []
        place.socket.setblocking(True)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                guest, _ = self.place.socket.accept()
            except OSError:
                return
            with guest, guest.makefile("rb") as lines:
                if line := lines.readline():
                    told = json.loads(line)
                    if told["verb"] == "enough":
                        return
                    self.asked.append(told)
                    guest.sendall(self.replies)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.place.path))
            last.sendall(b'{"verb": "enough"}\n')
        self._thread.join(10)
        self.place.close()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where this user's sockets may lie; the working directory is another one, with a configuration in it."""
    found = [tmp_path / "run", tmp_path / "tmp"]
    for module in (reaching, listener):
        monkeypatch.setattr(module, "directories", lambda: found)
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path / "site")
    Path("server.toml").write_text('app = "site"\n', encoding="utf-8")
    for name in [name for name in os.environ if name.startswith("WORKERHUB_")]:
        monkeypatch.delenv(name)
    return found


@pytest.fixture
def pretend(places: list[Path]) -> Iterator[Callable[..., Pretender]]:
    """Make servers: `pretend(YES)`, `pretend(YES, profile="live")`, `pretend(YES, at=path)`."""
    pretenders = []

    def make(*replies: Step | Outcome, profile: str = "", at: Path | None = None) -> Pretender:
        place = find_place(socket_name(Path("server.toml"), profile)) if at is None else take_place(at)
        pretenders.append(Pretender(place, *replies))
        return pretenders[-1]

    yield make
    for pretender in pretenders:
        pretender.close()


class Cli:
    """Runs a command line in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._capture.readouterr()
        code = run(arguments)
        return (int(code), *self._capture.readouterr())


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capfd)


# What is asked, and what is printed.


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["reload"], {"verb": "reload"}),
        (["scale", "8"], {"verb": "scale", "size": 8}),
        (["scale", "+2", "--pool", "web"], {"verb": "scale", "change": 2, "pool": "web"}),
        (["scale", "-1"], {"verb": "scale", "change": -1}),
        (["status"], {"verb": "status"}),
        (["stacks"], {"verb": "stacks"}),
    ],
)
def test_each_verb_asks_for_its_thing(
    cli: Cli, pretend: Callable[..., Pretender], arguments: list[str], asked: dict[str, Any]
) -> None:
    server = pretend(Outcome(ok=True, message="done", fields={"workers": []}))
    code, _, err = cli(*arguments, "-c", "server.toml")
    assert (code, err) == (0, "")
    assert server.asked == [{"workerhub": 1, **asked}]


@pytest.mark.parametrize(("options", "asked"), [([], {}), (["--fast"], {"fast": True})])
def test_stop_waits_until_the_process_is_gone(
    cli: Cli,
    pretend: Callable[..., Pretender],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    asked: dict[str, Any],
) -> None:
    """This very process, which is still there afterwards."""
    monkeypatch.setattr(import_module("workerhub.cli.stop"), "PARTING", 0.1)
    server = pretend(Outcome(ok=True, message="stopped after 0.5 s: no request was cut"))
    code, _, err = cli("stop", *options)
    assert code == 1
    assert err == "stopped after 0.5 s: no request was cut; but after 0.1 s the process is still there\n"
    assert server.asked == [{"workerhub": 1, "verb": "stop", **asked}]


def test_progress_and_outcome_are_printed_as_they_come(cli: Cli, pretend: Callable[..., Pretender]) -> None:
    pretend(Step("generation 4 boots"), Step("generation 4 has proven itself"), YES)
    assert cli("reload", "-c", "server.toml") == (0, "generation 4 boots\ngeneration 4 has proven itself\ndone\n", "")


def test_a_no_is_on_standard_error_with_the_reason_before_it(cli: Cli, pretend: Callable[..., Pretender]) -> None:
    pretend(Step("generation 4 boots"), NO)
    assert cli("reload", "-c", "server.toml") == (
        1,
        "generation 4 boots\n",
        "Traceback ...\nSyntaxError: no\ngeneration 3 keeps serving\n",
    )


@pytest.mark.parametrize("reply", [YES, NO])
def test_for_machines_the_outcome_is_one_document(cli: Cli, pretend: Callable[..., Pretender], reply: Outcome) -> None:
    pretend(Step("on the way"), reply)
    code, out, err = cli("reload", "-c", "server.toml", "--json")
    assert (code, err) == (0 if reply.ok else 1, "")
    assert json.loads(out) == {"ok": reply.ok, "message": reply.message, "detail": reply.detail, **reply.fields}


@pytest.mark.parametrize("number", ["0", "none", "1.5", "99999", "--2", ""])
def test_scale_takes_a_number(cli: Cli, number: str) -> None:
    code, _, err = cli("scale", number)
    assert code == 2
    assert "N is a number of workers, from 1 to 4096" in err or "No such option" in err


def test_a_server_that_hangs_up_is_a_no(cli: Cli, pretend: Callable[..., Pretender]) -> None:
    pretend(Step("on the way"))
    code, out, err = cli("reload", "-c", "server.toml")
    assert (code, out) == (1, "on the way\n")
    assert err == "the server has closed the connection before there was an outcome\n"


def test_a_server_that_refuses_at_sight_is_heard(places: list[Path]) -> None:
    """It has answered and closed before the request is out."""
    place = find_place(socket_name(Path("server.toml")))
    place.socket.setblocking(True)

    def refuse() -> None:
        guest, _ = place.socket.accept()
        guest.sendall(write_reply(NO))
        guest.close()
        closed.set()

    closed = threading.Event()
    thread = threading.Thread(target=refuse)
    thread.start()
    connection = connect(place.path)
    closed.wait(10)
    assert list(converse(connection, Request(Verb.RELOAD), 10.0)) == [NO]
    thread.join()
    place.close()


def test_a_server_that_is_silent_is_given_up(
    cli: Cli, pretend: Callable[..., Pretender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("workerhub.cli.status"), "AT_ONCE", 0.1)
    silent = find_place(socket_name(Path("server.toml")))
    assert cli("status", "-c", "server.toml") == (1, "", "the server doesn't answer\n")
    silent.close()


def test_a_server_that_speaks_another_language_is_a_no(cli: Cli, pretend: Callable[..., Pretender]) -> None:
    pretend(YES).replies = b'{"workerhub": 2, "ok": true}\n'
    code, _, err = cli("status", "-c", "server.toml")
    assert code == 1
    assert "version 2 of the control protocol" in err


def test_stacks_are_printed_with_what_is_served(cli: Cli, pretend: Callable[..., Pretender]) -> None:
    run_ = {"line": "GET /slow", "client": "192.0.2.1", "seconds": 3.25}
    who = {"pool": "main", "slot": 0, "generation": 1, "pid": 4712, "state": "ready"}
    stack = '  File "app.py", line 7, in slow\n    sleep(60)\n'
    pretend(
        Outcome(
            ok=False,
            message="stacks of 1 worker; 1 didn't answer",
            fields={
                "workers": [
                    {
                        **who,
                        "left_out": 3,
                        "tasks": [
                            {"kind": "thread", "count": 1, "names": ["MainThread"], "runs": [run_], "stack": stack},
                            {"kind": "task", "count": 9, "names": ["a", "b"], "runs": [], "stack": stack},
                        ],
                    },
                    {**who, "note": "it doesn't answer", "runs": [run_], "dump": "Current thread\n  File x\n"},
                    {"pool": "main", "generation": 2, "pid": 4720, "state": "booting", "tasks": []},
                ]
            },
        )
    )
    code, out, err = cli("stacks")
    assert (code, err) == (1, "stacks of 1 worker; 1 didn't answer\n")
    assert out == (
        "worker main/0 (pid 4712, generation 1, ready)\n"
        "  thread MainThread\n"
        "    serves GET /slow from 192.0.2.1, 3.2 s old\n"
        '    File "app.py", line 7, in slow\n'
        "      sleep(60)\n"
        "  9 tasks: a, b ...\n"
        '    File "app.py", line 7, in slow\n'
        "      sleep(60)\n"
        "  3 more, left out\n"
        "\n"
        "worker main/0 (pid 4712, generation 1, ready)\n"
        "  it doesn't answer\n"
        "  serves GET /slow from 192.0.2.1, 3.2 s old\n"
        "  Current thread\n"
        "    File x\n"
        "\n"
        "template main (pid 4720, generation 2, booting)\n"
        "\n"
    )


def test_the_difference_is_asked_for_and_printed_as_a_table(cli: Cli, pretend: Callable[..., Pretender]) -> None:
    changes = [
        {"key": "pidfile", "old": None, "new": "run.pid", "place": "server.toml:4", "effect": "not before a restart"},
        {"key": "backlog", "old": 2048, "new": 64, "place": "-b", "effect": "at the reload"},
    ]
    server = pretend(Outcome(ok=True, message="a reload would change 2 settings", fields={"changes": changes}))
    assert cli("show", "--diff", "-c", "server.toml") == (
        0,
        (
            "A reload would change:\n"
            '  pidfile  not set -> "run.pid"  not before a restart  # server.toml:4\n'
            "  backlog  2048 -> 64            at the reload         # -b\n"
        ),
        "",
    )
    assert server.asked == [{"workerhub": 1, "verb": "diff"}]
    code, out, _ = cli("show", "--diff", "-c", "server.toml", "--json")
    assert (code, json.loads(out)["changes"]) == (0, changes)


def test_no_difference_and_one_that_cannot_be_known(cli: Cli, pretend: Callable[..., Pretender]) -> None:
    server = pretend(Outcome(ok=True, message="a reload would change 0 settings", fields={"changes": []}))
    code, out, _ = cli("show", "--diff", "-c", "server.toml")
    assert (code, out) == (0, "A reload would change no setting. (It always takes the code anew.)\n")
    server.replies = write_reply(Outcome(ok=False, message="a reload would be refused", detail="server.toml:7: no\n"))
    assert cli("show", "--diff", "-c", "server.toml") == (1, "", "server.toml:7: no\na reload would be refused\n")


@pytest.mark.parametrize("arguments", [["site"], ["-c", "server.toml", "-w", "3"], ["site", "-c", "server.toml"]])
def test_the_difference_is_that_of_a_running_server(cli: Cli, arguments: list[str]) -> None:
    code, _, err = cli("show", "--diff", *arguments)
    assert code == 2
    assert "--diff asks the server that runs with a file" in err


# Which server.


def test_without_a_word_the_only_server_is_meant(cli: Cli, pretend: Callable[..., Pretender]) -> None:
    pretend(YES)
    assert cli("reload") == (0, "done\n", "")


def test_of_several_one_has_to_be_named(cli: Cli, pretend: Callable[..., Pretender], places: list[Path]) -> None:
    one, other = pretend(YES), Pretender(find_place("other.sock"), YES)
    code, out, err = cli("reload")
    assert (code, out) == (1, "")
    assert err == (
        "several servers are running; say which by -c FILE or --socket:\n"
        f"  {other.place.path} (pid {os.getpid()})\n  {one.place.path} (pid {os.getpid()})\n"
    )
    assert cli("reload", "--socket", str(other.place.path))[0] == 0
    assert (one.asked, len(other.asked)) == ([], 1)
    other.close()


def test_where_nobody_runs(cli: Cli, places: list[Path]) -> None:
    assert cli("status") == (1, "", f"no server answers in {places[0]}, {places[1]}\n")


def test_where_no_such_server_runs_it_says_where_it_looked(cli: Cli, pretend: Callable[..., Pretender]) -> None:
    server = pretend(YES)
    code, _, err = cli("status", "-c", "../site/other.toml")
    first, second, third = err.splitlines()
    assert (code, first) == (1, "no server that runs with ../site/other.toml answers")
    assert second.startswith(f"  {server.place.path.parent}/other-")
    assert second.endswith(": there is no such file")
    assert third == "  ../site/other.toml: there is no such file"


def test_a_socket_that_nobody_listens_on(cli: Cli, tmp_path: Path, places: list[Path]) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(tmp_path / "gone"))
    assert cli("status", "--socket", str(tmp_path / "gone")) == (
        1,
        "",
        f"no server answers at {tmp_path}/gone: nobody listens there any more\n",
    )
    told = json.loads(cli("status", "--socket", "nowhere", "--json")[1])
    assert told == {
        "ok": False, "message": "no server answers at nowhere: there is no such file", "detail": "",
    }  # fmt: skip


def test_the_file_and_the_socket_are_one_too_many(cli: Cli) -> None:
    code, _, err = cli("status", "-c", "server.toml", "--socket", "x")
    assert code == 2
    assert "Either -c or --socket says which server." in err


def test_profiles_tell_servers_apart(
    cli: Cli, pretend: Callable[..., Pretender], monkeypatch: pytest.MonkeyPatch
) -> None:
    blue = pretend(YES, profile="blue")
    assert cli("reload", "-c", "server.toml")[0] == 0, "the only one with this file"
    green = pretend(YES, profile="green")
    code, _, err = cli("reload", "-c", "server.toml")
    assert code == 1
    assert err.startswith("several servers run with server.toml; say which by --profile or --socket:\n")
    assert cli("reload", "-c", "server.toml", "--profile", "green")[0] == 0
    monkeypatch.setenv("WORKERHUB_PROFILE", "blue")
    assert cli("reload", "-c", "server.toml")[0] == 0
    assert (len(blue.asked), len(green.asked)) == (2, 1)
    plain = pretend(YES)
    monkeypatch.delenv("WORKERHUB_PROFILE")
    assert cli("reload", "-c", "server.toml")[0] == 0
    assert len(plain.asked) == 1


def test_a_file_that_is_broken_now_finds_its_server_all_the_same(cli: Cli, pretend: Callable[..., Pretender]) -> None:
    pretend(NO)
    Path("server.toml").write_text("app = \n", encoding="utf-8")
    assert "generation 3 keeps serving" in cli("reload", "-c", "server.toml")[2]
    Path("server.toml").unlink()
    assert "generation 3 keeps serving" in cli("reload", "-c", "server.toml")[2]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("server.toml", '[control]\nsocket = "../control"\n'),
        ("server.toml", 'extends = "base.toml"\n'),
        ("server.toml", '[profiles.live.control]\nsocket = "../control"\n'),
        ("server.py", 'from pathlib import Path\ncontrol = {"socket": Path(__file__).parents[1] / "control"}\n'),
    ],
)
def test_a_file_that_names_the_socket_is_asked_for_it(
    cli: Cli, pretend: Callable[..., Pretender], tmp_path: Path, file: str, text: str
) -> None:
    pretend(YES, at=tmp_path / "control")
    Path("base.toml").write_text('[control]\nsocket = "../control"\n', encoding="utf-8")
    Path(file).write_text(text, encoding="utf-8")
    profile = ("--profile", "live") if "live" in text else ()
    assert cli("reload", "-c", file, *profile)[0] == 0


def test_the_environment_may_name_it_too(
    cli: Cli, pretend: Callable[..., Pretender], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(YES, at=tmp_path / "control")
    monkeypatch.setenv("WORKERHUB_CONTROL__SOCKET", str(tmp_path / "control"))
    assert cli("reload", "-c", "server.toml")[0] == 0


def test_a_server_that_has_none_says_so(cli: Cli, places: list[Path]) -> None:
    Path("server.toml").write_text('[control]\nsocket = "off"\n', encoding="utf-8")
    assert cli("status", "-c", "server.toml") == (
        1,
        "",
        "control.socket is off (server.toml:2): nobody can ask this server anything\n",
    )


def test_a_stranger_that_listens_in_our_place_is_told_nothing(
    cli: Cli, pretend: Callable[..., Pretender], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = pretend(YES)
    me = os.geteuid() or 1000
    monkeypatch.setattr(os, "geteuid", lambda: me)
    monkeypatch.setattr(client, "peer_of", lambda _sock: Peer(4711, 12345))
    code, _, err = cli("stop", "--socket", str(server.place.path))
    assert code == 1
    assert "user 12345 listens there, not you" in err
    assert server.asked == []


def test_a_directory_that_others_can_write_to_is_not_believed(cli: Cli, places: list[Path]) -> None:
    places[0].mkdir()
    places[0].chmod(0o777)
    code, _, err = cli("status", "-c", "server.toml")
    assert code == 1
    assert f"others may write to {places[0]}" in err


def test_neither_pydantic_nor_the_plan_is_imported(pretend: Callable[..., Pretender]) -> None:
    """They are most of what the other verbs take to start."""
    import subprocess

    server = pretend(Outcome(ok=True, message="done"))
    script = (
        "import sys\nfrom workerhub.cli import run\n"
        f"assert run(['reload', '--socket', {str(server.place.path)!r}]) == 0\n"
        "assert not {'pydantic', 'pydantic_core', 'tomli', 'workerhub.plan', 'workerhub.http'} & set(sys.modules), sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_request_is_understood_at_the_other_end() -> None:
    for verb in ("status", "reload", "stop", "stacks"):
        line = json.dumps({"workerhub": 1, "verb": verb}).encode()
        assert write_request(read_request(line)).strip() == line
