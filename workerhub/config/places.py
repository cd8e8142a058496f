"""Settings that name something on this machine: paths made absolute, and checked to be there; users, parsers.

A relative path in a file is relative to that file, so that a checkout works wherever it lies; in the environment and on
the command line it is relative to where the command was given.
"""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from workerhub.config import machine
from workerhub.config.addresses import LONGEST_UNIX_PATH, BindAddress, UnixAddress
from workerhub.config.english import nearest
from workerhub.config.tree import Key, Layer
from workerhub.config.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from workerhub.config.models import LogConfig, ServerConfig
    from workerhub.config.report import Report

AUTO: Final = "auto"


class Places:
    """The settings of one configuration that this machine has a say in.

    Args:
        config: the settings; with what is wrong left out.
        said: where each was written.
        report: where problems go; what was already complained about is passed over.
    """

    def __init__(self, config: ServerConfig, said: Layer, report: Report) -> None:
        self.config = config
        self.said = said
        self.report = report

    def path(self, key: Key) -> Path | None:
        """One path setting, absolute; None where it isn't set."""
        found: object = self.config
        for name in key:
            found = getattr(found, name)
        return None if found is None else self._absolute(str(found), key)

    def file(self, key: Key) -> Path | None:
        """One path setting, absolute, by what was said of it: also one in a table that has its keys from the operator."""
        said = self.said.value(key)
        return None if said is None else self._absolute(str(said), key)

    def python_path(self) -> tuple[Path, ...]:
        """The directories to search for modules, absolute."""
        return tuple(self._absolute(text, ("python_path",)) for text in self.config.python_path)

    def import_path(self) -> tuple[Path, ...]:
        """Where a worker finds modules before it looks anywhere else."""
        return (*self.python_path(), self.path(("chdir",)) or Path.cwd())

    def control_socket(self) -> Path | Literal["auto", "off"]:
        """The control socket, absolute where a path is given."""
        said = self.config.control.socket
        if said in {None, AUTO}:
            return "off" if said is None else AUTO
        return self._absolute(str(said), ("control", "socket"))

    def bind(self) -> tuple[BindAddress, ...]:
        """The addresses, UNIX paths absolute."""
        return tuple(
            UnixAddress(str(self._absolute(address.path, ("bind",)))) if isinstance(address, UnixAddress) else address
            for address in self.config.bind
        )

    def log(self) -> LogConfig:
        """The log table, paths absolute."""
        log = self.config.log
        return replace(log, file=self._log_path("file", log.file), access=self._log_path("access", log.access))

    def check(self) -> None:
        """Report what isn't there, and settings that contradict each other."""
        for key in (("chdir",), ("python_path",)):
            for path in self.python_path() if key == ("python_path",) else filter(None, [self.path(key)]):
                if not path.is_dir():
                    self.complain(key, f"no such directory: {path}")
        self._check_files()
        self._check_sockets()
        self._check_account(("user",), self.config.user, machine.user_exists, machine.user_names)
        self._check_account(("group",), self.config.group, machine.group_exists, machine.group_names)
        if self.config.http.parser == "httptools" and find_spec("httptools") is None:
            self.complain(("http", "parser"), "httptools is not installed; pip install httptools, or leave it at auto")
        restart = self.config.restart
        if restart.backoff_max < restart.backoff:
            least, most = format_duration(restart.backoff), format_duration(restart.backoff_max)
            if self.said.value(("restart", "backoff_max")) is None:
                self.complain(("restart", "backoff"), f"expected restart.backoff_max, {most}, or less, got {least}")
            else:
                self.complain(("restart", "backoff_max"), f"expected restart.backoff, {least}, or more, got {most}")

    def _check_files(self) -> None:
        log = self.log()
        written = (
            (("pidfile",), self.path(("pidfile",))),
            (("log", "file"), log.file),
            (("log", "access"), log.access),
        )
        for key, target in written:
            if target is None or str(target) == "-":
                continue
            path = Path(target)
            if path.is_dir():
                self.complain(key, f"{path} is a directory; expected a file's name in it")
            elif not path.parent.is_dir():
                self.complain(key, f"no such directory: {path.parent}")

    def _check_sockets(self) -> None:
        for address in self.bind():
            if isinstance(address, UnixAddress):
                self._check_socket(("bind",), Path(address.path))
        control = self.control_socket()
        if isinstance(control, Path):
            self._check_socket(("control", "socket"), control)

    def _check_socket(self, key: Key, path: Path) -> None:
        length = len(os.fsencode(path))
        if length > LONGEST_UNIX_PATH:
            self.complain(key, f"a UNIX socket's path has at most {LONGEST_UNIX_PATH} bytes, {path} has {length}")
        elif not path.parent.is_dir():
            self.complain(key, f"no such directory: {path.parent}")

    def _check_account(
        self, key: Key, name: str | int | None, exists: Callable[[str], bool], names: Callable[[], list[str]]
    ) -> None:
        if isinstance(name, str) and not exists(name):
            close = nearest(name, names())
            self.complain(
                key, f'no such {key[0]} on this machine: "{name}"' + (f'; did you mean "{close}"?' if close else "")
            )

    def complain(self, key: Key, message: str) -> None:
        """Report a problem with a setting, unless one is known."""
        if not self.report.concerns(key):
            self.report.add(self.said.origin(key), key, message)

    def _absolute(self, text: str, key: Key) -> Path:
        return self.said.origin(key).absolute(text)

    def _log_path(self, name: str, target: str | None) -> str | None:
        return target if target in {None, "-"} else str(self._absolute(str(target), ("log", name)))
