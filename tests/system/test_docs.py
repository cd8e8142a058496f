"""The documentation's links lead somewhere, its configurations are valid, and the tutorial happens as it is told."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from support import readme
from support import server as harness
from support.certificates import issue
from support.client import fetch
from support.server import ROOT, Serve, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DOCS = ROOT / "docs"
PAGES = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
CONFIGS = [
    pytest.param(page, block.text, id=f"{page}-{number}")
    for page in PAGES
    for number, block in enumerate(readme.blocks("toml", DOCS / page))
]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not ((DOCS / page).parent / link).exists()] == []


def test_every_page_is_found_from_the_index() -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    assert [page for page in PAGES if page != "index.md" and f"({page})" not in text] == []


@pytest.mark.parametrize(("page", "text"), CONFIGS)
def test_every_configuration_is_valid(
    check: Callable[..., tuple[int, str]], page: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in {block.name for block in readme.blocks("python", DOCS / page)} - {""}:
        (tmp_path / name).write_text(readme.source(DOCS / page, name), encoding="utf-8")
    shutil.copy(ROOT / "configs" / "fleet" / "base.toml", tmp_path)
    if not re.search(r"^(app|extends) = ", text, re.MULTILINE):
        text = f'app = "workerhub.welcome:application"\n{text}'
    for named in set(re.findall(r'"(/etc/[^"]+\.pem)"', text)):
        # One file is all of it: a certificate, its key, and somebody to trust.
        text = text.replace(named, str(issue(tmp_path, "site.example").both))
    (tmp_path / "server.toml").write_text(text.replace("/run/site", str(tmp_path)), encoding="utf-8")
    assert check("-c", "server.toml") == (0, "")


def test_the_tutorial(serve_default: Serve, tmp_path: Path) -> None:
    page = DOCS / "tutorial" / "first-site.md"
    (code,), (config,) = readme.blocks("python", page), readme.blocks("toml", page)
    (mistake, _) = readme.blocks("text", page)
    (tmp_path / code.name).write_text(code.text, encoding="utf-8")
    file = tmp_path / config.name
    file.write_text(config.text.replace("request", "requst"), encoding="utf-8")
    assert harness.run("check", "-c", config.name, cwd=tmp_path).stderr == mistake.text
    port = free_port()
    file.write_text(config.text.replace(":8000", f":{port}"), encoding="utf-8")
    server = serve_default(
        config=file,
        bind=f"127.0.0.1:{port}",
        processes=None,
        arguments=("--set", f"chdir={tmp_path}"),
    )
    assert server.get().body == b"Welcome to the shop\n"
    pids = server.wait_workers(2)
    assert fetch(server.address, "/slow").status == 504
    server.wait_log(r"GET /slow")
    server.wait_log(r"shop\.py.*\n.*time\.sleep")
    assert server.worker_pids() == pids
    file.write_text(file.read_text(encoding="utf-8").replace("request", "requst"), encoding="utf-8")
    refused = harness.run("reload", "-c", config.name, cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[0].endswith(mistake.text.splitlines()[0])
    assert refused.stderr.splitlines()[-1] == "generation 1 keeps serving"


def test_the_worker_class_that_is_built_serves(serve_default: Serve, tmp_path: Path) -> None:
    name = "thread_per_connection.py"
    (tmp_path / name).write_text(readme.source(DOCS / "how-to" / "write-a-worker.md", name), encoding="utf-8")
    server = serve_default(
        '[worker]\nclass = "thread_per_connection:ThreadPerConnection"\nconnections = 100\n',
        env={"PYTHONPATH": str(tmp_path)},
        isolated=False,
    )
    assert server.get().body == b"hello\n"
    server.reload()
    assert server.get("/environ").json()["workerhub.class"] == "thread_per_connection:ThreadPerConnection"
    assert server.stop() == 0
