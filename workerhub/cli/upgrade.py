"""`workerhub upgrade`: a new master, with new Python, new workerhub and new libraries, or the old one stays."""

from __future__ import annotations

import click

from workerhub.cli.asking import carry_out, json_option
from workerhub.cli.reaching import RunningServer, takes_server
from workerhub.kernel.control.wire import Request, Verb


@click.command()
@json_option
@takes_server
def upgrade(server: RunningServer, *, as_json: bool) -> int:
    """Have a new master take a server over: with the Python, workerhub and libraries that are installed now.

    Starts the server's own command line again, waits until all workers of the new one serve, and has the old one drain.

    Exit codes: 0 the new master serves; 1 it doesn't, for the reason that is printed, and the old one stays.
    """
    return carry_out(server, Request(Verb.UPGRADE), as_json=as_json)
