"""What comes of hostile bytes in a whole server is what the HTTP core says of them, and no worker dies of any.

Every run does it with few; `HYPOTHESIS_PROFILE=deep` with 20,000 for each worker class.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from support.corpus import CASES
from support.http_wire import SMALL, Answer, Story, read_answers, tell
from support.mutations import mutated

if TYPE_CHECKING:
    from support.server import Serve, Server

LIMITS = f"""\
[http]
max_request_line = {SMALL.max_request_line}
max_header_bytes = {SMALL.max_header_bytes}
max_headers = {SMALL.max_headers}
max_body = {SMALL.max_body}
body_memory = {SMALL.body_memory}
trusted_proxies = []
[timeouts]
keepalive = "30s"
"""
"""Those of `support.http_wire.SMALL`."""

EXAMPLES = settings().max_examples
IS_DEEP = EXAMPLES > 1000

SAMPLE = [case.data for case in CASES if not case.settings][::4]
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture
def server(share: Serve) -> Server:
    """One that has the core's small limits, and one worker."""
    return share(LIMITS, app="listener:application")


def heard(server: Server, data: bytes) -> bytes:
    """Everything that comes back for some bytes and the end of input."""
    answers = bytearray()
    with server.connect() as client:
        with suppress(ConnectionError, OSError):  # it needn't listen to the end
            client.send(data)
            client.finish_sending()
        with suppress(ConnectionResetError):
            while piece := client.sock.recv(65536):
                answers += piece
    return bytes(answers)


def check(server: Server, data: bytes) -> None:
    """The server answers each request, and refuses, as the core says."""
    story = tell([data, b""], SMALL)
    answers = heard(server, data).replace(INTERIM, b"")
    methods = [seen.method for seen in story.requests]
    statuses = [200] * len(story.requests)
    if story.status:
        methods.append("HEAD" if story.answer.endswith(b"\r\n\r\n") else "GET")
        statuses.append(story.status)
    told = read_answers(answers, methods, closed=True)
    assert [answer.status for answer in told] == statuses
    assert [listened(answer) for answer in told[: len(story.requests)]] == expected(story)


def listened(answer: Answer) -> tuple[str, str, str]:
    return answer.fields["x-method"], answer.fields["x-target"], answer.fields["x-body"]


def expected(story: Story) -> list[tuple[str, str, str]]:
    return [(seen.method, seen.target, hashlib.sha256(seen.body).hexdigest()) for seen in story.requests]


def test_a_sample_of_the_corpus(server: Server) -> None:
    for data in SAMPLE:
        check(server, data)


@pytest.mark.timeout(3600 if IS_DEEP else 60)
def test_no_request_kills_a_worker(server: Server) -> None:
    pids = server.worker_pids()

    @settings(max_examples=EXAMPLES if IS_DEEP else 60)
    @given(data=mutated())
    @example(data=b"\x00" * 200)
    def fuzz(data: bytes) -> None:
        check(server, data)

    fuzz()
    assert server.get().text == str(pids[0])
    assert server.worker_pids() == pids
    assert "Traceback" not in server.log
