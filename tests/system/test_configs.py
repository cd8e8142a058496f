"""Every file in configs/ is loaded and served."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from support.django_project import migrated
from support.server import ROOT, SITES, Serve

from workerhub.config.catalogue import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIGS = ROOT / "configs"
FILES = sorted(str(file.relative_to(CONFIGS)) for suffix in ("toml", "py") for file in CONFIGS.rglob(f"*.{suffix}"))
HOMES = {"django.toml": SITES / "django_site", "flask.toml": SITES / "flask_site"}
"""Where the application of a file is, which its user would have started beside."""


def home(file: str) -> tuple[str, ...]:
    """The arguments that let the application be found from anywhere."""
    return ("--set", f"chdir={HOMES[file]}") if file in HOMES else ()


def test_there_are_files() -> None:
    assert {"quickstart.toml", "production.toml", "server.py", "fleet/base.toml"} <= set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_it_is_loaded(check: Callable[..., tuple[int, str]], file: str) -> None:
    assert check("-c", str(CONFIGS / file), *home(file)) == (0, "")


@pytest.mark.parametrize("file", FILES)
def test_it_is_served(serve_default: Serve, file: str, tmp_path: Path) -> None:
    env = {"DJANGO_DATABASE": str(migrated(tmp_path / "db.sqlite3"))} if file == "django.toml" else {}
    server = serve_default(config=CONFIGS / file, arguments=home(file), processes=2, env=env)
    assert server.get().status == 200
    server.wait_log(rf"config {re.escape(str(CONFIGS / file))}")
    assert server.stop() == 0


def test_the_welcome_page_tells_who_answered(serve_default: Serve) -> None:
    server = serve_default(config=CONFIGS / "quickstart.toml", processes=None)
    page = server.get().text
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert facts["Worker"] in {"main/0", "main/1"}
    assert (facts["Class"], facts["Generation"]) == ("sync", "1")
    assert int(facts["Process"]) in server.worker_pids()
    assert int(facts["Master"]) == server.pid
    server.reload()
    assert "<dt>Generation</dt><dd>2</dd>" in server.get().text


def test_production_names_every_setting() -> None:
    """Commented out or not, so that nobody has to look elsewhere for what can be set."""
    text = (CONFIGS / "production.toml").read_text(encoding="utf-8")
    whole = tomllib.loads(re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE))
    named = {"env"} | {
        f"{key}.{inner}" if isinstance(value, dict) else key
        for key, value in whole.items()
        if key != "env"
        for inner in (value if isinstance(value, dict) else ("",))
    }
    assert named == {setting.key for setting in SETTINGS}
