"""TLS as an operator has it: files, their renewal, their owner, and the clients that everybody has."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.certificates import CURL, OPENSSL, Issued, TlsClient, client_context, issue, trust
from support.client import Load
from support.opened import open_to_everybody
from support.tls_scan import PAGE, scan, scanned
from support.waiting import wait_for

from workerhub.testing.client import Address

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve, Server


def tls(files: Issued, more: str = "") -> str:
    return f'[tls]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n{more}'


def serial(address: Address) -> str:
    """Which certificate a client is shown."""
    with TlsClient(address) as client:
        shown = client.tls.getpeercert()
    assert shown is not None
    return str(shown["serialNumber"])


@pytest.mark.cell("tls")
def test_a_renewed_certificate_is_shown_after_a_reload_and_no_request_fails(serve: Serve, tmp_path: Path) -> None:
    """And one that isn't there is refused: the old one serves on. What was connected goes on with the old one."""
    server = serve(tls(issue(tmp_path, "localhost")), processes=2)
    server.wait_workers(2)
    before = serial(server.address)
    with Load(server.address, "/pid", mixed=True, connect=partial(TlsClient, context=client_context())) as load:
        wait_for(lambda: load.answered > 20, "some answers")
        files = issue(tmp_path, "localhost")
        server.reload()
        seen = load.answered
        wait_for(lambda: load.answered > seen + 20, "the load to go on")
        after = serial(server.address)
        files.key.rename(files.key.with_suffix(".gone"))
        server.tell(signal.SIGHUP)
        server.wait_log(r"server\.toml:\d+: tls\.key: no such file")
        assert serial(server.address) == after
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert before != after
    assert f"https://{server.bind[0]}" in server.log
    assert "PRIVATE KEY" not in server.log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("preload", ["true", "false"])
def test_the_key_may_be_readable_by_root_alone(serve_default: Serve, tmp_path: Path, preload: str) -> None:
    files = issue(tmp_path, "localhost")
    files.key.chmod(0o600)
    server = serve_default(
        f'user = "nobody"\npreload = {preload}\n{tls(files)}', wrapper=open_to_everybody(), ready=False
    )
    server.wait_log("1 of 1 workers ready")
    with TlsClient(server.address) as client:
        facts = client.request("/process").json()
    assert facts["uid"] != 0
    assert "PRIVATE KEY" not in str(facts["environment"])


def test_a_new_master_speaks_tls_too(serve_default: Serve, tmp_path: Path) -> None:
    server = serve_default(tls(issue(tmp_path, "localhost")))
    before = serial(server.address)
    issue(tmp_path, "localhost")
    server.tell(signal.SIGUSR2)
    wait_for(lambda: serial(server.address) != before, "the new master to show the new certificate")


@pytest.fixture
def shared(share_default: Serve, tmp_path_factory: pytest.TempPathFactory) -> tuple[Server, Path]:
    """A server with a second host, and who signed its certificates."""
    directory = tmp_path_factory.getbasetemp() / "tls"
    if not directory.exists():
        directory.mkdir()
        issue(directory, "localhost")
        issue(directory, "shop.example")
        trust(directory)
    files, shop = (
        Issued(*(directory / f"{name}.{kind}" for kind in ("pem", "key", "both")))
        for name in ("localhost", "shop.example")
    )
    return share_default(
        tls(files, f'[tls.hosts."shop.example"]\ncertificate = "{shop.both}"\n')
    ), directory / "tests.ca"


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
def test_curl_is_served(shared: tuple[Server, Path], tmp_path: Path) -> None:
    server, authority = shared
    (tmp_path / "upload").write_bytes(os.urandom(2_000_000))
    port = server.endpoint[1]
    command = (
        str(CURL),
        "-sS",
        "--cacert",
        str(authority),
        "--resolve",
        f"shop.example:{port}:127.0.0.1",
        "-o",
        str(tmp_path / "got"),
    )
    url = f"https://shop.example:{port}/echo"
    done = subprocess.run(
        (*command, "--data-binary", f"@{tmp_path / 'upload'}", url), timeout=50, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "got").read_bytes() == (tmp_path / "upload").read_bytes()


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_a_scanner_sees_what_the_page_says(shared: tuple[Server, Path]) -> None:
    server, _ = shared
    assert scan(server.endpoint) == scanned(PAGE.read_text(encoding="utf-8"))


def test_nobody_is_held_up_by_handshakes_that_do_not_go_on(shared: tuple[Server, Path]) -> None:
    server, _ = shared
    slow = [server.connect() for _ in range(200)]
    for each in slow:
        each.send(b"\x16\x03\x01\x02")
    for _ in range(10):
        with TlsClient(server.address) as good:
            assert good.request("/").status == 200
    for each in slow:
        each.close()


def test_a_client_that_asks_for_http_2_alone_is_told_what_is_spoken(shared: tuple[Server, Path]) -> None:
    context = client_context()
    context.set_alpn_protocols(["h2"])
    with TlsClient(shared[0].address, context) as client:
        assert client.tls.selected_alpn_protocol() is None
        assert client.request("/").status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsClient(shared[0].address, client_context(by="somebody else"))
