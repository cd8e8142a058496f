"""Config and registry become a `Plan`.

This imports pydantic, runs a configuration that is written in Python, and imports the worker class: so it happens in processes that end
with it (a verb of the command line; a child of the master), never in the master.
"""

from __future__ import annotations

import json
import pickle
import sys
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from workerhub.certificates import Certificates
from workerhub.config.dev import FLAG
from workerhub.config.effective import Shown, effective
from workerhub.config.english import nearest
from workerhub.config.kinds import Share
from workerhub.config.machine import usable_cpus
from workerhub.config.places import Places
from workerhub.config.report import Report, render, spelt
from workerhub.config.sources import Invocation, Sources, read_sources
from workerhub.config.tree import DEFAULT, Key, Layer, Origin, Source
from workerhub.config.validate import own_options, validate, validate_options
from workerhub.config.words import Override
from workerhub.errors import ConfigError, ContractError
from workerhub.http import HttpSettings
from workerhub.kernel.control.place import socket_name
from workerhub.kernel.orphans import adoption_is_possible
from workerhub.plan import (
    AppReference,
    ControlPlan,
    Identity,
    LogPlan,
    OptionsPlan,
    Plan,
    PoolPlan,
    Refusal,
    Setting,
    Watch,
    WorkerReference,
)
from workerhub.slotted import dataclass
from workerhub.supervisor.exits import ServerExit
from workerhub.supervisor.policy import PoolPolicy
from workerhub.worker import (
    OptionValues,
    ServeSettings,
    UnknownWorkerError,
    WorkerClass,
    available,
    capacity_defects,
    find,
)
from workerhub.worker.lazy import declared_lazily, declares_none

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerhub.config.models import ServerConfig
    from workerhub.worker import TlsSettings, WorkerOptions

    Options: TypeAlias = WorkerOptions | OptionValues

__all__ = ["Configuration", "Invocation", "Override", "load_configuration", "load_plan"]

MAIN_POOL = "main"
"""What the pool of a flat configuration is called."""

UNCHANGEABLE: tuple[Key, ...] = (("user",), ("group",), ("pidfile",), ("control", "socket"))
"""Settings that a running server keeps, whatever a reload says."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration that was read, judged and planned.

    Attributes:
        config: the validated settings, as written.
        sources: what was said about each setting, and where.
        options: the worker class's own options, an instance of its model; of a class that has none, no values.
        plan: what follows from it all.
    """

    config: ServerConfig
    sources: Layer
    options: Options
    plan: Plan

    def effective(self) -> list[Shown]:
        """Every setting as it takes effect."""
        return _effective(self.sources, self.options)


def plan_or_refuse(invocation: Invocation, consequence: str) -> Plan | Refusal:
    """Make the plan for a server, or say why there is none: a report of every problem, with `consequence` at its end."""
    try:
        return load_plan(invocation)
    except ConfigError as error:
        return Refusal(ServerExit.USAGE, render(error, consequence))


def load_plan(invocation: Invocation) -> Plan:
    """Read and judge a whole configuration, for who only wants to serve it.

    Raises:
        ConfigError: see `load_configuration`.
    """
    return load_configuration(invocation).plan


def load_configuration(invocation: Invocation) -> Configuration:
    """Read and judge a whole configuration, and find its worker class.

    Raises:
        ConfigError: it can't be used. Carries every problem, of the configuration, of the worker class and its options, and of
            this machine.
    """
    report = Report(invocation.title)
    sources = read_sources(invocation, report)
    config = validate(sources, report) if sources is not None else None
    if sources is None or config is None:
        raise ConfigError(report.problems(), report.title)
    places = Places(config, sources.chosen, report)
    places.check()
    certificates = Certificates(places)
    if invocation.dev and find_spec("watchfiles") is None:
        origin = Origin(Source.COMMAND_LINE, FLAG, Path.cwd())
        report.add(origin, (), "needs watchfiles, to notice changes; pip install 'workerhub[dev]'")
    worker = _worker_class(config, sources, places, report)
    if worker is not None and config.tls.certificate is not None and not worker.cls.speaks_tls:
        places.complain(("tls", "certificate"), f"worker class {worker.name} doesn't speak TLS")
    if worker is not None:
        _check_honoured(config, worker, places)
    options = _options(worker, sources, report)
    capacity = _capacity(worker, options, sources, report)
    packed = _packed(worker, options, sources, report)
    report.raise_if_any()
    if worker is None or options is None:  # pragma: no cover  # each has left a problem in the report
        raise AssertionError
    pool = _pool(config, places, worker, packed, capacity, tls=certificates.settings, dev=invocation.dev)
    watch = _watch(places, sources.chosen) if invocation.dev else None
    shown = _effective(sources.chosen, options)
    notes = (*_notes(config), *certificates.notes)
    plan = _plan(config, places, pool, invocation, shown=shown, watch=watch, notes=notes)
    return Configuration(config, sources.chosen, options, plan)


def _effective(said: Layer, options: Options) -> list[Shown]:
    return list(
        effective(said, {} if isinstance(options, OptionValues) else options.model_dump(mode="json", by_alias=True))
    )


def _setting(config: ServerConfig, key: Key) -> str | int | None:
    found: object = config
    for name in key:
        found = getattr(found, name)
    return found if isinstance(found, int) or found is None else str(found)


def _worker_class(config: ServerConfig, sources: Sources, places: Places, report: Report) -> WorkerClass | None:
    """Find the class; what is wrong with it goes to the report."""
    key = ("worker", "class")
    if report.concerns(key):
        return None
    name, origin = config.worker.class_, sources.chosen.origin(key)
    if origin is DEFAULT:
        origin = sources.missing
    try:
        with _importable(places.import_path() if ":" in name else ()):
            return find(name)
    except UnknownWorkerError as error:
        report.add(origin, key, str(error))
    except ContractError as error:
        for defect in error.defects:
            report.add(origin, key, f'"{name}" can\'t be used: {defect}')
    return None


@contextmanager
def _importable(directories: tuple[Path, ...]) -> Iterator[None]:
    """Let modules be found where the application will find them: a class named by its import path may live beside it."""
    before = sys.path.copy()
    sys.path[:0] = map(str, directories)
    try:
        yield
    finally:
        sys.path[:] = before


def _options(worker: WorkerClass | None, sources: Sources, report: Report) -> Options | None:
    """Validate what is said to the class; None where it can't be used."""
    if worker is None:
        return None
    if declares_none(worker.cls) and own_options(sources) == "{}":
        return OptionValues({})
    return validate_options(worker.cls.Options, sources, report, partial(_word_unknown_option, worker))


def _word_unknown_option(worker: WorkerClass, key: Key, _value: object, origin: Origin, siblings: list[str]) -> str:
    """Say that this class has no such option, and which one was meant, or which class has it."""
    name = key[-1]
    if close := nearest(name, [*siblings, "class", "processes"]):
        return f"unknown setting; did you mean {spelt((*key[:-1], close), origin, close)}?"
    has = ", ".join(sorted(siblings))
    refusal = f"worker class {worker.name} has no such option" + (f" (it has: {has})" if has else "")
    for listing in available():
        if listing.cls is not None and (close := nearest(name, _option_names(listing.cls.Options))):
            meant = f"; {listing.name} has" if close == name else f'; did you mean "{close}" of {listing.name}?'
            return refusal + meant
    return refusal


def _option_names(options: type[WorkerOptions]) -> list[str]:
    return [field.alias or name for name, field in options.model_fields.items()]


def _capacity(worker: WorkerClass | None, options: Options | None, sources: Sources, report: Report) -> int:
    """Ask the class how many requests a process runs at once; a strange answer is a problem."""
    if worker is None or options is None:
        return 0
    try:
        capacity = worker.cls.capacity(options)
        defects = capacity_defects(capacity)
    except Exception as error:  # noqa: BLE001  # a stranger's code may raise anything
        capacity, defects = 0, (f"{error}",)
    for defect in defects:
        report.add(sources.chosen.origin(("worker",)), ("worker",), f"worker class {worker.name}: {defect}")
    return capacity


def _check_honoured(config: ServerConfig, worker: WorkerClass, places: Places) -> None:
    """Refuse what the worker class would silently do without."""
    chosen = {
        ("http", "max_connections"): config.http.max_connections is not None,
        ("http", "proxy_protocol"): config.http.proxy_protocol != "off",
        ("queue", "max_wait"): config.queue.max_wait is not None,
    }
    for key, is_set in chosen.items():
        if is_set and ".".join(key) not in worker.cls.honours:
            places.complain(key, f"worker class {worker.name} can't do this")


def _packed(worker: WorkerClass | None, options: Options | None, sources: Sources, report: Report) -> OptionsPlan:
    """Make the options fit for the way to a worker."""
    if worker is None or options is None:
        return OptionsPlan()
    written = own_options(sources)
    if not declared_lazily(worker.cls):
        return OptionsPlan(written)
    try:
        names = () if isinstance(options, OptionValues) else type(options).model_fields
        values = pickle.dumps({name: getattr(options, name) for name in names})
    except Exception as error:  # noqa: BLE001  # a stranger's type may raise anything
        report.add(
            sources.chosen.origin(("worker",)),
            ("worker",),
            f"worker class {worker.name}: its options are declared lazily, and their values can't be pickled: {error}",
        )
        return OptionsPlan(written)
    return OptionsPlan(written, values)


def _pool(
    config: ServerConfig,
    places: Places,
    worker: WorkerClass,
    options: OptionsPlan,
    capacity: int,
    *,
    tls: TlsSettings | None,
    dev: bool,
) -> PoolPlan:
    size = config.worker.processes or usable_cpus()
    module, _, qualname = worker.target.partition(":")
    return PoolPlan(
        name=MAIN_POOL,
        policy=_policy(config, size),
        worker=WorkerReference(worker.name, module, qualname, own=worker.own),
        options=options,
        capacity=capacity,
        app=AppReference.parse(config.app),
        serve=_serve_settings(config, worker, size, tls=tls, dev=dev),
        identity=Identity(
            user=config.user,
            group=config.group,
            umask=config.umask,
            chdir=places.path(("chdir",)),
            python_path=places.python_path(),
            env=dict(config.env),
        ),
        hooks={name: hook for name, hook in asdict(config.hooks).items() if hook is not None},
        bind=places.bind(),
    )


def _policy(config: ServerConfig, size: int) -> PoolPolicy:
    timeouts, recycle, restart, surge = config.timeouts, config.recycle, config.restart, config.reload.surge
    return PoolPolicy(
        name=MAIN_POOL,
        size=size,
        boot_timeout=timeouts.boot,
        request_timeout=timeouts.request,
        kill_timeout=timeouts.kill,
        graceful_timeout=timeouts.graceful,
        drain_delay=timeouts.drain_delay,
        max_requests=recycle.max_requests,
        max_requests_jitter=recycle.max_requests_jitter,
        max_memory=recycle.max_memory,
        max_age=recycle.max_age,
        restart_intensity=restart.intensity,
        restart_period=restart.period,
        restart_backoff=restart.backoff,
        restart_backoff_max=restart.backoff_max,
        surge=surge.of(size) if isinstance(surge, Share) else surge,
        observe=config.reload.observe,
        reload_deadline=config.reload.deadline,
        preload=config.preload and adoption_is_possible(),
    )


def _serve_settings(
    config: ServerConfig, worker: WorkerClass, size: int, *, tls: TlsSettings | None, dev: bool
) -> ServeSettings:
    timeouts, http = config.timeouts, config.http
    keepalive = worker.cls.default_keepalive if isinstance(timeouts.keepalive, str) else timeouts.keepalive
    return ServeSettings(
        http=HttpSettings(
            parser=http.parser,
            max_request_line=http.max_request_line,
            max_header_bytes=http.max_header_bytes,
            max_headers=http.max_headers,
            max_body=http.max_body,
            body_memory=http.body_memory,
            trusted_proxies=http.trusted_proxies,
            forwarded=http.forwarded,
            server_header=http.server_header,
            keepalive=keepalive is not None,
            show_errors=dev,
        ),
        request_timeout=timeouts.request,
        header_timeout=timeouts.header,
        body_timeout=timeouts.body,
        write_timeout=timeouts.write,
        keepalive_timeout=keepalive,
        response_memory=http.response_memory,
        multiprocess=size > 1,
        proxy_protocol=http.proxy_protocol == "required",
        max_connections=http.max_connections,
        queue_wait=config.queue.max_wait,
        tls=tls,
    )


def _watch(places: Places, said: Layer) -> Watch:
    """What somebody who develops may change: whatever workers import from, and the files of the configuration."""
    files = {origin.place.rpartition(":")[0] for origin in said.origins.values() if origin.source is Source.FILE}
    return Watch(places.import_path(), tuple(sorted(Path(file).absolute() for file in files)))


def _plan(
    config: ServerConfig,
    places: Places,
    pool: PoolPlan,
    invocation: Invocation,
    *,
    shown: list[Shown],
    watch: Watch | None,
    notes: tuple[str, ...],
) -> Plan:
    log = places.log()
    return Plan(
        pools=(pool,),
        bind=pool.bind,
        backlog=config.backlog,
        pidfile=places.path(("pidfile",)),
        name=config.name,
        log=LogPlan(log.level, log.format, log.file or "-", log.access, log.access_format),
        control=_control(places.control_socket(), invocation),
        title=invocation.title,
        kept={".".join(key): _setting(config, key) for key in UNCHANGEABLE},
        settings={
            ".".join(item.key): Setting(json.dumps(item.value, default=str), item.origin.place) for item in shown
        },
        watch=watch,
        notes=notes,
    )


def _control(socket: Path | Literal["auto", "off"], invocation: Invocation) -> ControlPlan | None:
    if socket == "off":
        return None
    name = None if invocation.path is None else socket_name(invocation.path, invocation.chosen_profile)
    return ControlPlan(None if socket == "auto" else Path(socket), name)


def _notes(config: ServerConfig) -> Iterator[str]:
    """What is no mistake and has to be known."""
    if config.preload and not adoption_is_possible():
        yield "preload has no effect on this system, where a master can't adopt its template's workers; each imports the application"
