"""What can go wrong, by name. Imports next to nothing of workerhub, so that everything may import it."""

from __future__ import annotations

from workerhub.slotted import dataclass


class WorkerhubError(Exception):
    """The base of every error that workerhub raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration, as the operator reads it.

    Attributes:
        place: where it stands: `server.toml:7`, `server.toml:7:12` (syntax), `WORKERHUB_BACKLOG`, `--set`.
        key: the dotted name of the setting, or empty where no single setting is to blame.
        message: what is wrong, what was given, what is allowed, and what to type next.
    """

    place: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.message) if part)


class ConfigError(WorkerhubError):
    """The configuration can't be used. Carries every problem that was found, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...], source: str) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        self.source = source
        """The name of the file (or "the command line") that the problems are counted for."""


class BindError(WorkerhubError):
    """A listener can't be opened.

    Attributes:
        address: the address as written in the configuration.
        reason: the system's answer, in words.
        holder: who holds the address, where the system tells ("pid 4711 (nginx)"), else empty.
    """

    def __init__(self, address: str, reason: str, holder: str = "") -> None:
        super().__init__(f"can't listen on {address}: {reason}" + (f" (held by {holder})" if holder else ""))
        self.address = address
        self.reason = reason
        self.holder = holder


class ContractError(WorkerhubError):
    """A worker class doesn't keep the contract, or can't run here. Carries every defect."""

    def __init__(self, name: str, defects: tuple[str, ...]) -> None:
        super().__init__(f"worker class {name!r}: " + "; ".join(defects))
        self.name = name
        self.defects = defects


class ClientDisconnected(WorkerhubError):  # noqa: N818  # a fact about the peer, not a failure of ours
    """The client went away, or read so slowly that its connection was cut, before the response was complete."""


class RequestTimeout(BaseException):  # named after the HTTP condition; a BaseException, see below
    """Raised inside a request that outlived `timeouts.request`.

    A `BaseException`, as `SystemExit` and `gevent.Timeout` are: frameworks turn every `Exception` into an error page and
    would go on. An application may catch it to clean up and should raise it again.
    """
