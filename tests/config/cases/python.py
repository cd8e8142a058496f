# Imports, functions, classes and names with an underscore are no settings. Everything else is, or is a mistake.
from __future__ import annotations

import os
from os import environ
from pathlib import Path

_cpus = 4
cpus = 4


class Helper: ...


def helper(): ...


app = object()
chdir = Path("/")
pidfile = None
worker = {
    "class": "crowd",
    "size": "big",
}
worker["mode"] = "?"
for number in range(3):
    backlog = -number
if os.name:
    user = environ
else:
    user = "nobody"
