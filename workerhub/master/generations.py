"""The real stage: the plan of each generation that is still of use, and what they hold open together."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from workerhub import __version__
from workerhub.child import call_hook, live, live_as_template, word_for
from workerhub.errors import BindError
from workerhub.http.parsers import parser_class
from workerhub.kernel.birth import Birth
from workerhub.kernel.identity import IdentityError, find_account, set_title, take_identity
from workerhub.kernel.listeners import Listeners
from workerhub.kernel.protocol import Forks
from workerhub.logs import Logs, open_logs
from workerhub.master.stage import Loaded, PlanRefusedError
from workerhub.plan import Change, Plan, Planner, PoolPlan, Refusal, changes, pack, unchangeable, unpack
from workerhub.supervisor import Level, PoolPolicy, Spawn, SpawnTemplate

FIRST = 1


class Generations:
    """Implements `workerhub.master.stage.Stage` with files and sockets.

    Of a plan that failed nothing stays; of one that is replaced, neither, once its successor is committed. What two plans share is
    never closed: a listener that both name stays as it is, with the connections that wait in it.

    Args:
        planner: where further plans come from; called in processes of its own only.
        plan: the first one.
        logs: the first one's.
        listeners: the first one's are open.
    """

    def __init__(self, planner: Planner, plan: Plan, logs: Logs, listeners: Listeners) -> None:
        self._planner = planner
        self._plans = {FIRST: plan}
        self._logs = {FIRST: logs}
        self._listeners = listeners
        self._current = FIRST
        self._refusing: set[str] = set()

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._plans[self._current]

    @property
    def policies(self) -> tuple[PoolPolicy, ...]:
        """The numbers of the plan in force."""
        return tuple(pool.policy for pool in self.plan.pools)

    def planner(self) -> Callable[[], bytes]:
        """What reads the configuration again, in a process of its own."""
        return partial(_plan_again, self._planner, self.plan.name)

    def load(self, generation: int, planned: bytes) -> Loaded:
        """Take the plan that was made, open what only it needs.

        Raises:
            PlanRefusedError: nothing was touched.
        """
        plan = _accepted(planned)
        try:
            share_worker_classes(plan)
            logs = open_plan_logs(plan)
        except IdentityError as error:
            raise PlanRefusedError(str(error)) from error
        except OSError as error:
            raise PlanRefusedError(f"can't open the log {error.filename}: {error.strerror}") from error
        try:
            self._listeners.open(plan.bind)
        except BindError as error:
            logs.close()
            raise PlanRefusedError(str(error)) from error
        for note in plan.notes:
            self.log("warning", note, {}, "")
        self._plans[generation], self._logs[generation] = self._with_same_user(plan), logs
        return Loaded(tuple(pool.policy for pool in plan.pools), unchangeable(self.plan, plan))

    def commit(self, generation: int) -> None:
        """Put the plan in force; close what only older ones needed."""
        self._current = generation
        for other in [other for other in self._plans if other != generation]:
            self._forget(other)
        self._listeners.retain(self.plan.bind)
        if self._listeners.backlog != self.plan.backlog:
            self._listeners.set_backlog(self.plan.backlog)

    def abandon(self, generation: int) -> None:
        """Close what only this plan needed."""
        self._forget(generation)
        self._listeners.retain([address for plan in self._plans.values() for address in plan.bind])

    def stop_listening(self, pool: str) -> None:
        """Let nobody new in at the pool's addresses, but for those that another pool still needs."""
        self._refusing.add(pool)
        needed = {address for other in self.plan.pools if other.name not in self._refusing for address in other.bind}
        bound = [address for other in self.plan.pools if other.name == pool for address in other.bind]
        self._listeners.refuse(address for address in bound if address not in needed)

    def capacity(self, order: Spawn | SpawnTemplate) -> int:
        """How many requests such a worker can run at once."""
        return self._pool(order).capacity

    def life(self, order: Spawn) -> Callable[[Birth], int]:
        """What such a worker does, to be called in the child only."""
        return partial(live, **self._circumstances(order))

    def template(self, order: SpawnTemplate) -> Callable[[Birth, Forks], int]:
        """What such a template does, to be called in the child only."""
        return partial(live_as_template, **self._circumstances(order))

    def word(self, order: Spawn) -> bytes:
        """What a template has to be told about such a worker."""
        return word_for(order)

    def hook(self, name: str, facts: Mapping[str, object]) -> Callable[[], None] | None:
        """The operator's function, as the pool's workers would call it: same user, directory and import path."""
        hooked = next((pool for pool in self.plan.pools if pool.hooks.get(name)), None)
        return None if hooked is None else partial(_call, hooked, name, dict(facts))

    def compare(self, planned: bytes) -> tuple[Change, ...]:
        """What `load` would change.

        Raises:
            PlanRefusedError: the configuration is no good.
        """
        return changes(self.plan, _accepted(planned))

    def about(self) -> Mapping[str, object]:
        """Version, process, configuration, and what each pool runs where."""
        plan = self.plan
        return {
            "version": __version__,
            "pid": os.getpid(),
            "title": plan.title,
            "name": plan.name,
            "runs": {
                pool.name: {
                    "class": pool.worker.name,
                    "app": str(pool.app),
                    "capacity": pool.capacity,
                    "addresses": list(self._listeners.urls(pool.bind, pool.scheme)),
                }
                for pool in plan.pools
            },
        }

    def log(self, level: Level, message: str, fields: Mapping[str, object], detail: str) -> None:
        """Write to the error log of the plan in force."""
        self._logs[self._current].error.write(level, message, detail, fields)

    def reopen(self) -> None:
        """Open the log files of every plan anew."""
        for logs in self._logs.values():
            logs.reopen()

    def close(self) -> None:
        """Close everything; files of UNIX sockets go."""
        if cut := self._listeners.close():
            were = "connection was" if cut == 1 else "connections were"
            self.log("warning", f"{cut} {were} still waiting to be accepted, and cut", {"waiting": cut}, "")
        for generation in list(self._plans):
            self._forget(generation)

    def _with_same_user(self, plan: Plan) -> Plan:
        """A running server keeps its user: files and sockets that it opened as root belong to that one."""
        user, group = self.plan.pools[0].identity.user, self.plan.pools[0].identity.group
        pools = tuple(replace(pool, identity=replace(pool.identity, user=user, group=group)) for pool in plan.pools)
        return replace(plan, pools=pools)

    def _circumstances(self, order: Spawn | SpawnTemplate) -> dict[str, Any]:
        """What a child needs to know besides how it is connected with us."""
        return {
            "pool": self._pool(order),
            "order": order,
            "listeners": self._listeners,
            "logs": self._logs[order.generation],
            "title": self._plans[order.generation].name,
        }

    def _pool(self, order: Spawn | SpawnTemplate) -> PoolPlan:
        return next(pool for pool in self._plans[order.generation].pools if pool.name == order.pool)

    def _forget(self, generation: int) -> None:
        self._plans.pop(generation, None)
        if logs := self._logs.pop(generation, None):
            logs.close()


def _accepted(planned: bytes) -> Plan:
    """The plan that was made.

    Raises:
        PlanRefusedError: there is none, for this reason.
    """
    plan = unpack(planned)
    if isinstance(plan, Refusal):
        raise PlanRefusedError(plan.text)
    return plan


def open_plan_logs(plan: Plan) -> Logs:
    """Open what a plan's `log` table names.

    Raises:
        OSError: a file can't be opened; carries its name.
    """
    return open_logs(
        level=plan.log.level,
        format=plan.log.format,
        file=plan.log.file,
        access=plan.log.access or "off",
        access_format=plan.log.access_format,
        owner=find_owner(plan),
    )


def find_owner(plan: Plan) -> tuple[int, int] | None:
    """To whom files and sockets belong, user and group; None: to us.

    Raises:
        IdentityError: the system doesn't know them.
    """
    identity = plan.pools[0].identity
    account = find_account(identity.user, identity.group)
    return None if account is None else (account.uid, account.gid)


def share_worker_classes(plan: Plan) -> None:
    """Import what workers of workerhub's own classes would each import for themselves. Nobody else's code runs in the master."""
    for pool in plan.pools:
        with suppress(Exception):  # a worker that fails at the same says so, and harms nobody
            parser_class(pool.serve.http.parser)
            if pool.worker.own:
                pool.worker.load()


def _plan_again(planner: Planner, name: str) -> bytes:
    """Make a plan. In a process of its own."""
    set_title("reads the configuration", name)
    return pack(planner("; nothing was changed"))


def _call(pool: PoolPlan, name: str, facts: Mapping[str, object]) -> None:
    """Call a hook. In a process of its own."""
    take_identity(pool.identity)
    sys.argv = [name]
    call_hook(name, pool.hooks[name], facts)
