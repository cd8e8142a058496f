"""What a command line says about the configuration, however it was read; and reading the plain ones.

Reading command lines is click's. It takes a tenth of a start to import, though, and most servers are started by a line with nothing in
it for click to do: options, each with its value in the next word, and an application. That `plain` reads, which a test holds
against click; all else it leaves alone, `--help` and mistakes above all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from workerhub.cli.main import VERBS
from workerhub.config.catalogue import SETTINGS, Setting
from workerhub.config.dev import FLAG as DEV
from workerhub.config.report import ENVIRONMENT_PREFIX
from workerhub.config.sources import Invocation
from workerhub.config.words import Override
from workerhub.errors import WorkerhubError

CONFIG, PROFILE, SET = ("-c", "--config"), ("--profile",), ("--set",)
"""The options that are no setting's."""

FLAGGED: Final = tuple(setting for setting in SETTINGS if setting.flags)
"""The settings with flags of their own."""

DEFAULT_FILE: Final = "server.toml"
"""Not read unless asked for; but worth a hint."""


class UsageError(WorkerhubError):
    """The words are all there, but don't make sense together. The text is for the operator."""


def invocation(said: Mapping[str, Sequence[str]], app: str | None, *, dev: bool) -> Invocation:
    """Put together what a command line says.

    Args:
        said: the values of each option that was given, under the option's first name.
        app: the application, if it stands there.
        dev: `--dev` was given.

    Raises:
        UsageError
    """
    overrides = [_flag_override(setting, said[setting.flags[0]]) for setting in FLAGGED if said.get(setting.flags[0])]
    overrides += map(_set_override, said.get(SET[0], ()))
    if app is not None and app.endswith((".toml", ".py")):
        raise UsageError(f"A configuration file is given with -c: workerhub -c {app}")
    path = Path(said[CONFIG[0]][-1]) if said.get(CONFIG[0]) else None
    if path is None and app is None and not _names_app(overrides):
        raise UsageError(_nothing())
    profile = said[PROFILE[0]][-1] if said.get(PROFILE[0]) else None
    return Invocation(path, app, profile, tuple(overrides), dict(os.environ), dev)


def plain(args: Sequence[str]) -> Invocation | None:
    """Read a plain command line that means to serve; None: it isn't one."""
    said: dict[str, list[str]] = {}
    app, dev = None, False
    words = iter(args[1:] if args[:1] == ["serve"] else args)
    for word in words:
        if word in _FIRST:
            value = next(words, "")
            if not value or value.startswith("-"):
                return None
            said.setdefault(_FIRST[word], []).append(value)
        elif word == DEV:
            dev = True
        elif word.startswith("-") or not word or app is not None or word in VERBS:
            return None
        else:
            app = word
    try:
        return invocation(said, app, dev=dev)
    except UsageError:
        return None


_FIRST: Final = {
    name: names[0] for names in (CONFIG, PROFILE, SET, *(each.flags for each in FLAGGED)) for name in names
}


def _flag_override(setting: Setting, texts: Sequence[str]) -> Override:
    """What a setting's flag says; one that may be a list takes its flag several times, of any other the last one counts."""
    text = json.dumps(texts) if setting.several and len(texts) > 1 else texts[-1]
    return Override(setting.key, text, setting.flags[0])


def _set_override(text: str) -> Override:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f'--set takes KEY=VALUE, for example --set worker.processes=4, got "{text}"')
    return Override(key.strip(), value.strip(), SET[0])


def _names_app(overrides: Sequence[Override]) -> bool:
    """Whether the application is named where neither a file nor an argument does."""
    return f"{ENVIRONMENT_PREFIX}APP" in os.environ or any(override.key == "app" for override in overrides)


def _nothing() -> str:
    hint = ""
    if Path(DEFAULT_FILE).is_file():
        hint = f"\n\nThere is a {DEFAULT_FILE} here: workerhub -c {DEFAULT_FILE}"
    return f"Say what to serve: a configuration file (workerhub -c server.toml) or an application (workerhub mysite.wsgi:application).{hint}"
