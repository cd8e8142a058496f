"""`workerhub [serve]`: serve until told to stop. Here, what is to be served; `workerhub.cli.start` serves it."""

from __future__ import annotations

import click

from workerhub import planning
from workerhub.cli.invocation import takes_configuration
from workerhub.cli.main import VERBS
from workerhub.plan import Plan


@click.command()
@takes_configuration
def serve(invocation: planning.Invocation) -> Plan:
    """Serve until told to stop. The verb may be left out.

    APP is module:callable, module:factory() or module, and overrides the file's. A module that is called like a verb
    is served with the verb written out: workerhub serve check.

    \b
    Exit codes: 0 stopped as asked; 2 wrong usage or configuration; 3 can't listen;
    4 the application failed to boot; 5 crash budget spent and nothing healthy left.
    """  # noqa: D301  # \b is click's mark for lines to keep
    if invocation.path is not None and invocation.app in VERBS:
        raise click.UsageError(
            f"A verb stands first: workerhub {invocation.app} -c {invocation.path}. "
            f"(To serve a module called {invocation.app}: workerhub serve {invocation.app}:application.)"
        )
    return planning.load_plan(invocation)
