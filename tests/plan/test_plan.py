from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workerhub import planning
from workerhub.config.addresses import TcpAddress, UnixAddress
from workerhub.config.machine import usable_cpus
from workerhub.config.report import render
from workerhub.errors import ConfigError
from workerhub.plan import AppReference, OptionsPlan, Plan, Refusal, Watch, WorkerReference, pack, unchangeable, unpack
from workerhub.planning import Invocation, Override, load_plan
from workerhub.worker import OptionValues

DESIGN_EXAMPLE = """\
app = "mysite.wsgi:application"
bind = ":8000"

[worker]
class = "{name}"
processes = 4
threads = "four"

[timeouts]
requst = "30s"
"""

THREADED = '''
from pydantic import Field

from workerhub.worker import Worker, WorkerOptions


class Options(WorkerOptions):
    threads: int = Field(default=8, ge=1)


class Threads(Worker):
    """Lives beside the application."""

    Options = Options

    @classmethod
    def capacity(cls, options):
        return options.threads

    def serve(self, app): ...

    def interrupt(self, index):
        return False


class Moody(Threads):
    @classmethod
    def capacity(cls, options):
        if options.threads == 13:
            raise ValueError("not thirteen")
        return options.threads if options.threads != 12 else "a dozen"
'''


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan(*sets: str, path: str | None = None, app: str | None = "a:b", **environ: str) -> Plan:
    overrides = tuple(Override(key, value, "--set") for key, _, value in (text.partition("=") for text in sets))
    return load_plan(Invocation(Path(path) if path else None, app, overrides=overrides, environ=environ))


def problems(*sets: str, **more: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        plan(*sets, **more)
    return list(map(str, caught.value.problems))


def test_the_defaults() -> None:
    made = plan()
    (pool,) = made.pools
    assert (pool.name, pool.capacity, pool.worker.name) == ("main", 1, "sync")
    assert pool.app == AppReference("a", "b", is_factory=False)
    assert pool.policy.size == usable_cpus()
    assert pool.policy.request_timeout == 60.0
    assert pool.policy.max_requests is None
    assert pool.policy.max_memory is None
    assert pool.policy.max_age is None
    assert pool.serve.keepalive_timeout is None, "sync's own"
    assert pool.serve.http.keepalive is False
    assert pool.serve.http.max_header_bytes == 65536
    assert pool.bind == made.bind == (TcpAddress("127.0.0.1", 8000),)
    assert (made.backlog, made.pidfile, made.name, made.title) == (2048, None, "workerhub", "the command line")
    assert dict(pool.hooks) == {}


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("a.b:c", AppReference("a.b", "c", is_factory=False)),
        ("a:b.c", AppReference("a", "b.c", is_factory=False)),
        ("a:make()", AppReference("a", "make", is_factory=True)),
        ("a.b", AppReference("a.b", "application", is_factory=False)),
    ],
)
def test_forms_of_the_application(text: str, reference: AppReference) -> None:
    assert plan(app=text).pools[0].app == reference


def test_keepalive_is_the_classes_own_unless_said(tmp_path: Path) -> None:
    (tmp_path / "threads_beside.py").write_text(THREADED, encoding="utf-8")
    serve = plan("worker.class=threads_beside:Threads").pools[0].serve
    assert (serve.keepalive_timeout, serve.http.keepalive) == (75.0, True)
    serve = plan("timeouts.keepalive=5s").pools[0].serve
    assert (serve.keepalive_timeout, serve.http.keepalive) == (5.0, True)
    serve = plan("worker.class=threads_beside:Threads", "timeouts.keepalive=off").pools[0].serve
    assert (serve.keepalive_timeout, serve.http.keepalive) == (None, False)


def test_a_share_of_the_pool_is_rounded_up() -> None:
    assert plan("reload.surge=25%", "worker.processes=5").pools[0].policy.surge == 2
    assert plan("reload.surge=1%", "worker.processes=1").pools[0].policy.surge == 1
    assert plan("reload.surge=9", "worker.processes=1").pools[0].policy.surge == 9


def test_paths_are_absolute_and_relative_to_where_they_were_written(tmp_path: Path) -> None:
    for directory in ("conf/run", "conf/lib", "lib", "run"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "conf" / "server.toml").write_text(
        'app = "a"\nbind = "unix:run/a.sock"\npidfile = "run/a.pid"\npython_path = ["lib"]\nchdir = ".."\n'
        'log.file = "run/error.log"\n',
        encoding="utf-8",
    )
    made = plan(path="conf/server.toml", app=None)
    identity = made.pools[0].identity
    assert made.bind == (UnixAddress(str(tmp_path / "conf/run/a.sock")),)
    assert made.pidfile == tmp_path / "conf/run/a.pid"
    assert identity.python_path == (tmp_path / "conf/lib",)
    assert identity.chdir == tmp_path
    assert (made.log.file, made.log.access) == (str(tmp_path / "conf/run/error.log"), "-")
    made = plan("pidfile=run/b.pid", path="conf/server.toml", app=None, WORKERHUB_PYTHON_PATH="lib")
    assert made.pidfile == tmp_path / "run/b.pid"
    assert made.pools[0].identity.python_path == (tmp_path / "lib",)


def test_the_report_of_the_design(tmp_path: Path) -> None:
    """Configuration, worker class and options in one report, each with its line."""
    (tmp_path / "threads_of_design.py").write_text(THREADED, encoding="utf-8")
    text = DESIGN_EXAMPLE.format(name="threads_of_design:Threads")
    (tmp_path / "server.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        plan(path="server.toml", app=None)
    assert render(caught.value) == (
        'server.toml:7: worker.threads: expected a whole number of 1 or more, got "four"\n'
        'server.toml:10: timeouts.requst: unknown setting; did you mean "request"?\n'
        "2 problems in server.toml; nothing was started."
    )


def test_the_search_path_is_as_before_after_looking_for_a_class(tmp_path: Path) -> None:
    (tmp_path / "threads_on_path.py").write_text(THREADED, encoding="utf-8")
    before = sys.path.copy()
    name = "threads_on_path:Threads"
    assert plan(f"worker.class={name}").pools[0].worker == WorkerReference(name, "threads_on_path", "Threads")
    assert sys.path == before


def test_a_class_that_refuses_its_options(tmp_path: Path) -> None:
    (tmp_path / "moody_beside.py").write_text(THREADED, encoding="utf-8")
    refused = "--set: worker: worker class moody_beside:Moody: "
    assert problems("worker.class=moody_beside:Moody", "worker.threads=13") == [refused + "not thirteen"]
    (told,) = problems("worker.class=moody_beside:Moody", "worker.threads=12")
    assert told.startswith(refused + "capacity() must return a whole number of 1 or more")


def test_back_off_the_wrong_way_round_blames_what_was_written() -> None:
    assert problems("restart.backoff=1m") == [
        "--set: restart.backoff: expected restart.backoff_max, 30s, or less, got 1m"
    ]


def test_a_problem_is_found_beside_another_one() -> None:
    """What one mistake hides, the next run would show: so none may hide another."""
    assert problems("backlog=0", "chdir=/no/such", "worker.clas=x", "umask=999") == [
        "--set: backlog: expected a whole number of 1 or more, got 0",
        "--set: chdir: no such directory: /no/such",
        '--set: worker.clas: unknown setting; did you mean "class"?',
        '--set: umask: expected an octal mode mask such as "027" or 0o027, got 999',
    ]


@pytest.mark.parametrize(
    ("sets", "named"),
    [
        ((), ()),
        (("worker.processes=9", "bind=:1", "umask=027"), ()),
        (("user=root",), ("user",)),
        (("group=root", "pidfile=a.pid"), ("group", "pidfile")),
    ],
)
def test_what_a_running_server_cannot_change(sets: tuple[str, ...], named: tuple[str, ...]) -> None:
    assert unchangeable(plan(), plan(*sets)) == named


def test_hooks_that_are_set() -> None:
    assert plan("hooks.worker_ready=a.b:c").pools[0].hooks == {"worker_ready": "a.b:c"}


@pytest.mark.parametrize("possible", [True, False])
def test_preload_is_planned_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, possible: bool) -> None:
    monkeypatch.setattr(planning, "adoption_is_possible", lambda: possible)
    file = tmp_path / "server.toml"
    file.write_text('app = "site"\npreload = true\n', encoding="utf-8")
    plan = load_plan(Invocation(file))
    assert plan.pools[0].policy.preload is possible
    assert bool(plan.notes) is not possible


def test_planning_loads_neither_application_nor_gevent() -> None:
    code = (
        "import sys; from workerhub.planning import *; load_plan(Invocation(app='antigravity:x', environ={}));"
        "print([name for name in ('antigravity', 'gevent', 'greenlet') if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert told.stdout == "[]\n"


def test_the_built_in_classes_are_our_own_and_nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "threads_of_mine.py").write_text(THREADED, encoding="utf-8")
    assert plan("worker.class=threaded").pools[0].worker.own
    assert not plan("worker.class=threads_of_mine:Threads").pools[0].worker.own
    assert not plan("worker.class=workerhub_workers.threaded:ThreadedWorker").pools[0].worker.own


def test_options_arrive_as_they_were_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is declared plainly arrives as its instance, one that is only named as its values, frozen."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "threads_plain.py").write_text(THREADED, encoding="utf-8")
    (pool,) = plan("worker.class=threads_plain:Threads", "worker.threads=3").pools
    cls = pool.worker.load()
    assert pool.options.open(cls) == cls.Options.model_validate({"threads": 3})
    (pool,) = plan("worker.class=threaded", "worker.threads=4").pools
    options = pool.options.open(pool.worker.load())
    assert options.threads == 4
    assert options == OptionValues({"threads": 4})
    with pytest.raises(AttributeError, match="frozen"):
        options.threads = 5


def test_a_plan_survives_the_way_to_the_master() -> None:
    made = plan("worker.class=threaded", "hooks.reloaded=a.b", "bind=unix:x.sock", "env.A=1")
    assert unpack(pack(made)) == made
    assert unpack(pack(Refusal(2, "no"))) == Refusal(2, "no")


@pytest.mark.parametrize("data", [b"", b"junk", pickle.dumps("a text"), pickle.dumps(OptionsPlan())])
def test_an_answer_that_is_none_is_a_refusal(data: bytes) -> None:
    refused = unpack(data)
    assert isinstance(refused, Refusal)
    assert refused.text.startswith("the process that reads the configuration gave an answer that is none")


def test_a_plan_brings_neither_pydantic_nor_strangers_to_who_opens_it(tmp_path: Path) -> None:
    (tmp_path / "threads_strange.py").write_text(THREADED, encoding="utf-8")
    (tmp_path / "plan").write_bytes(pack(plan("worker.class=threads_strange:Threads", "worker.threads=3")))
    code = (
        "import sys; from workerhub import master; from workerhub.plan import Plan, unpack;"
        "assert isinstance(unpack(open('plan', 'rb').read()), Plan);"
        "print([name for name in ('pydantic', 'pydantic_core', 'click', 'threads_strange', 'tempfile') if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert told.stdout == "[]\n"


def develop(tmp_path: Path, *sets: str) -> Plan:
    """The plan of a file with settings for production, while somebody develops."""
    (tmp_path / "server.toml").write_text(
        'app = "a:b"\npython_path = ["lib"]\n[worker]\nprocesses = 8\n[timeouts]\nrequest = "30s"\n', encoding="utf-8"
    )
    (tmp_path / "lib").mkdir()
    overrides = tuple(Override(key, value, "--set") for key, _, value in (text.partition("=") for text in sets))
    return load_plan(Invocation(Path("server.toml"), overrides=overrides, environ={}, dev=True))


def test_dev_is_over_the_file_and_under_the_rest_of_the_command_line(tmp_path: Path) -> None:
    made = develop(tmp_path, "timeouts.request=5s")
    (pool,) = made.pools
    assert (pool.policy.size, pool.policy.request_timeout) == (1, 5.0)
    assert pool.serve.http.show_errors


def test_what_dev_watches(tmp_path: Path) -> None:
    assert develop(tmp_path).watch == Watch((tmp_path / "lib", tmp_path), (tmp_path / "server.toml",))
    assert plan().watch is None
    assert not plan().pools[0].serve.http.show_errors


def test_dev_needs_a_watcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError) as caught:
        develop(tmp_path)
    assert list(map(str, caught.value.problems)) == [
        "--dev: needs watchfiles, to notice changes; pip install 'workerhub[dev]'"
    ]
