"""What a server listens on: the values of `bind`, parsed."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, TypeAlias

from workerhub.slotted import dataclass

HOST_PATTERN: Final = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"

LONGEST_UNIX_PATH: Final = 107
"""Bytes: `sun_path` holds 108 with its closing NUL on Linux (unix(7))."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A TCP address. An empty `host` is every interface, IPv4 and IPv6; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def overlaps(self, other: TcpAddress) -> bool:
        """Whether one of the two is every interface, and the other one of those: a system has only one of them at a time."""
        return self.port == other.port != 0 and (self._includes(other) or other._includes(self))

    def _includes(self, other: TcpAddress) -> bool:
        return self.host in ("", "::" if ":" in other.host else "0.0.0.0")  # compared, not bound


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A UNIX socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class InheritedSocket:
    """A listening socket that whoever started the server left open under this number."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


@dataclass(frozen=True, slots=True)
class SystemdSockets:
    """Sockets that systemd passes by its protocol (`LISTEN_FDS`, sd_listen_fds(3)): all, or those of one `name`."""

    name: str = ""

    def __str__(self) -> str:
        return f"systemd:{self.name}" if self.name else "systemd"


BindAddress: TypeAlias = TcpAddress | UnixAddress | InheritedSocket | SystemdSockets


def parse_address(value: object) -> BindAddress:
    """Read one value of `bind`.

    Raises:
        ValueError: it is none of the forms; the text is a hint for the operator, or empty.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f'did you mean ":{value}"?')  # noqa: TRY004  # pydantic wants a ValueError
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004  # as above
    if value == "systemd":
        return SystemdSockets()
    if value.startswith("systemd:"):
        return _systemd(value.removeprefix("systemd:"))
    if value.startswith("unix:"):
        return _unix(value.removeprefix("unix:"))
    if value.startswith("fd://"):
        return _inherited(value.removeprefix("fd://"))
    return _tcp(value)


def _unix(path: str) -> UnixAddress:
    if path.startswith("//"):  # unix:///run/app.sock, as a URL has it
        path = path.removeprefix("//")
    if not path or "\0" in path:
        raise ValueError("the path after unix: is missing" if not path else "a path can't hold a NUL")
    return UnixAddress(path)


def _systemd(name: str) -> SystemdSockets:
    if not re.fullmatch(r"[!-9;-~]{1,255}", name):  # what systemd allows: printable, no colon
        raise ValueError("the socket's FileDescriptorName= has to follow systemd:")
    return SystemdSockets(name)


def _inherited(number: str) -> InheritedSocket:
    if not re.fullmatch(r"[0-9]{1,6}", number):
        raise ValueError("a file descriptor number has to follow fd://")
    if int(number) < 3:
        raise ValueError("0, 1 and 2 are standard input, output and error")
    return InheritedSocket(int(number))


_TCP_HINTS: Final = {
    r"[a-z]+://.*": "an address has no scheme; TLS has a table of its own",
    r"[0-9]{1,5}": 'did you mean ":{0}"?',
    r"\*:(.*)": 'every interface is written ":{1}"',
    r"\.?/.*": 'did you mean "unix:{0}"?',
    r"[^\[]*:[^\[]*:[^\[]*": "an IPv6 address stands in brackets: [::1]:8000",
    r"\[[^\]]*": "the bracket isn't closed",
    r".*:[A-Za-z]+": "a port is a number",
    rf"{HOST_PATTERN}|\[[0-9A-Fa-f:.]+\]": 'the port is missing; did you mean "{0}:8000"?',
}
"""What people write that is no address, and what to tell them; the first that matches."""


def _tcp(text: str) -> TcpAddress:
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]:([0-9]+)", text, re.ASCII)
    plain = re.fullmatch(rf"({HOST_PATTERN})?:([0-9]+)", text)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif plain:
        host, port = plain[1] or "", plain[3]
    else:
        raise ValueError(_tcp_hint(text))
    if len(port) > 5 or int(port) > 65535:
        raise ValueError("a port is 65535 or less")
    if bracketed or re.fullmatch(r"[0-9.]+", host):
        _check_numeric(host)
    return TcpAddress(host, int(port))


def _check_numeric(host: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise ValueError(f"{host} is no IP address") from error


def _tcp_hint(text: str) -> str:
    """Say what the writer probably meant; empty where there is no telling."""
    for pattern, hint in _TCP_HINTS.items():
        if match := re.fullmatch(pattern, text):
            return hint.format(text, *match.groups())
    return ""
