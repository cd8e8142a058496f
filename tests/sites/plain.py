"""A WSGI application that does, on demand, everything that a server must survive.

Files steer it, so that a test can wait for a condition instead of sleeping: `PLAIN_IMPORTS` collects the pid of every
process that imports it; while `PLAIN_BROKEN` exists the import fails; while `PLAIN_SLOW` exists the import doesn't end.
`PLAIN_FAILS_AT` is the number of one import, counted from 1, that fails.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
View = Callable[[Environ, dict[str, str]], Iterable[bytes]]

LATE_ERROR = "raised by the application, late"


def _import_as_told() -> None:
    if log := os.environ.get("PLAIN_IMPORTS"):
        with Path(log).open("a") as file:
            file.write(f"{os.getpid()}\n")
        if os.environ.get("PLAIN_FAILS_AT") == str(len(Path(log).read_text().split())):
            raise RuntimeError("this one fails")
    while (hold := os.environ.get("PLAIN_SLOW")) and Path(hold).exists():
        time.sleep(0.01)
    if (broken := os.environ.get("PLAIN_BROKEN")) and Path(broken).exists():
        raise RuntimeError("broken on purpose")


_import_as_told()


def _hold(environ: Environ, query: dict[str, str]) -> list[bytes]:
    """Say `FILE.started`, then wait until FILE is there."""
    gate = Path(query["file"])
    Path(f"{gate}.started").touch()
    while not gate.exists():
        time.sleep(0.01)
    return [b"let go\n"]


def _forever(environ: Environ, query: dict[str, str]) -> list[bytes]:
    while True:
        time.sleep(0.01)


def _swallow(environ: Environ, query: dict[str, str]) -> list[bytes]:
    """As frameworks do: every Exception becomes a page."""
    try:
        return _forever(environ, query)
    except Exception:  # noqa: BLE001  # what is tested
        return [b"swallowed\n"]


def _stubborn(environ: Environ, query: dict[str, str]) -> list[bytes]:
    """What no application should do: it won't be interrupted. Say `FILE.started` first."""
    Path(f"{query['file']}.started").touch()
    while True:
        try:
            _forever(environ, query)
        except BaseException:  # noqa: BLE001  # what is tested
            continue


def _native(environ: Environ, query: dict[str, str]) -> list[bytes]:
    """Say `FILE.started`, then stand still in C code that no signal interrupts: a mutex, locked twice.

    `lock=kept` keeps the interpreter lock meanwhile, `lock=released` doesn't.
    """
    library = {"kept": ctypes.PyDLL, "released": ctypes.CDLL}[query["lock"]](None)
    mutex = ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    Path(f"{query['file']}.started").touch()
    library.pthread_mutex_lock(mutex)
    return [b"unreachable\n"]


def _wait_in_sleep() -> None:
    time.sleep(3600)


def _wait_in_socket() -> None:
    ours, _theirs = socket.socketpair()
    ours.recv(1)


def _wait_in_lock() -> None:
    lock = threading.Lock()
    with lock, lock:
        pass


def _wait_in_native() -> None:
    ctypes.CDLL(None).sleep(3600)


def _wait(environ: Environ, query: dict[str, str]) -> list[bytes]:
    """Wait in a call that blocks: `in=sleep`, `socket`, `lock` or `native`."""
    {"sleep": _wait_in_sleep, "socket": _wait_in_socket, "lock": _wait_in_lock, "native": _wait_in_native}[
        query["in"]
    ]()
    return [b"unreachable\n"]


def _exit(environ: Environ, query: dict[str, str]) -> list[bytes]:
    os._exit(int(query["code"]))


def _segfault(environ: Environ, query: dict[str, str]) -> list[bytes]:
    ctypes.string_at(0)
    return []


def _raise(environ: Environ, query: dict[str, str]) -> list[bytes]:
    raise ValueError("raised by the application")


def _late(environ: Environ, query: dict[str, str]) -> Iterator[bytes]:
    yield b"so far so good\n"
    raise ValueError(LATE_ERROR)


def _stall(environ: Environ, query: dict[str, str]) -> Iterator[bytes]:
    yield b"so far so good\n"
    _forever(environ, query)


def _endless(environ: Environ, query: dict[str, str]) -> Iterator[bytes]:
    while True:
        yield b"x" * 65536


def _orphan(environ: Environ, query: dict[str, str]) -> list[bytes]:
    """Leave a process behind whose parent is gone; it ends when the file is there. The answer is its pid."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        if os.fork() == 0:
            os.write(writer, b"%d" % os.getpid())
            while not Path(query["file"]).exists():
                time.sleep(0.01)
        os._exit(0)
    os.waitpid(child, 0)
    pid = os.read(reader, 20)
    os.close(reader)
    os.close(writer)
    return [pid]


def _stream(environ: Environ, query: dict[str, str]) -> Iterator[bytes]:
    for number in range(int(query["count"])):
        yield b"%d\n" % number


def _environ(environ: Environ, query: dict[str, str]) -> list[bytes]:
    facts = {key: value for key, value in environ.items() if isinstance(value, str | int | bool)}
    return [json.dumps(facts).encode()]


def _process(environ: Environ, query: dict[str, str]) -> list[bytes]:
    os.umask(umask := os.umask(0))
    facts = {
        "pid": os.getpid(),
        "cwd": str(Path.cwd()),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "umask": umask,
        "environment": dict(os.environ),
    }
    return [json.dumps(facts).encode()]


def _digest(environ: Environ, query: dict[str, str]) -> list[bytes]:
    digest, size = hashlib.sha256(), 0
    while block := environ["wsgi.input"].read(65536):
        digest.update(block)
        size += len(block)
    return [json.dumps({"size": size, "sha256": digest.hexdigest()}).encode()]


def _file(environ: Environ, query: dict[str, str]) -> Iterable[bytes]:
    return environ["wsgi.file_wrapper"](Path(query["path"]).open("rb"))


LEAKED: list[bytes] = []


def _leak(environ: Environ, query: dict[str, str]) -> list[bytes]:
    """Keep so many bytes for ever, up to `most` in all. The answer is the process's pid."""
    if sum(map(len, LEAKED)) < int(query["most"]):
        LEAKED.append(os.urandom(int(query["bytes"])))  # written to, so it is real
    return [b"%d" % os.getpid()]


VIEWS: dict[str, View] = {
    "/": lambda environ, query: [b"hello\n"],
    "/pid": lambda environ, query: [b"%d" % os.getpid()],
    "/class": lambda environ, query: [environ["workerhub.class"].encode()],
    "/echo": lambda environ, query: [environ["wsgi.input"].read()],
    "/big": lambda environ, query: [b"x" * int(query["bytes"])],
    "/leak": _leak,
    "/hold": _hold,
    "/forever": _forever,
    "/swallow": _swallow,
    "/stubborn": _stubborn,
    "/native": _native,
    "/wait": _wait,
    "/exit": _exit,
    "/segfault": _segfault,
    "/raise": _raise,
    "/late": _late,
    "/stall": _stall,
    "/endless": _endless,
    "/orphan": _orphan,
    "/stream": _stream,
    "/environ": _environ,
    "/process": _process,
    "/digest": _digest,
    "/file": _file,
}


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as the path says."""
    query = {name: values[-1] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    view = VIEWS.get(environ["PATH_INFO"])
    if view is None:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"no such view\n"]
    body = view(environ, query)
    headers = [("Content-Type", "text/plain")]
    if isinstance(body, list):
        headers.append(("Content-Length", str(sum(map(len, body)))))
    start_response("200 OK", headers)
    return body


def factory() -> Callable[..., Iterable[bytes]]:
    """Make the application, as `module:factory()` asks for."""
    return application


def on_hook(*facts: object, **named: object) -> None:
    """A hook that writes down that it was called, with what, and where."""
    with Path(os.environ["PLAIN_HOOKS"]).open("a") as file:
        file.write(json.dumps({"pid": os.getpid(), "facts": str(facts), "named": str(named)}) + "\n")
