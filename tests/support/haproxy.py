"""A real HAProxy in front of a server under test."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from support.client import fetch
from support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PROGRAM = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

CONFIG = """\
global
  maxconn 200
  nbthread 1
defaults
  timeout connect 10s
  timeout client 60s
  timeout server 60s
"""


@contextlib.contextmanager
def haproxy(directory: Path, sections: str, ports: Sequence[int]) -> Iterator[None]:
    """Run HAProxy with these sections until the block ends; begins when something answers through each port."""
    assert PROGRAM is not None, "HAProxy is not installed"
    directory.mkdir()
    config = directory / "haproxy.cfg"
    config.write_text(CONFIG + sections, encoding="utf-8")
    log = directory / "haproxy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            (PROGRAM, "-db", "-f", str(config)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def up() -> bool:
        assert process.poll() is None, f"HAProxy left: {log.read_text(encoding='utf-8')}"
        with contextlib.suppress(OSError):
            return all(fetch(("127.0.0.1", port)).status == 200 for port in ports)
        return False

    try:
        wait_for(up, "HAProxy to answer")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
