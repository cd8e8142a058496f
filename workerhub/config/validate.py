"""From what was said to what it means: the one path that every configuration takes, whatever language it was written in."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import ValidationError

from workerhub.config.catalogue import TABLES, server_schema
from workerhub.config.report import Judge, Report, WordUnknown
from workerhub.config.validator import validate_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from workerhub.config.models import ServerConfig
    from workerhub.config.sources import Sources
    from workerhub.config.tree import Key, Layer

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound="BaseModel")


def validate(sources: Sources, report: Report) -> ServerConfig | None:
    """Judge all that was said; profiles that aren't in force are judged too, so that no mistake waits for its day.

    Returns:
        The configuration. Where there are problems, the configuration without what is wrong, good for finding more
        problems and for nothing else; None where not even that can be made.
    """
    for layer, profile in sources.others:
        judge = Judge(report, layer, server_schema, sources.missing)
        judge.only = set(profile.origins.values()).__contains__
        parse(validate_json, _whole(layer), judge)
    judge = Judge(report, sources.chosen, server_schema, sources.missing)
    config, blamed = parse(validate_json, _whole(sources.chosen), judge)
    return config or _salvage(sources.chosen, blamed)


def parse(read: Callable[[str], T], document: str, judge: Judge) -> tuple[T | None, list[Key]]:
    """Have a document validated. Returns what it comes to, or None and the keys to blame."""
    try:
        return read(document), []
    except ValidationError as error:
        return None, judge.judge(error)


def validate_options(model: type[ModelT], sources: Sources, report: Report, word_unknown: WordUnknown) -> ModelT | None:
    """Judge what the `[worker]` table holds beside its own keys by the worker class's model.

    Args:
        model: the class's options.
        sources: what was said.
        report: where problems go.
        word_unknown: words the refusal of a key that the model doesn't have.

    Returns:
        The options, or None: the problems are in the report.
    """
    judge = Judge(report, sources.chosen, model.model_json_schema, sources.missing, table=("worker",))
    judge.word_unknown = word_unknown
    return parse(partial(model.model_validate_json, strict=True), own_options(sources), judge)[0]


def own_options(sources: Sources) -> str:
    """What the `[worker]` table holds for the worker class, as JSON."""
    return _as_json(sources.chosen.table(("worker",)).without([("class",), ("processes",)]).tree)


def _salvage(layer: Layer, blamed: list[Key]) -> ServerConfig | None:
    rest = layer.without(blamed)
    rest.tree.setdefault("app", "nothing")
    try:
        return validate_json(_whole(rest))
    except ValidationError:
        return None


def _whole(layer: Layer) -> str:
    """A whole configuration as JSON: the tables that nobody mentioned are there, empty."""
    return _as_json({**{name: {} for name in TABLES}, **layer.tree})


def _as_json(tree: dict[str, Any]) -> str:
    """What JSON has no word for becomes null, which no setting takes: the report shows the original."""
    return json.dumps(tree, default=lambda _value: None)
