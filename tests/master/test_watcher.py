"""Which changes matter, and how they read."""

from __future__ import annotations

from pathlib import Path

import pytest

from workerhub.master.watcher import is_source, name_changes
from workerhub.plan import Watch

SITE = Path("/srv/.sites/shop")
WATCH = Watch((SITE, Path("/srv/lib")), (Path("/etc/shop/server.toml"), SITE / "base.toml"))


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        (SITE / "shop.py", True),
        (SITE / "views" / "cart.py", True),
        (SITE / "base.toml", True),
        (SITE / "other.toml", False),
        (SITE / "shop.pyc", False),
        (SITE / "db.sqlite3", False),
        (SITE / ".git" / "hooks" / "check.py", False),
        (SITE / ".venv" / "lib" / "python3.13" / "site-packages" / "six.py", False),
        (SITE / "venv" / "lib" / "python3.13" / "site-packages" / "six.py", False),
        (SITE / "__pycache__" / "shop.py", False),
        (SITE / "node_modules" / "gyp" / "gyp.py", False),
        (SITE / ".#shop.py", False),
        (Path("/srv/lib/tools.py"), True),
        (Path("/etc/shop/server.toml"), True),
        (Path("/etc/shop/hook.py"), False),
    ],
    ids=str,
)
def test_what_matters(path: Path, *, matters: bool) -> None:
    assert is_source(path, WATCH) is matters


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["shop.py"], "shop.py"),
        (["b/views.py", "a/shop.py"], "shop.py, views.py"),
        (["d.py", "c.py", "b.py", "a.py", "e.py"], "a.py, b.py, c.py and 2 more"),
    ],
)
def test_in_words(names: list[str], words: str) -> None:
    assert name_changes(map(Path, names)) == words
