"""A package's face whose names are imported when they are asked for (PEP 562).

For packages of which many need a little: who makes a plan needs the supervisor's policy, not its state machine; a worker needs the
contract, not the registry with pydantic behind it. Type checkers read the same names from imports under `TYPE_CHECKING`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def names_from(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a package's `__getattr__`.

    Args:
        package: its `__name__`.
        modules: the modules in it, each with the names that come from there, separated by spaces.
    """
    homes = {name: module for module, names in modules.items() for name in names.split()}

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return find
