"""The published JSON Schema, held against a stock validator."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from workerhub.config.catalogue import SETTINGS
from workerhub.config.schema import file_schema
from workerhub.worker import available

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def validator() -> jsonschema.Draft202012Validator:
    schema = file_schema({listing.name: listing.cls.Options for listing in available() if listing.cls is not None})
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


VALID = [
    "",
    'app = "a:b"\nbind = ":8000"',
    'bind = [":8000", "unix:/run/a"]',
    'extends = "base.toml"',
    '[timeouts]\nboot = "30s"\nrequest = "off"\nkill = 5\ngraceful = 0.5\nkeepalive = "auto"',
    '[worker]\nclass = "snail"\nprocesses = "auto"',
    '[worker]\nclass = "crowd"\nprocesses = 4\nsize = 8\nmode = "lazy"\nlabels = ["a"]',
    "[worker]\nsize = 9\nprocesses = 1",
    '[worker]\nclass = "package.module:Class"\nwhatever = 1',
    '[recycle]\nmax_requests = "off"\nmax_requests_jitter = 5',
    '[http]\nmax_body = "10MiB"\nbody_memory = 4096\nserver_header = "off"\ntrusted_proxies = "10.0.0.0/8"',
    '[profiles.live]\nbind = ":80"\n[profiles.live.worker]\nclass = "crowd"\nsize = 3',
    'reload.surge = "25%"',
    "reload.surge = 2",
    'umask = "022"',
    "umask = 0o22",
    "user = 1000\ngroup = 'www-data'",
    '[env]\nA = "1"\nB = 2',
    "preload = false",
    'log.access = "off"',
]

INVALID = [
    "app = 1",
    "bnid = 1",
    "backlog = 0",
    '[timeouts]\nboot = "30 s"',
    '[timeouts]\nboot = "off"',
    '[timeouts]\nrequst = "30s"',
    '[worker]\nclass = "snail"\nsize = 8',
    '[worker]\nclass = "crowd"\nsize = 65',
    '[worker]\nclass = "crowd"\nsiz = 6',
    '[worker]\nclass = "unheard-of"',
    "[worker]\nnothing_has_this = 1",
    '[http]\nmax_body = "10mb"',
    '[http]\nparser = "llhttp"',
    'reload.surge = "0%"',
    'log.access_format = ["json"]',
    "[profiles]\nlive = 1",
    '[profiles.live]\nextends = "x"',
    "[env]\nA = true",
    "worker = 3",
]


@pytest.mark.parametrize("text", VALID)
def test_valid(validator: jsonschema.Draft202012Validator, text: str) -> None:
    validator.validate(tomllib.loads(text))


@pytest.mark.parametrize("text", INVALID)
def test_invalid(validator: jsonschema.Draft202012Validator, text: str) -> None:
    assert not validator.is_valid(tomllib.loads(text))


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.toml")), ids=lambda path: path.name)
def test_the_examples_are_valid(validator: jsonschema.Draft202012Validator, path: Path) -> None:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {listing.name for listing in available() if listing.cls is not None}
    if document.get("worker", {}).get("class", "sync") not in known:
        pytest.skip("its worker class comes with a later version")
    validator.validate(document)


def test_every_default_is_valid(validator: jsonschema.Draft202012Validator) -> None:
    document: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.default is not None:
            table = document
            for name in setting.path[:-1]:
                table = table.setdefault(name, {})
            table[setting.path[-1]] = setting.default
    validator.validate(document)


def test_every_setting_is_explained(validator: jsonschema.Draft202012Validator) -> None:
    text = json.dumps(validator.schema)
    for setting in SETTINGS:
        assert json.dumps(setting.meaning) in text, setting.key


def test_nothing_private_is_published(validator: jsonschema.Draft202012Validator) -> None:
    assert "x-" not in json.dumps(validator.schema).replace("x-forwarded", "")
