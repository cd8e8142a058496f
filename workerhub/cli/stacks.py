"""`workerhub stacks`: where every worker is, by its Python stacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent
from typing import Any

import click

from workerhub.cli.asking import AT_ONCE, ask, facts, json_option, tell
from workerhub.cli.output import print_json
from workerhub.cli.reaching import RunningServer, takes_server
from workerhub.kernel.control.wire import Request, Verb
from workerhub.supervisor.exits import ServerExit
from workerhub.supervisor.words import seconds


@click.command()
@json_option
@takes_server
def stacks(server: RunningServer, *, as_json: bool) -> int:
    """Show where every worker is, by its Python stacks.

    Of every thread and every task, with the request that each serves. A worker that is held up in C code can't tell; then the stacks of its threads are told by faulthandler.

    Exit codes: 0 every worker has told; 1 some haven't, or no server answers.
    """
    outcome = ask(server, Request(Verb.STACKS), patience=AT_ONCE)
    if "workers" not in outcome.fields:
        return tell(outcome, as_json=as_json)
    if as_json:
        print_json(facts(outcome))
    else:
        for worker in outcome.fields["workers"]:
            click.echo("\n".join(_worker(worker)))
        click.echo(outcome.message, err=not outcome.ok)
    return ServerExit.STOPPED if outcome.ok else ServerExit.REFUSED


def _worker(worker: Mapping[str, Any]) -> Iterator[str]:
    """One worker: a line about it, then a block for each place."""
    name = f"worker {worker['pool']}/{worker['slot']}" if "slot" in worker else f"template {worker['pool']}"
    yield (f"{name} (pid {worker['pid']}, generation {worker['generation']}, {worker['state']})")
    if worker.get("note"):
        yield f"  {worker['note']}"
    yield from _runs(worker.get("runs", ()), "  ")
    if worker.get("dump"):
        yield indent(worker["dump"].rstrip("\n"), "  ")
    for task in worker.get("tasks", ()):
        yield f"  {_who(task)}"
        yield from _runs(task["runs"], "    ")
        yield indent(task["stack"].rstrip("\n"), "  ")
    if worker.get("left_out"):
        yield f"  {worker['left_out']} more, left out"
    yield ""


def _runs(runs: Sequence[Mapping[str, Any]], margin: str) -> Iterator[str]:
    for run in runs:
        yield f"{margin}serves {run['line']} from {run['client'] or 'an unknown client'}, {seconds(run['seconds'])} old"


def _who(task: Mapping[str, Any]) -> str:
    """Name who is at a place: "thread MainThread", "12 tasks: Greenlet-0, Greenlet-1 ..."."""
    names, number = ", ".join(task["names"]), task["count"]
    if number == 1:
        return f"{task['kind']} {names}"
    return f"{number} {task['kind']}s: {names}" + (" ..." if number > len(task["names"]) else "")
