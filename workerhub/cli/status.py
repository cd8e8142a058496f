"""`workerhub status`: what a running server is doing."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import Final

import click

from workerhub.cli.asking import AT_ONCE, ask, facts, json_option, tell
from workerhub.cli.output import print_json
from workerhub.cli.picture import NARROWEST, Easel, draw
from workerhub.cli.reaching import RunningServer, takes_server
from workerhub.kernel.control.wire import Request, Verb

INTERVAL: Final = 1.0
"""Seconds between two pictures."""

_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"
_REST_OF_SCREEN: Final = "\x1b[J"


@click.command()
@click.option("--watch", is_flag=True, help="Draw it anew every second, until Ctrl-C.")
@json_option
@takes_server
def status(server: RunningServer, *, watch: bool, as_json: bool) -> int:
    """Show what a server is doing.

    Its workers, what they run and for how long, who has left lately and why, how far a reload is.

    Exit codes: 0 it is shown; 1 no server answers.
    """
    if watch and as_json:
        raise click.UsageError("--watch is for people, --json is for programs.")
    if watch:
        return _watch(server)
    outcome = ask(server, Request(Verb.STATUS), patience=AT_ONCE)
    if not outcome.ok:
        return tell(outcome, as_json=as_json)
    if as_json:
        print_json(facts(outcome))
    else:
        click.echo("\n".join(draw(outcome.fields, easel())))
    return 0


def _watch(server: RunningServer) -> int:
    """Picture after picture, each in place of the one before; a server that is gone is one, too."""
    click.clear()
    try:
        while True:
            outcome = ask(server, Request(Verb.STATUS), patience=AT_ONCE)
            lines = draw(outcome.fields, easel()) if outcome.ok else outcome.message.splitlines()
            screen = shutil.get_terminal_size().lines - 1
            click.echo(
                _HOME + "".join(f"{line}{_REST_OF_LINE}\n" for line in lines[:screen]) + _REST_OF_SCREEN, nl=False
            )
            time.sleep(INTERVAL)
    except KeyboardInterrupt:
        return 0


def easel() -> Easel:
    """What standard output can show: colours only on a terminal, and not where NO_COLOR is set (no-color.org)."""
    terminal = sys.stdout.isatty()
    try:
        "█░·…".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        fancy = False
    else:
        fancy = True
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Easel(max(NARROWEST, shutil.get_terminal_size().columns) if terminal else 80, colour, fancy)
