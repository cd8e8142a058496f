"""What the `tls` table names: read, tried, and made ready for the workers.

This happens where plans are made, by `check`, at start and at each reload, with the rights of whoever starts the server; so a key may be
readable by root alone although the workers run as somebody else. What is tried is the real thing: OpenSSL loads the files, and
shakes hands with itself.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from workerhub.worker.tls_settings import KeyPair, TlsSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workerhub.config.places import Places
    from workerhub.config.tree import Key
    from workerhub.worker.tls import Validity

SOON: Final = 14 * 86400
"""Seconds. Who renews does it a month before the end, mostly; two weeks are left to notice that it didn't happen."""

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_KEY: Final = re.compile(rb"-----BEGIN (\w+ )?PRIVATE KEY-----")
_ENCRYPTED: Final = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED")

_CERTIFICATE_KEY: Final = ("tls", "certificate")
_DER: Final = b"\x30\x82"
"""How both begin where they aren't PEM: a long ASN.1 sequence."""

_REASONS: Final = {
    "KEY_VALUES_MISMATCH": "it doesn't belong to the certificate in {certificate}",
    "KEY_TYPE_MISMATCH": "it doesn't belong to the certificate in {certificate}",
    "EE_KEY_TOO_SMALL": "OpenSSL finds the certificate's key too small; RSA needs 2048 bits",
    "CA_MD_TOO_WEAK": "OpenSSL finds the certificate's signature too weak",
}


class Certificates:
    """The files of one configuration's `tls` table.

    Args:
        places: where they are, and where complaints go.
        now: seconds since the epoch, to tell what has expired.

    Attributes:
        settings: for the workers; None: there is no TLS, or something is wrong with it.
        notes: what is no mistake and has to be known.
    """

    def __init__(self, places: Places, now: float | None = None) -> None:
        self._places = places
        self._now = time.time() if now is None else now
        self.notes: list[str] = []
        self.settings = self._read()

    def _read(self) -> TlsSettings | None:
        tls = self._places.config.tls
        if tls.certificate is None:
            for key in (("tls", "key"), ("tls", "client_ca"), ("tls", "hosts")):
                if self._places.said.value(key):
                    self._places.complain(key, "has no effect without tls.certificate")
            return None
        from workerhub.worker.tls import check_ciphers  # noqa: PLC0415  # ssl, for who speaks it

        pair = self._pair(_CERTIFICATE_KEY, ("tls", "key"))
        hosts = {
            name: self._pair(("tls", "hosts", name, "certificate"), ("tls", "hosts", name, "key")) for name in tls.hosts
        }
        client_ca = self._client_ca()
        if tls.ciphers is not None and not check_ciphers(tls.ciphers):
            self._places.complain(
                ("tls", "ciphers"),
                f'OpenSSL knows none of these for TLS 1.2, got "{tls.ciphers}"; `openssl ciphers` tries it out',
            )
        if pair is None:
            return None
        known = {name: each for name, each in hosts.items() if each is not None}
        return TlsSettings(pair, known, client_ca, tls.minimum_version, tls.ciphers)

    def _pair(self, certificate_key: Key, key_key: Key) -> KeyPair | None:
        """Read one certificate with its key, and try them; what is wrong is reported."""
        path = self._places.file(certificate_key)
        key_path = self._places.file(key_key)
        if path is None or (certificate := self._content(certificate_key, path)) is None:
            return None
        if _CERTIFICATE not in certificate:
            self._complain_of_kind(certificate_key, path, certificate, "certificate", "x509")
            return None
        if key_path is None:
            key_key, key_path, key = certificate_key, path, certificate
        elif (read := self._content(key_key, key_path)) is None:
            return None
        else:
            key = read
        if _ENCRYPTED.search(key):
            self._places.complain(
                key_key,
                f"the key in {key_path} is encrypted, and nobody is there to ask; `openssl pkey -in {key_path.name} -out plain.key` decrypts it",
            )
            return None
        if not _KEY.search(key):
            if key_key == certificate_key:
                said = (
                    f"there is no key in {path}; tls.key names its file"
                    if len(key_key) == 2
                    else f"there is no key in {path}; `key` beside it names its file"
                )
                self._places.complain(key_key, said)
            else:
                self._complain_of_kind(key_key, key_path, key, "private key", "pkey")
            return None
        return self._tried(KeyPair(certificate, key), certificate_key, path, key_key, key_path)

    def _tried(self, pair: KeyPair, certificate_key: Key, path: Path, key_key: Key, key_path: Path) -> KeyPair | None:
        from workerhub.worker.tls import refusal_of, validity  # noqa: PLC0415  # ssl, for who speaks it

        if (reason := refusal_of(pair)) is not None:
            said = _REASONS.get(reason, f"OpenSSL refuses it: {reason.replace('_', ' ').lower()}")
            self._places.complain(key_key, f"{key_path}: {said.format(certificate=path)}")
            return None
        self.notes += self._dates(".".join(certificate_key), path, validity(pair))
        return pair

    def _dates(self, setting: str, path: Path, valid: Validity | None) -> Iterator[str]:
        """What has to be known of the time in which a certificate is valid."""
        if valid is None:
            return
        if valid.until < self._now:
            yield f"{setting}: the certificate in {path} has expired ({valid.until_text}); clients will refuse it"
        elif valid.since > self._now:
            yield f"{setting}: the certificate in {path} isn't valid yet (before {valid.since_text}); clients will refuse it"
        elif valid.until < self._now + SOON:
            yield f"{setting}: the certificate in {path} expires soon ({valid.until_text})"

    def _client_ca(self) -> str | None:
        key = ("tls", "client_ca")
        path = self._places.file(key)
        if path is None or (content := self._content(key, path)) is None:
            return None
        from workerhub.worker.tls import check_authorities  # noqa: PLC0415  # as above

        text = content.decode("ascii", "replace")
        if _CERTIFICATE not in content:
            self._complain_of_kind(key, path, content, "certificate", "x509")
        elif (reason := check_authorities(text)) is not None:
            self._places.complain(key, f"OpenSSL refuses the certificates in {path}: {reason}")
        return text

    def _content(self, key: Key, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            self._places.complain(key, f"no such file: {path}")
        except IsADirectoryError:
            self._places.complain(key, f"{path} is a directory; expected a file")
        except OSError as error:
            self._places.complain(key, f"can't read {path}: {(error.strerror or str(error)).lower()}")
        return None

    def _complain_of_kind(self, key: Key, path: Path, content: bytes, what: str, command: str) -> None:
        """The file is something else. DER is the usual mistake."""
        hint = (
            f"; `openssl {command} -inform der -in {path.name} -out {path.stem}.pem` makes PEM of DER"
            if content.startswith(_DER)
            else ""
        )
        self._places.complain(key, f"there is no {what} in {path}; expected PEM{hint}")
