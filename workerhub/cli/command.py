"""The command line as click sees it. A verb is imported when it is called for."""

from __future__ import annotations

import io
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from workerhub import __version__
from workerhub.cli.main import ABOUT, BEFORE, RUNNING, VERBS
from workerhub.errors import ConfigError
from workerhub.supervisor.exits import ServerExit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workerhub.plan import Plan, Refusal


class _ServingGroup(click.Group):
    """A group whose verb may be left out: `workerhub -c server.toml` is `workerhub serve -c server.toml`.

    A verb stands first. So a verb's name wins over an application's, and `workerhub serve check` serves a module that is
    called like a verb.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb in front where it was left out."""
        if not args or args[0] not in (*VERBS, *ABOUT):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The verbs."""
        return list(VERBS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs, those that need a running server apart."""
        for title, names in (("Start, and before you start", BEFORE), ("While it runs", RUNNING)):
            with formatter.section(title):
                commands = [(name, self.get_command(ctx, name)) for name in names]
                formatter.write_dl(
                    [(name, command.get_short_help_str(70)) for name, command in commands if command is not None]
                )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """Import one."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(import_module(f"workerhub.cli.{cmd_name}"), cmd_name)
        return command


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


def execute(args: Sequence[str]) -> int:
    """Carry out a verb other than `serve`; the exit code."""
    outcome, text = _outcome(args, "")
    if text:
        click.echo(text, err=True)
    return outcome if isinstance(outcome, int) else ServerExit.STOPPED


def plan(args: Sequence[str], consequence: str) -> Plan | Refusal:
    """Make the plan of a command line that means to serve; a `workerhub.plan.Planner` once it is given one."""
    from workerhub.plan import Plan, Refusal  # noqa: PLC0415  # most verbs make none

    outcome, text = _outcome(args, consequence)
    return outcome if isinstance(outcome, Plan) else Refusal(outcome if isinstance(outcome, int) else 0, text)


def _outcome(args: Sequence[str], consequence: str) -> tuple[Any, str]:
    """What a command line comes to: an exit code or whatever the verb returned, and what remains to be said."""
    try:
        return workerhub_command.main(args=list(args), prog_name="workerhub", standalone_mode=False), ""
    except click.ClickException as error:
        told = io.StringIO()
        error.show(told)
        return ServerExit.USAGE, told.getvalue().rstrip("\n")
    except click.Abort:
        return ServerExit.USAGE, ""
    except ConfigError as error:
        from workerhub.config.report import render  # noqa: PLC0415  # who raised it has imported it

        return ServerExit.USAGE, render(error, consequence)
