"""Clients that are slow, wrong or gone cost themselves something, and nobody else."""

from __future__ import annotations

import select
from contextlib import ExitStack
from itertools import cycle

from workerhub.testing.client import Client, ConnectionEndedError, get, post
from workerhub.testing.contract.clauses import Chapter, expect, expect_equal
from workerhub.testing.contract.kit import Kit
from workerhub.testing.contract.serving import STRICT, expect_says
from workerhub.testing.contract.site import LARGE, Site
from workerhub.testing.served import Served

clients = Chapter("clients")

CROWD = 20
"""Slow clients at once."""

SHORT = 0.2
"""Seconds. Patience that a check waits to see the end of."""

IMPATIENT = {"body_timeout": SHORT, "write_timeout": SHORT}

GENEROUS = {"response_memory": 2 * len(LARGE)}
"""So much is held for a slow reader that the application needn't wait."""


@clients.clause
def slow_heads_delay_nobody(kit: Kit) -> None:
    """Twenty clients that are slow to send their heads keep nobody waiting, and occupy no request slot."""
    with kit.shared() as served:
        _beside_slow_senders(served, b"G", b"GET / HTTP/1.1\r\nHo")
        served.settle()
        expect_equal((), served.runs(), "requests on the board")


@clients.clause
def slow_bodies_delay_nobody(kit: Kit) -> None:
    """Twenty clients that are slow to send their bodies keep nobody waiting."""
    chunked = get("/digest", "Transfer-Encoding: chunked", method="POST")
    with kit.shared() as served:
        _beside_slow_senders(served, post(b"x" * 100, "/digest")[:-50], chunked + b"40\r\nhe")


def _beside_slow_senders(served: Served[Site], *beginnings: bytes) -> None:
    """Have others begin requests and go on with them byte by byte, while somebody asks and is answered."""
    with ExitStack() as stack:
        slow = [stack.enter_context(served.connect()) for _ in range(CROWD)]
        for client, beginning in zip(slow, cycle(beginnings), strict=False):
            client.send(beginning)
        good = stack.enter_context(served.connect())
        for number in range(5):
            for client in slow:
                client.send(b"h")
            expect_says(f"hello /{number}", good.ask(f"/{number}"))


@clients.clause
def slow_readers_delay_nobody(kit: Kit) -> None:
    """Twenty clients that are slow to read their answers keep nobody waiting, and get them whole."""
    with kit.shared(**GENEROUS) as served, ExitStack() as stack:
        slow = [stack.enter_context(served.connect(receive_buffer=4096)) for _ in range(CROWD)]
        for client in slow:
            client.send(get("/large"))
            client.head()
        with served.connect() as good:
            for number in range(5):
                expect_says(f"hello /{number}", good.ask(f"/{number}"))
        expect(slow[0].take(len(LARGE)) == LARGE, "the body that came is another one")


@clients.clause
def heads_that_stop_are_answered_408(kit: Kit) -> None:
    """A client that doesn't go on with its head for `header_timeout` is told 408, and the connection is closed."""
    with kit.shared(header_timeout=SHORT) as served, served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost:")
        _expect_refusal(408, client)


@clients.clause
def bodies_that_stop_are_answered_408(kit: Kit) -> None:
    """A client that doesn't go on with its body for `body_timeout` is told 408, and the connection is closed."""
    with kit.shared(**IMPATIENT) as served, served.connect() as client:
        client.send(post(b"x" * 100, "/digest")[:-1])
        _expect_refusal(408, client)


@clients.clause
def silent_connections_are_closed(kit: Kit) -> None:
    """A connection on which nothing was ever said is closed without a word after `header_timeout`."""
    with kit.shared(header_timeout=SHORT) as served, served.connect() as client:
        expect(client.at_end(), "something was said")


@clients.clause
def idle_connections_are_closed(kit: Kit) -> None:
    """A connection that is idle after a request is closed without a word after `keepalive_timeout`."""
    with kit.serving(keepalive_timeout=SHORT) as served, served.connect() as client:
        expect_says("hello /", client.ask())
        expect(client.at_end(), "something was said")


@clients.clause
def readers_that_stop_are_cut(kit: Kit) -> None:
    """A client that reads nothing for `write_timeout` is cut, so that it can tell, and the application's iterable is closed."""
    with kit.shared(**IMPATIENT) as served, served.connect(receive_buffer=4096) as client:
        client.send(get("/endless"))
        served.wait_until(served.app.over.is_open, "close the iterable")
        expect(_was_cut(client), "the answer looks complete")


@clients.clause
def patience_begins_anew_with_each_byte(kit: Kit) -> None:
    """What counts is the time without progress: a client that is slow but steady may take as long as it needs."""
    with kit.serving(header_timeout=1.0, body_timeout=1.0) as served, served.connect() as client:
        request = post(b"steady", "/digest")
        for byte in request[:-1]:
            client.send(bytes([byte]))
            # The whole request takes longer than the timeout; were it answered meanwhile, then by a 408.
            expect(not select.select([client.sock], [], [], 0.025)[0], "an answer came before the request was complete")
        client.send(request[-1:])
        expect_equal(200, client.answer().status, "the status")


@clients.clause
def limits_are_kept(kit: Kit) -> None:
    """A request beyond a limit of the configuration is refused: 414, 431 or 413, and the connection is closed."""
    _expect_refusals(
        kit,
        {
            get("/" + "x" * 9000): 414,
            get("/", "X-Long: " + "x" * 70000): 431,
            get("/", *(f"X-{number}: 1" for number in range(200))): 431,
            get("/", "Content-Length: 1001", method="POST"): 413,
            get("/", "Transfer-Encoding: chunked", method="POST") + b"3e9\r\n": 413,
        },
    )


@clients.clause
def nonsense_is_refused(kit: Kit) -> None:
    """What isn't HTTP, or can't be served, is refused: 400, 501 or 505, and the connection is closed."""
    _expect_refusals(
        kit,
        {
            b"nonsense\r\n\r\n": 400,
            get("/", "Content-Length: -1", method="POST"): 400,
            get("/", "Transfer-Encoding: gzip", method="POST"): 501,
            get("/", version="3.0"): 505,
        },
    )


def _expect_refusals(kit: Kit, statuses: dict[bytes, int]) -> None:
    """Go on only if each of these requests is refused with its status, and somebody else is served."""
    with kit.shared(**STRICT) as served:
        for request, status in statuses.items():
            with served.connect() as client:
                client.send(request)
                _expect_refusal(status, client)
        with served.connect() as other:
            expect_says("hello /other", other.ask("/other"))


def _expect_refusal(status: int, client: Client) -> None:
    """Go on only if this is the last answer on the connection."""
    answer = client.answer()
    expect_equal((status, True), (answer.status, answer.closes), "status, and whether the connection closes")
    expect(client.at_end(), "the connection stayed open")


@clients.clause
def refusals_reach_who_is_still_sending(kit: Kit) -> None:
    """An answer that is given early isn't lost to a reset, although the client goes on sending (RFC 9112, 9.6)."""
    with kit.shared(**STRICT) as served, served.connect() as client:
        client.send(post(LARGE, "/digest"))
        _expect_refusal(413, client)


@clients.clause
def last_answers_reach_who_has_sent_more(kit: Kit) -> None:
    """The answer that closes a connection isn't lost to a reset, although more requests were sent behind it."""
    with kit.shared(**STRICT) as served, served.connect() as client:
        client.send(get("/first") + get("/second") * 5000)
        expect_says("hello /first", client.answer())
        expect(not client.was_reset(), "the connection was reset")


@clients.clause
def who_leaves_ends_its_answer(kit: Kit) -> None:
    """If a client leaves in the middle of its answer, the application's iterable is closed, and nothing else happens."""
    with kit.shared() as served:
        client = served.connect()
        client.send(get("/endless"))
        served.wait_until(served.app.running.is_open, "run the request")
        client.vanish()
        served.wait_until(served.app.over.is_open, "close the iterable")
        with served.connect() as other:
            expect_says("hello /other", other.ask("/other"))


@clients.clause
def who_leaves_early_harms_nobody(kit: Kit) -> None:
    """A client may leave before it has said anything, within its head and within its body, in order or with a reset."""
    with kit.shared() as served:
        for beginning in (b"", b"GET / HTTP/1.1\r\nHo", post(b"x" * 100, "/digest")[:-50]):
            for leave in (Client.close, Client.vanish):
                client = served.connect()
                client.send(beginning)
                leave(client)
        served.settle()
        with served.connect() as other:
            expect_says("hello /other", other.ask("/other"))


def _was_cut(client: Client) -> bool:
    """Read the answer that comes, and tell whether it broke off."""
    try:
        client.answer()
    except ConnectionEndedError:
        return True
    return False
