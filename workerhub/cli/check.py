"""`workerhub check`: find every mistake before anything is touched."""

from __future__ import annotations

from typing import Any

import click

from workerhub.cli.invocation import takes_configuration
from workerhub.cli.output import print_json
from workerhub.cli.trial import Trial, try_import
from workerhub.config.english import count
from workerhub.config.report import render
from workerhub.errors import ConfigError
from workerhub.plan import Plan, PoolPlan
from workerhub.planning import Invocation, load_plan
from workerhub.supervisor.exits import ServerExit


@click.command()
@click.option("--import", "with_import", is_flag=True, help="Also import the application, in a process of its own.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@takes_configuration
def check(invocation: Invocation, *, with_import: bool, as_json: bool) -> int:
    """Validate a configuration as a whole: every problem at once.

    Profiles that aren't chosen are validated too. Exit codes: 0 all is well; 2 the configuration can't be used;
    4 the application can't be imported.
    """
    try:
        plan = load_plan(invocation)
    except ConfigError as error:
        if as_json:
            print_json({"valid": False, "source": error.source, "problems": list(map(_problem, error.problems))})
        else:
            click.echo(render(error, consequence=""), err=True)
        return ServerExit.USAGE
    trials = {pool.name: try_import(pool) for pool in plan.pools} if with_import else {}
    failed = any(not trial.succeeded for trial in trials.values())
    if as_json:
        print_json(_verdict(plan, trials))
    else:
        _say(plan, trials)
    return ServerExit.BOOT_FAILED if failed else ServerExit.STOPPED


def summary(pool: PoolPlan) -> str:
    """One pool in a line: how many of what run which application where."""
    each = f", {count(pool.capacity, 'request')} at once each" if pool.capacity > 1 else ""
    addresses = ", ".join(map(str, pool.bind))
    return f"{pool.name}: {pool.policy.size} × {pool.worker.name}{each}, {pool.app} on {addresses}"


def _say(plan: Plan, trials: dict[str, Trial]) -> None:
    click.echo(f"{plan.title} is valid.")
    for pool in plan.pools:
        click.echo(f"  {summary(pool)}")
        trial = trials.get(pool.name)
        if trial is not None and trial.succeeded:
            click.echo(f"  {pool.app} was imported in {trial.seconds:.2f} s.")
        elif trial is not None:
            click.echo(f"{trial.detail.rstrip()}\n{pool.app}: {trial.failure}", err=True)
    for note in plan.notes:
        click.echo(f"  {note}.")


def _problem(problem: Any) -> dict[str, str]:
    return {"place": problem.place, "key": problem.key, "message": problem.message}


def _verdict(plan: Plan, trials: dict[str, Trial]) -> dict[str, Any]:
    verdict: dict[str, Any] = {
        "valid": True,
        "source": plan.title,
        "problems": [],
        "pools": list(map(summary, plan.pools)),
        "notes": plan.notes,
    }
    if trials:
        verdict["import"] = {
            name: {
                "succeeded": trial.succeeded,
                "seconds": round(trial.seconds, 3),
                "failure": trial.failure,
                "traceback": trial.detail,
            }
            for name, trial in trials.items()
        }
    return verdict
