"""Reloads while somebody develops: a process of its own that watches the source and sends the master SIGHUP when it changes."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workerhub.kernel.identity import set_title
from workerhub.logs import Logs
from workerhub.plan import Watch

if TYPE_CHECKING:
    from watchfiles import Change

PASSED_OVER: Final = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Directories in which nobody changes source by hand; so are all whose names begin with a dot."""

NAMED: Final = 3
"""Changed files that the log names; of more, how many."""


class Watcher:
    """The watching process, as its parent sees it. It ends when the parent closes it, or is gone.

    Args:
        watch: what to watch.
        title: what the process's title begins with.
        logs: where it says what has changed.
        close_foreign: in the new process: closes descriptors that it has no use for.

    Raises:
        OSError: no process could be started.
    """

    def __init__(self, watch: Watch, title: str, logs: Logs, close_foreign: Callable[[], None]) -> None:
        reader, self._lifeline = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._lifeline)
            close_foreign()
            _be_watcher(watch, title, logs, reader)
        os.close(reader)

    def fileno(self) -> int:
        """The descriptor whose last copy keeps the process alive."""
        return self._lifeline

    def close(self) -> None:
        """End the process."""
        os.close(self._lifeline)
        with suppress(ChildProcessError):  # reaped already
            os.waitpid(self._pid, 0)


def is_source(path: Path, watch: Watch) -> bool:
    """Whether it matters that this file has changed."""
    if path in watch.files:
        return True
    ways = [path.relative_to(directory).parts for directory in watch.directories if path.is_relative_to(directory)]
    return path.suffix == ".py" and any(
        not any(part.startswith(".") or part in PASSED_OVER for part in parts) for parts in ways
    )


def name_changes(paths: Iterable[Path]) -> str:
    """In words: "shop.py", "shop.py, views.py", "a.py, b.py, c.py and 12 more"."""
    names = sorted({path.name for path in paths})
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _be_watcher(watch: Watch, title: str, logs: Logs, lifeline: int) -> None:
    """The watching process's life. It doesn't return."""
    journal = logs.error.named("watcher")
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # which a terminal sends to all, and the master decides about
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        set_title("watcher", title)
        threading.Thread(target=_leave_with_master, args=(lifeline,), daemon=True).start()
        beside = {file.parent for file in watch.files if not any(map(file.is_relative_to, watch.directories))}
        if beside:  # not all that is below it, too
            threading.Thread(
                target=_watch, args=(beside, watch, journal.info), kwargs={"recursive": False}, daemon=True
            ).start()
        journal.info(f"watching {', '.join(map(str, watch.directories))}")
        _watch(watch.directories, watch, journal.info)
    except BaseException as error:  # noqa: BLE001  # nobody else would tell
        journal.error(f"changes of the source are not noticed any more: {error}", traceback.format_exc())
    finally:
        os._exit(1)


def _watch(paths: Iterable[Path], watch: Watch, tell: Callable[[str], None], *, recursive: bool = True) -> None:
    """Have the master reload at each change. It doesn't return."""
    from watchfiles import watch as changes_in  # noqa: PLC0415  # in this process only

    master = os.getppid()

    def matters(_change: Change, path: str) -> bool:
        return is_source(Path(path), watch)

    for changes in changes_in(*paths, watch_filter=matters, recursive=recursive, raise_interrupt=False):
        tell(f"{name_changes(Path(path) for _, path in changes)} changed")
        if os.getppid() == master:
            os.kill(master, signal.SIGHUP)


def _leave_with_master(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(0)
