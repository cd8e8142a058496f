"""Certificates for tests, and clients that speak TLS."""

from __future__ import annotations

import shutil
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme

from workerhub.testing.client import Address, Client
from workerhub.worker import KeyPair

if TYPE_CHECKING:
    from datetime import datetime

CURL = shutil.which("curl")
OPENSSL = shutil.which("openssl")


@cache
def authority(name: str) -> trustme.CA:
    """Somebody who signs certificates; one of another name is somebody else."""
    return trustme.CA(organization_name=name)


@dataclass(frozen=True, slots=True)
class Issued:
    """The files of one certificate. `both` holds the chain and the key."""

    certificate: Path
    key: Path
    both: Path

    def pair(self) -> KeyPair:
        """As a plan carries it."""
        return KeyPair(self.certificate.read_bytes(), self.key.read_bytes())


def issue(
    directory: Path, *names: str, by: str = "tests", until: datetime | None = None, since: datetime | None = None
) -> Issued:
    """Make a certificate for these names, and its files, called after the first."""
    made = authority(by).issue_cert(*names, common_name=names[0], not_after=until, not_before=since)
    files = Issued(*(directory / f"{names[0]}.{kind}" for kind in ("pem", "key", "both")))
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(files.key)
    made.private_key_and_cert_chain_pem.write_to_path(files.both)
    return files


def trust(directory: Path, by: str = "tests") -> Path:
    """Write the authority's own certificate to a file."""
    file = directory / f"{by}.ca"
    authority(by).cert_pem.write_to_path(file)
    return file


def client_context(*, by: str = "tests", shows: Issued | None = None, **attributes: Any) -> ssl.SSLContext:
    """What a client has: whom it trusts, and what it shows of itself; `attributes` are set on it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority(by).configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    if shows is not None:
        context.load_cert_chain(shows.both)
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


class TlsClient(Client):
    """A client over TLS, for whom a connection that ends without TLS's own end is broken. `name`: the host that it asks for; `session`: one to resume."""

    def __init__(
        self,
        address: Address,
        context: ssl.SSLContext | None = None,
        *,
        name: str = "localhost",
        session: ssl.SSLSession | None = None,
        timeout: float = 30.0,
        receive_buffer: int | None = None,
    ) -> None:
        super().__init__(address, timeout=timeout, receive_buffer=receive_buffer)
        plain = self.sock
        try:
            self.tls = self.sock = (context or client_context()).wrap_socket(
                plain, server_hostname=name, suppress_ragged_eofs=False, session=session
            )
        except BaseException:
            self._file.close()
            plain.close()
            raise
        self._file.close()
        self._file = self.tls.makefile("rb")

    def end_tls(self) -> None:
        """Say that nothing more follows, and hear the same."""
        self._file.close()
        self.sock = self.tls.unwrap()
