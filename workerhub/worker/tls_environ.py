"""What an application learns about the TLS of its connection, under the names that Apache's mod_ssl gave these things.

PEP 3333 says nothing of them but that `wsgi.url_scheme` and CGI's HTTPS should be right. None of the names can come from a client: what that
sends is called `HTTP_...`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any, Final

_SHORT: Final = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}
"""RFC 4514, 3. Whatever isn't in here keeps OpenSSL's long name."""

_SPECIAL: Final = frozenset(',+"\\<>;')


def tls_environ(tls: ssl.SSLObject) -> dict[str, str]:
    """What stands in the environ of every request of a connection.

    ==========================================  ===================================================================
    `wsgi.url_scheme`, HTTPS                    "https", "on"
    SSL_PROTOCOL, SSL_CIPHER                    "TLSv1.3", "TLS_AES_256_GCM_SHA384"
    SSL_CLIENT_VERIFY                           "SUCCESS", or "NONE" where no certificate is asked for
    SSL_CLIENT_CERT                             the client's certificate, PEM
    SSL_CLIENT_S_DN, SSL_CLIENT_I_DN            whose it is, who signed it: "CN=alice,O=Example" (RFC 4514)
    SSL_CLIENT_S_DN_CN                          the subject's name alone, as it is: the bytes of UTF-8, as in all of PEP 3333
    SSL_CLIENT_M_SERIAL                         its number, hexadecimal
    SSL_CLIENT_V_START, SSL_CLIENT_V_END        when it is valid: "Nov 22 10:00:00 2026 GMT"
    ==========================================  ===================================================================

    Args:
        tls: the connection's, past its handshake.
    """
    cipher = tls.cipher()
    facts = {
        "wsgi.url_scheme": "https",
        "HTTPS": "on",
        "SSL_PROTOCOL": tls.version() or "",
        "SSL_CIPHER": cipher[0] if cipher is not None else "",
        "SSL_CLIENT_VERIFY": "NONE",
    }
    der = tls.getpeercert(binary_form=True)
    shown: Any = tls.getpeercert()
    if der is not None and shown:
        facts |= _client(der, shown)
    return facts


def _client(der: bytes, shown: Any) -> dict[str, str]:
    subject = shown["subject"]
    names = [value for rdn in subject for name, value in rdn if name == "commonName"]
    return {
        "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_CLIENT_CERT": ssl.DER_cert_to_PEM_cert(der),
        "SSL_CLIENT_S_DN": distinguished_name(subject),
        "SSL_CLIENT_S_DN_CN": names[-1].encode().decode("latin-1") if names else "",
        "SSL_CLIENT_I_DN": distinguished_name(shown["issuer"]),
        "SSL_CLIENT_M_SERIAL": shown["serialNumber"],
        "SSL_CLIENT_V_START": shown["notBefore"],
        "SSL_CLIENT_V_END": shown["notAfter"],
    }


def distinguished_name(rdns: Iterable[Iterable[tuple[str, str]]]) -> str:
    """A name as RFC 4514 writes it: the last part first, nothing but ASCII.

    Args:
        rdns: as `getpeercert` gives it.
    """
    parts = ["+".join(f"{_SHORT.get(name, name)}={_escaped(value)}" for name, value in rdn) for rdn in rdns]
    return ",".join(reversed(parts))


def _escaped(value: str) -> str:
    """RFC 4514, 2.4, with what isn't printable ASCII as its bytes in UTF-8."""
    out = [
        f"\\{char}"
        if char in _SPECIAL
        else char
        if " " <= char <= "~"
        else "".join(f"\\{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
        for char in value
    ]
    if out and out[0] in {" ", "#"}:
        out[0] = f"\\{out[0]}"
    if len(out) > 1 and out[-1] == " ":
        out[-1] = "\\ "
    return "".join(out)
