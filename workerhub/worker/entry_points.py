"""What the installed distributions announce under one entry-point group.

As `importlib.metadata.entry_points` would tell, without importing that: it brings e-mail, zip files, CSV and sockets along, a quarter of
what a start needs to read its configuration. What remains of it for directories full of distributions is a walk along `sys.path`; the
files are those of the specification "Recording installed projects" and "Entry points" (packaging.python.org). Where a path is no
directory, or somebody else finds distributions too, `importlib.metadata` is asked after all.
"""

# ruff: noqa: PTH113, PTH118, PTH123, PTH208
# A path object for each of some hundred files takes longer than reading them.

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

from workerhub.slotted import dataclass

_INFO = (".dist-info", ".egg-info")
_HEADERS = ("METADATA", "PKG-INFO")


@dataclass(frozen=True, slots=True)
class Announcement:
    """One entry point.

    Attributes:
        name: what it is called.
        target: `module:attribute`, without the extras that some put behind it.
        origin: the distribution and its version (`workerhub 0.1.0`).
    """

    name: str
    target: str
    origin: str


def announced(group: str) -> list[Announcement]:
    """List a group's entry points, in the order of `sys.path`. Of a distribution that is there twice, the first counts."""
    if any(map(_is_unusual, sys.path)) or any(_finds_distributions(finder) for finder in sys.meta_path):
        return list(_announced_to_python(group))
    return [
        Announcement(name, _target(value), f"{_header(info, 'Name')} {_header(info, 'Version')}")
        for info in _distributions()
        for name, value in _points(_read(f"{info}/entry_points.txt"), group)
    ]


def _is_unusual(path: str) -> bool:
    return path.endswith(".egg") or os.path.isfile(path)


def _finds_distributions(finder: object) -> bool:
    """Whether a finder has ways of its own. Python's is the one that walks along `sys.path`."""
    return hasattr(finder, "find_distributions") and finder.__module__ != "_frozen_importlib_external"


def _distributions() -> Iterator[str]:
    """The folder of each distribution's metadata."""
    seen = set()
    for path in sys.path:
        try:
            names = os.listdir(path or ".")
        except OSError:
            continue
        for name in names:
            if name.lower().endswith(_INFO):
                distribution = re.sub(r"[-_.]+", "-", name.rpartition(".")[0].partition("-")[0]).lower()
                if distribution not in seen:
                    seen.add(distribution)
                    yield os.path.join(path, name)


def _points(text: str, group: str) -> Iterator[tuple[str, str]]:
    """Read one section of an INI file."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == group and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()


def _target(value: str) -> str:
    module, _, attribute = value.partition("[")[0].partition(":")
    return f"{module.strip()}:{attribute.strip()}"


def _header(info: str, name: str) -> str:
    """One header of a distribution's metadata."""
    head = next(filter(None, (_read(f"{info}/{file}") for file in _HEADERS)), "").partition("\n\n")[0]
    found = re.search(rf"^{name}:[ \t]*(\S+)", head, re.MULTILINE)
    return found[1] if found else "unknown"


def _read(file: str) -> str:
    """A file's text; empty where there is none."""
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.read()
    except OSError:
        return ""


def _announced_to_python(group: str) -> Iterator[Announcement]:
    from importlib.metadata import entry_points  # noqa: PLC0415  # see the module

    for point in entry_points(group=group):
        origin = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "unknown"
        yield Announcement(point.name, _target(point.value), origin)
