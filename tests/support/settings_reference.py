"""Writes docs/reference/settings.md from the models: `python tests/support/settings_reference.py`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workerhub.config.access_format import ACCESS_ATOMS
from workerhub.config.catalogue import SETTINGS, TABLES, Setting
from workerhub.config.english import describe, find, show
from workerhub.worker import available

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workerhub.worker import Listing

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
COMMAND = "python tests/support/settings_reference.py"

HEAD = f"""\
<!-- Generated from workerhub/config/models.py by `{COMMAND}`; don't edit. -->

# Settings

Every setting, its default, and what it accepts. `workerhub show -c FILE` prints them as they take effect, `workerhub check -c FILE`
says what is wrong with them, and `configs/production.toml` is a file with all of them in it.

**Where they come from.** Later wins: the defaults; the file that `extends` names; the file; the profile chosen by `--profile NAME` or
`WORKERHUB_PROFILE`; the environment; the command line. Tables are merged key by key, everything else is replaced.

| source | how | example |
|---|---|---|
| TOML file | keys and tables | `[worker]`, `processes = 4` |
| Python file | names assigned at module level, or what `config()` returns | `worker = {{"processes": 4}}` |
| another file | `extends = "base.toml"` at the top of a file; relative to that file | |
| profile | `[profiles.NAME]`, with the same keys inside | `[profiles.staging.worker]` |
| environment | `WORKERHUB_`, two underscores for each dot | `WORKERHUB_WORKER__PROCESSES=4` |
| command line | `--set KEY=VALUE`, or the flag in the table below | `--set worker.processes=4`, `-w 4` |

In the environment and on the command line, what can be read as a TOML value is one (`4`, `true`, `["a", "b"]`); anything else is text.

**Times** are `"250ms"`, `"30s"`, `"5m"`, `"12h"`, `"1d"` or a number of seconds. **Sizes** are `"64KiB"`, `"512MiB"`, `"10MB"` (KiB is 1024,
KB is 1000) or a number of bytes. `"off"` switches a limit off where the table says so.

**Relative paths** in a file are relative to that file; in the environment and on the command line, to the current directory.

In a Python file, names that start with an underscore, imported modules, functions and classes aren't settings; any other name that is no
setting is an error.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(
        [HEAD, *_table("", "At the top of the file"), *(line for name in TABLES for line in _section(name))]
    )


def _section(table: str) -> Iterator[str]:
    yield from _table(table, f"[{table}]")
    if table == "worker":
        for listing in available():
            if listing.target.startswith("workerhub_workers.") and listing.cls is not None:
                yield from _options(listing)
    if table == "log":
        yield "### Fields of `log.access_format`\n"
        yield "| field | meaning |"
        yield "|---|---|"
        yield from (_cells(f"`%({atom})s`", meaning) for atom, meaning in ACCESS_ATOMS.items())
        yield ""


def _table(table: str, title: str) -> Iterator[str]:
    rows = [setting for setting in SETTINGS if ".".join(setting.path[:-1]) == table]
    yield f"## {title}\n"
    if table:
        yield f"{TABLES[table]}\n"
    yield "| setting | default | accepts | meaning |"
    yield "|---|---|---|---|"
    yield from (_row(setting) for setting in rows)
    yield ""


def _row(setting: Setting) -> str:
    names = [f"`{setting.key}`", *(f"`{flag}`" for flag in setting.flags)]
    meaning = f"{setting.meaning}"
    default = "required" if setting.required else _default(setting.default)
    return _cells("<br>".join(names), default, setting.expected, meaning)


def _options(listing: Listing) -> Iterator[str]:
    """The options of one built-in class."""
    if listing.cls is None:
        return
    root = listing.cls.Options.model_json_schema()
    options: dict[str, Any] = root.get("properties", {})
    yield f"### Options of `{listing.name}`\n"
    if not options:
        yield "None.\n"
        return
    yield "| setting | default | accepts | meaning |"
    yield "|---|---|---|---|"
    for name, option in options.items():
        accepts = describe(find((name,), root), root)
        yield _cells(f"`worker.{name}`", _default(option.get("default")), accepts, option.get("description", ""))
    yield ""


def _default(value: Any) -> str:
    if value is None:
        return "not set"
    return "an empty table" if value == {} else f"`{show(value)}`"


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
