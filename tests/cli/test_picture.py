"""The picture that `workerhub status` draws, held against what it is to look like."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
import pytest

from workerhub.cli.picture import Easel, draw
from workerhub.supervisor.status import ExitStatus, PoolStatus, ReloadStatus, RunStatus, ServerStatus, WorkerStatus

MIB = 1 << 20


def worker(slot: int, state: str = "ready", **change: Any) -> WorkerStatus:
    facts: dict[str, Any] = {
        "generation": 3, "pid": 4712 + slot, "in_state": 750.0, "age": 750.0, "requests": 12_034, "memory": 61 * MIB + 99_999,
        "leaving": "", "busy": 0, "running": (),
    }  # fmt: skip
    return WorkerStatus(slot=slot, state=state, **{**facts, **change})


def pool(*workers: WorkerStatus, exits: tuple[ExitStatus, ...] = (), **change: Any) -> PoolStatus:
    facts: dict[str, Any] = {
        "name": "main", "standing": "in force", "generation": 3, "size": len(workers), "configured": len(workers),
        "serving": len(workers), "degraded": False, "next_start": None,
    }  # fmt: skip
    return PoolStatus(workers=workers, exits=exits, **{**facts, **change})


def told(*pools: PoolStatus, reload: ReloadStatus | None = None, stopping: bool = False) -> dict[str, Any]:
    about = {
        "version": "0.1.0",
        "pid": 4711,
        "title": "server.toml",
        "uptime": 11_520.0,
        "runs": {
            "main": {"class": "threaded", "app": "mysite.wsgi:application", "addresses": ["http://127.0.0.1:8000"]}
        },
    }
    return {**about, **asdict(ServerStatus(3, stopping, reload, pools))}


BUSY = worker(
    1,
    busy=7,
    running=tuple(
        RunStatus(f"GET /report/{n}?year=2024", "192.0.2.7", 3.25 + n, overdue=n == 4) for n in range(4, -1, -1)
    ),
)
LEAVING = worker(2, "draining", generation=2, in_state=2.0, leaving="replaced by a new generation", memory=None)
BOOTING = worker(2, "booting", in_state=0.04, age=None, requests=0)
CRASH = ExitStatus(
    12.0, 0, 3, 4700, "crashed",
    "crashed (SIGSEGV, core dumped); it was running GET /report/7?year=2024&format=pdf&language=de from 192.0.2.7 (3.2 s), POST /x",
    trouble=True,
)  # fmt: skip
RECYCLED = ExitStatus(4000.0, 1, 3, 4701, "recycled", "recycled: its share of requests is done", trouble=False)

PICTURE = """\
workerhub 0.1.0 · server.toml · pid 4711 · up 3.2 h

reload  generation 3  ████████████████░░░░░░░░  2 of 3  rolling

main · 3 of 3 serving · generation 3 · threaded · mysite.wsgi:application
http://127.0.0.1:8000
scaled to 3; the configuration says 2

 slot      pid   gen  state            age     requests      memory  busy
    0     4712     3  ready       12.5 min       12,034    61.1 MiB
    1     4713     3  ready       12.5 min       12,034    61.1 MiB     7
                7.2 s  GET /report/4?year=2024  192.0.2.7
                6.2 s  GET /report/3?year=2024  192.0.2.7
                5.2 s  GET /report/2?year=2024  192.0.2.7
                4.2 s  GET /report/1?year=2024  192.0.2.7
                3.2 s  GET /report/0?year=2024  192.0.2.7
                       and 2 more
    2     4714     2  draining    12.5 min       12,034
                       for 2.0 s: replaced by a new generation
    2     4714     3  booting        0.0 s            0    61.1 MiB

Lately gone from main
      12 s ago  main/0 (4700)  crashed (SIGSEGV, core dumped); it was running
                               GET /report/7?year=2024&format=pdf&language=de f…
  66.7 min ago  main/1 (4701)  recycled: its share of requests is done"""


def test_the_picture() -> None:
    status = told(
        pool(worker(0), BUSY, LEAVING, BOOTING, exits=(CRASH, RECYCLED), size=3, serving=3, configured=2),
        reload=ReloadStatus("rolling", 3, 2, 3),
    )
    lines = draw(status, Easel())
    assert "\n".join(lines) == PICTURE
    assert max(map(len, lines)) <= 80


def test_workers_that_wait_for_their_successor_need_no_reason_during_a_reload() -> None:
    waiting = pool(worker(0, "outgoing", leaving="replaced by a new generation"))
    assert "replaced" in "\n".join(draw(told(waiting), Easel()))
    assert "replaced" not in "\n".join(draw(told(waiting, reload=ReloadStatus("rolling", 3, 0, 1)), Easel()))


def test_trouble() -> None:
    lines = draw(
        told(
            pool(worker(0, "stuck", leaving="a request could not be ended"), serving=0, degraded=True, next_start=21.4),
            pool(name="old", standing="closing"),
            stopping=True,
        ),
        Easel(),
    )
    text = "\n".join(lines)
    assert lines[0].endswith("· stopping")
    assert "main · 0 of 1 serving" in text
    assert "degraded: its workers crash more often than restart.intensity allows" in text
    assert "no worker is started for 21 s: restart.backoff" in text
    assert "for 12.5 min: a request could not be ended" in text
    assert "this pool is closing" in text


def test_colours_change_nothing_but_colours() -> None:
    status = told(pool(BUSY, LEAVING, exits=(CRASH,)), reload=ReloadStatus("loading", 3, 0, 2))
    plain, coloured = draw(status, Easel()), draw(status, Easel(colour=True))
    assert "\x1b[" not in "".join(plain)
    assert "\x1b[32m" in "".join(coloured)
    assert [click.unstyle(line) for line in coloured] == plain


def test_a_template_has_no_slot_and_no_requests() -> None:
    template = WorkerStatus(None, 3, 4790, "ready", 20.0, 20.0, 0, 15 * MIB, "", 0, ())
    gone = ExitStatus(2.0, None, 3, 4712, "killed_outside", "killed from outside", trouble=True)
    lines = draw(told(pool(template, worker(0), exits=(gone,))), Easel())
    assert " tmpl     4790     3  ready           20 s                 15.0 MiB" in lines
    assert "     2.0 s ago  template main (4712)  killed from outside" in lines


@pytest.mark.parametrize("width", [60, 80, 200])
def test_long_lines_are_cut_to_the_terminal(width: int) -> None:
    run = RunStatus("GET /" + "x" * 300, "2001:db8::1", 1.0, overdue=False)
    lines = draw(told(pool(worker(0, busy=1, running=(run,)), exits=(CRASH,))), Easel(width))
    assert [line for line in lines if len(line) > max(width, 74)] == []
    assert any(line.endswith("…  2001:db8::1") for line in lines)


def test_where_only_ascii_can_be_shown() -> None:
    status = told(pool(BUSY, exits=(CRASH,)), reload=ReloadStatus("rolling", 3, 1, 2))
    text = "\n".join(draw(status, Easel(fancy=False)))
    assert text.isascii()
    assert "############............  1 of 2" in text


def test_nothing_that_is_shown_can_command_the_terminal() -> None:
    gone = ExitStatus(1.0, 0, 1, None, "app_failed", "failed\x1b]0;owned\x07", trouble=True)
    text = "\n".join(draw({**told(pool(exits=(gone,))), "title": "a\x1b[2J.toml"}, Easel()))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\\x1b" in text


def test_a_server_that_tells_little_is_drawn_all_the_same() -> None:
    assert draw({}, Easel()) == ["workerhub"]
