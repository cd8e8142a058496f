"""The options that say which running server: every verb that talks to one takes the same. And finding it.

Most of the time the path of the configuration file says where the socket is, and the file isn't even read: what is in it now may be
anything, a mistake included, and the server runs on with what was in it before. Only when nobody listens there, the file is
asked whether it names another place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from workerhub.kernel.control.client import Connection, UnansweredError, connect
from workerhub.kernel.control.place import (
    SUFFIX,
    PlaceError,
    directories,
    of_any_profile,
    require_private,
    socket_name,
)

Verb = TypeVar("Verb", bound=Callable[..., object])

_SETTING: Final = ("control", "socket")


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Which server is meant, as typed: by its configuration, by its socket, or, with neither, the only one there is.

    Attributes:
        config: the configuration file that it runs with.
        profile: the one that it was started with; empty: none, or the only one that a server runs with.
        path: its control socket.
    """

    config: Path | None
    profile: str
    path: Path | None

    def reach(self) -> Connection:
        """Find it.

        Raises:
            UnansweredError: it isn't found, or several are; says where it was looked for.
        """
        if self.path is not None:
            return _at(self.path)
        if self.config is not None:
            return _with(self.config, self.profile)
        return _only_one()


def takes_server(verb: Verb) -> Verb:
    """Decorate a verb: its first argument becomes the `RunningServer` that the options describe."""

    @functools.wraps(verb)
    def found(config: Path | None, profile: str, control: Path | None, **rest: Any) -> object:
        if config is not None and control is not None:
            raise click.UsageError("Either -c or --socket says which server.")
        return verb(RunningServer(config, profile or "", control), **rest)

    decorated: Any = found
    for option in reversed(
        [
            click.option(
                "-c",
                "--config",
                metavar="FILE",
                type=click.Path(path_type=Path),
                help="The configuration file that the server runs with. Left out: the only server that runs.",
            ),
            click.option(
                "--profile",
                metavar="NAME",
                envvar="WORKERHUB_PROFILE",
                help="The profile that it was started with, if several run with the same file.  [env: WORKERHUB_PROFILE]",
            ),
            click.option(
                "--socket",
                "control",
                metavar="PATH",
                type=click.Path(path_type=Path),
                help="Its control socket.",
            ),
        ]
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click's decorators keep what they are given


def _at(path: Path) -> Connection:
    try:
        return connect(path)
    except UnansweredError as error:
        raise UnansweredError(f"no server answers at {path}: {error}") from error


def _with(config: Path, profile: str) -> Connection:
    """The server that runs with a configuration."""
    tried: list[str] = []
    usable = _usable(tried)
    exact = _answering([directory / socket_name(config, profile) for directory in usable], tried)
    if exact:
        return exact[0]
    if not profile:
        others = _answering([path for directory in usable for path in of_any_profile(directory, config)], tried)
        if others:
            return _choose(others, f"several servers run with {config}; say which by --profile or --socket")
    if (path := _configured(config, profile)) is not None and (there := _answering([path], tried)):
        return there[0]
    if not config.exists():
        tried.append(f"{config}: there is no such file")
    raise UnansweredError("\n".join([f"no server that runs with {config} answers", *(f"  {line}" for line in tried)]))


def _only_one() -> Connection:
    """The only server that runs for this user in a directory of theirs."""
    tried: list[str] = []
    usable = _usable(tried)
    found = _answering([path for directory in usable for path in sorted(directory.glob(f"*{SUFFIX}"))], tried)
    if not found:
        where = ", ".join(map(str, usable or directories()))
        raise UnansweredError("\n".join([f"no server answers in {where}", *(f"  {line}" for line in tried)]))
    return _choose(found, "several servers are running; say which by -c FILE or --socket")


def _choose(found: list[Connection], otherwise: str) -> Connection:
    """The only one.

    Raises:
        UnansweredError: there are others.
    """
    if len(found) == 1:
        return found[0]
    for connection in found:
        connection.sock.close()
    lines = [f"  {connection.path}" + (f" (pid {connection.pid})" if connection.pid else "") for connection in found]
    raise UnansweredError("\n".join([f"{otherwise}:", *lines]))


def _usable(tried: list[str]) -> list[Path]:
    """The directories that a socket can be trusted in; why others can't goes to the list."""
    usable = []
    for directory in directories():
        try:
            require_private(directory)
        except PlaceError as error:
            if directory.exists():
                tried.append(str(error))
        else:
            usable.append(directory)
    return usable


def _answering(paths: list[Path], tried: list[str]) -> list[Connection]:
    """Those at which somebody answers; why the others don't goes to the list."""
    found = []
    for path in paths:
        try:
            found.append(connect(path))
        except UnansweredError as error:
            tried.append(f"{path}: {error}")
    return found


def _configured(config: Path, profile: str) -> Path | None:
    """The socket that the configuration names; None where it leaves that to us, and where it can't be read.

    Raises:
        UnansweredError: there is to be none.
    """
    # Heavier than the rest of a verb, and seldom needed.
    from workerhub.config.report import Report  # noqa: PLC0415
    from workerhub.config.sources import Invocation, read_sources  # noqa: PLC0415

    sources = read_sources(Invocation(path=config, profile=profile or None), Report(str(config)))
    said = sources.chosen.value(_SETTING) if sources is not None else None
    if sources is None or not isinstance(said, str) or said == "auto":
        return None
    origin = sources.chosen.origin(_SETTING)
    if said == "off":
        raise UnansweredError(f"control.socket is off ({origin.place}): nobody can ask this server anything")
    return origin.absolute(said)
