"""What a scanner sees of a server: `python tests/support/tls_scan.py` writes it into docs/reference/tls.md.

It does what scanners do: offer everything that OpenSSL has, weak things too, note what the server takes, and offer the rest.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tls.md"
BEGIN, END = "<!-- scanned: python tests/support/tls_scan.py -->\n", "<!-- end of scan -->\n"

VERSIONS = {"TLS 1.0": "-tls1", "TLS 1.1": "-tls1_1", "TLS 1.2": "-tls1_2", "TLS 1.3": "-tls1_3"}
SUITES = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"


def shake_hands(address: tuple[str, int], *arguments: str) -> str:
    """What `openssl s_client` says of a connection."""
    where = f"{address[0]}:{address[1]}"
    command = ("openssl", "s_client", "-connect", where, "-servername", "localhost", *arguments)
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False).stdout


def accepted(address: tuple[str, int], version: str) -> Iterator[str]:
    """The cipher suites that a server takes with one version, in the order in which it prefers them."""
    found: list[str] = []
    while True:
        if version == "TLS 1.3":
            left = ":".join(suite for suite in SUITES.split(":") if suite not in found)
            offer = ("-ciphersuites", left)
        else:
            offer = ("-cipher", ":".join(["ALL:COMPLEMENTOFALL:@SECLEVEL=0", *(f"!{suite}" for suite in found)]))
        match = re.search(
            r"^New, TLS\S+, Cipher is (\S+)$", shake_hands(address, VERSIONS[version], *offer), re.MULTILINE
        )
        if match is None or match[1] in ("(NONE)", *found):
            return
        found.append(match[1])
        yield match[1]
        if len(found) == len(SUITES.split(":")) and version == "TLS 1.3":
            return


def scan(address: tuple[str, int]) -> str:
    """The table of the page."""
    lines = ["| version | cipher suites, the server's choice first |", "|---|---|"]
    for version in VERSIONS:
        suites = list(accepted(address, version))
        lines.append(f"| {version} | {', '.join(f'`{suite}`' for suite in suites) or 'refused'} |")
    seen = shake_hands(address, "-alpn", "h2,http/1.1")
    protocol = re.search(r"^ALPN protocol: (\S+)$", seen, re.MULTILINE)
    compression = re.search(r"^Compression: (\S+)$", seen, re.MULTILINE)
    spoken = f"`{protocol[1]}`" if protocol else "none"
    renegotiates = "Secure Renegotiation IS supported" in shake_hands(address, "-tls1_2")
    lines += [
        "",
        f"ALPN, offered `h2` and `http/1.1`: {spoken}. Compression: {compression[1] if compression else 'NONE'}.",
    ]
    lines += [f"Secure renegotiation (RFC 5746): {'announced' if renegotiates else 'no'}.", ""]
    return "\n".join(lines)


def scanned(page: str) -> str:
    """The part of the page that was scanned."""
    return page.partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from support.certificates import issue
    from support.server import Server

    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        files = issue(directory, "localhost")
        server = Server(directory, f'[tls]\ncertificate = "{files.both}"\n')
        try:
            table = scan(server.start().endpoint)
        finally:
            server.clean()
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.replace(BEGIN + scanned(text) + END, BEGIN + table + END), encoding="utf-8")
