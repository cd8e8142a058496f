"""The Python adapter: a file that assigns settings at module level, or defines `config()`, to tree and lines."""

from __future__ import annotations

import ast
import inspect
import traceback
from collections.abc import Iterator, Mapping
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from workerhub.config.report import META
from workerhub.config.toml_file import Document, UnreadableError
from workerhub.config.tree import Key, plain

if TYPE_CHECKING:
    from pathlib import Path


def read_python(text: str, path: Path) -> Document:
    """Run a configuration written in Python, in this process.

    Settings are the names that the file assigns. No settings are: names that start with an underscore, modules,
    functions and classes, and what was imported under a name that no setting has.

    Raises:
        UnreadableError: it can't be compiled, or raised.
    """
    code, module = _compiled(text, path)
    namespace = _run(code, path)
    function = namespace.get("config")
    if inspect.isfunction(function):
        return _returned(function, namespace, module, path)
    imported = {name for statement in ast.walk(module) for name in _imported(statement)}
    settings = {
        name: plain(value)
        for name, value in namespace.items()
        if _may_be_setting(name, value) and (name not in imported or _is_known(name))
    }
    return Document(settings, _lines(module.body))


def _is_known(name: str) -> bool:
    from workerhub.config.catalogue import SETTINGS  # noqa: PLC0415  # brings pydantic along, and most files need none

    return name in {*META, *(setting.path[0] for setting in SETTINGS)}


def _compiled(text: str, path: Path) -> tuple[CodeType, ast.Module]:
    try:
        module = ast.parse(text, filename=str(path))
        return compile(module, str(path), "exec", dont_inherit=True), module
    except SyntaxError as error:
        raise UnreadableError(f"not valid Python: {error.msg}", error.lineno or 0, error.offset or 0) from None
    except ValueError as error:  # a NUL in the text
        raise UnreadableError(f"not valid Python: {error}") from None


def _run(code: CodeType, path: Path) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "workerhub_config", "__file__": str(path)}
    try:
        exec(code, namespace)  # noqa: S102  # running the operator's own file is the feature
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it raises is the operator's to read
        raise _raised(error, path) from None
    return namespace


def _returned(function: Any, namespace: Mapping[str, Any], module: ast.Module, path: Path) -> Document:
    """Take the tree that `config()` returns. Module-level names are its helpers then, and may not look like settings."""
    lines = _lines(module.body)
    for name in namespace:
        if (name,) in lines and _may_be_setting(name, namespace[name]) and _is_known(name):
            message = (
                f'{name} is assigned beside config(), where nobody reads it: put "{name}" into what config() returns'
            )
            raise UnreadableError(message, lines[name,])
    try:
        tree = function()
    except (Exception, SystemExit) as error:  # noqa: BLE001  # as above
        raise _raised(error, path) from None
    line = function.__code__.co_firstlineno
    if not isinstance(tree, Mapping):
        raise UnreadableError(f"config() has to return a dictionary, not an object of type {type(tree).__name__}", line)
    found: dict[Key, int] = {(str(name),): line for name in tree}
    for returned in ast.walk(module):
        if isinstance(returned, ast.Return) and isinstance(returned.value, ast.Dict):
            found.update(dict(_dict_lines(returned.value, ())))
    return Document({str(name): plain(value) for name, value in tree.items()}, found)


def _raised(error: BaseException, path: Path) -> UnreadableError:
    """Point to the last line of the file that was running."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    message = "".join(traceback.format_exception_only(error)).strip().replace("\n", " ")
    return UnreadableError(f"raised {message}", (frames[-1].lineno or 0) if frames else 0)


def _may_be_setting(name: str, value: object) -> bool:
    nothing = name.startswith("_") or isinstance(value, ModuleType | type) or inspect.isroutine(value)
    return not nothing


def _imported(statement: ast.AST) -> Iterator[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in statement.names)


def _lines(statements: list[ast.stmt]) -> dict[Key, int]:
    """Find the line of each name that is bound at module level, the last one where there are several."""
    lines: dict[Key, int] = {}
    for statement in statements:
        for node in _unnested(statement):
            for target, value in _assigned(node):
                lines.update(_target_lines(target, value))
            for name in _imported(node):
                lines[name,] = node.lineno
    return lines


def _unnested(statement: ast.stmt) -> Iterator[ast.stmt]:
    """The statement and those inside it that still bind module-level names: `if`, `try`, `with`, `for`."""
    yield statement
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    for inner in ast.iter_child_nodes(statement):
        blocks = [inner] if isinstance(inner, ast.stmt) else getattr(inner, "body", [])
        for child in blocks if isinstance(blocks, list) else []:
            if isinstance(child, ast.stmt):
                yield from _unnested(child)


def _assigned(node: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        yield node.target, node.value
    elif isinstance(node, ast.For):
        yield node.target, None


def _target_lines(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[Key, int]]:
    if isinstance(target, ast.Name):
        yield (target.id,), target.lineno
        if isinstance(value, ast.Dict):
            yield from _dict_lines(value, (target.id,))
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _target_lines(element, None)
    elif isinstance(target, ast.Subscript) and (key := _subscripted(target)):
        yield key, target.lineno


def _subscripted(target: ast.expr) -> Key:
    """The path of `worker["threads"]`, or `()` where it isn't one that can be read off."""
    if isinstance(target, ast.Name):
        return (target.id,)
    if (
        isinstance(target, ast.Subscript)
        and isinstance(target.slice, ast.Constant)
        and isinstance(target.slice.value, str)
        and (above := _subscripted(target.value))
    ):
        return (*above, target.slice.value)
    return ()


def _dict_lines(literal: ast.Dict, above: Key) -> Iterator[tuple[Key, int]]:
    for key, value in zip(literal.keys, literal.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield (*above, key.value), key.lineno
            if isinstance(value, ast.Dict):
                yield from _dict_lines(value, (*above, key.value))
