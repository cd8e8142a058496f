"""As in a container: PID 1, nothing to write to, no home."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import processes

if TYPE_CHECKING:
    from support.server import Serve

UNSHARE = shutil.which("unshare")

READ_ONLY = """\
while read -r _ where _; do mount -o remount,bind,ro "$where" 2>/dev/null; done < /proc/self/mounts
! touch /tmp/workerhub-test 2>/dev/null && exec "$@"
"""
"""Run a command where every file system that can be is mounted read-only; don't where /tmp can still be written to."""

CONTAINER = (str(UNSHARE), "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", READ_ONLY, "sh")


@pytest.mark.skipif(UNSHARE is None or os.geteuid() != 0, reason="needs root and unshare(1) for namespaces of its own")
def test_a_read_only_file_system(serve_default: Serve) -> None:
    """Everything but a body too large for memory is served; who sends that is told 503, and the log what to do."""
    if subprocess.run((*CONTAINER, "true"), capture_output=True, check=False).returncode:
        pytest.skip("no read-only file system can be made here")
    server = serve_default('[http]\nbody_memory = "64KiB"\n', processes=2, wrapper=CONTAINER, env={"HOME": "/nowhere"})
    (master,) = processes.children(server.pid)
    assert server.post("/echo", b"small").body == b"small"
    assert server.post("/echo", bytes(1 << 20)).status == 503
    server.wait_log(r"can't keep a request's body: .*no temporary directory can be written to; mount one on /tmp")
    os.kill(master, signal.SIGHUP)
    server.wait_log(r"generation 2 is serving")
    assert server.get().body == b"hello\n"
    os.kill(master, signal.SIGTERM)
    assert server.wait() == 0
