"""The Django project in tests/sites/, told things through its manage.py."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from support.server import SITES

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = SITES / "django_site"


def manage(database: Path, *arguments: str) -> str:
    """Run `manage.py` with that SQLite file; what it said."""
    env = {"DJANGO_DATABASE": str(database), "DJANGO_SUPERUSER_PASSWORD": "secret", "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        (sys.executable, str(PROJECT / "manage.py"), *arguments),
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def migrated(database: Path) -> Path:
    """Make the tables."""
    manage(database, "migrate", "--verbosity", "0")
    return database
