"""TLS contexts. Imported where TLS is spoken or tried only: by a worker, after its class has patched what it patches, and by a planner."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from workerhub.worker.tls_settings import KeyPair, TlsSettings

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption, nothing else. Every client of the last ten years has one of them (Mozilla's
"intermediate" without its finite-field half). TLS 1.3 has only good ones, and OpenSSL's choice of these is left alone."""

ALPN: Final = ["http/1.1"]

_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME, which `ssl` has no name for."""

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """Make what the connections of a worker are wrapped with; it knows the certificates of all hosts.

    Raises:
        ssl.SSLError: OpenSSL refuses one of the parts.
        OSError: there is no descriptor, or no place for a temporary file.
    """
    context = _context(settings, settings.pair)
    if settings.hosts:
        hosts = {name: _context(settings, pair) for name, pair in settings.hosts.items()}
        # The original's: gevent's, in a worker where that has patched `ssl`, takes none but gevent's own sockets.
        original = next(vars(each) for each in reversed(type(context).__mro__) if "sni_callback" in vars(each))
        original["sni_callback"].__set__(context, _chooser(hosts))
    return context


def _context(settings: TlsSettings, pair: KeyPair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.minimum_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(settings.ciphers or CIPHERS)
    context.set_alpn_protocols(ALPN)
    if settings.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=settings.client_ca)
    load_pair(context, pair)
    return context


def load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Give a context its certificate and key.

    Raises:
        ssl.SSLError: they aren't what they should be, or don't belong together.
        OSError: there is no descriptor, or no place for a temporary file.
    """
    with _as_file(pair.certificate) as certificate, _as_file(pair.key) as key:
        context.load_cert_chain(certificate, key, password=_no_password)


def _no_password() -> str:
    """Asked for by a key that is encrypted; without this OpenSSL would ask whoever sits at the terminal.

    Raises:
        ValueError: always.
    """
    raise ValueError("the key is encrypted")


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """The name of a file with this content, for as long as it is needed.

    Python has OpenSSL read certificates and keys from files only. This one has no place in any file system, where the system can do that:
    nobody else sees it, and nothing of it stays.
    """
    try:
        fd = os.memfd_create("workerhub-tls", os.MFD_CLOEXEC)
    except (AttributeError, OSError):  # another system, or one that forbids it
        with tempfile.NamedTemporaryFile(prefix="workerhub-tls-") as file:  # mode 0600
            file.write(content)
            file.flush()
            yield file.name
        return
    with open(fd, "wb") as memory:  # noqa: PTH123  # it is a descriptor
        memory.write(content)
        memory.flush()
        yield f"/proc/self/fd/{fd}"


def _chooser(hosts: Mapping[str, ssl.SSLContext]) -> Callable[[ssl.SSLObject, str | None, ssl.SSLContext], None]:
    """What OpenSSL calls with the name that a client asks for (RFC 6066, 3). A name that isn't known gets the certificate that all get."""

    def choose(tls: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name is not None:
            name = name.lower()
            found = hosts.get(name) or hosts.get(f"*.{name.partition('.')[2]}")
            if found is not None:
                tls.context = found

    return choose


# For who makes plans: what a worker would meet.


class Validity(NamedTuple):
    """When a certificate is valid, in seconds since the epoch and in words."""

    since: float
    until: float
    since_text: str
    until_text: str


def refusal_of(pair: KeyPair) -> str | None:
    """Why OpenSSL wouldn't serve with this pair, by the name it gives the reason; None: it would."""
    try:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair)
    except ssl.SSLError as error:
        return error.reason or "there is nothing in it that can be read"
    return None


def check_ciphers(ciphers: str) -> bool:
    """Whether any cipher suite is meant by this."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(ciphers)
    except ssl.SSLError:
        return False
    return True


def check_authorities(pem: str) -> str | None:
    """Why OpenSSL wouldn't believe in these certificates; None: it would."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        return (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
    return None


def validity(pair: KeyPair) -> Validity | None:
    """When a pair that can be served is valid; None where it can't be found out.

    Python shows a certificate's contents to the other side of a connection only. So there is one, in memory.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(server, pair)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    try:
        client.load_verify_locations(cadata=pair.certificate.decode("ascii", "ignore"))
        shown = _introduce(client, server)
        since, until = str(shown["notBefore"]), str(shown["notAfter"])
        return Validity(ssl.cert_time_to_seconds(since), ssl.cert_time_to_seconds(until), since, until)
    except (ssl.SSLError, KeyError, ValueError):  # made for another purpose, perhaps: that is for its clients to judge
        return None


def _introduce(client: ssl.SSLContext, server: ssl.SSLContext) -> Mapping[str, object]:
    """Have both shake hands; what the client sees."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = server.wrap_bio(there, back, server_side=True), client.wrap_bio(back, there)
    while True:
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            if side is theirs:
                return theirs.getpeercert() or {}
