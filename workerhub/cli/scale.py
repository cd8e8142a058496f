"""`workerhub scale`: more or fewer workers."""

from __future__ import annotations

import re

import click

from workerhub.cli.asking import carry_out, json_option
from workerhub.cli.reaching import RunningServer, takes_server
from workerhub.kernel.control.wire import MAX_WORKERS, Request, Verb


@click.command(context_settings={"ignore_unknown_options": True})  # "-2" is no option
@click.argument("workers", metavar="N")
@click.option("--pool", metavar="NAME", default="", help="Of this pool only. Left out: of every pool.")
@json_option
@takes_server
def scale(server: RunningServer, *, workers: str, pool: str, as_json: bool) -> int:
    """Have a server run more workers, or fewer.

    N of them; +N for so many more, -N for so many fewer. Waits until they serve, and the others are gone. It lasts until the server stops, or a reload brings another number.

    Exit codes: 0 so many serve; 1 they don't, for the reason that is printed.
    """
    number = re.fullmatch(r"([+-]?)([0-9]{1,4})", workers)
    if number is None or not 1 <= int(number[2]) <= MAX_WORKERS:
        raise click.UsageError(
            f'N is a number of workers, from 1 to {MAX_WORKERS}, or a change such as +2 or -1; got "{workers}"'
        )
    request = (
        Request(Verb.SCALE, pool=pool, change=int(workers))
        if number[1]
        else Request(Verb.SCALE, pool=pool, size=int(workers))
    )
    return carry_out(server, request, as_json=as_json)
