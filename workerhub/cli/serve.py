"""`workerhub [serve]`: serve until told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workerhub.cli.invocation import takes_configuration

if TYPE_CHECKING:
    from collections.abc import Container

    from workerhub.plan import Invocation


@click.command()
@takes_configuration
def serve(invocation: Invocation) -> int:
    """Serve until told to stop. The verb may be left out.

    APP is module:callable, module:factory() or module, and overrides the file's. A module that is called like a verb
    is served with the verb written out: workerhub serve check.

    \b
    Exit codes: 0 stopped as asked; 2 wrong usage or configuration; 3 can't listen;
    4 the application failed to boot; 5 crash budget spent and nothing healthy left.
    """  # noqa: D301  # \b is click's mark for lines to keep
    if invocation.path is not None and invocation.app in _verbs():
        raise click.UsageError(
            f"A verb stands first: workerhub {invocation.app} -c {invocation.path}. "
            f"(To serve a module called {invocation.app}: workerhub serve {invocation.app}:application.)"
        )
    # Imported here, so that the other verbs don't load what only a server needs.
    from workerhub import master  # noqa: PLC0415

    return master.serve(invocation)


def _verbs() -> Container[str]:
    """The verbs of the command that this one was called through."""
    group = click.get_current_context().find_root().command
    return group.commands if isinstance(group, click.Group) else ()
