"""Asking a running server, and telling the outcome: the same for every verb that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from workerhub.cli.output import print_json
from workerhub.cli.reaching import RunningServer
from workerhub.kernel.control.client import PATIENCE, Connection, UnansweredError, converse
from workerhub.kernel.control.wire import Outcome, Request, Step
from workerhub.supervisor.exits import ServerExit

AT_ONCE: Final = PATIENCE
"""Seconds, as patience: for what the master answers by itself."""

json_option: Final = click.option("--json", "as_json", is_flag=True, help="For machines.")


def carry_out(server: RunningServer, request: Request, *, as_json: bool) -> int:
    """Ask, tell how far it is, wait for the outcome however long it takes, and tell that; the exit code."""
    outcome = ask(server, request, on_step=None if as_json else lambda step: click.echo(step.message))
    return tell(outcome, as_json=as_json)


def ask(
    server: RunningServer,
    request: Request,
    *,
    patience: float | None = None,
    on_step: Callable[[Step], object] | None = None,
    on_connect: Callable[[Connection], object] | None = None,
) -> Outcome:
    """Ask and wait for the outcome. That nobody answers is one, too.

    Args:
        server: whom.
        request: what.
        patience: seconds between two replies; None: as long as it takes.
        on_step: called with every step on the way.
        on_connect: called before anything is asked.
    """
    try:
        connection = server.reach()
        if on_connect is not None:
            on_connect(connection)
        for reply in converse(connection, request, patience):
            if isinstance(reply, Outcome):
                return reply
            if on_step is not None:
                on_step(reply)
    except UnansweredError as error:
        return Outcome(ok=False, message=str(error))
    raise AssertionError("a conversation ends with an outcome, or not at all")


def tell(outcome: Outcome, *, as_json: bool) -> int:
    """Print an outcome; the exit code."""
    if as_json:
        print_json(facts(outcome))
    elif outcome.ok:
        click.echo(outcome.message)
    else:
        for text in filter(None, (outcome.detail.rstrip("\n"), outcome.message)):
            click.echo(text, err=True)
    return ServerExit.STOPPED if outcome.ok else ServerExit.REFUSED


def facts(outcome: Outcome) -> dict[str, Any]:
    """An outcome as one JSON object."""
    return {"ok": outcome.ok, "message": outcome.message, "detail": outcome.detail, **outcome.fields}
