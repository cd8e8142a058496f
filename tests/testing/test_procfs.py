"""What is told of a process that is looked at from outside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from workerhub.testing.procfs import Anatomy, children, wait_for_rest

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_UNTIL_TOLD = """
import select, sys
while not select.select([sys.stdin], [], [], 0)[0]:
    pass
print(sys.stdin.readline(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is busy until it gets a line, and sleeps then."""
    with subprocess.Popen(
        (sys.executable, "-c", BUSY_UNTIL_TOLD), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        yield started
        started.kill()


def test_a_process_rests_when_it_has_done_what_it_was_told(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    with pytest.raises(AssertionError, match="still busy"):
        wait_for_rest(process.pid, timeout=0.3)
    process.stdin.write(b"go\n")
    process.stdin.flush()
    wait_for_rest(process.pid)
    assert process.stdout.readline() == b"go\n"


def test_it_rests_also_when_it_has_ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    wait_for_rest(process.pid)


def test_children_are_those_that_were_not_reaped(process: subprocess.Popen[bytes]) -> None:
    assert process.pid in children(os.getpid())
    process.kill()
    process.wait()
    assert process.pid not in children(os.getpid())


def test_changes_are_told_in_words() -> None:
    before = Anatomy.of(os.getpid())
    assert before.changes(Anatomy.of(os.getpid())) == ""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    with socket.socket():
        thread.start()
        changes = before.changes(Anatomy.of(os.getpid()), "threads", "sockets", "directory")
        over.set()
        thread.join()
    assert changes == (
        f"threads: {before.threads} before, {before.threads + 1} after, "
        f"sockets: {before.sockets} before, {before.sockets + 1} after"
    )


def test_it_survives_being_written_down() -> None:
    anatomy = Anatomy.of(os.getpid())
    assert Anatomy.loads(anatomy.dumps()) == anatomy
