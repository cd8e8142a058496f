"""Importing the application, and saying clearly why it can't be."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, Protocol, TypeVar

from workerhub.child.leaving import ToldToLeave
from workerhub.child.stacks import traceback_of
from workerhub.errors import WorkerhubError
from workerhub.worker import WSGIApplication

T = TypeVar("T")


class Reference(Protocol):
    """Where the application is: `attribute` of `module`, or what it returns when called."""

    @property
    def module(self) -> str:
        """Dotted name of the module."""

    @property
    def attribute(self) -> str:
        """Name within the module; dots lead further in."""

    @property
    def is_factory(self) -> bool:
        """Whether the attribute makes the application."""


class LoadError(WorkerhubError):
    """A name can't be made into a callable. The message is one line; `detail` is the traceback, where one helps."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


def load_application(reference: Reference) -> WSGIApplication:
    """Import the module, find the attribute, call it where it is a factory.

    Raises:
        LoadError: one of it failed, or the result can't be a WSGI application.
    """
    name = f"{reference.module}:{reference.attribute}"
    found = find_attribute(reference.module, reference.attribute)
    if reference.is_factory:
        _check_callable(found, name)
        found = _attempt(found, f"{name}()")
        name = f"{name}() returned something that"
    _check_callable(found, name)
    _check_wsgi(found, name, reference)
    return found  # type: ignore[no-any-return]  # checked as far as a running program can


def find_attribute(module_name: str, attribute: str) -> Any:
    """Import a module and find an attribute of it.

    Raises:
        LoadError: there is no such module, its import failed, or it has no such attribute.
    """
    found: Any = import_module(module_name)
    for step in attribute.split("."):
        try:
            found = getattr(found, step)
        except AttributeError:
            raise LoadError(_missing(found, step, module_name)) from None
    return found


def import_module(name: str) -> ModuleType:
    """Import a module.

    Raises:
        LoadError: there is none of that name, or its import failed; these are different sentences.
    """
    try:
        return _attempt(lambda: importlib.import_module(name), f"importing {name}")
    except LoadError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name and f"{name}.".startswith(f"{cause.name}."):
            if cause.msg.endswith("is not a package"):
                parent = name[: len(cause.name)].rpartition(".")[0]
                raise LoadError(f"can't import {name}: {parent} is not a package") from cause
            what = "no module called" if cause.name == name else f"can't import {name}: no module called"
            raise LoadError(f"{what} {cause.name} (python_path and chdir say where to look)") from cause
        raise


def _attempt(action: Callable[[], T], what: str) -> T:
    """Run the application's code; whatever it raises, also to leave the process, becomes a `LoadError`.

    Raises:
        LoadError: it raised.
    """
    try:
        return action()
    except SystemExit as error:
        raise LoadError(f"{what} called sys.exit({error.code!r})", traceback_of(error)) from error
    except ToldToLeave:
        raise
    except BaseException as error:
        message = str(error) if not isinstance(error, SyntaxError) else f"{error.msg} ({error.filename}:{error.lineno})"
        reason = f"{what} raised {type(error).__name__}{f': {message}' if message else ''}"
        raise LoadError(" ".join(reason.split()), traceback_of(error)) from error


def _missing(owner: Any, name: str, module_name: str) -> str:
    """Say that something isn't there, and what is."""
    names = [known for known in dir(owner) if not known.startswith("_")]
    callables = [known for known in names if callable(inspect.getattr_static(owner, known, None))]
    from difflib import get_close_matches  # noqa: PLC0415  # only for a mistake

    near = get_close_matches(name, names, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    if not near and isinstance(owner, ModuleType):
        here = [known for known in callables if getattr(getattr(owner, known), "__module__", None) == module_name]
        hint = f" (it has: {', '.join(here[:8])})" if here else ""
    what = f"module {owner.__name__}" if isinstance(owner, ModuleType) else f"{type(owner).__name__} object"
    return f'{what} has no attribute "{name}"{hint}'


def _check_callable(found: Any, name: str) -> None:
    """Make sure that it can be called at all.

    Raises:
        LoadError: it can't.
    """
    if not callable(found):
        raise LoadError(f"{name} is not callable: it is {_kind(found)}")


def _check_wsgi(found: Any, name: str, reference: Reference) -> None:
    """Catch the two mix-ups that would otherwise fail each request.

    Raises:
        LoadError: it is an ASGI application, or a factory that the configuration doesn't call.
    """
    if _takes_two(found):
        return
    if inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(getattr(found, "__call__", None)):  # noqa: B004  # the method itself is looked at
        raise LoadError(f"{name} is an ASGI application (async); workerhub serves WSGI")
    if reference.is_factory or not inspect.isroutine(found):
        return
    try:
        inspect.signature(found, follow_wrapped=False).bind({}, None)
    except TypeError:
        raise LoadError(
            f"{name} can't be called with (environ, start_response); if it makes the application, write {name}()"
        ) from None
    except ValueError:  # no signature to be had
        return


def _takes_two(found: Any) -> bool:
    """Whether it plainly is what it should be: `inspect`, asked the same, writes to 0.2 MiB that workers would share otherwise."""
    if type(found) is not FunctionType or vars(found):
        return False
    code = found.__code__
    return code.co_argcount == 2 and not code.co_kwonlyargcount and not code.co_flags & inspect.CO_COROUTINE


def _kind(found: Any) -> str:
    """Name what it is instead."""
    return "None" if found is None else f"a {type(found).__name__}"
