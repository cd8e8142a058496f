"""Clients: wrk, which asks as fast as it is answered, and some that are in no hurry at all."""

from __future__ import annotations

import contextlib
import math
import re
import resource
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SCRIPT = """\
local requests = {}
local number = 0
function new()
  number = number + 1
  return wrk.format("GET", "/?number=" .. number, {["User-Agent"] = "wrk", ["X-Request-Id"] = tostring(number)})
end
function init(args)
  math.randomseed(1)
  for _, path in ipairs(args) do
    if path == "/post" then
      requests[#requests + 1] = wrk.format("POST", path, nil, string.rep("x", 8192))
    elseif path == "/new" then
      requests[#requests + 1] = new
    else
      requests[#requests + 1] = wrk.format("GET", path)
    end
  end
end
function request()
  local chosen = requests[math.random(#requests)]
  return chosen == new and new() or chosen
end
function done(summary, latency)
  io.write(string.format("latency %d %d %d\\n", latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""
"""Asks for one of the paths on the command line, by a dice that falls the same for everybody; to `/post` it sends 8 KiB, and for `/new`
it asks for `/` with a head that differs from all others, in its first line and in a field."""


@dataclass(frozen=True, slots=True)
class Served:
    """What wrk saw: how many answers, and how long they took, in seconds."""

    answers: int
    median: float
    p99: float
    p999: float


def ask(
    port: int, seconds: float, folder: Path, *, connections: int, paths: Sequence[str] = ("/",), close: bool = False
) -> Served:
    """Have so many connections ask for so long, each for the next thing as soon as it is answered.

    Raises:
        RuntimeError: wrk saw answers that were no success, or connections that failed.
    """
    script = folder / "wrk.lua"
    script.write_text(_SCRIPT, encoding="utf-8")
    header = ["-H", "Connection: close"] if close else []
    url = f"http://127.0.0.1:{port}/"
    ended = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:g}s",
            "--timeout",
            "30s",
            "-s",
            str(script),
            *header,
            url,
            *paths,
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    found = re.search(r"(\d+) requests in", ended.stdout)
    times = re.search(r"latency (\d+) (\d+) (\d+)", ended.stdout)
    trouble = "Non-2xx" in ended.stdout or (not close and "Socket errors" in ended.stdout)
    if found is None or times is None or trouble:
        raise RuntimeError(ended.stdout)
    median, p99, p999 = (int(number) / 1e6 for number in times.groups())
    return Served(int(found[1]), median, p99, p999)


@contextlib.contextmanager
def idling(port: int, clients: int) -> Iterator[None]:
    """While the block runs, so many clients keep a connection on which they have asked once.

    Raises:
        RuntimeError: this process may not open so many files.
    """
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(soft, clients + 100)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise RuntimeError(f"{needed} open files are needed, {hard} are allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        for _ in range(clients):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            sock.sendall(b"GET / HTTP/1.1\r\nHost: idle\r\n\r\n")
            if not sock.recv(1 << 16).startswith(b"HTTP/1.1 200 "):
                raise RuntimeError("an idle client was not answered")
        yield


ATTACKS = {
    "slow heads": ("-H", "-i", "1"),
    "slow bodies": ("-B", "-i", "1", "-s", "8192", "-t", "POST"),
    "ranges": ("-R", "-a", "10", "-b", "3000"),
    "slow reads": ("-X", "-k", "3", "-n", "1", "-w", "256", "-y", "512", "-z", "32"),
}
"""slowhttptest's four modes."""


@contextlib.contextmanager
def attacking(port: int, mode: str, clients: int, seconds: float) -> Iterator[None]:
    """While the block runs, slowhttptest's clients do their worst; they have come when it begins, a thousand a second."""
    command = ("slowhttptest", *ATTACKS[mode], "-c", str(clients), "-r", "1000", "-l", str(math.ceil(seconds) + 30))
    with subprocess.Popen(
        (*command, "-u", f"http://127.0.0.1:{port}/kb/100"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            time.sleep(clients / 1000 + 2)
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def trickling(port: int, clients: int, pause: float = 0.1) -> Iterator[None]:
    """While the block runs, so many clients send their heads: a byte each, and again after `pause` seconds."""
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(clients)]
        for sock in socks:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: slow\r\nX-Slow: ")

        def trickle() -> None:
            while not over.wait(pause):
                for sock in socks:
                    with contextlib.suppress(OSError):  # cut, as it deserves
                        sock.sendall(b"z")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
