"""What a worker is told about TLS: the bytes of the files, not their names.

Whoever makes the plan reads the files, with the master's rights, once for each generation. So a worker that runs as another user needs no
access to the key; and a worker that is replaced, an hour later, speaks for the same certificate as its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from workerhub.slotted import dataclass


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key.

    Attributes:
        certificate: the chain, PEM, the server's own certificate first.
        key: the private key, PEM, not encrypted.
    """

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "KeyPair(...)"  # a plan may be shown in an error message, a key may not


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The `tls` table of the configuration.

    Attributes:
        pair: for clients that name no host, or one that isn't in `hosts`.
        hosts: for the others, by the name they ask for: "shop.example", or "*.shop.example" for one label more.
        client_ca: certificates, PEM; a client has to show one that one of these signed. None: clients show none.
        minimum_version: the lowest version that is spoken.
        ciphers: for TLS 1.2, as OpenSSL writes them; None: ours.
    """

    pair: KeyPair
    hosts: Mapping[str, KeyPair]
    client_ca: str | None
    minimum_version: Literal["1.2", "1.3"]
    ciphers: str | None
