"""TLS on a socket of the reactor: the handshake, and what looks like the socket afterwards.

OpenSSL works on memory here (`ssl.MemoryBIO`) and never touches the socket. So all that it wants to say, answers to key updates and
alerts included, goes through one place; and gevent's sockets, which would wait, have no part in it.

What the reactor relies on, of a socket, holds: nothing ever waits, and when `recv` has returned, whatever is left to read is in the
socket, where the poller sees it. What OpenSSL has decrypted is therefore always handed out whole.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from os import pread
from typing import TYPE_CHECKING, Any, Final, cast

from workerhub.worker.tls_environ import tls_environ
from workerhub_workers._arrival import StepError
from workerhub_workers._outbox import SEND_FLAGS
from workerhub_workers._poller import IN, OUT

if TYPE_CHECKING:
    from _socket import SocketType

    from workerhub_workers._arrival import Arrival

READ_SIZE = 64 * 1024
"""Bytes asked of the socket at once."""

RECORD = 16 * 1024
"""Bytes of a record at most (RFC 8446, 5.1): more than one is never decrypted at once."""

CHUNK = 64 * 1024
"""Bytes encrypted at once: four records of TLS, and one send."""

UNSENT_MAX = 256 * 1024
"""Bytes. A client that makes OpenSSL answer (key updates) and reads none of it is cut here."""

_HANDSHAKE: Final = 22
"""The first byte of every TLS connection: a record of the handshake (RFC 8446, 5.1)."""

_PLAIN: Final = "This port speaks TLS: the address begins with https://."

_DONTWAIT = socket.MSG_DONTWAIT


class TlsStep:
    """The handshake of one connection: a step of its `Arrival`.

    Args:
        context: the worker's.
    """

    __slots__ = ("_has_begun", "_incoming", "_is_over", "_outgoing", "_tls", "_unsent")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._unsent = b""
        self._has_begun = False
        self._is_over = False

    def go_on(self, arrival: Arrival) -> int:
        """Do what can be done now.

        Raises:
            StepError: it isn't TLS, or none that can be agreed upon.
            OSError: the connection broke.
        """
        sock = arrival.sock
        while self._sent(sock):
            if self._is_over:
                arrival.sock = cast("SocketType", TlsSocket(sock, self._tls, self._incoming, self._outgoing))
                arrival.facts.update(tls_environ(self._tls))
                return 0
            try:
                data = sock.recv(READ_SIZE, _DONTWAIT)
            except BlockingIOError:
                return IN
            if not data:
                raise ConnectionResetError("the client left during the handshake")
            if not self._has_begun and data[0] != _HANDSHAKE and data[:1].isalpha():
                raise StepError("it speaks plain HTTP, and this port TLS", status=400, text=_PLAIN)
            self._has_begun = True
            self._incoming.write(data)
            self._shake_hands(sock)
        return OUT

    def _shake_hands(self, sock: SocketType) -> None:
        """Have OpenSSL react to what came.

        Raises:
            StepError: it is no TLS, or none that can be agreed upon. The client is told, as far as there is room.
        """
        try:
            self._tls.do_handshake()
            self._is_over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            with contextlib.suppress(OSError):
                self._sent(sock)
            reason = getattr(error, "verify_message", "") or (error.reason or str(error)).replace("_", " ").lower()
            raise StepError(f"no TLS handshake with it: {reason}") from error

    def _sent(self, sock: SocketType) -> bool:
        """Send what OpenSSL has to say; whether all of it is out."""
        self._unsent += self._outgoing.read()
        try:
            while self._unsent:
                self._unsent = self._unsent[sock.send(self._unsent, SEND_FLAGS) :]
        except BlockingIOError:
            return False
        return True


class TlsSocket:
    """An encrypted connection that looks like its socket, as far as a `Connection` uses one.

    Args:
        sock: the socket.
        tls: the TLS on it, past its handshake.
        incoming: where `tls` reads from.
        outgoing: where `tls` writes to.
    """

    __slots__ = ("_cut", "_deaf", "_ended", "_incoming", "_outgoing", "_owed", "_sock", "_tls", "_unsent")

    def __init__(self, sock: SocketType, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._sock = sock
        self._tls = tls
        self._incoming = incoming
        self._outgoing = outgoing
        self._unsent = memoryview(b"")
        """Ciphertext that the socket didn't take yet."""
        self._ended = False
        """The client has said that nothing more follows."""
        self._owed = 0
        """Bytes that are encrypted, and that `send` hasn't told its caller of. They will be offered again."""
        self._cut = False
        """It ends without a word, so that what was sent can't be taken for all."""
        self._deaf = False
        """We have said our last word: what still comes is thrown away by the caller and needn't be decrypted."""

    def recv(self, size: int, flags: int = _DONTWAIT) -> bytes:
        """All that can be decrypted now; b"": the client said that nothing more follows.

        Args:
            size: bytes to ask of the socket. What comes may be a little more: what is decrypted is never kept back.
            flags: for the socket.

        Raises:
            BlockingIOError: nothing has come, or not all of a record.
            OSError: the connection broke: also if the client left without saying so, as what came then may not be all.
        """
        if self._deaf:
            return self._sock.recv(size, flags)
        try:
            data = self._sock.recv(size, flags)
        except BlockingIOError:
            if not self._incoming.pending:  # else it came together with the end of the handshake
                raise
        else:
            if not data:
                if self._ended:
                    return b""
                raise ConnectionResetError("the connection ended without TLS's close_notify")
            self._incoming.write(data)
        return self._decrypt()

    def _decrypt(self) -> bytes:
        """Decrypt all that is there."""
        pieces: list[bytes] = []
        try:
            while piece := self._tls.read(RECORD):
                pieces.append(piece)
                if not self._incoming.pending and not self._tls.pending():  # then asking is in vain, and an exception
                    break
            else:
                self._ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._ended = True
        # OpenSSL may have answered something.
        if self._outgoing.pending and not self._flush() and len(self._unsent) > UNSENT_MAX:
            raise ConnectionAbortedError("the client reads nothing of what TLS answers")
        if pieces:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._ended:
            return b""
        raise BlockingIOError

    def send(self, data: bytes | bytearray | memoryview, flags: int = SEND_FLAGS) -> int:  # noqa: ARG002  # the socket's
        """Send what the socket takes; how many bytes of `data` that surely is.

        The rest has to be offered again, as OpenSSL wants it of `SSL_write`: a part of it may be encrypted already, and is then only told of.

        Raises:
            BlockingIOError: none.
            OSError: the connection broke.
        """
        if not self._owed:
            if self._unsent and not self._flush():
                raise BlockingIOError
            view = memoryview(data)[:CHUNK]
            while self._owed < len(view):
                self._owed += self._tls.write(view[self._owed :])
        self._flush()
        # Ciphertext is longer than what it stands for; the last byte waits for all of it.
        paid = self._owed - len(self._unsent)
        if paid <= 0 and self._unsent:
            raise BlockingIOError
        self._owed -= paid
        return paid

    def send_from(self, fd: int, offset: int, count: int) -> int:
        """As `send`, of a piece of a file: the kernel can't send it itself, as it has to be encrypted. 0: the file has ended."""
        data = pread(fd, min(count, CHUNK), offset)
        return self.send(data) if data else 0

    def _flush(self) -> bool:
        """Send ciphertext; whether all of it is out."""
        if self._outgoing.pending:
            self._unsent = memoryview(b"".join((self._unsent, self._outgoing.read())))
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent, SEND_FLAGS) :]
        except BlockingIOError:
            return False
        return True

    def shutdown(self, how: int) -> None:
        """Say that nothing more follows; what the client still sends isn't decrypted any more."""
        self._say_goodbye()
        self._deaf = True
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close; with TLS's own end, without which the client can't know that it has all, unless the connection was cut."""
        if not self._cut and not self._deaf and not self._unsent:
            self._say_goodbye()
        self._cut = True
        self._sock.close()

    def _say_goodbye(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # it would like to wait for the client's, or the connection is broken
            self._tls.unwrap()
        with contextlib.suppress(OSError):
            self._flush()

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Set an option of the socket. Who makes its end abrupt wants TLS's to be so, too, and who takes that back, both."""
        if option == socket.SO_LINGER:
            self._cut = any(value)  # `struct linger`, which begins with whether it is on
        self._sock.setsockopt(level, option, value)

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """As of the socket."""
        return self._sock.getsockopt(level, option, size)

    @property
    def family(self) -> int:
        """The socket's."""
        return self._sock.family

    def setblocking(self, flag: bool, /) -> None:  # noqa: FBT001  # the socket's
        """As of the socket."""
        self._sock.setblocking(flag)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._sock.fileno()
