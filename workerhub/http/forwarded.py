"""What a trusted proxy says about the client: X-Forwarded-* or RFC 7239's Forwarded.

Who is trusted: a peer whose address is in one of `trusted_proxies`; a peer on a UNIX socket (its REMOTE_ADDR is empty) if "unix" is.

==================  ==========================================  ==========================================
fields              from a trusted peer                         from anyone else
==================  ==========================================  ==========================================
the chosen family   believed, and handed on to the application  dropped: the application doesn't see them
the other family    dropped: the proxy let the client's through dropped
with "off"          handed on as they are, nothing believed     dropped
==================  ==========================================  ==========================================

Each proxy appends the address it was called from. So the list is read from its end: entries are skipped as long as they are trusted
proxies themselves, and the first one that isn't is the client: the rightmost untrusted. What stands left of it, the client wrote; the
application gets the list without it. Scheme, host, port and prefix are those that the same hop wrote, the one that saw the client.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workerhub.http.errors import Fault, Refused
from workerhub.http.target import decode_path, valid_host

if TYPE_CHECKING:
    from collections.abc import Callable

_REMEMBERED_MAX: Final = 4096
"""Nodes remembered, all forgotten when there are more. Looking one up takes 0.1 us, judging it 10 us."""

_ADDRESS: Final = re.compile(
    r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?|([0-9.]+)(?::([0-9]{1,5}))?|([0-9A-Fa-f:.]+)", re.ASCII
)
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_PREFIX: Final = re.compile(r"/[!$&-.0-9:;=@A-Z_a-z~/%]*", re.ASCII)
_PAIR: Final = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|\"((?:[^\"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e])*)\")[ \t]*([;,]|$)",
    re.ASCII,
)


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A v4 peer on a v6 socket is the same peer.
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


class Node(NamedTuple):
    """One hop as a proxy names it: "192.0.2.1", "192.0.2.1:80", "2001:db8::1" or "[2001:db8::1]:80".

    Attributes:
        address: "" where it is hidden or no address.
        port: "" where it isn't said.
        is_trusted: whether it is a proxy that may speak for others.
    """

    address: str
    port: str
    is_trusted: bool


class TrustedProxies:
    """The setting `http.trusted_proxies`, compiled; remembers what it was asked about.

    Raises:
        ValueError: one of the entries is neither address, network nor "unix".
    """

    __slots__ = ("_known", "_networks", "_unix")

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._known: dict[str, Node] = {}
        self._unix = "unix" in entries
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(entry, strict=False) for entry in entries if entry != "unix"
        )

    def __contains__(self, address: str) -> bool:
        return self.node(address).is_trusted if address else self._unix

    def node(self, text: str) -> Node:
        """What a proxy means by this."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _REMEMBERED_MAX:
                self._known.clear()
            known = self._known[text] = self._judge(text)
        return known

    def _judge(self, text: str) -> Node:
        match = _ADDRESS.fullmatch(text)
        address = (match[1] or match[3] or match[5]) if match is not None else text
        parsed = _parse_address(address)
        trusted = parsed is not None and any(parsed in network for network in self._networks)
        if match is None or parsed is None:  # hidden; or a peer's own address, with a zone, which may be trusted
            return Node("", "", trusted)
        return Node(address, match[2] or match[4] or "", trusted)


def _find_client(nodes: list[str], trusted: TrustedProxies) -> tuple[int, str, str]:
    """The rightmost untrusted entry: how far from the end it stands (1 is the last), its address and port.

    A hidden or broken entry ends the walk: then the client is the last hop that is known, with an empty address if that is the peer itself.
    """
    depth, address, port = 1, "", ""
    for depth, text in enumerate(reversed(nodes), 1):  # noqa: B007  # where the walk ended is the answer
        node = trusted.node(text)
        if not node.address:
            break
        address, port = node.address, node.port
        if not node.is_trusted:
            break
    return depth, address, port


def _apply(
    environ: dict[str, Any], *, address: str, port: str, scheme: str, host: str, own_port: str = "", prefix: str = ""
) -> None:
    if address:
        environ["REMOTE_ADDR"] = address
        environ["REMOTE_PORT"] = port
    if scheme in {"http", "https"}:
        environ["wsgi.url_scheme"] = scheme
    if host:
        if not valid_host(host):
            raise Refused(Fault.HOST_INVALID)
        environ["HTTP_HOST"] = host
    if _PORT.fullmatch(own_port):
        environ["SERVER_PORT"] = own_port
    prefix = prefix.rstrip("/")
    if prefix and not prefix.startswith("//") and _PREFIX.fullmatch(prefix):
        environ["SCRIPT_NAME"] = decode_path(prefix)


def _values(environ: dict[str, Any], key: str) -> list[str]:
    value: str = environ.get(key, "")
    return [part.strip(" \t") for part in value.split(",")] if value else []


def apply_x_forwarded(environ: dict[str, Any], trusted: TrustedProxies) -> None:
    """X-Forwarded-For, -Proto, -Host, -Port and -Prefix, as nginx, HAProxy and Traefik write them.

    Raises:
        Refused: the host is invalid.
    """
    nodes = _values(environ, "HTTP_X_FORWARDED_FOR")
    depth, address, port = _find_client(nodes, trusted)
    if nodes:
        environ["HTTP_X_FORWARDED_FOR"] = ", ".join(nodes[-depth:])

    def at_depth(key: str) -> str:
        # Shorter than the walk: hops in between didn't write it, and all that did are trusted.
        values = _values(environ, key)
        return values[max(len(values) - depth, 0)] if values else ""

    _apply(
        environ,
        address=address,
        port=port,
        scheme=at_depth("HTTP_X_FORWARDED_PROTO").lower(),
        host=at_depth("HTTP_X_FORWARDED_HOST"),
        own_port=at_depth("HTTP_X_FORWARDED_PORT"),
        prefix=at_depth("HTTP_X_FORWARDED_PREFIX"),
    )


def _parse_forwarded(value: str) -> list[tuple[str, dict[str, str]]]:
    """The elements of a Forwarded field (RFC 7239, 4), each as it stands there and as a mapping."""
    elements: list[tuple[str, dict[str, str]]] = []
    pairs: dict[str, str] = {}
    begin = at = 0
    while True:
        match = _PAIR.match(value, at)
        if match is None:
            raise Refused(Fault.FORWARDED)
        name, token, quoted, separator = match.groups()
        if name.lower() in pairs:
            raise Refused(Fault.FORWARDED)
        pairs[name.lower()] = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        at = match.end()
        if separator == ";":
            continue
        elements.append((value[begin : at - len(separator)].strip(" \t"), pairs))
        if not separator:
            return elements
        begin, pairs = at, {}


def apply_rfc7239(environ: dict[str, Any], trusted: TrustedProxies) -> None:
    """Forwarded: for, proto and host of the element that speaks of the client.

    Raises:
        Refused: the field is malformed, or the host is.
    """
    value: str | None = environ.get("HTTP_FORWARDED")
    if value is None:
        return
    elements = _parse_forwarded(value)
    depth, address, port = _find_client([pairs.get("for", "") for _, pairs in elements], trusted)
    environ["HTTP_FORWARDED"] = ", ".join(text for text, _ in elements[-depth:])
    pairs = elements[-depth][1]
    _apply(
        environ,
        address=address,
        port=port,
        scheme=pairs.get("proto", "").lower(),
        host=pairs.get("host", ""),
    )


APPLY: Final[dict[str, Callable[[dict[str, Any], TrustedProxies], None] | None]] = {
    "x-forwarded": apply_x_forwarded,
    "rfc7239": apply_rfc7239,
    "off": None,
}
"""What is done with a trusted peer's fields, by the setting `http.forwarded`."""
