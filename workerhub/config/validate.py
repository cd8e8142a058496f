"""From what was said to what it means: the one path that every configuration takes, whatever language it was written in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from workerhub.config.catalogue import TABLES, server_schema
from workerhub.config.models import ServerConfig
from workerhub.config.report import Judge, Report, WordUnknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workerhub.config.sources import Sources
    from workerhub.config.tree import Key, Layer

ModelT = TypeVar("ModelT", bound=BaseModel)


def validate(sources: Sources, report: Report) -> ServerConfig | None:
    """Judge all that was said; profiles that aren't in force are judged too, so that no mistake waits for its day.

    Returns:
        The configuration. Where there are problems, the configuration without what is wrong, good for finding more
        problems and for nothing else; None where not even that can be made.
    """
    for layer, profile in sources.others:
        judge = Judge(report, layer, server_schema, sources.missing)
        judge.only = set(profile.origins.values()).__contains__
        parse(ServerConfig, layer, judge)
    judge = Judge(report, sources.chosen, server_schema, sources.missing)
    config, blamed = parse(ServerConfig, sources.chosen, judge)
    return config or _salvage(sources.chosen, blamed)


def parse(model: type[ModelT], layer: Layer, judge: Judge) -> tuple[ModelT | None, list[Key]]:
    """Hold a layer against a model. Returns the model's instance, or None and the keys to blame.

    It goes through JSON, because that is how pydantic is strict about types ("4" is no number) without being strict
    about Python's own ones (a list may become a tuple).
    """
    try:
        return model.model_validate_json(_as_json(layer, TABLES if model is ServerConfig else ()), strict=True), []
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
    return parse(model, _own_options(sources), judge)[0]


def own_options(sources: Sources) -> str:
    """What `validate_options` has judged, as JSON that the model can be given once more, strictly."""
    return _as_json(_own_options(sources))


def _own_options(sources: Sources) -> Layer:
    return sources.chosen.table(("worker",)).without([("class",), ("processes",)])


def _salvage(layer: Layer, blamed: list[Key]) -> ServerConfig | None:
    rest = layer.without(blamed)
    rest.tree.setdefault("app", "nothing")
    try:
        return ServerConfig.model_validate_json(_as_json(rest, TABLES), strict=True)
    except ValidationError:
        return None


def _as_json(layer: Layer, tables: Iterable[str] = ()) -> str:
    """What JSON has no word for becomes null, which no setting takes: the report shows the original.

    Of `tables` those that nobody mentioned are there, empty: so the whole's validator makes them, and a table's own is never built.
    """
    tree = {**{name: {} for name in tables}, **layer.tree}
    return json.dumps(tree, default=lambda _value: None)
