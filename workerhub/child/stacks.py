"""Tracebacks and stacks as the application's author wants them: from the first frame that is the application's."""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
from pathlib import Path
from traceback import StackSummary
from types import FrameType, TracebackType
from typing import Any

from workerhub.kernel.dumps import OUTERMOST
from workerhub.worker import Worker

_OUR_FILES = str(Path(__file__).parents[1]) + "/"
_GATEWAY_FILES = _OUR_FILES + "http/"

MOST = 16 << 10
"""Characters of one stack: some 150 frames. Of a deeper one the middle is left out."""

_IMPORT_FILES = (importlib.__file__, "<frozen importlib")


def traceback_of(error: BaseException) -> str:
    """An exception's traceback, with its causes, but without workerhub's and the import system's own frames before it."""
    told = traceback.TracebackException.from_exception(error)
    told.stack = _outside_machinery(told.stack)
    return "".join(told.format())


def part_of_application(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from where it comes to somebody else's code; None if it never does."""
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def stack_of_request(worker: Worker[Any], index: int, thread: int, interrupted: FrameType | None) -> str:
    """Where a request is: its task's stack, where the worker class tells it, else its thread's.

    Args:
        worker: whose request it is.
        index: its request slot.
        thread: the identifier of the thread that began it.
        interrupted: as `stack_of_thread` wants it.
    """
    own = frame_of_task(worker, index)
    return stack_of_thread(thread, interrupted) if own is None else stack_of_task(own)


def frame_of_task(worker: Worker[Any], index: int) -> FrameType | None:
    """Where a request waits that shares its thread with others; None: its thread's stack is its own."""
    try:
        return worker.stack(index)
    except Exception:  # noqa: BLE001  # a plug-in's failure costs a detail
        return None


def stack_of_thread(thread: int, interrupted: FrameType | None) -> str:
    """Where a thread is now, from where the application was called.

    Args:
        thread: its identifier.
        interrupted: the frame that a signal handler which asks this interrupted, standing for the calling thread.
    """
    frames = sys._current_frames()  # noqa: SLF001  # the documented way, its underscore notwithstanding
    name = next((known.name for known in threading.enumerate() if known.ident == thread), "unknown")
    frame = interrupted if interrupted is not None and _is_mine(frames.get(thread)) else frames.get(thread)
    if frame is None:
        return f"thread {name} is gone"
    return f"thread {name}, most recent call last:\n{stack_text(frame)}"


def stack_of_task(frame: FrameType) -> str:
    """Where a greenlet or the like waits, from where the application was called; `frame` is its innermost one."""
    return f"most recent call last:\n{stack_text(frame)}"


def stack_text(frame: FrameType) -> str:
    """The stack that ends in a frame, most recent call last, from where the application was called.

    Of a stack in which it wasn't: from where somebody else's code begins; and if that is nowhere, from the worker's birth.
    """
    stack = _since_birth(traceback.extract_stack(frame))
    told = _of_application(stack) or _outside_machinery(stack) or stack
    text = "".join(told.format())
    return text if len(text) <= MOST else f"{text[: MOST // 4]}  ...\n{text[-MOST // 4 * 3 :]}"


def _is_mine(frame: FrameType | None) -> bool:
    """Whether the frame belongs to the thread that asks: it leads to this very function."""
    here: FrameType | None = sys._getframe()  # noqa: SLF001  # as above
    while here is not None:
        if here is frame:
            return True
        here = here.f_back
    return False


def _since_birth(stack: StackSummary) -> StackSummary:
    """Drop the frames that the process was forked in, which are the master's."""
    births = [index for index, frame in enumerate(stack) if frame.name == OUTERMOST]
    return StackSummary.from_list(stack[births[-1] + 1 :]) if births else stack


def _of_application(stack: StackSummary) -> StackSummary:
    """What follows the call of the application; empty where it wasn't called."""
    seen_gateway = False
    for index, frame in enumerate(stack):
        if frame.filename.startswith(_GATEWAY_FILES):
            seen_gateway = True
        elif seen_gateway and not frame.filename.startswith(_OUR_FILES):
            return StackSummary.from_list(stack[index:])
    return StackSummary()


def _outside_machinery(stack: StackSummary) -> StackSummary:
    """From the first frame on that is somebody else's; empty where there is none."""
    for index, frame in enumerate(stack):
        if not _is_machinery(frame.filename):
            return StackSummary.from_list(stack[index:])
    return StackSummary()


def _is_machinery(filename: str) -> bool:
    """Whether a frame's file is workerhub's, or the import system's or what starts a thread."""
    return filename.startswith((_OUR_FILES, *_IMPORT_FILES, threading.__file__))
