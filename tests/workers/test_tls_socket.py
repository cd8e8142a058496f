"""An encrypted connection looks like its socket: nothing waits, nothing is lost, and what is left to read is where the poller sees it."""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from support.certificates import client_context, issue
from workerhub_workers._arrival import StepError
from workerhub_workers._outbox import Outbox
from workerhub_workers._poller import IN, OUT
from workerhub_workers._tls import CHUNK, TlsSocket, TlsStep

from workerhub.worker import TlsSettings
from workerhub.worker.tls import make_context

if TYPE_CHECKING:
    from pathlib import Path


class Arriving:
    """As much of an `Arrival` as a step sees."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock: Any = sock
        self.facts: dict[str, str] = {}


class Peer:
    """A client in the same thread: its TLS is moved on by hand.

    Attributes:
        sock: its end of the connection.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    def shake_hands(self) -> bool:
        """One step of the handshake; whether it is over."""
        self._hear()
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._tell()
        return True

    def say(self, data: bytes) -> None:
        self.tls.write(data)
        self._tell()

    def hear(self) -> bytes:
        """All that came, decrypted."""
        self._hear()
        heard = b""
        with suppress(ssl.SSLWantReadError):
            while piece := self.tls.read(1 << 16):
                heard += piece
        return heard

    def leave(self) -> None:
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        self._tell()

    def ciphertext(self, data: bytes) -> bytes:
        """What would be sent, without sending it."""
        self.tls.write(data)
        return self._outgoing.read()

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            while data := self.sock.recv(1 << 20):
                self._incoming.write(data)

    def _tell(self) -> None:
        data = self._outgoing.read()
        while data:
            with suppress(BlockingIOError):
                data = data[self.sock.send(data) :]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TlsSettings:
    directory: Path = tmp_path_factory.mktemp("certificates")
    return TlsSettings(issue(directory, "localhost").pair(), {}, None, "1.2", None)


@contextmanager
def connected(settings: TlsSettings, **attributes: Any) -> Iterator[tuple[TlsSocket, Peer]]:
    """Both ends, past the handshake."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        peer = Peer(theirs, client_context(**attributes))
        arriving: Any = Arriving(ours)
        step = TlsStep(make_context(settings))
        done = peer.shake_hands()
        while step.go_on(arriving) or not done:
            done = peer.shake_hands()
            if isinstance(arriving.sock, TlsSocket):
                break
        assert peer.shake_hands()
        peer.hear()  # tickets
        yield arriving.sock, peer


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(params=VERSIONS, ids=["1.2", "1.3"])
def both(request: pytest.FixtureRequest, settings: TlsSettings) -> Iterator[tuple[TlsSocket, Peer]]:
    with connected(settings, maximum_version=request.param) as ends:
        yield ends


def _offer(step: TlsStep, arriving: Any, theirs: socket.socket, pieces: tuple[bytes, ...]) -> None:
    for data in pieces:
        theirs.sendall(data)
        step.go_on(arriving)


def refused(settings: TlsSettings, *first: bytes) -> StepError:
    """Why a client is refused that says this."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        step, arriving = TlsStep(make_context(settings)), Arriving(ours)
        with pytest.raises(StepError) as refusal:
            _offer(step, arriving, theirs, first)
        return refusal.value


def test_the_handshake_takes_what_comes_however_small_the_pieces(settings: TlsSettings) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        step, arriving = TlsStep(make_context(settings)), Arriving(ours)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        awaited = IN
        while awaited:
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            for byte in outgoing.read():
                theirs.sendall(bytes([byte]))
                awaited = step.go_on(arriving)  # type: ignore[arg-type]  # as above
            with suppress(BlockingIOError):
                incoming.write(theirs.recv(1 << 16, socket.MSG_DONTWAIT))
        assert isinstance(arriving.sock, TlsSocket)
        assert arriving.facts["SSL_PROTOCOL"] == tls.version()


def test_what_came_together_with_the_end_of_the_handshake_is_heard(settings: TlsSettings) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        step, arriving = TlsStep(make_context(settings)), Arriving(ours)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        theirs.sendall(outgoing.read())
        assert step.go_on(arriving) == IN  # type: ignore[arg-type]  # as above
        incoming.write(theirs.recv(1 << 16))
        tls.do_handshake()
        tls.write(b"at once")
        theirs.sendall(outgoing.read())
        assert step.go_on(arriving) == 0  # type: ignore[arg-type]  # as above
        assert arriving.sock.recv(1 << 16) == b"at once"


def test_a_client_that_does_not_read_is_waited_for_in_the_handshake_too(settings: TlsSettings) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 100)
        peer = Peer(theirs, client_context())
        with suppress(ssl.SSLError):
            peer.tls.do_handshake()
        peer._tell()
        step: Any = TlsStep(make_context(settings))
        arriving: Any = Arriving(ours)
        assert step.go_on(arriving) == OUT
        with suppress(BlockingIOError):
            while theirs.recv(1 << 16):
                pass
        assert step.go_on(arriving) == IN


def test_plain_http_is_told_so(settings: TlsSettings) -> None:
    refusal = refused(settings, b"GET / HTTP/1.1\r\n")
    assert (refusal.status, "https://" in refusal.text) == (400, True)


@pytest.mark.parametrize(
    "garbage", [b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 20_000, b"\x80\x2e\x01\x03\x01", b"\x16get"]
)
def test_garbage_is_refused_and_never_raises_anything_else(settings: TlsSettings, garbage: bytes) -> None:
    refusal = refused(settings, garbage, b"x" * 20_000)
    assert refusal.status == 0
    assert str(refusal).startswith("no TLS handshake with it: ")


def test_a_client_that_leaves_in_the_handshake_is_no_reason_to_complain(settings: TlsSettings) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        theirs.close()
        with pytest.raises(ConnectionResetError):
            TlsStep(make_context(settings)).go_on(Arriving(ours))  # type: ignore[arg-type]  # as above


def test_what_was_said_is_heard_in_both_directions(both: tuple[TlsSocket, Peer]) -> None:
    sock, peer = both
    peer.say(b"question")
    assert sock.recv(1 << 16) == b"question"
    assert sock.send(b"answer") == 6
    assert peer.hear() == b"answer"


def test_nothing_to_read_says_so(both: tuple[TlsSocket, Peer]) -> None:
    sock, _ = both
    with pytest.raises(BlockingIOError):
        sock.recv(1 << 16)


def test_after_a_read_nothing_is_left_where_no_poller_sees_it(both: tuple[TlsSocket, Peer]) -> None:
    """Three records come at once, and more is decrypted than was asked for; all of it is handed out."""
    sock, peer = both
    peer.sock.sendall(b"".join(peer.ciphertext(bytes([letter]) * 15_000) for letter in b"abc"))
    heard = sock.recv(1 << 16)
    while not heard.endswith(b"c" * 15_000):
        assert select.select([sock], [], [], 0)[0], "what is left is in the socket"
        with suppress(BlockingIOError):
            heard += sock.recv(1 << 16)
    assert heard == b"a" * 15_000 + b"b" * 15_000 + b"c" * 15_000


def test_half_a_record_is_waited_for(both: tuple[TlsSocket, Peer]) -> None:
    sock, peer = both
    record = peer.ciphertext(b"x" * 1000)
    for byte in record[:-1]:
        peer.sock.sendall(bytes([byte]))
        with pytest.raises(BlockingIOError):
            sock.recv(1 << 16)
    peer.sock.sendall(record[-1:])
    assert sock.recv(1 << 16) == b"x" * 1000


def test_the_end_is_an_end_only_if_the_client_says_so(settings: TlsSettings) -> None:
    with connected(settings) as (sock, peer):
        peer.leave()
        assert sock.recv(1 << 16) == b""
    with connected(settings) as (sock, peer):
        peer.sock.close()
        with pytest.raises(ConnectionResetError):
            sock.recv(1 << 16)


def test_what_came_before_the_end_is_heard_first(both: tuple[TlsSocket, Peer]) -> None:
    sock, peer = both
    peer.say(b"last words")
    peer.leave()
    peer.sock.close()
    assert sock.recv(1 << 16) == b"last words"
    assert sock.recv(1 << 16) == b""


def test_closing_says_so_and_cutting_does_not(settings: TlsSettings) -> None:
    with connected(settings) as (sock, peer):
        sock.close()
        peer._hear()
        assert peer.tls.read() == b""
    with connected(settings) as (sock, peer):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes(8))
        sock.close()
        peer._hear()
        assert peer.tls.read() == b"", "it was taken back"
    with connected(settings) as (sock, peer):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sock.close()
        peer._hear()
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.read()


def test_after_the_last_word_what_comes_is_thrown_away_unread(both: tuple[TlsSocket, Peer]) -> None:
    sock, peer = both
    sock.shutdown(socket.SHUT_WR)
    peer.sock.sendall(b"this is no TLS")
    assert sock.recv(1 << 16) == b"this is no TLS"
    peer._hear()
    assert peer.tls.read() == b""
    sock.close()


def test_what_is_broken_is_an_error_of_the_socket(both: tuple[TlsSocket, Peer]) -> None:
    sock, peer = both
    record = bytearray(peer.ciphertext(b"x" * 100))
    record[-1] ^= 1
    peer.sock.sendall(record)
    with pytest.raises(OSError, match=r"MAC|DECRYPTION"):
        sock.recv(1 << 16)


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
@hypothesis.settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(st.lists(st.integers(0, 3 * CHUNK) | st.integers(0, 10), max_size=6))
def test_whatever_the_socket_takes_every_byte_arrives_once(
    settings: TlsSettings, version: ssl.TLSVersion, sizes: list[int]
) -> None:
    with connected(settings, maximum_version=version) as (sock, peer):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        outbox, sent, heard = Outbox(), b"", b""
        for number, size in enumerate(sizes):
            data = bytes([number]) * size
            outbox.add(data)
            sent += data
            outbox.send(sock)  # type: ignore[arg-type]  # it looks like one
            heard += peer.hear()
        while outbox.pieces:
            outbox.send(sock)  # type: ignore[arg-type]  # as above
            heard += peer.hear()
        assert heard + peer.hear() == sent


def test_progress_is_told_while_a_chunk_is_on_its_way(settings: TlsSettings) -> None:
    """A client that reads little by little isn't taken for one that doesn't read."""
    with connected(settings) as (sock, peer):
        data = b"x" * (CHUNK * 64)

        def send_all(sent: int) -> int:
            with suppress(BlockingIOError):
                while True:
                    sent += sock.send(data[sent:])
            return sent

        sent = send_all(0)
        seen = set()
        for _ in range(100):
            peer.sock.recv(8192)
            seen.add(sent := send_all(sent))
        assert any(count % CHUNK for count in seen), "a part of a chunk counts"


def test_a_file_is_sent_encrypted(both: tuple[TlsSocket, Peer], tmp_path: Path) -> None:
    sock, peer = both
    (tmp_path / "file").write_bytes(b"0123456789" * 10_000)
    with (tmp_path / "file").open("rb") as file:
        outbox = Outbox()
        outbox.add_file(os.dup(file.fileno()), 5, 99_990)
    heard = b""
    while outbox.pieces:
        outbox.send(sock)  # type: ignore[arg-type]  # as above
        heard += peer.hear()
    assert heard + peer.hear() == (b"0123456789" * 10_000)[5:99_995]
