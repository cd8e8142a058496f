"""Precedence and origins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workerhub.config.report import Report
from workerhub.config.sources import Invocation, Sources, read_sources
from workerhub.config.tree import Source
from workerhub.config.words import Override, parse_value

FILES = {
    "base.toml": """
app = "base:app"
backlog = 1
[timeouts]
boot = "1s"
request = "1s"
kill = "1s"
graceful = "1s"
[profiles.live.timeouts]
header = "1s"
""",
    "server.toml": """extends = "base.toml"
[timeouts]
request = "2s"
kill = "2s"
graceful = "2s"
header = "2s"
[profiles.live.timeouts]
kill = "3s"
graceful = "3s"
""",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path: str | None, environ: dict[str, str] | None = None, **more: Any) -> Sources:
    report = Report("")
    sources = read_sources(Invocation(Path(path) if path else None, environ=environ or {}, **more), report)
    assert report.problems() == ()
    assert sources is not None
    return sources


def said(sources: Sources, dotted: str) -> tuple[Any, str]:
    key = tuple(dotted.split("."))
    return sources.chosen.value(key), sources.chosen.origin(key).place


def test_later_wins_key_by_key(place: Path) -> None:
    sources = read(
        "server.toml",
        {"WORKERHUB_TIMEOUTS__GRACEFUL": "4s", "WORKERHUB_TIMEOUTS__HEADER": "4s", "WORKERHUB_PROFILE": "live"},
        overrides=(Override("timeouts.header", "5s", "--set"),),
    )
    assert said(sources, "app") == ("base:app", "base.toml:2")
    assert said(sources, "timeouts.boot") == ("1s", "base.toml:5")
    assert said(sources, "timeouts.request") == ("2s", "server.toml:3")
    assert said(sources, "timeouts.kill") == ("3s", "server.toml:8")
    assert said(sources, "timeouts.graceful") == ("4s", "WORKERHUB_TIMEOUTS__GRACEFUL")
    assert said(sources, "timeouts.header") == ("5s", "--set")
    assert said(sources, "timeouts.write") == (None, "--set")  # the table around it
    assert said(sources, "name") == (None, "default")


def test_a_profile_of_the_base_applies_too(place: Path) -> None:
    assert said(read("server.toml", profile="live"), "timeouts.header") == ("1s", "base.toml:10")


def test_the_profile_on_the_command_line_beats_the_variable(place: Path) -> None:
    sources = read("server.toml", {"WORKERHUB_PROFILE": "nonsense"}, profile="live")
    assert said(sources, "timeouts.kill")[0] == "3s"


def test_no_profile_no_change(place: Path) -> None:
    assert said(read("server.toml", {"WORKERHUB_PROFILE": ""}), "timeouts.kill") == ("2s", "server.toml:4")


def test_what_is_about_files_is_no_setting(place: Path) -> None:
    sources = read("server.toml")
    assert "extends" not in sources.chosen.tree
    assert "profiles" not in sources.chosen.tree


def test_a_path_knows_its_directory(place: Path) -> None:
    (place / "conf").mkdir()
    (place / "conf" / "a.toml").write_text('extends = "../base.toml"\npidfile = "a.pid"', encoding="utf-8")
    sources = read("conf/a.toml", {"WORKERHUB_CHDIR": "x"})
    assert sources.chosen.origin(("pidfile",)).directory == place / "conf"
    assert sources.chosen.origin(("app",)).directory == place
    assert sources.chosen.origin(("chdir",)).directory == place
    assert sources.chosen.origin(("app",)).place == "base.toml:2"


def test_the_application_on_the_command_line(place: Path) -> None:
    sources = read("server.toml", {"WORKERHUB_APP": "environment:app"}, app="typed:app")
    assert said(sources, "app") == ("typed:app", "the command line")


def test_an_empty_table_takes_nothing_away(place: Path) -> None:
    (place / "empty.toml").write_text('extends = "base.toml"\n[timeouts]\n', encoding="utf-8")
    assert said(read("empty.toml"), "timeouts.boot") == ("1s", "base.toml:5")


def test_lists_are_replaced(place: Path) -> None:
    (place / "list.toml").write_text('app = "a"\nbind = [":1", ":2"]', encoding="utf-8")
    sources = read("list.toml", overrides=(Override("bind", ":3", "-b"),))
    assert said(sources, "bind") == (":3", "-b")


def test_names_inside_env_keep_their_case(place: Path) -> None:
    sources = read(None, {"WORKERHUB_ENV__DJANGO_SETTINGS_MODULE": "a.b", "WORKERHUB_LOG__LEVEL": "info"}, app="a")
    assert said(sources, "env.DJANGO_SETTINGS_MODULE") == ("a.b", "WORKERHUB_ENV__DJANGO_SETTINGS_MODULE")
    assert said(sources, "log.level") == ("info", "WORKERHUB_LOG__LEVEL")


def test_a_whole_table_from_the_environment(place: Path) -> None:
    environ = {"WORKERHUB_WORKER": '{ class = "sync", processes = 3 }', "WORKERHUB_WORKER__PROCESSES": "4"}
    sources = read(None, environ, app="a")
    assert sources.chosen.tree["worker"] == {"class": "sync", "processes": 4}


def test_what_kubernetes_says_about_a_service_is_not_ours(place: Path) -> None:
    environ = {"WORKERHUB_SERVICE_HOST": "10.0.0.1", "WORKERHUB_PORT": "tcp://10.0.0.1", "WORKERHUB_PORT_80_TCP": "x"}
    assert read(None, environ, app="a").chosen.tree == {"app": "a"}


def test_python_and_toml_make_the_same_tree(place: Path) -> None:
    (place / "a.py").write_text(
        "from datetime import timedelta\nfrom pathlib import Path\n"
        "app = 'base:app'\nbind = (':1',)\nchdir = Path('/tmp')\ntimeouts = {'boot': timedelta(minutes=1)}\n",
        encoding="utf-8",
    )
    (place / "a.toml").write_text(
        'app = "base:app"\nbind = [":1"]\nchdir = "/tmp"\ntimeouts.boot = 60.0', encoding="utf-8"
    )
    assert read("a.py").chosen.tree == read("a.toml").chosen.tree


def test_a_python_file_may_import_a_setting(place: Path) -> None:
    (place / "b.py").write_text(
        "import math as backlog_math\nfrom os import sep as name\napp = 'a'\n", encoding="utf-8"
    )
    assert read("b.py").chosen.tree == {"name": "/", "app": "a"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("true", True),
        ('["a", "b"]', ["a", "b"]),
        ("127.0.0.1:8000", "127.0.0.1:8000"),
        ("30s", "30s"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
        ("nan", "nan"),
        ("2024-01-01", "2024-01-01"),
        ('"4"', "4"),
        ("0o27", 23),
    ],
)
def test_words_become_values(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_sources_are_named() -> None:
    assert [source.value for source in Source] == ["default", "file", "environment", "command line"]
