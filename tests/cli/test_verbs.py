from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import click
import jsonschema
import pytest

from workerhub import __version__, planning
from workerhub.cli import run
from workerhub.cli.command import plan, workerhub_command
from workerhub.cli.main import VERBS
from workerhub.config.catalogue import SETTINGS
from workerhub.plan import Refusal
from workerhub.planning import Invocation, Override, load_configuration

SITE = """
import os
print("printed while importing")
def application(environ, start_response): ...
def make(): return application
number = 7
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WORKERHUB_")]:
        monkeypatch.delenv(name)
    (tmp_path / "site_of_cli.py").write_text(SITE, encoding="utf-8")
    (tmp_path / "server.toml").write_text(
        'app = "site_of_cli"\n\n[worker]\nprocesses = 3\n\n[profiles.live]\nbind = ":80"\n', encoding="utf-8"
    )


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capfd)


class Cli:
    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture

    def __call__(self, *arguments: str) -> Ended:
        self.capture.readouterr()
        code = run(arguments)
        return Ended(code, *self.capture.readouterr())


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Invocation]:
    """What would have been served."""
    seen: list[Invocation] = []

    def load_plan(invocation: Invocation) -> int:
        seen.append(invocation)
        return 5

    monkeypatch.setattr(planning, "load_plan", load_plan)
    return seen


def serving(*arguments: str) -> Refusal:
    """What a command line that means to serve comes to, without the process around it."""
    outcome = plan(arguments, "")
    assert isinstance(outcome, Refusal)
    return outcome


def test_serving_is_what_is_meant_without_a_verb(served: list[Invocation]) -> None:
    assert serving("-c", "server.toml").code == 5
    assert (served[0].path, served[0].app, served[0].overrides) == (Path("server.toml"), None, ())


def test_every_flag_arrives(served: list[Invocation]) -> None:
    serving("a:b", "-b", ":1", "-b", ":2", "-w", "4", "-k", "sync", "--set", "worker.threads = 8", "--profile", "x")
    (invocation,) = served
    assert (invocation.path, invocation.app, invocation.profile) == (None, "a:b", "x")
    assert invocation.overrides == (
        Override("bind", '[":1", ":2"]', "-b"),
        Override("worker.class", "sync", "-k"),
        Override("worker.processes", "4", "-w"),
        Override("worker.threads", "8", "--set"),
    )


def test_the_application_may_come_from_anywhere(served: list[Invocation], monkeypatch: pytest.MonkeyPatch) -> None:
    assert serving("--set", "app=a:b").code == 5
    monkeypatch.setenv("WORKERHUB_APP", "a:b")
    assert serving().code == 5
    assert len(served) == 2


@pytest.mark.parametrize("verb", ["check", "show", "schema", "workers"])
def test_a_verb_in_the_wrong_place_is_told(served: list[Invocation], verb: str) -> None:
    ended = serving("-c", "server.toml", verb)
    assert (ended.code, served) == (2, [])
    assert f"workerhub {verb} -c server.toml" in ended.text or "A verb stands first" in ended.text


def test_a_module_called_like_a_verb_can_be_served(served: list[Invocation]) -> None:
    assert serving("check:application").code == 5
    assert serving("serve", "check").code == 5
    assert [invocation.app for invocation in served] == ["check:application", "check"]


def test_nothing_to_serve(cli: Cli, tmp_path: Path) -> None:
    ended = cli()
    assert ended.code == 2
    assert "workerhub -c server.toml" in ended.err
    assert "There is a server.toml here" in ended.err
    (tmp_path / "server.toml").unlink()
    assert "There is" not in cli().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["server.toml"], "A configuration file is given with -c: workerhub -c server.toml"),
        (["a", "--set", "x"], '--set takes KEY=VALUE, for example --set worker.processes=4, got "x"'),
        (["a", "--prot", "3"], "No such option"),
        (["a", "b"], "unexpected extra argument (b)"),
    ],
)
def test_wrong_usage(cli: Cli, arguments: list[str], told: str) -> None:
    ended = cli(*arguments)
    assert ended.code == 2
    assert told in ended.err


def test_check(cli: Cli) -> None:
    assert cli("check", "-c", "server.toml") == Ended(
        0,
        "server.toml is valid.\n  main: 3 × sync, site_of_cli:application on 127.0.0.1:8000\n",
        "",
    )


def test_check_tells_every_problem(cli: Cli) -> None:
    assert cli("check", "-c", "server.toml", "-w", "none", "--set", "backlog=x") == Ended(
        2,
        "",
        '-w: worker.processes: expected a whole number of 1 or more, or "auto", got "none"\n'
        '--set: backlog: expected a whole number of 1 or more, got "x"\n'
        "2 problems in server.toml.\n",
    )


def test_check_tells_where_preload_has_no_effect(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "adoption_is_possible", lambda: False)
    told = cli("check", "-c", "server.toml", "--set", "preload=true")
    assert told.code == 0
    assert "preload has no effect on this system" in told.out
    (note,) = json.loads(cli("check", "-c", "server.toml", "--json", "--set", "preload=true").out)["notes"]
    assert note in told.out
    assert json.loads(cli("check", "-c", "server.toml", "--json").out)["notes"] == []


def test_check_for_machines(cli: Cli) -> None:
    told = json.loads(cli("check", "-c", "server.toml", "--json", "-w", "0").out)
    assert told == {
        "valid": False,
        "source": "server.toml",
        "problems": [
            {
                "place": "-w",
                "key": "worker.processes",
                "message": 'expected a whole number of 1 or more, or "auto", got 0',
            }
        ],
    }
    assert json.loads(cli("check", "-c", "server.toml", "--json").out)["valid"] is True


@pytest.mark.parametrize("app", ["site_of_cli", "site_of_cli:make()"])
def test_check_imports_the_application_elsewhere(cli: Cli, app: str) -> None:
    ended = cli("check", "-c", "server.toml", "--import", app)
    assert ended.code == 0
    assert "was imported in" in ended.out
    assert ended.err == "printed while importing\n", "what the application prints stays off standard output"
    assert "site_of_cli" not in sys.modules


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("no_such_site:app", "no module called no_such_site"),
        ("site_of_cli:applicatoin", 'did you mean "application"?'),
        ("site_of_cli:number", "is not callable"),
        ("exits", "sys.exit"),
        ("dies", "the process ended while importing it: exit code 9"),
        ("killed", "the process ended while importing it: signal SIGKILL"),
        ("hangs", "was not imported within timeouts.boot (0.2 s)"),
        ("raises", "ValueError: not today"),
    ],
)
def test_check_tells_why_the_application_cannot_be_imported(cli: Cli, tmp_path: Path, app: str, told: str) -> None:
    for name, text in {
        "exits": "raise SystemExit(3)",
        "dies": "import os; os._exit(9)",
        "killed": "import os; os.kill(os.getpid(), 9)",
        "hangs": "import time; time.sleep(60)",
        "raises": "raise ValueError('not today')",
    }.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    boot = "0.2s" if app == "hangs" else "60s"
    ended = cli("check", "-c", "server.toml", "--import", app, "--set", f"timeouts.boot={boot}")
    assert ended.code == 4
    assert told in ended.err
    ended = cli("check", "-c", "server.toml", "--import", "--json", app, "--set", f"timeouts.boot={boot}")
    assert ended.code == 4
    assert told in json.loads(ended.out)["import"]["main"]["failure"]


def test_check_applies_what_a_worker_would(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "lib").mkdir(parents=True)
    (tmp_path / "elsewhere" / "lib" / "site_in_lib.py").write_text(
        "import os\nassert os.path.basename(os.getcwd()) == 'elsewhere'\nassert os.environ['SECRET'] == '7'\n"
        "def application(environ, start_response): ...",
        encoding="utf-8",
    )
    ended = cli(
        *("check", "--import", "site_in_lib", "--set", "chdir=elsewhere"),
        *("--set", "python_path=elsewhere/lib", "--set", "env.SECRET=7"),
    )
    assert (ended.code, ended.err) == (0, "")
    assert Path.cwd() == tmp_path


def test_show_is_a_configuration_that_says_the_same(cli: Cli, tmp_path: Path) -> None:
    arguments = ("-c", "server.toml", "--profile", "live", "--set", "umask=0o27", "--set", 'env.A=say "hi"\t')
    shown = cli("show", *arguments).out
    (tmp_path / "shown.toml").write_text(shown, encoding="utf-8")
    again = load_configuration(Invocation(tmp_path / "shown.toml", environ={}))
    assert (
        again.config
        == load_configuration(
            Invocation(
                tmp_path / "server.toml",
                profile="live",
                environ={},
                overrides=(Override("umask", "0o27", "--set"), Override("env.A", 'say "hi"\t'.strip(), "--set")),
            )
        ).config
    )


def test_show_tells_where_each_value_is_from(cli: Cli) -> None:
    lines = cli("show", "-c", "server.toml", "-b", ":1").out.splitlines()
    told = {line.split(" = ")[0]: line.rpartition("  # ")[2] for line in lines if " = " in line}
    assert told["app"] == "server.toml:1"
    assert told["processes"] == "server.toml:4"
    assert told["bind"] == "-b"
    assert told["backlog"] == "default"
    assert told["keepalive"] == "default (auto is off for sync)"


def test_show_for_machines_names_every_setting(cli: Cli) -> None:
    told = json.loads(cli("show", "-c", "server.toml", "--json").out)
    assert set(told) == {setting.key for setting in SETTINGS}
    assert told["worker.processes"] == {"value": 3, "source": "file", "place": "server.toml:4", "note": ""}
    assert told["backlog"]["source"] == "default"


def test_show_of_what_cannot_be_used(cli: Cli) -> None:
    assert cli("show", "a", "-w", "0") == Ended(
        2,
        "",
        '-w: worker.processes: expected a whole number of 1 or more, or "auto", got 0\n1 problem on the command line.\n',
    )


def test_schema(cli: Cli) -> None:
    schema = json.loads(cli("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(Path("server.toml").read_text(encoding="utf-8")), schema)


def test_workers(cli: Cli) -> None:
    told = {fact["name"]: fact for fact in json.loads(cli("workers", "--json").out)}
    assert told["sync"]["usable"] is True
    assert told["sync"]["class"] == "workerhub_workers.sync:SyncWorker"
    assert told["sync"]["origin"] == f"workerhub {__version__}"
    assert "sync  (workerhub_workers.sync:SyncWorker, from workerhub" in cli("workers").out


def test_version(cli: Cli) -> None:
    assert cli("--version") == Ended(0, f"workerhub {__version__}\n", "")


def test_help_names_the_verbs(cli: Cli) -> None:
    ended = cli("--help")
    assert ended.code == 0
    for verb in ("check", "schema", "serve", "show", "workers"):
        assert f"  {verb} " in ended.out


def test_every_flag_is_in_the_help(cli: Cli) -> None:
    told = cli("serve", "--help").out
    for setting in SETTINGS:
        for flag in setting.flags:
            assert flag in told


def workerhub(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workerhub", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_as_a_process() -> None:
    ended = workerhub("check", "-c", "server.toml")
    assert (ended.returncode, ended.stderr) == (0, "")
    ended = workerhub("check", "-c", "nope.toml")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "nope.toml: can't be read: No such file or directory\n1 problem in nope.toml.\n"


def test_serving_a_bad_configuration_as_a_process() -> None:
    ended = workerhub("-c", "server.toml", "--set", "timeouts.requst=30s")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        '--set: timeouts.requst: unknown setting; did you mean "request"?\n'
        "1 problem in server.toml; nothing was started.\n"
    )


def test_a_bare_command_as_a_process() -> None:
    ended = workerhub()
    assert ended.returncode == 2
    assert ended.stderr.startswith("Usage: workerhub")


def test_the_reference_page_names_every_verb_and_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    context = click.Context(workerhub_command)
    for name in VERBS:
        verb = workerhub_command.get_command(context, name)
        assert verb is not None
        assert f"| `{name}` |" in page
        for parameter in verb.params:
            for spelling in parameter.opts if isinstance(parameter, click.Option) else ["APP"]:
                assert f"`{spelling}" in page, (name, spelling)
