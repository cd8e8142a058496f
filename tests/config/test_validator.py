"""The validator of the settings is held against pydantic's own reading of the same annotations: one verdict, one configuration."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from workerhub.config.catalogue import SETTINGS, TABLES
from workerhub.config.models import ServerConfig, facts
from workerhub.config.validator import schema_of, validate_json

VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        3,
        2048,
        0.0,
        1.5,
        1e9,
        "",
        "x",
        "off",
        "auto",
        "4",
        "30s",
        "250ms",
        "5 m",
        "64KiB",
        "12MB",
        "25%",
    ),
    *(
        "101%",
        "1.3",
        "027",
        511,
        512,
        "127.0.0.1:8000",
        "[::1]:80",
        "unix:/run/a",
        "fd://3",
        ":80",
        "localhost",
        "mysite.wsgi",
        "a:b()",
    ),
    *(
        "module:Class",
        "no name",
        "10.0.0.0/8",
        "10.0.0.1/8",
        "%(h)s",
        "combined",
        "json",
        "info",
        "h11",
        "rfc7239",
        "a\nb",
        "a\0b",
    ),
    *(
        [],
        {},
        ["a"],
        ["127.0.0.1", "unix"],
        [":80", ":80"],
        [":80", 3],
        {"A": "b", "C": 1},
        {"A": True},
        {"A=": "b"},
        {"A": {}},
    ),
]
"""What is right for one setting or another, and what is wrong for all of them."""

KEYS = [
    *(setting.path for setting in SETTINGS),
    ("nothing",),
    ("timeouts", "requst"),
    ("tls",),
    ("worker",),
]


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A configuration of some settings, right or wrong, and perhaps some that there are not."""
    tree: dict[str, Any] = {"app": "mysite.wsgi", **{table: {} for table in TABLES}}
    for *above, name in draw(st.lists(st.sampled_from(KEYS), max_size=5)):
        table = tree[above[0]] if above else tree
        if isinstance(table, dict):
            table[name] = draw(st.sampled_from(VALUES))
    if draw(st.booleans()) and draw(st.booleans()):
        del tree["app"]
    return json.dumps(tree)


@cache
def pydantic() -> TypeAdapter[ServerConfig]:
    return TypeAdapter(ServerConfig)


def outcome(validate: Any, document: str) -> object:
    """The configuration, or each mistake's place, kind and context."""
    try:
        return validate(document)
    except ValidationError as error:
        return [(each["loc"], each["type"], str(each.get("ctx"))) for each in error.errors(include_url=False)]


@given(documents())
def test_the_verdict_is_pydantics(document: str) -> None:
    ours = outcome(validate_json, document)
    assert ours == outcome(pydantic().validate_json, document)


def test_every_setting_is_right_for_some_value_and_wrong_for_some() -> None:
    """Else the test above says less than it seems to."""
    for setting in SETTINGS:
        verdicts = set()
        for value in VALUES:
            tree: dict[str, Any] = {"app": "a", **{table: {} for table in TABLES}}
            inner = tree[setting.path[0]] if len(setting.path) > 1 else tree
            inner[setting.path[-1]] = value
            verdicts.add(isinstance(outcome(validate_json, json.dumps(tree)), ServerConfig))
        assert verdicts == {True, False}, setting.key


def test_what_is_not_said_is_the_default_as_validated() -> None:
    config = validate_json(json.dumps({"app": "a", **{table: {} for table in TABLES}}))
    assert config.timeouts.boot == 60.0
    assert config.http.max_request_line == 8192
    assert (config.python_path, config.env) == ((), {})


def test_a_default_that_could_change_is_nobodys() -> None:
    """Each configuration has its own."""
    document = json.dumps({"app": "a", **{table: {} for table in TABLES}})
    first, second = validate_json(document), validate_json(document)
    assert first.env is not second.env
    assert all(facts(each).default is not getattr(first, each.name) for each in fields(first) if each.name == "env")


def test_a_kind_that_no_setting_has_had_so_far_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="no setting is a <class 'complex'>"):
        schema_of(complex)
