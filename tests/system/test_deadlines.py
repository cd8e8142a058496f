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
    from support.server import Serve

SETTINGS = '[timeouts]\nrequest = "1s"\nkill = "1s"\n[restart]\nbackoff = "100ms"\n'


@pytest.mark.parametrize("target", ["/forever", "/swallow"])
def test_a_request_past_its_deadline_is_logged_with_its_stack_and_answered_504(serve: Serve, target: str) -> None:
    """Steps 1 and 2. The application that turns every `Exception` into a page doesn't swallow this one."""
    server = serve(SETTINGS)
    (worker,) = server.wait_workers(1)
    answer = server.get(f"{target}?who=me")
    assert (answer.status, answer.closes) == (504, True)
    (line,) = server.wait_log(rf".*GET {target}\?who=me.*")
    assert "127.0.0.1" in line.group(), line.group()
    server.wait_log(r"plain\.py.*\bin _forever\b")
    assert server.get("/pid").body == b"%d" % worker, "the worker survives"


def test_a_response_that_has_begun_is_cut(serve: Serve) -> None:
    server = serve(SETTINGS)
    (worker,) = server.wait_workers(1)
    with server.connect() as client:
        ask(client, "/stall")
        with pytest.raises(ConnectionEndedError) as ended:
            client.answer()
    assert ended.value.received
    assert server.get("/pid").body == b"%d" % worker, "the worker survives"


@pytest.mark.parametrize("target", ["/native", "/stubborn"])
def test_a_request_that_cannot_be_ended_costs_its_worker_after_the_replacement_is_ready(
    serve: Serve, target: str
) -> None:
    """Step 3. `/native` stands in C code with the interpreter lock; `/stubborn` catches whatever is raised."""
    server = serve(SETTINGS)
    (old,) = server.wait_workers(1)
    with server.connect() as client:
        ask(client, target)
        wait_for(lambda: set(server.worker_pids()) - {old}, "the replacement")
        # Until the replacement is ready, the old worker may answer too.
        new = wait_for(lambda: {int(server.get("/pid").body)} - {old}, "an answer of the replacement").pop()
        with contextlib.suppress(ConnectionEndedError):  # a class whose requests run in threads can still answer
            assert client.answer().status == 504
    wait_for(lambda: server.worker_pids() == [new], "the old worker to be gone")
    server.wait_log(rf"\({old}\) can't end GET {target} ")
    server.wait_log(rf"\({old}\) is gone: a request could not be ended.*GET {target} ")
    server.wait_log(rf"plain\.py.* in _{target[1:]}")


def test_the_log_tells_the_steps_apart(serve: Serve) -> None:
    """What an operator reads of a request that hangs in C code: it is late; it can't be ended; the worker was killed."""
    server = serve(SETTINGS)
    with server.connect() as client:
        ask(client, "/native")
        server.wait_log("SIGKILL")
    lines = [line for line in server.log.splitlines() if re.search(r"GET /native|SIGKILL", line)]
    assert len(lines) == len(set(lines)) >= 2, lines


def test_a_request_in_time_is_left_alone(serve: Serve) -> None:
    server = serve(SETTINGS)
    with server.connect() as client:
        ask(client, "/forever")
        assert client.answer().status == 504
    assert [server.get().status for _ in range(20)] == [200] * 20
    assert server.log.count("_forever") == 1


def test_off_means_off(serve: Serve) -> None:
    server = serve('[timeouts]\nrequest = "off"\n')
    assert server.get().status == 200
