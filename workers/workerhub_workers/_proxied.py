"""The PROXY protocol header at the beginning of a connection."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from workerhub.http.proxy_protocol import MAX_LENGTH, ProxyHeaderError, read_proxy_header
from workerhub_workers._arrival import StepError
from workerhub_workers._poller import IN

if TYPE_CHECKING:
    from workerhub.http.forwarded import TrustedProxies
    from workerhub_workers._arrival import Arrival

_PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT


class ProxyStep:
    """Reads the header and exactly that: what is behind it, perhaps a TLS handshake, stays in the system until its reader comes.

    Args:
        trusted: whose word on whose connection it is counts; anybody else's connection is closed.
    """

    __slots__ = ("_begin", "_trusted")

    def __init__(self, trusted: TrustedProxies) -> None:
        self._trusted = trusted
        self._begin = b""

    def go_on(self, arrival: Arrival) -> int:
        """Look at what is here, and take what belongs to the header.

        A part of a header is taken too, or the poller would report it again and again.

        Raises:
            StepError: there is no header, or a malformed one, or not from a proxy that is trusted, or it ended in the middle.
            ConnectionResetError: it left without a word, as those do who only want to know whether somebody listens.
        """
        if not self._begin and self._address(arrival) not in self._trusted:
            raise StepError("http.proxy_protocol is required, and it isn't one of http.trusted_proxies")
        try:
            data = arrival.sock.recv(MAX_LENGTH, _PEEK)
        except BlockingIOError:
            return IN
        if not data:
            if self._begin:
                raise StepError(f"it ended in the middle of a PROXY header, after {len(self._begin)} bytes")
            raise ConnectionResetError
        try:
            header = read_proxy_header(self._begin + data)
        except ProxyHeaderError as error:
            raise StepError(f"{error}; http.proxy_protocol is required") from error
        if header is None:
            self._begin += arrival.sock.recv(len(data))
            return IN
        arrival.sock.recv(header.length - len(self._begin))
        if header.source is not None:
            arrival.peer = header.source
        return 0

    @staticmethod
    def _address(arrival: Arrival) -> str:
        """The proxy's; "" for one on a UNIX socket."""
        return arrival.peer[0] if isinstance(arrival.peer, tuple) else ""
