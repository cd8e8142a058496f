"""Gathers all that was said, in order of precedence, into one tree that knows where each value comes from.

Later wins: defaults (the models' business), the file that `extends` names, the file, the chosen profile, the
environment, the command line.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workerhub.config.dev import dev_layer
from workerhub.config.english import nearest, show
from workerhub.config.python_file import read_python
from workerhub.config.report import COMMAND_LINE, Report
from workerhub.config.toml_file import Document, UnreadableError, read_toml
from workerhub.config.tree import Layer, Origin, Source
from workerhub.config.words import PROFILE_VARIABLE, Override, command_line_layer, environment_layer
from workerhub.slotted import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT_POSITION, DEV_POSITION, COMMAND_LINE_POSITION = (
    1_000_000,
    1_000_001,
    1_000_002,
)  # behind any number of files


@dataclass(frozen=True, slots=True)
class Invocation:
    """What somebody typed, and where.

    Attributes:
        path: the configuration file, as typed; None where there is none.
        app: the application, as typed; overrides the file's.
        profile: the profile's name, as typed.
        overrides: settings from the command line, in order.
        environ: the process environment.
        dev: somebody is changing the code.
    """

    path: Path | None = None
    app: str | None = None
    profile: str | None = None
    overrides: tuple[Override, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    dev: bool = False

    @property
    def chosen_profile(self) -> str:
        """The profile that was asked for, wherever; empty for none."""
        return self.profile if self.profile is not None else self.environ.get(PROFILE_VARIABLE, "")

    @property
    def title(self) -> str:
        """What problems are counted for, and what the log calls the configuration: the file, or "the command line"."""
        return str(self.path) if self.path is not None else COMMAND_LINE


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that was said.

    Attributes:
        chosen: all sources that are in force, laid over each other.
        others: for each profile that wasn't chosen, what would be in force with it, and the profile alone.
        missing: the place to blame where something was not said at all.
    """

    chosen: Layer
    others: tuple[tuple[Layer, Layer], ...]
    missing: Origin


def read_sources(invocation: Invocation, report: Report) -> Sources | None:
    """Read every source. Problems go to the report; None where a source could not be read, and judging the rest would mislead."""
    here = Path.cwd()
    missing = Origin(Source.FILE if invocation.path else Source.COMMAND_LINE, invocation.title, here)
    file = Layer() if invocation.path is None else _read_files(invocation.path, report)
    if file is None:
        return None
    words = _words(invocation, here)
    profiles = _profiles(file, report)
    for meta in [key for key in file.origins if key[0] in {"profiles", "extends"}]:
        del file.origins[meta]
    for meta_name in ("profiles", "extends"):
        file.tree.pop(meta_name, None)
    name = _chosen_profile(invocation, profiles, here, report)
    chosen = words.over(profiles.get(name, Layer()).over(file))
    others = tuple((profile.over(file), profile) for other, profile in profiles.items() if other != name)
    return Sources(chosen, others, missing)


def _words(invocation: Invocation, here: Path) -> Layer:
    environment = environment_layer(invocation.environ, here, ENVIRONMENT_POSITION)
    command_line = command_line_layer(invocation.overrides, here, COMMAND_LINE_POSITION)
    if invocation.app is not None:
        origin = Origin(Source.COMMAND_LINE, COMMAND_LINE, here, (COMMAND_LINE_POSITION, 0))
        command_line.put(("app",), invocation.app, origin)
    return command_line.over(dev_layer(here, DEV_POSITION).over(environment) if invocation.dev else environment)


def _read_files(path: Path, report: Report, above: tuple[Path, ...] = ()) -> Layer | None:
    """Read a file and, before it, the one that it extends."""
    origin = Origin(Source.FILE, str(path), path.absolute().parent)
    try:
        document = _read(path)
    except UnreadableError as error:
        place = ":".join(map(str, filter(None, (path, error.line, error.line and error.column))))
        report.add(Origin(Source.FILE, place, origin.directory, (0, error.line)), (), error.message)
        return None
    chain = (*above, path)
    base = Layer()
    if "extends" in document.tree:
        found = _read_base(document, path, chain, report)
        if found is None:
            return None
        base = found
    number = 1 + max((origin.position[0] for origin in base.origins.values()), default=0)
    origins = {
        key: Origin(Source.FILE, f"{path}:{line}", origin.directory, (number, line))
        for key, line in document.lines.items()
    }
    return Layer(document.tree, origins).over(base)


def _read_base(document: Document, path: Path, chain: tuple[Path, ...], report: Report) -> Layer | None:
    line = document.lines.get(("extends",), 0)
    origin = Origin(Source.FILE, f"{path}:{line}", path.absolute().parent, (0, line))
    named = document.tree["extends"]
    if not isinstance(named, str) or not named:
        report.add(origin, ("extends",), f"expected the path of another configuration file, got {show(named)}")
        return None
    base = Path(os.path.normpath(path.parent / named))
    if any(base.resolve() == known.resolve() for known in chain):
        circle = " extends ".join(map(str, (*chain, base)))
        report.add(origin, ("extends",), f"goes in a circle: {circle}")
        return None
    if not base.is_file():
        report.add(origin, ("extends",), f"no such file: {base} (relative to the file that extends it)")
        return None
    return _read_files(base, report, chain)


def _read(path: Path) -> Document:
    """Read one file of either language.

    Raises:
        UnreadableError: it can't be read or understood.
    """
    if path.suffix not in {".toml", ".py"}:
        raise UnreadableError(f'expected a file that ends in .toml or .py, got "{path.name}"')
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"can't be read: {error.strerror}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError("not UTF-8 text", raw.count(b"\n", 0, error.start) + 1) from None
    return read_toml(text) if path.suffix == ".toml" else read_python(text, path.absolute())


def _profiles(file: Layer, report: Report) -> dict[str, Layer]:
    tables = file.tree.get("profiles", {})
    if not isinstance(tables, dict):
        report.add(file.origin(("profiles",)), ("profiles",), f"expected a table of profiles, got {show(tables)}")
        return {}
    profiles = {}
    for name, table in tables.items():
        if isinstance(table, dict):
            profiles[name] = file.table(("profiles", name))
        else:
            key = ("profiles", name)
            report.add(file.origin(key), key, f"expected a table [profiles.{name}], got {show(table)}")
    return profiles


def _chosen_profile(invocation: Invocation, profiles: dict[str, Layer], here: Path, report: Report) -> str:
    """The name of the profile in force; empty for none."""
    place, source = "--profile", Source.COMMAND_LINE
    if invocation.profile is None:
        place, source = PROFILE_VARIABLE, Source.ENVIRONMENT
    name = invocation.chosen_profile
    if name and name not in profiles:
        close = nearest(name, profiles)
        hint = f'; did you mean "{close}"?' if close else ""
        known = ", ".join(sorted(profiles)) or "none"
        position = (COMMAND_LINE_POSITION if source is Source.COMMAND_LINE else ENVIRONMENT_POSITION, 0)
        report.add(
            Origin(source, place, here, position),
            (),
            f'no profile called "{name}"{hint} (in {invocation.title}: {known})',
        )
    return name
