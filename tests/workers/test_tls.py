"""TLS in front of every worker class: the same promises as without, and those that only TLS makes."""

from __future__ import annotations

import hashlib
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.apps import echo, hello
from support.certificates import TlsClient, authority, client_context, issue
from support.proxied import version_2
from support.raw import RawClient, get, post
from support.serving import serving
from support.waiting import wait_for

from workerhub.testing.client import ConnectionEndedError
from workerhub.worker import TlsSettings, WorkerType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workerhub.testing.served import Served

MEGABYTES = bytes(range(256)) * 4096 * 3


def broken() -> Iterator[bytes]:
    yield b"so far so good"
    raise ValueError("on purpose")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """What a path asks for."""
    path = environ["PATH_INFO"]
    if path == "/echo":
        return echo(environ, start_response)
    if path == "/big":
        start_response("200 OK", [("Content-Length", str(len(MEGABYTES)))])
        return [MEGABYTES]
    if path in {"/stream", "/broken"}:
        start_response("200 OK", [])
        return broken() if path == "/broken" else (b"%d\n" % number for number in range(1000))
    if path == "/file":
        start_response("200 OK", [])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](Path(environ["QUERY_STRING"]).open("rb"))  # noqa: SIM115  # the server closes it
        return wrapped
    if path == "/facts":
        facts = {key: value for key, value in environ.items() if key.startswith(("SSL_", "HTTPS", "wsgi.url"))}
        body = "\n".join(f"{key}={value}" for key, value in facts.items()).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    return hello(environ, start_response)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def settings(place: Path) -> TlsSettings:
    hosts = {
        "shop.example": issue(place, "shop.example").pair(),
        "*.wild.example": issue(place, "*.wild.example").pair(),
    }
    return TlsSettings(issue(place, "localhost").pair(), hosts, None, "1.2", None)


@pytest.fixture
def server(worker: WorkerType, settings: TlsSettings) -> Iterator[Served[Any]]:
    with serving(worker, application, tls=settings, response_memory=2 * len(MEGABYTES)) as served:
        yield served


def name_shown(served: Served[Any], name: str, **attributes: Any) -> str:
    """Whose certificate a client is shown that asks for this host."""
    context = client_context()
    context.check_hostname = False
    with TlsClient(served.address, context, name=name, **attributes) as client:
        shown: Any = client.tls.getpeercert()
    return str(dict(part for rdn in shown["subject"] for part in rdn)["commonName"])


@pytest.mark.cell("tls")
def test_everything_that_http_is_made_of_works_over_tls(server: Served[Any], tmp_path: Path) -> None:
    """Keep-alive, pipelining, uploads and downloads of megabytes, streams, files, HEAD, an interim answer: on one connection."""
    (tmp_path / "file").write_bytes(MEGABYTES)
    with TlsClient(server.address) as client:
        assert client.tls.selected_alpn_protocol() == "http/1.1"
        client.send(b"".join(get(f"/{number}") for number in range(50)))
        assert [client.answer().text for _ in range(50)] == [f"hello /{number}" for number in range(50)]
        client.send(get("/echo", f"Content-Length: {len(MEGABYTES)}", "Expect: 100-continue", method="POST"))
        assert client.answer().status == 100
        client.send(MEGABYTES)
        assert hashlib.sha256(client.answer().body).digest() == hashlib.sha256(MEGABYTES).digest()
        assert client.ask("/big").body == MEGABYTES
        assert client.ask("/stream").text == "".join(f"{number}\n" for number in range(1000))
        assert client.ask(f"/file?{tmp_path / 'file'}").body == MEGABYTES
        client.send(get("/big", method="HEAD"))
        assert client.answer("HEAD").body == b""
        client.send(get("/echo", "Transfer-Encoding: chunked", method="POST"))
        client.send(b"5\r\nhello\r\n0\r\n\r\n")
        assert client.answer().body == b"hello"
        facts = dict(line.split("=", 1) for line in client.ask("/facts").text.splitlines())
    assert (facts["wsgi.url_scheme"], facts["HTTPS"]) == ("https", "on")
    assert (facts["SSL_PROTOCOL"], facts["SSL_CLIENT_VERIFY"]) == ("TLSv1.3", "NONE")


@pytest.mark.cell("tls")
def test_each_host_shows_its_own_certificate_and_an_answer_ends_with_a_word(server: Served[Any]) -> None:
    shown = [name_shown(server, name) for name in ("localhost", "SHOP.example", "a.wild.example", "unknown.example")]
    assert shown == ["localhost", "shop.example", "*.wild.example", "localhost"]
    with TlsClient(server.address) as client:
        client.send(get("/stream", version="1.0"))
        assert len(client.answer().body.split()) == 1000
        assert not client.was_reset()
    with TlsClient(server.address) as client:
        client.send(get("/broken", version="1.0"))
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            client.answer()


@pytest.mark.cell("tls")
def test_what_is_not_spoken_is_refused_and_others_are_served(
    worker: WorkerType, settings: TlsSettings, place: Path
) -> None:
    """Old TLS, plain HTTP, garbage, and whoever leaves in the middle or says nothing."""
    only = TlsSettings(settings.pair, {}, None, "1.3", None)
    with serving(worker, hello, tls=only, header_timeout=0.5) as server:
        with pytest.raises(ssl.SSLError, match=r"(?i)version"):
            TlsClient(server.address, client_context(maximum_version=ssl.TLSVersion.TLSv1_2))
        with server.connect() as plain:
            answer = plain.ask()
            assert (answer.status, answer.closes, "https://" in answer.text) == (400, True, True)
            assert plain.at_end()
        with RawClient(server.address) as garbage:
            garbage.send(b"\x16\x03\x01\x00\x05hello" * 100)
            assert garbage.was_reset() or garbage.at_end()
        RawClient(server.address).vanish()
        with server.connect() as silent, server.connect() as half:
            half.send(b"\x16\x03\x01")
            with TlsClient(server.address) as client:
                assert client.ask().status == 200
            assert silent.at_end()
            assert half.at_end()
        wait_for(lambda: any("plain HTTP" in line for line in server.log("info", "debug")), "the log to say so")


def refused(server: Served[Any], context: ssl.SSLContext) -> None:
    with TlsClient(server.address, context) as client:
        client.ask()


@pytest.mark.cell("tls")
def test_clients_show_a_certificate_where_they_have_to(worker: WorkerType, settings: TlsSettings, place: Path) -> None:
    alice, bob = issue(place, "alice.example"), issue(place, "bob.example")
    eve = issue(place, "eve.example", by="somebody else")
    client_ca = authority("tests").cert_pem.bytes().decode()
    with serving(worker, application, tls=TlsSettings(settings.pair, {}, client_ca, "1.2", None)) as server:
        with (
            TlsClient(server.address, client_context(shows=alice)) as client,
            TlsClient(server.address, client_context(shows=bob)) as other,
        ):
            # Again and again, as heads that come again may be remembered, and whose they were may not.
            for _ in range(20):
                facts = client.ask("/facts").text
                assert "SSL_CLIENT_S_DN_CN=bob.example" in other.ask("/facts").text
        again, session = client_context(shows=alice), None
        for _ in range(2):  # a session that is resumed is still hers
            with TlsClient(server.address, again, session=session) as client:
                assert "SSL_CLIENT_S_DN_CN=alice.example" in client.ask("/facts").text
                assert client.tls.session_reused == (session is not None)
                session = client.tls.session
        for stranger in (None, eve):
            with pytest.raises((ssl.SSLError, ConnectionError)):  # with TLS 1.3 a client learns of it when it reads
                refused(server, client_context(shows=stranger))
    assert "SSL_CLIENT_VERIFY=SUCCESS" in facts
    assert "SSL_CLIENT_S_DN_CN=alice.example" in facts
    assert "SSL_CLIENT_S_DN=CN=alice.example," in facts
    assert "-----BEGIN CERTIFICATE-----" in facts


@pytest.mark.cell("tls")
def test_a_slow_reader_and_slow_handshakes_hold_nobody_up(server: Served[Any]) -> None:
    slow = TlsClient(server.address, receive_buffer=4096)
    with slow, TlsClient(server.address) as good:
        slow.send(get("/big"))
        handshakes = [RawClient(server.address) for _ in range(100)]
        for each in handshakes:
            each.send(b"\x16\x03\x01\x02")
        assert all(good.ask().status == 200 for _ in range(20))
        for each in handshakes:
            each.close()
        assert slow.answer().body == MEGABYTES


@pytest.mark.cell("tls")
def test_a_worker_that_leaves_finishes_what_its_clients_read(worker: WorkerType, settings: TlsSettings) -> None:
    with serving(worker, application, tls=settings, response_memory=2 * len(MEGABYTES)) as server:
        with TlsClient(server.address, receive_buffer=4096) as reading, TlsClient(server.address) as idle:
            assert idle.ask().status == 200
            reading.send(get("/big"))
            assert reading.head().status == 200
            server.drain()
            wait_for(lambda: "leaving" in "".join(server.log("debug")), "the worker to know")
            assert idle.ask().closes
            assert reading.take(len(MEGABYTES)) == MEGABYTES
        assert server.wait() == 0


@pytest.mark.cell("tls")
def test_a_body_that_is_cut_short_never_reaches_the_application(worker: WorkerType, settings: TlsSettings) -> None:
    """Neither where the client says that it ends nor where it doesn't."""
    with serving(worker, echo, tls=settings) as server:
        with TlsClient(server.address) as honest:
            honest.send(get("/", "Content-Length: 10", method="POST") + b"12345")
            honest.tls.shutdown(socket.SHUT_WR)
            with pytest.raises((ConnectionEndedError, OSError)):
                honest.answer()
        with TlsClient(server.address) as client:
            client.send(post(b"whole"))
            assert client.answer().body == b"whole"
        wait_for(lambda: ["POST", "/", 200, 5] in server.access(), "the access log")
        assert sum(status == 200 for _, _, status, _ in server.access()) == 1


def test_behind_a_proxy_that_passes_connections_on(worker: WorkerType, settings: TlsSettings) -> None:
    """The PROXY protocol's header comes first, in the clear; waiting in the queue ends over TLS, too."""
    with (
        serving(
            worker,
            application,
            tls=settings,
            proxy_protocol=True,
            http={"trusted_proxies": ("127.0.0.1",)},
            queue_wait=20.0,
            max_connections=100,
        ) as server,
        server.connect() as proxy,
    ):
        for byte in version_2():
            proxy.send(bytes([byte]))
        with client_context().wrap_socket(proxy.sock, server_hostname="localhost") as client:
            client.sendall(get("/facts") + get("/x", "Connection: close"))
            answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert b"wsgi.url_scheme=https" in answer
        assert answer.endswith(b"hello /x")
        wait_for(lambda: len(server.access()) == 2, "the access log")
        with server.connect() as bare:
            bare.send(version_2() + get())
            assert b"400" in bare.sock.recv(1 << 16)
