"""What an import leaves behind that processes forked afterwards can't have: threads, and connections of their own."""

from __future__ import annotations

import _socket  # the real one, also where a worker class patches sockets
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

_OWN_THREADS: Final = "workerhub-"
"""What the names of our own threads begin with; a forked process starts them anew."""

_TASKS: Final = Path("/proc/self/task")
_DESCRIPTORS: Final = Path("/proc/self/fd")


def other_threads() -> list[str]:
    """The names of all threads but the main one.

    A "thread" that a worker class runs in the main one, as a coroutine, is none: it is there after a fork, too. And one that nobody has
    named is none of the application's but of a library's pool, which mostly sees to forks itself; an operator could do nothing about it.
    """
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    tasks = [int(task.name) for task in _TASKS.iterdir()] if _TASKS.exists() else [each for each in names if each]
    named = (names.get(task) or _system_name(task) for task in sorted(tasks) if task != os.getpid())
    return [name for name in named if name and not name.startswith(_OWN_THREADS)]


def open_connections() -> Mapping[int, str]:
    """Whom this process is connected to, by the inodes of the sockets: `10.0.0.5:5432`, `unix:/run/redis.sock`.

    Streams only: who sends datagrams doesn't mind others who do. Pairs of sockets lead nowhere else.
    """
    return dict(_connections())


def _connections() -> Iterator[tuple[int, str]]:
    for entry in _DESCRIPTORS.iterdir() if _DESCRIPTORS.exists() else ():
        with suppress(OSError):
            fd = int(entry.name)
            status = os.fstat(fd)
            if stat.S_ISSOCK(status.st_mode) and (peer := _peer(fd)):
                yield status.st_ino, peer


def _peer(fd: int) -> str:
    """Whom a socket is connected to; empty: nobody that has a name, or it is no stream."""
    sock = _socket.socket(fileno=fd)
    try:
        return _in_words(sock.getpeername()) if sock.type != _socket.SOCK_DGRAM else ""
    except OSError:  # not connected
        return ""
    finally:
        sock.detach()  # else it would be closed


def _in_words(address: Any) -> str:
    """A socket's address (see `socket`) as a client would write it."""
    match address:
        case (str(host), int(port), *_):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case bytes(name):  # an abstract one
            return f"unix:@{name[1:].decode('utf-8', 'backslashreplace')}"
        case str(path) if path:
            return f"unix:{path}"
    return ""


def _system_name(task: int) -> str:
    """What a library has called a thread that `threading` doesn't know; empty where it is called as the process is."""
    name = _comm(task)
    return name if name != _comm(os.getpid()) else ""


def _comm(task: int) -> str:
    try:
        return (_TASKS / str(task) / "comm").read_text("utf-8", "replace").strip()
    except OSError:  # it has ended meanwhile
        return ""
