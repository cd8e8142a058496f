"""A `Plan`: everything that is decided before any fork, and what a reload compares.

Data only. Plans are made by `workerhub.planning`, in a process of its own, and arrive in the master pickled; so nothing here, and nothing
that a plan holds, needs pydantic, the configuration's models or a worker class.
"""

from __future__ import annotations

import importlib
import json
import pickle
import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from workerhub.config.addresses import BindAddress
from workerhub.slotted import dataclass
from workerhub.supervisor.exits import ServerExit
from workerhub.supervisor.policy import PoolPolicy
from workerhub.worker import OptionValues, ServeSettings, WorkerType

PLANNING_TIMEOUT: Final = 60.0
"""Seconds that a configuration may take to be read: one that is written in Python may ask others for its secrets. As `timeouts.boot`."""


@dataclass(frozen=True, slots=True)
class AppReference:
    """Where the WSGI application is: `attribute` of `module`, or what it returns when called, if `is_factory`."""

    module: str
    attribute: str
    is_factory: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}{'()' if self.is_factory else ''}"

    @classmethod
    def parse(cls, text: str) -> AppReference:
        """Read `module:callable`, `module:factory()` or `module`; the configuration has checked that it is one of them."""
        module, _, attribute = text.partition(":")
        return cls(module, attribute.removesuffix("()") or "application", attribute.endswith("()"))


@dataclass(frozen=True, slots=True)
class WorkerReference:
    """Where a worker class is, and what it is called.

    Attributes:
        name: by which the configuration chose it.
        module: dotted name of its module.
        qualname: its name in there; dots lead further in.
        own: it is workerhub's own, so that the master may import its module before it forks, to be shared by all workers. Nobody
            else's code is imported there.
    """

    name: str
    module: str
    qualname: str
    own: bool = False

    def load(self) -> WorkerType:
        """Import the class. In a worker.

        Raises:
            Exception: whatever its module raises; it was fine when the plan was made.
        """
        found: Any = importlib.import_module(self.module)
        for step in self.qualname.split("."):
            found = getattr(found, step)
        return found  # type: ignore[no-any-return]  # the plan's maker has held it against the contract


@dataclass(frozen=True, slots=True)
class OptionsPlan:
    """A worker class's own options, on their way from where they were validated to a worker.

    Attributes:
        written: what the `[worker]` table says, as JSON.
        values: the validated values, pickled, of a class that declares its model lazily; None for one that declares it plainly. Pickled
            once more than the plan, so that what a plug-in's types bring along is imported by its workers only.
    """

    written: str = "{}"
    values: bytes | None = None

    def open(self, cls: WorkerType) -> Any:
        """What the class is made with: its model's instance, or the values alone. In a worker."""
        if self.values is not None:
            return OptionValues(pickle.loads(self.values))  # noqa: S301  # our own
        return cls.Options.model_validate_json(self.written, strict=True)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a worker is before its application is imported. Paths are absolute; None is "as the master"."""

    user: str | int | None
    group: str | int | None
    umask: int | None
    chdir: Path | None
    python_path: tuple[Path, ...]
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """One pool: what it runs, how, and by which rules.

    Attributes:
        name: the pool's name.
        policy: the numbers for the supervisor.
        worker: the worker class.
        options: its own options.
        capacity: how many requests one process runs at once.
        app: the application.
        serve: what the worker class is told about serving.
        identity: user, directory and environment of its workers.
        hooks: event name to dotted name, for the hooks that are set.
        bind: what it listens on.
    """

    name: str
    policy: PoolPolicy
    worker: WorkerReference
    options: OptionsPlan
    capacity: int
    app: AppReference
    serve: ServeSettings
    identity: Identity
    hooks: Mapping[str, str]
    bind: tuple[BindAddress, ...]

    @property
    def scheme(self) -> str:
        """How URLs of its addresses begin."""
        return "http" if self.serve.tls is None else "https"


@dataclass(frozen=True, slots=True)
class LogPlan:
    """The `log` table, paths absolute. `file` is `-` for standard error; `access` is None for off, `-` for standard output."""

    level: Literal["debug", "info", "warning", "error"]
    format: Literal["text", "json"]
    file: str
    access: str | None
    access_format: str


class Setting(NamedTuple):
    """A setting as it takes effect. `value` as JSON, `null` where it isn't set; `place` is where that was said, or "default"."""

    value: str
    place: str


class Effect(Enum):
    """When a changed setting takes effect. The value is what a reader sees."""

    LIVE = "at the reload"
    """The master changes its ways; nobody is replaced for it."""
    WORKERS = "with the new workers"
    KEPT = "not before a restart"
    """A running server keeps it."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a reload would do to a setting. `None`: it is an option that a class doesn't have."""

    key: str
    old: Setting | None
    new: Setting | None
    effect: Effect

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        said = self.new or self.old
        return {
            "key": self.key,
            "old": None if self.old is None else json.loads(self.old.value),
            "new": None if self.new is None else json.loads(self.new.value),
            "place": "" if said is None else said.place,
            "effect": self.effect.value,
        }


@dataclass(frozen=True, slots=True)
class ControlPlan:
    """Where the control verbs find a server.

    Attributes:
        path: as configured, absolute; None: in a private directory of the user.
        name: what the socket is called in there; None where there is no file to name it after.
    """

    path: Path | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Watch:
    """What somebody who develops may change. Paths are absolute.

    Attributes:
        directories: workers import from these, and from what is below them.
        files: those of the configuration.
    """

    directories: tuple[Path, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole server.

    Attributes:
        pools: one for each pool.
        bind: all addresses, paths absolute.
        backlog: for listen(2).
        pidfile: absolute, or None.
        name: what process titles begin with.
        log: where the logs go.
        control: how to reach it; None: not at all.
        title: what the configuration is called in logs and reports: the file's name as typed, or "the command line".
        kept: settings that a running server keeps, whatever a reload says, by their dotted names.
        watch: reload when something in there changes; None: nobody develops here.
        settings: all of them by their dotted names, as they are written, to tell what a reload would change.
        notes: what is no mistake and has to be known: a sentence each.
    """

    pools: tuple[PoolPlan, ...]
    bind: tuple[BindAddress, ...]
    backlog: int
    pidfile: Path | None
    name: str
    log: LogPlan
    control: ControlPlan | None
    title: str
    kept: Mapping[str, str | int | None]
    settings: Mapping[str, Setting]
    watch: Watch | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no plan.

    Attributes:
        code: how a server that was to start with it exits. 0 where no server was asked for (`--help`).
        text: what the operator reads, for standard error or the log; empty where it was said already.
    """

    code: int
    text: str


Planner: TypeAlias = Callable[[str], Plan | Refusal]
"""Makes a plan, or says why not. Runs the operator's code, so only ever called in a process of its own. The argument says what follows
from a refusal, "; nothing was started", to stand at the end of a report."""


def pack(verdict: Plan | Refusal) -> bytes:
    """Make a planner's verdict fit for a pipe."""
    return pickle.dumps(verdict, pickle.HIGHEST_PROTOCOL)


def unpack(data: bytes) -> Plan | Refusal:
    """What `pack` was given. Anything else, which only an operator's code that writes to our pipe can bring about, is a refusal."""
    try:
        verdict = pickle.loads(data)  # noqa: S301  # written by a child of ours, which runs as the same user
    except Exception as error:  # noqa: BLE001  # pickle raises anything
        verdict = error
    if isinstance(verdict, Plan | Refusal):
        return verdict
    return Refusal(
        ServerExit.USAGE, f"the process that reads the configuration gave an answer that is none: {verdict!r:.200}"
    )


_LIVE: Final = re.compile(
    r"backlog|bind|worker\.processes|timeouts\.(boot|kill|graceful|drain_delay)|recycle\..+|restart\..+|reload\..+|log\..+"
    r"|hooks\.(server_ready|worker_exited|reloaded)"
)
"""Settings that only the master acts on."""


def changes(old: Plan, new: Plan) -> tuple[Change, ...]:
    """Compare two plans, setting by setting, in the order of the reference. Where something was said makes no difference."""
    keys = dict.fromkeys((*new.settings, *old.settings))
    return tuple(
        Change(key, old.settings.get(key), new.settings.get(key), _effect(key, old))
        for key in keys
        if _value(old, key) != _value(new, key)
    )


def _value(plan: Plan, key: str) -> str | None:
    return plan.settings[key].value if key in plan.settings else None


def _effect(key: str, plan: Plan) -> Effect:
    if key in plan.kept:
        return Effect.KEPT
    return Effect.LIVE if _LIVE.fullmatch(key) else Effect.WORKERS


def unchangeable(old: Plan, new: Plan) -> tuple[str, ...]:
    """Name the settings that differ although a running server can't change them."""
    return tuple(setting for setting, value in old.kept.items() if new.kept.get(setting) != value)
