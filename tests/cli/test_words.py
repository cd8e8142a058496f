"""A command line that is read without click is read as click would."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerhub import planning
from workerhub.cli.command import plan
from workerhub.cli.words import CONFIG, FLAGGED, PROFILE, SET, plain
from workerhub.config.dev import FLAG
from workerhub.plan import Plan
from workerhub.planning import Invocation, Override

OPTIONS = [*CONFIG, *PROFILE, *SET, FLAG, *(name for setting in FLAGGED for name in setting.flags)]
VALUES = [
    "server.toml",
    "a.b:c",
    "4",
    ":8000",
    "env.A=b = c",
    "worker.processes=2",
    "app=x",
    "x",
    "check",
    "serve",
    " ",
    "=1",
]
STRANGE = ["", "-", "--", "-h", "--help", "-w4", "--config=x", "--conf", "-cx", "-1", "--version", "--no-such"]


class _Read(Exception):  # noqa: N818  # ends click's run where planning would begin
    """What click has made of it."""


def as_click_reads(args: list[str]) -> Invocation | None:
    """None where click has something else to say."""

    def read(invocation: Invocation) -> Plan:
        raise _Read(invocation)

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(planning, "load_plan", read)
        try:
            plan(args, "")
        except _Read as done:
            found: Invocation = done.args[0]
            return found
    return None


@given(st.lists(st.one_of(*map(st.sampled_from, (OPTIONS, VALUES, VALUES, STRANGE))), max_size=6))
def test_what_is_plain_is_read_as_click_reads_it(args: list[str]) -> None:
    read = plain(args)
    assert read is None or read == as_click_reads(args)


@pytest.mark.parametrize(
    "args",
    [
        ["-c", "server.toml"],
        ["serve", "-c", "server.toml", "--profile", "live"],
        ["mysite.wsgi:application", "-b", ":8000", "-w", "4", "-k", "threaded", "--set", "worker.threads=8"],
        ["--bind", ":1", "-b", ":2", "-w", "1", "-w", "2", "a", "--dev"],
        ["serve", "-c", "x.toml", "-c", "y.py"],
    ],
)
def test_what_servers_are_started_with_is_plain(args: list[str]) -> None:
    assert plain(args) == as_click_reads(args) is not None


@pytest.mark.parametrize(
    "args",
    [
        *(
            [],
            ["-h"],
            ["a", "--help"],
            ["a", "b"],
            ["server.toml"],
            ["-c"],
            ["a", "-w"],
            ["a", "-w4"],
            ["a", "--set", "x"],
        ),
        *(
            ["--config=x"],
            ["a", "--", "b"],
            ["-c", "x", "check"],
            ["serve", "check"],
            ["a", "-w", ""],
            ["-w", "4"],
            ["-b", "-b"],
        ),
    ],
)
def test_what_is_not_plain_is_left_to_click(args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert plain(args) is None


def test_the_words_arrive() -> None:
    read = plain(["a:b", "-b", ":1", "--bind", ":2", "-w", "4", "--set", "worker.threads = 8", "--profile", "x"])
    assert read is not None
    assert (read.path, read.app, read.profile, read.dev) == (None, "a:b", "x", False)
    assert read.overrides == (
        Override("bind", '[":1", ":2"]', "-b"),
        Override("worker.processes", "4", "-w"),
        Override("worker.threads", "8", "--set"),
    )
