"""The JSON Schema of a configuration file, for editors: the settings, and the options of every installed worker class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workerhub.config.catalogue import server_schema
from workerhub.config.english import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def file_schema(options: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Make the schema of a TOML file.

    Nothing is required in it: what one file leaves out, another, the environment or the command line may say.

    Args:
        options: each installed worker class's name, and the model of its options.
    """
    worker, definitions = _worker_table(options)
    definitions |= {name: table for name, table in server_schema()["$defs"].items() if name != "WorkerConfig"}
    definitions |= {"Worker": worker, "Settings": _object(_settings())}
    properties = {
        **_settings(),
        "extends": {
            "type": "string",
            "minLength": 1,
            "description": "Another configuration file, relative to this one; what this one says wins.",
        },
        "profiles": {
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/Settings"},
            "description": "Settings that apply when the profile of that name is chosen: --profile NAME, or WORKERHUB_PROFILE.",
        },
    }
    schema = {"$schema": DIALECT, "title": "workerhub configuration", **_object(properties), "$defs": definitions}
    published: dict[str, Any] = _published(schema)
    return published


def _settings() -> dict[str, Any]:
    return {**server_schema()["properties"], "worker": {"$ref": "#/$defs/Worker"}}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _worker_table(options: Mapping[str, type[BaseModel]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The `[worker]` table: one shape for each class, one for a class by its import path, one for a table without a class.

    Returns:
        The table's schema, and the definitions that the options' own schemas refer to.
    """
    table = server_schema()["$defs"]["WorkerConfig"]
    own = table["properties"]
    branches: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    any_class: dict[str, list[Any]] = {}
    for name, model in options.items():
        schema = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        definitions |= {f"{name}.{inner}": definition for inner, definition in schema.get("$defs", {}).items()}
        keys = schema.get("properties", {})
        for key, value in keys.items():
            any_class.setdefault(key, []).append(value)
        chosen = {"class": {**own["class"], "const": name}, "processes": own["processes"], **keys}
        branches.append({"title": name, **_object(chosen), "required": ["class"]})
    by_path = {"class": {**own["class"], "pattern": ":"}, "processes": own["processes"]}
    branches.append({"title": "by import path", "type": "object", "properties": by_path, "required": ["class"]})
    merged = {key: values[0] if len(values) == 1 else {"anyOf": values} for key, values in any_class.items()}
    branches.append({"title": "class set elsewhere", **_object({"processes": own["processes"], **merged})})
    return {"description": table["description"], "type": "object", "anyOf": branches}, definitions


def _published(schema: Any) -> Any:
    """Without the private keywords, the titles that pydantic makes of field names, and defaults that nobody can write."""
    if isinstance(schema, list):
        return [_published(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _published(value)
        for key, value in schema.items()
        if key != EXPECTED and not (key == "default" and value is None)
    }
    if "properties" in kept:
        for inner in kept["properties"].values():
            inner.pop("title", None)
    return kept
