"""The options that say which configuration: every verb that needs one takes the same."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from workerhub.cli.words import CONFIG, FLAGGED, PROFILE, SET, UsageError, invocation
from workerhub.config.catalogue import Setting
from workerhub.config.dev import FLAG

Verb = TypeVar("Verb", bound=Callable[..., object])


def takes_configuration(verb: Verb) -> Verb:
    """Decorate a verb: its first argument becomes the `Invocation` that the options describe."""

    @functools.wraps(verb)
    def gathered(*, app: str | None, dev: bool, **given: Any) -> object:
        said = {name: _texts(given.pop(parameter)) for name, parameter in _PARAMETERS.items()}
        try:
            configuration = invocation(said, app, dev=dev)
        except UsageError as error:
            raise click.UsageError(str(error)) from None
        return verb(configuration, **given)

    decorated: Any = gathered
    for option in reversed(_options()):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click's decorators keep what they are given


_PARAMETERS = {
    CONFIG[0]: "config",
    PROFILE[0]: "profile",
    SET[0]: "sets",
    **{setting.flags[0]: setting.key.replace(".", "_") for setting in FLAGGED},
}
"""What click calls each option's value."""


def _options() -> list[Callable[[Any], Any]]:
    return [
        click.argument("app", required=False, metavar="[APP]"),
        click.option(*CONFIG, metavar="FILE", help="The configuration file, .toml or .py."),
        click.option(*PROFILE, metavar="NAME", help="Apply [profiles.NAME] of the file.  [env: WORKERHUB_PROFILE]"),
        click.option(
            FLAG,
            is_flag=True,
            help="While you develop: one worker, new at each change of the source; errors in the browser.",
        ),
        *(_flag_option(setting) for setting in FLAGGED),
        click.option(
            *SET, "sets", metavar="KEY=VALUE", multiple=True, help="Set any setting: --set timeouts.request=2m."
        ),
    ]


def _flag_option(setting: Setting) -> Callable[[Any], Any]:
    """A setting's own flags; a setting that may be a list takes its flag several times."""
    meaning = setting.meaning.partition(": ")[0].partition(" (")[0].rstrip(".")
    return click.option(
        *setting.flags,
        _PARAMETERS[setting.flags[0]],
        metavar=setting.path[-1].upper(),
        multiple=setting.several,
        help=f"{meaning}.  [{setting.key}; default: {setting.default}]",
    )


def _texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """What click gives for an option: nothing, one word, or all of them."""
    return (value,) if isinstance(value, str) else value or ()
