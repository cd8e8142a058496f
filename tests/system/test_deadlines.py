"""One request's deadline is one request's deadline, in every worker class, and the log says where it was stuck."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest
from support.client import ConnectionEndedError
from support.holding import ask
from support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve

SETTINGS = '[timeouts]\nrequest = "1s"\n'


@pytest.mark.cell("deadline: log", "deadline: 504")
def test_a_request_past_its_deadline_is_logged_with_its_stack_and_answered_504(serve: Serve) -> None:
    """Steps 1 and 2. The application that turns every `Exception` into a page doesn't swallow this one."""
    server = serve(SETTINGS)
    (worker,) = server.wait_workers(1)
    for target in ("/forever", "/swallow"):
        answer = server.get(f"{target}?who=me")
        assert (answer.status, answer.closes) == (504, True)
        (line,) = server.wait_log(rf".*GET {target}\?who=me.*")
        assert "127.0.0.1" in line.group(), line.group()
    server.wait_log(r"plain\.py.*\bin _forever\b", count=2)
    assert server.get("/pid").body == b"%d" % worker, "the worker survives"


@pytest.mark.cell("deadline: 504")
def test_a_response_that_has_begun_is_cut(serve: Serve) -> None:
    server = serve(SETTINGS)
    (worker,) = server.wait_workers(1)
    with server.connect() as client:
        ask(client, "/stall")
        with pytest.raises(ConnectionEndedError) as ended:
            client.answer()
    assert ended.value.received
    assert server.get("/pid").body == b"%d" % worker, "the worker survives"


@pytest.mark.cell("deadline: blocked")
def test_a_request_that_waits_in_a_call_is_answered_504_at_its_deadline(serve: Serve) -> None:
    """Long before `timeouts.kill`, and wherever it waits; the log says where."""
    server = serve('[timeouts]\nrequest = "500ms"\nkill = "60s"\n')
    for call in ("sleep", "socket", "lock", "native"):
        answer = server.get(f"/wait?in={call}")
        assert (answer.status, answer.closes) == (504, True)
        server.wait_log(rf"plain\.py.*\bin _wait_in_{call}\b")


STUCK = ("/native?lock=kept", "/native?lock=released", "/stubborn?")
"""C code that keeps the interpreter lock; C code that doesn't; an application that catches whatever is raised."""


@pytest.mark.cell("deadline: replaced", "deadline: steps")
def test_requests_that_cannot_be_ended_cost_their_workers_after_the_replacements_are_ready(
    serve: Serve, tmp_path: Path
) -> None:
    """Step 3, three times at once. Which worker gets which request is left to chance, but for those that can't accept any more."""
    settings = '[timeouts]\nrequest = "500ms"\nkill = "500ms"\n[reload]\nsurge = 3\n[log]\nlevel = "debug"\n'
    server = serve(settings, processes=3)
    server.wait_log("3 of 3 workers ready")
    with contextlib.ExitStack() as stack:
        clients = []
        for number, target in enumerate(STUCK):
            clients.append(client := stack.enter_context(server.connect()))
            ask(client, f"{target}&file={tmp_path / str(number)}")
            wait_for((tmp_path / f"{number}.started").exists, f"{target} to be stuck")
        ends = [
            server.wait_log(rf"\((\d+)\) is gone: (.*); it was running .*GET {re.escape(target)}") for target in STUCK
        ]
        for client in clients:
            with contextlib.suppress(ConnectionEndedError):  # while the thread is stuck, another one may answer
                assert client.answer().status == 504
    log = server.log
    for target, end in zip(STUCK, ends, strict=True):
        # One whose threads wait for nothing but the stuck one goes by itself.
        assert end[0][2] in {"a request could not be ended", "a request could not be ended (SIGKILL)"}
        assert len(re.findall(rf"\({end[0][1]}\) can't end .*GET {re.escape(target)}", log)) == 1
        assert len(re.findall(rf"plain\.py.* in _{re.findall('[a-z]+', target)[0]}", log)) >= 1
    assert len(re.findall(r"request timed out: GET /stubborn", log)) == 1
    assert re.search(r"(?s)request timed out: GET /stubborn.*\) can't end [^\n]*GET /stubborn", log)
    assert server.least_serving(3) == 3, "each was replaced before it was killed"


def test_a_request_in_time_is_left_alone(serve_default: Serve) -> None:
    server = serve_default(SETTINGS)
    with server.connect() as client:
        ask(client, "/forever")
        assert client.answer().status == 504
    assert [server.get().status for _ in range(20)] == [200] * 20
    assert server.log.count("_forever") == 1


def test_off_means_off(serve_default: Serve) -> None:
    server = serve_default('[timeouts]\nrequest = "off"\n')
    assert server.get().status == 200
