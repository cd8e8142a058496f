"""What stands in the logs: who serves what at the start, one line a request, and nothing that a client forged."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

import pytest
from support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve

COMBINED = re.compile(
    r'(?P<host>\S+) - (?P<user>\S+) \[[^\]]+\] "(?P<line>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<size>\d+|-) '
    r'"(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"'
)
"""As every log analyser reads it."""


def test_the_start_says_what_runs_where(serve: Serve, worker_class: str) -> None:
    server = serve(processes=2)
    (port,) = (bind.rpartition(":")[2] for bind in server.bind)
    server.wait_log(
        rf"workerhub 0\.1\S* \({server.pid}\) main: 2 \u00d7 {worker_class} on http://127\.0\.0\.1:{port}, config server\.toml"
    )


def test_json_logs_are_one_object_a_line(serve_default: Serve) -> None:
    server = serve_default('[log]\nformat = "json"\naccess_format = "json"\n')
    server.get("/raise")
    server.get("/?colour=green", headers={"User-Agent": 'a "quoted" agent'})
    server.stop()
    errors = [json.loads(line) for line in server.log.splitlines()]
    assert all({"time", "level", "pid", "message"} <= error.keys() for error in errors)
    (raised,) = [error for error in errors if "GET /raise" in error["message"]]
    assert "ValueError: raised by the application" in raised["detail"]
    accesses = [json.loads(line) for line in server.output.splitlines()]
    assert (accesses[-1]["target"], accesses[-1]["status"]) == ("/?colour=green", 200)
    assert accesses[-1]["user_agent"] == 'a "quoted" agent'


FORGERIES = [
    b'GET /%0d%0a127.0.0.1%20forged HTTP/1.1\r\nHost: a\r\nUser-Agent: x" 200 9 "forged\r\nConnection: close\r\n\r\n',
    b'GET /"forged" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \\\r\nReferer: \\" \xff\xe2\x80\xa8forged\r\nConnection: close\r\n\r\n',
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1 forged\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic Zm9yZ2VkCmxpbmU6cHc=\r\nConnection: close\r\n\r\n",
    # What is refused has its line, too.
    b'GET /\x1b[2J\r\r127.0.0.1 - - [x] "GET /forged\r\n\r\n',
    b'" 200 9 "forged\\\xff\x00\r\n\r\n',
    b'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\nUser-Agent: " forged\\\r\n\r\n',
]


@pytest.mark.cell("logs")
def test_nothing_a_client_sends_forges_an_access_line(serve: Serve) -> None:
    server = serve()
    for sent in FORGERIES:
        with server.connect() as client:
            client.send(sent)
            client.answer()
    server.get("/pid")
    wait_for(lambda: "/pid" in server.output, "the line of the last request")
    *lines, rest = server.output.split("\n")
    assert rest == ""
    assert len(lines) == 2 + len(FORGERIES), lines  # the harness's, these, and the last
    for line in lines:
        assert line.isprintable(), line
        assert COMBINED.fullmatch(line), line


def test_nothing_a_client_sends_forges_an_error_line(serve_default: Serve) -> None:
    server = serve_default()
    with server.connect() as client:
        client.send(b"GET /raise?\x1b[2J%0a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        client.answer()
    server.get("/raise")
    server.wait_log(r"GET /raise")
    assert "\x1b" not in server.log


@pytest.mark.cell("logs")
def test_one_access_line_a_request(serve: Serve) -> None:
    server = serve('[timeouts]\nkeepalive = "30s"\n')
    with server.connect() as client:
        for number in range(5):
            client.request(f"/?number={number}", headers={"Referer": "http://a/"})
        client.request("/nowhere")
    wait_for(lambda: "/nowhere" in server.output, "the last line")
    matches = [COMBINED.fullmatch(line) for line in server.output.splitlines()]
    found = [match.group("line", "status", "size") for match in matches if match]  # the first is the harness's
    assert found[1:] == [(f"GET /?number={number} HTTP/1.1", "200", "6") for number in range(5)] + [
        ("GET /nowhere HTTP/1.1", "404", "13")
    ]


def test_access_off_writes_nothing(serve_default: Serve) -> None:
    server = serve_default('[log]\naccess = "off"\n')
    server.get()
    assert server.stop() == 0
    assert server.output == ""


def test_level_warning_is_silent_while_all_is_well(serve_default: Serve) -> None:
    server = serve_default('[log]\nlevel = "warning"\n')
    server.get()
    assert server.stop() == 0
    assert server.log == ""


@pytest.mark.cell("logs")
def test_usr1_opens_both_logs_anew_in_every_process(serve: Serve, tmp_path: Path) -> None:
    error, access = tmp_path / "error.log", tmp_path / "access.log"
    server = serve(f'[log]\nfile = "{error}"\naccess = "{access}"\n', processes=2)
    server.get("/before")
    wait_for(lambda: "/before" in access.read_text(), "the line, which follows the answer")
    for file in (error, access):
        file.rename(file.with_suffix(".1"))
    server.tell(signal.SIGUSR1)
    wait_for(lambda: error.exists() and access.exists(), "both files to be made anew")

    def everybody_moved() -> bool:
        old = access.with_suffix(".1").read_text()
        for _ in range(20):
            server.get("/after")
        return access.with_suffix(".1").read_text() == old

    wait_for(everybody_moved, "every worker to write to the new file")
    assert "/before" in access.with_suffix(".1").read_text()
    assert "/after" in access.read_text()
    server.get("/raise")
    wait_for(lambda: "raised by the application" in error.read_text(), "a worker's error in the new file")
    server.stop()
    assert "raised by the application" not in error.with_suffix(".1").read_text()
