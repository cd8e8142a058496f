"""Calling the operator's hooks.

A hook is a function named in the `hooks` table, as `module:function` or `module.function`. It is called with one
argument, a mapping of facts. `worker_forked` and `worker_ready` run in the worker, before the application is imported
and after (both after, where a template has imported it); raising ends the worker as "setup failed". The others run in a process of their own, started by the master.
"""

from __future__ import annotations

from collections.abc import Mapping

from workerhub.child.application import LoadError, find_attribute
from workerhub.child.leaving import ToldToLeave
from workerhub.child.stacks import traceback_of


def call_hook(setting: str, dotted: str, facts: Mapping[str, object]) -> None:
    """Import and call a hook.

    Args:
        setting: under which name it stands in the `hooks` table.
        dotted: `module:function` or `module.function`.
        facts: what is passed.

    Raises:
        LoadError: it can't be imported or called, or it raised; the message names the setting.
    """
    module, _, attribute = dotted.partition(":") if ":" in dotted else dotted.rpartition(".")
    try:
        hook = find_attribute(module, attribute)
    except LoadError as error:
        raise LoadError(f"hooks.{setting}: {error}", error.detail) from error
    if not callable(hook):
        raise LoadError(f"hooks.{setting}: {dotted} is not callable")
    try:
        hook(facts)
    except ToldToLeave:
        raise
    except BaseException as error:
        reason = f"hooks.{setting}: {dotted} raised {type(error).__name__}: {error}"
        raise LoadError(" ".join(reason.split()), traceback_of(error)) from error
