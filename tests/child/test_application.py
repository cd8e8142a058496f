"""Broken applications, and exactly what their authors read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from workerhub.child import LoadError, call_hook, load_application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Reference:
    module: str
    attribute: str = "application"
    is_factory: bool = False


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Writes modules that can be imported; forgets them afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


APPLICATION = "def application(environ, start_response): return []\n"


def test_a_good_application_is_found(write: Callable[[str, str], None]) -> None:
    write(
        "site_good/wsgi.py",
        APPLICATION + "class deep:\n    app = staticmethod(application)\ndef make(): return application\n",
    )
    assert load_application(Reference("site_good.wsgi")).__name__ == "application"
    assert load_application(Reference("site_good.wsgi", "deep.app")).__name__ == "application"
    assert load_application(Reference("site_good.wsgi", "make", is_factory=True)).__name__ == "application"


@pytest.mark.parametrize(
    ("text", "reference", "reason"),
    [
        ("", Reference("no_such_site"), "no module called no_such_site (python_path and chdir say where to look)"),
        ("", Reference("site.no_such_part"), "can't import site.no_such_part: site is not a package"),
        (
            "",
            Reference("email.no_such_part"),
            "no module called email.no_such_part (python_path and chdir say where to look)",
        ),
        (
            "",
            Reference("no_site.part"),
            "can't import no_site.part: no module called no_site (python_path and chdir say where to look)",
        ),
        ("import djnago", Reference("broken"), "importing broken raised ModuleNotFoundError: No module named 'djnago'"),
        ("from os import nothing_such", Reference("broken"), None),
        ("x = 1\ndef f(:\n", Reference("broken"), "importing broken raised SyntaxError: invalid syntax (broken.py:2)"),
        ("1 / 0", Reference("broken"), "importing broken raised ZeroDivisionError: division by zero"),
        ("raise ValueError('two\\nlines')", Reference("broken"), "importing broken raised ValueError: two lines"),
        ("import sys; sys.exit('bye')", Reference("broken"), "importing broken called sys.exit('bye')"),
        ("raise SystemExit", Reference("broken"), "importing broken called sys.exit(None)"),
        ("raise KeyboardInterrupt", Reference("broken"), "importing broken raised KeyboardInterrupt"),
        (
            APPLICATION,
            Reference("broken", "aplication"),
            'module broken has no attribute "aplication"; did you mean "application"?',
        ),
        (APPLICATION, Reference("broken", "x"), 'module broken has no attribute "x" (it has: application)'),
        ("", Reference("broken"), 'module broken has no attribute "application"'),
        ("class App: pass\napp = App()", Reference("broken", "app.wsgi"), 'App object has no attribute "wsgi"'),
        ("application = {}", Reference("broken"), "broken:application is not callable: it is a dict"),
        ("application = None", Reference("broken"), "broken:application is not callable: it is None"),
        ("make = 3", Reference("broken", "make", is_factory=True), "broken:make is not callable: it is a int"),
        (
            "def make(): return 7",
            Reference("broken", "make", is_factory=True),
            "broken:make() returned something that is not callable: it is a int",
        ),
        (
            "def make(): raise KeyError('DB')",
            Reference("broken", "make", is_factory=True),
            "broken:make() raised KeyError: 'DB'",
        ),
        (
            "def make(config): pass",
            Reference("broken", "make", is_factory=True),
            "broken:make() raised TypeError: make() missing 1 required positional argument: 'config'",
        ),
        (
            "def make(): pass",
            Reference("broken", "make"),
            "broken:make can't be called with (environ, start_response); if it makes the application, write broken:make()",
        ),
        (
            "async def application(scope, receive, send): pass",
            Reference("broken"),
            "broken:application is an ASGI application (async); workerhub serves WSGI",
        ),
        (
            "class A:\n    async def __call__(self, scope, receive, send): pass\napplication = A()",
            Reference("broken"),
            "broken:application is an ASGI application (async); workerhub serves WSGI",
        ),
    ],
    ids=lambda value: repr(value)[:50] if isinstance(value, str) else None,
)
def test_a_broken_application_is_named_exactly(
    write: Callable[[str, str], None], tmp_path: Path, text: str, reference: Reference, reason: str | None
) -> None:
    write("broken.py", text)
    with pytest.raises(LoadError) as caught:
        load_application(reference)
    told = str(caught.value).replace(str(tmp_path) + "/", "")
    if reason is None:
        assert told.startswith("importing broken raised ImportError: cannot import name 'nothing_such' from 'os'")
    else:
        assert told == reason


def test_the_traceback_begins_with_the_application(write: Callable[[str, str], None], tmp_path: Path) -> None:
    write("broken.py", "def inner():\n    raise ValueError('no')\ninner()\n")
    with pytest.raises(LoadError) as caught:
        load_application(Reference("broken"))
    assert caught.value.detail.splitlines()[:2] == [
        "Traceback (most recent call last):",
        f'  File "{tmp_path}/broken.py", line 3, in <module>',
    ]
    assert "workerhub" not in caught.value.detail
    assert caught.value.detail.endswith("ValueError: no\n")


def test_a_module_that_is_not_there_needs_no_traceback() -> None:
    with pytest.raises(LoadError) as caught:
        load_application(Reference("no_such_site"))
    assert caught.value.detail == ""


@pytest.mark.parametrize(
    ("dotted", "reason"),
    [
        ("no_hooks:f", "hooks.worker_ready: no module called no_hooks (python_path and chdir say where to look)"),
        ("hooks_here.g", 'hooks.worker_ready: module hooks_here has no attribute "g" (it has: f)'),
        ("hooks_here:x", "hooks.worker_ready: hooks_here:x is not callable"),
        ("hooks_here:f", "hooks.worker_ready: hooks_here:f raised RuntimeError: told 3"),
    ],
)
def test_a_broken_hook_is_named_exactly(write: Callable[[str, str], None], dotted: str, reason: str) -> None:
    write("hooks_here.py", "x = 1\ndef f(facts): raise RuntimeError(f'told {facts[\"slot\"]}')\n")
    with pytest.raises(LoadError) as caught:
        call_hook("worker_ready", dotted, {"slot": 3})
    assert str(caught.value) == reason
