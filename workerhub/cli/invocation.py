"""The options that say which configuration: every verb that needs one takes the same."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from workerhub.config.catalogue import SETTINGS, Setting
from workerhub.config.dev import FLAG
from workerhub.config.report import ENVIRONMENT_PREFIX
from workerhub.planning import Invocation, Override

Verb = TypeVar("Verb", bound=Callable[..., object])

DEFAULT_FILE = "server.toml"
"""Not read unless asked for; but worth a hint."""


def takes_configuration(verb: Verb) -> Verb:
    """Decorate a verb: its first argument becomes the `Invocation` that the options describe."""

    @functools.wraps(verb)
    def gathered(
        config: str | None, app: str | None, profile: str | None, sets: tuple[str, ...], *, dev: bool, **rest: Any
    ) -> object:
        overrides = [override for setting in _FLAGGED for override in _flag_overrides(setting, rest)]
        overrides += [_set_override(text) for text in sets]
        if app is not None and app.endswith((".toml", ".py")):
            raise click.UsageError(f"A configuration file is given with -c: workerhub -c {app}")
        path = Path(config) if config is not None else None
        if path is None and app is None and not _names_app(overrides):
            _refuse_nothing()
        return verb(Invocation(path, app, profile, tuple(overrides), dict(os.environ), dev), **rest)

    decorated: Any = gathered
    for option in reversed(_options()):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click's decorators keep what they are given


def _options() -> list[Callable[[Any], Any]]:
    return [
        click.argument("app", required=False, metavar="[APP]"),
        click.option("-c", "--config", metavar="FILE", help="The configuration file, .toml or .py."),
        click.option("--profile", metavar="NAME", help="Apply [profiles.NAME] of the file.  [env: WORKERHUB_PROFILE]"),
        click.option(
            FLAG,
            is_flag=True,
            help="While you develop: one worker, new at each change of the source; errors in the browser.",
        ),
        *(_flag_option(setting) for setting in _FLAGGED),
        click.option(
            "--set", "sets", metavar="KEY=VALUE", multiple=True, help="Set any setting: --set timeouts.request=2m."
        ),
    ]


_FLAGGED = [setting for setting in SETTINGS if setting.flags]


def _flag_option(setting: Setting) -> Callable[[Any], Any]:
    """A setting's own flags; a setting that may be a list takes its flag several times."""
    meaning = setting.meaning.partition(": ")[0].partition(" (")[0].rstrip(".")
    return click.option(
        *setting.flags,
        _parameter(setting),
        metavar=setting.path[-1].upper(),
        multiple=setting.several,
        help=f"{meaning}.  [{setting.key}; default: {setting.default}]",
    )


def _flag_overrides(setting: Setting, given: dict[str, Any]) -> list[Override]:
    """Take a setting's flag out of what click gathered."""
    value = given.pop(_parameter(setting))
    if not value:
        return []
    texts = list(value) if setting.several else [value]
    text = texts[0] if len(texts) == 1 else json.dumps(texts)
    return [Override(setting.key, text, setting.flags[0])]


def _set_override(text: str) -> Override:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise click.UsageError(f'--set takes KEY=VALUE, for example --set worker.processes=4, got "{text}"')
    return Override(key.strip(), value.strip(), "--set")


def _parameter(setting: Setting) -> str:
    return setting.key.replace(".", "_")


def _names_app(overrides: list[Override]) -> bool:
    """Whether the application is named where neither a file nor an argument does."""
    return f"{ENVIRONMENT_PREFIX}APP" in os.environ or any(override.key == "app" for override in overrides)


def _refuse_nothing() -> None:
    hint = ""
    if Path(DEFAULT_FILE).is_file():
        hint = f"\n\nThere is a {DEFAULT_FILE} here: workerhub -c {DEFAULT_FILE}"
    raise click.UsageError(
        "Say what to serve: a configuration file (workerhub -c server.toml) or an application (workerhub mysite.wsgi:application)."
        + hint
    )
