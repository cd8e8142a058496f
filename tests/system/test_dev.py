"""`--dev`: what is saved is served, what is broken is shown, and nothing is left behind."""

from __future__ import annotations

import importlib.util
import re
from itertools import count
from typing import TYPE_CHECKING

import pytest
from support import processes
from support.client import fetch
from support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve, Server

pytestmark = pytest.mark.skipif(importlib.util.find_spec("watchfiles") is None, reason="watchfiles is not installed")

APPLICATION = """\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [{answer}]
"""

RELOAD = re.compile(r"reload asked for|is serving|keeps serving")
ENDS = {"is serving", "keeps serving"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The application's source, in a directory of its own."""
    (tmp_path / "site").mkdir()
    source = tmp_path / "site" / "shop.py"
    source.write_text(APPLICATION.format(answer='b"first"'))
    return source


def develop(serve: Serve, source: Path) -> Server:
    """A server that watches the source from now on."""
    server: Server = serve(f'chdir = "{source.parent}"\n', app="shop", processes=None, arguments=("--dev",))
    marks = count()

    def noticed() -> bool:  # the watcher may begin a moment later
        (source.parent / "mark.py").write_text(f"mark = {next(marks)}\n")
        return "mark.py changed" in server.log

    wait_for(noticed, "the watcher to watch")
    settle(server)
    return server


def settle(server: Server) -> None:
    """Wait until every reload that was asked for is over, and nobody of before is left who would answer."""
    wait_for(lambda: (said := RELOAD.findall(server.log)) and said[-1] in ENDS, "the end of the reload")
    server.wait_workers(1)


def save(server: Server, source: Path, text: str) -> str:
    """Save a file, and wait for what comes of it; what the log says meanwhile."""
    before = len(server.log)
    source.write_text(text)
    wait_for(lambda: re.search(r"shop\.py changed(.*\n)*.*reload asked for", server.log[before:]), "the reload")
    settle(server)
    return server.log[before:]


def test_what_is_saved_is_served_and_what_is_broken_is_not(serve_default: Serve, source: Path) -> None:
    server = develop(serve_default, source)
    assert server.get().body == b"first"
    save(server, source, APPLICATION.format(answer='b"second"'))
    assert server.get().body == b"second"
    log = save(server, source, "def application(:\n")
    assert "importing shop raised SyntaxError: invalid syntax" in log
    assert "\n        def application(:\n" in log
    assert server.get().body == b"second"
    save(server, source, APPLICATION.format(answer='1 / 0, b"<>"'))
    page = fetch(server.address, headers={"Accept": "text/html"})
    assert (page.status, page.header("Content-Type")) == (500, "text/html; charset=utf-8")
    assert "<h1>ZeroDivisionError: division by zero</h1>" in page.text
    assert "b&quot;&lt;&gt;&quot;" in page.text
    assert fetch(server.address).text.startswith("Traceback (most recent call last)")
    assert server.stop() == 0
    assert processes.session(server.pid) == []


def test_a_start_with_broken_code_waits_to_be_mended(serve_default: Serve, source: Path) -> None:
    source.write_text("import no_such_module\n")
    server = develop(serve_default, source)
    assert "'no_such_module'; requests are answered with this until a change mends it" in server.log
    for _ in range(2):
        page = fetch(server.address, headers={"Accept": "text/html"})
        assert (page.status, page.text.count("<figure>")) == (500, 1)
        assert "<h1>ModuleNotFoundError: No module named &#x27;no_such_module&#x27;</h1>" in page.text
    save(server, source, APPLICATION.format(answer='b"mended"'))
    assert server.get().body == b"mended"


def test_the_watcher_leaves_with_its_master(serve_default: Serve, source: Path) -> None:
    server = develop(serve_default, source)
    assert [pid for pid in processes.session(server.pid) if processes.title(pid).endswith(": watcher")]
    server.process.kill()
    server.wait()
    wait_for(lambda: not processes.session(server.pid), "everybody to leave")
