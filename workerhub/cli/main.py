"""Finds the verb. Without one, `serve` is meant."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click

from workerhub import __version__
from workerhub.cli.check import check
from workerhub.cli.schema import schema
from workerhub.cli.serve import serve
from workerhub.cli.show import show
from workerhub.cli.workers import workers
from workerhub.config.report import render
from workerhub.errors import ConfigError
from workerhub.supervisor.exits import ServerExit

if TYPE_CHECKING:
    from collections.abc import Sequence


class _ServingGroup(click.Group):
    """A group whose verb may be left out: `workerhub -c server.toml` is `workerhub serve -c server.toml`.

    A verb stands first. So a verb's name wins over an application's, and `workerhub serve check` serves a module that is
    called like a verb.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb in front where it was left out."""
        first = args[0] if args else ""
        if first not in self.commands and first not in {"--help", "-h", "--version"}:
            args = ["serve", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_ServingGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="[VERB] [OPTIONS] [APP]",
    options_metavar="",
    epilog="""\b
Serve a configuration:   workerhub -c server.toml
Serve an application:    workerhub mysite.wsgi:application -b :8000 -w 4 -k threaded
All options of serving:  workerhub serve --help
""",
)
@click.version_option(__version__, message="workerhub %(version)s")
def workerhub_command() -> None:
    """Serve WSGI applications in production.

    Without a verb, serve.
    """


for _verb in (serve, check, show, schema, workers):
    workerhub_command.add_command(_verb)


def run(args: Sequence[str] | None = None) -> int:
    """Carry out a command line, `sys.argv` if None, and return the exit code."""
    try:
        code = workerhub_command.main(args=args, prog_name="workerhub", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return ServerExit.USAGE
    except click.Abort:
        return ServerExit.USAGE
    except ConfigError as error:
        click.echo(render(error, consequence=""), err=True)
        return ServerExit.USAGE
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """The console script."""
    sys.exit(run())
