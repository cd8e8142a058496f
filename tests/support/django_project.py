"""The Django project in tests/sites/, told things through its manage.py."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from support.server import SITES

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
    """Write a database that has the tables, and the superuser `admin` with the password `secret`."""
    database.write_bytes(_migrated())
    return database


@cache
def _migrated() -> bytes:
    """Have Django make it once: it takes seconds."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "db.sqlite3"
        manage(file, "migrate", "--verbosity", "0")
        manage(file, "createsuperuser", "--noinput", "--username", "admin", "--email", "admin@example.com")
        return file.read_bytes()
