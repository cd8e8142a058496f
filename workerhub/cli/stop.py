"""`workerhub stop`: the end, and not before it has come."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from dataclasses import replace
from typing import Final

import click

from workerhub.cli.asking import ask, json_option, tell
from workerhub.cli.reaching import RunningServer, takes_server
from workerhub.kernel.control.client import Connection
from workerhub.kernel.control.wire import Request, Verb

PARTING: Final = 40.0
"""Seconds for what a master does behind the last worker: `worker_exited` hooks may run for 30."""


@click.command()
@click.option("--fast", is_flag=True, help="Don't wait for requests that are running.")
@json_option
@takes_server
def stop(server: RunningServer, *, fast: bool, as_json: bool) -> int:
    """Have a server finish what it runs, and stop.

    Waits until the process is gone, so that its addresses are free.

    Exit codes: 0 it has stopped; 1 it hasn't.
    """
    masters: list[int] = []

    def watch(connection: Connection) -> None:
        if connection.pid is not None and hasattr(os, "pidfd_open"):
            with suppress(OSError):
                masters.append(os.pidfd_open(connection.pid))

    outcome = ask(server, Request(Verb.STOP, fast=fast), on_connect=watch)
    if outcome.ok and masters and not select.select(masters, [], [], PARTING)[0]:
        outcome = replace(
            outcome, ok=False, message=f"{outcome.message}; but after {PARTING:g} s the process is still there"
        )
    for master in masters:
        os.close(master)
    return tell(outcome, as_json=as_json)
