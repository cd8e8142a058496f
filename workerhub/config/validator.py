"""The validator of the settings: pydantic's own, pydantic-core, without the rest of pydantic around it.

Three quarters of pydantic are there to understand every annotation that there can be; importing them and building one model takes longer
than all else at a start. The settings' annotations are few, so here they are turned into pydantic-core's schema directly. Pydantic itself
reads the same annotations where it has more to tell, the JSON Schema for editors, reports and the reference page; a test holds
both against each other. A worker class's options, which may use all of pydantic, are left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic_core import CoreSchema, SchemaValidator, core_schema

from workerhub.config.models import ServerConfig, Table, facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import Field

    from workerhub.config.written import Kind


def validate_json(document: str) -> ServerConfig:
    """Validate a whole configuration, given as JSON with every table in it.

    JSON, because that is how pydantic is strict about types ("4" is no number) without being strict about Python's own ones (a list
    may become a tuple).

    Raises:
        pydantic_core.ValidationError: all that is wrong with it.
    """
    config: ServerConfig = _validator().validate_json(document)
    return config


@cache
def _validator() -> SchemaValidator:
    return SchemaValidator(_table(ServerConfig))


def _table(table: type[Table]) -> CoreSchema:
    declared, extra = fields(table), table.__pydantic_config__.get("extra")
    return core_schema.dataclass_schema(
        table,
        core_schema.dataclass_args_schema(table.__name__, list(map(_field, declared))),
        [each.name for each in declared],
        slots=True,
        config=core_schema.CoreConfig(extra_fields_behavior=extra or "forbid", strict=True),
    )


def _field(declared: Field[Any]) -> core_schema.DataclassField:
    schema, told = schema_of(declared.type), facts(declared)
    if declared.default is not MISSING or declared.default_factory is not MISSING:
        schema = core_schema.with_default_schema(
            schema, default=told.default, validate_default=declared.metadata["validate_default"]
        )
    return core_schema.dataclass_field(declared.name, schema, validation_alias=declared.metadata.get("alias"))


def schema_of(annotation: Any) -> CoreSchema:
    """Turn one annotation into a schema.

    Raises:
        TypeError: it is of no kind that a setting has had so far.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner: Callable[[], CoreSchema] = partial(schema_of, arguments[0])
        for kind in annotation.__metadata__:
            inner = partial(_annotated, kind, inner)
        return inner()
    if origin is Literal:
        return core_schema.literal_schema(list(arguments))
    if origin is Mapping:
        return core_schema.dict_schema(*map(schema_of, arguments))
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]()
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return _table(annotation)
    raise TypeError(f"no setting is a {annotation}")


def _annotated(kind: Kind, inner: Callable[[], CoreSchema]) -> CoreSchema:
    return kind.core_schema(inner)


_SIMPLE: Mapping[type, Callable[[], CoreSchema]] = {bool: core_schema.bool_schema, str: core_schema.str_schema}
