"""Tracebacks and stacks as the application's author wants them: from the first frame that is the application's."""

from __future__ import annotations

import importlib
import sys
import traceback
from itertools import dropwhile
from pathlib import Path
from threading import enumerate as all_threads
from traceback import FrameSummary, StackSummary
from types import FrameType
from typing import Any

from workerhub.worker import Worker

_OUR_FILES = str(Path(__file__).parents[1]) + "/"
_GATEWAY_FILES = _OUR_FILES + "http/"
_IMPORT_FILES = (importlib.__file__, "<frozen importlib")


def traceback_of(error: BaseException) -> str:
    """An exception's traceback, with its causes, but without workerhub's and the import system's own frames before it."""
    told = traceback.TracebackException.from_exception(error)
    frames = list(dropwhile(_is_machinery, told.stack))
    told.stack = StackSummary.from_list(frames)
    return "".join(told.format())


def stack_of_request(worker: Worker[Any], index: int, thread: int, interrupted: FrameType | None) -> str:
    """Where a request is: its task's stack, where the worker class tells it, else its thread's.

    Args:
        worker: whose request it is.
        index: its request slot.
        thread: the identifier of the thread that began it.
        interrupted: as `stack_of_thread` wants it.
    """
    try:
        own = worker.stack(index)
    except Exception:  # noqa: BLE001  # a plug-in's failure costs a detail
        own = None
    return stack_of_thread(thread, interrupted) if own is None else stack_of_task(own)


def stack_of_thread(thread: int, interrupted: FrameType | None) -> str:
    """Where a thread is now, from where the application was called.

    Args:
        thread: its identifier.
        interrupted: the frame that a signal handler which asks this interrupted, standing for the calling thread.
    """
    frames = sys._current_frames()  # noqa: SLF001  # the documented way, its underscore notwithstanding
    name = next((known.name for known in all_threads() if known.ident == thread), "unknown")
    frame = interrupted if interrupted is not None and _is_mine(frames.get(thread)) else frames.get(thread)
    if frame is None:
        return f"thread {name} is gone"
    stack = _of_application(traceback.extract_stack(frame))
    return f"thread {name}, most recent call last:\n" + "".join(stack.format())


def stack_of_task(frame: FrameType) -> str:
    """Where a greenlet or the like waits, from where the application was called; `frame` is its innermost one."""
    stack = _of_application(traceback.extract_stack(frame))
    return "most recent call last:\n" + "".join(stack.format())


def _is_mine(frame: FrameType | None) -> bool:
    """Whether the frame belongs to the thread that asks: it leads to this very function."""
    here: FrameType | None = sys._getframe()  # noqa: SLF001  # as above
    while here is not None:
        if here is frame:
            return True
        here = here.f_back
    return False


def _of_application(stack: StackSummary) -> StackSummary:
    """Drop what leads to the application's first frame. A stack that never left workerhub stays whole."""
    seen_gateway = False
    for index, frame in enumerate(stack):
        if frame.filename.startswith(_GATEWAY_FILES):
            seen_gateway = True
        elif seen_gateway and not frame.filename.startswith(_OUR_FILES):
            return StackSummary.from_list(stack[index:])
    return stack


def _is_machinery(frame: FrameSummary) -> bool:
    """Whether a frame is workerhub's or the import system's."""
    return frame.filename.startswith((_OUR_FILES, *_IMPORT_FILES))
