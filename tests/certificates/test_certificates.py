"""The files of the `tls` table: every way to be wrong has its own sentence, and says where it was said."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.certificates import OPENSSL, Issued, issue, trust

from workerhub.cli import run
from workerhub.config.sources import Invocation
from workerhub.plan import pack
from workerhub.planning import load_configuration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workerhub.planning import Configuration

    Load = Callable[[str], Configuration]


@pytest.fixture
def files(tmp_path: Path) -> Issued:
    return issue(tmp_path, "localhost")


def checked(directory: Path, table: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What `workerhub check` says of a `tls` table, without the directory."""
    file = directory / "server.toml"
    file.write_text(f'app = "workerhub.welcome:application"\n[tls]\n{table}\n')
    code = run(["check", "-c", str(file)])
    said = capsys.readouterr()
    assert (code == 0) == ("problem" not in said.err)
    return (said.err + said.out).replace(f"{directory}/", "")


def test_a_pair_that_fits_is_fine_in_two_files_and_in_one(
    files: Issued, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust(tmp_path)
    assert "is valid" in checked(
        tmp_path, 'certificate = "localhost.pem"\nkey = "localhost.key"\nclient_ca = "tests.ca"', capsys
    )
    assert "is valid" in checked(tmp_path, 'certificate = "localhost.both"', capsys)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            'certificate = "localhost.pem"',
            "server.toml:3: tls.certificate: there is no key in localhost.pem; tls.key names its file",
        ),
        (
            'certificate = "localhost.pem"\nkey = "other.key"',
            "server.toml:4: tls.key: other.key: it doesn't belong to the certificate in localhost.pem",
        ),
        (
            'certificate = "localhost.key"',
            "server.toml:3: tls.certificate: there is no certificate in localhost.key; expected PEM",
        ),
        (
            'certificate = "localhost.pem"\nkey = "localhost.pem"',
            "server.toml:4: tls.key: there is no private key in localhost.pem; expected PEM",
        ),
        (
            'certificate = "cut.pem"\nkey = "localhost.key"',
            "server.toml:4: tls.key: localhost.key: OpenSSL refuses it: ",
        ),
        (
            'certificate = "localhost.both"\nclient_ca = "cut.pem"',
            "server.toml:4: tls.client_ca: OpenSSL refuses the certificates in cut.pem: ",
        ),
        (
            'certificate = "localhost.both"\nhosts."a.example".certificate = "localhost.pem"',
            "server.toml:4: tls.hosts.a.example.certificate: there is no key in localhost.pem; `key` beside it names its file",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    files: Issued, tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, expected: str
) -> None:
    issue(tmp_path, "other")
    (tmp_path / "cut.pem").write_bytes(files.certificate.read_bytes()[:200])
    assert expected in checked(tmp_path, table, capsys)


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_an_encrypted_key_and_der_are_told_how_to_be_made_fit(
    files: Issued, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run((str(OPENSSL), *arguments), cwd=tmp_path, check=True, capture_output=True, timeout=30)

    openssl("pkey", "-in", "localhost.key", "-aes128", "-passout", "pass:secret", "-out", "secret.key")
    openssl("x509", "-in", "localhost.pem", "-outform", "der", "-out", "localhost.der")
    said = checked(tmp_path, 'certificate = "localhost.pem"\nkey = "secret.key"', capsys)
    assert "server.toml:4: tls.key: the key in secret.key is encrypted, and nobody is there to ask" in said
    assert "`openssl pkey -in secret.key -out plain.key` decrypts it" in said
    said = checked(tmp_path, 'certificate = "localhost.der"\nkey = "localhost.key"', capsys)
    assert "`openssl x509 -inform der -in localhost.der -out localhost.pem` makes PEM of DER" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_key_that_may_not_be_read_is_told(files: Issued, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.key.chmod(0)
    said = checked(tmp_path, 'certificate = "localhost.pem"\nkey = "localhost.key"', capsys)
    assert "server.toml:4: tls.key: can't read localhost.key: permission denied" in said


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [(-20, -10, "has expired"), (10, 400, "isn't valid yet"), (-20, 7, "expires soon"), (-20, 400, "")],
)
def test_a_certificate_past_its_days_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], since: int, until: int, expected: str
) -> None:
    now = datetime.now(UTC)
    issue(tmp_path, "localhost", since=now + timedelta(days=since), until=now + timedelta(days=until))
    said = checked(tmp_path, 'certificate = "localhost.both"', capsys)
    assert "is valid" in said
    assert (f"the certificate in localhost.both {expected}" in said) == bool(expected)


def test_the_key_is_in_the_plan_and_shows_nowhere(
    files: Issued, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.toml"
    file.write_text(f'app = "workerhub.welcome:application"\ntls.certificate = "{files.both}"\n')
    plan = load_configuration(Invocation(path=file)).plan
    secret = files.key.read_text().splitlines()[1]
    assert secret.encode() in pack(plan)
    assert secret not in repr(plan)
    assert run(["show", "-c", str(file), "--json"]) == 0
    assert secret not in capsys.readouterr().out


def test_a_worker_class_that_speaks_no_tls_is_refused(
    files: Issued, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plugin.py").write_text(
        "from workerhub.worker import Worker\n"
        "class Plain(Worker):\n"
        "    @classmethod\n"
        "    def capacity(cls, options): return 1\n"
        "    def serve(self, app): pass\n"
        "    def interrupt(self, index): return False\n"
    )
    file = tmp_path / "server.toml"
    file.write_text(
        f'app = "a"\npython_path = "{tmp_path}"\nworker.class = "plugin:Plain"\ntls.certificate = "{files.both}"\n'
    )
    assert run(["check", "-c", str(file)]) == 2
    assert "server.toml:4: tls.certificate: worker class plugin:Plain doesn't speak TLS" in capsys.readouterr().err
