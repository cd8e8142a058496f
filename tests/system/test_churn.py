"""Nothing is lost: whatever is done to a server under load, in whatever order, no request fails but those that a killed worker held.

A short run each. A long one: `CHURN=50 pytest tests/system/test_churn.py`, which is 50 rounds; `CHURN=50:7` with another seed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.churn import Churn, Workerhub
from support.crowd import Crowd, Failure, Kill
from support.worker_classes import WORKER_CLASSES

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve

ROUNDS, _, SEED = os.environ.get("CHURN", "1").partition(":")


@pytest.mark.skipif("TESTED_WHEEL" in os.environ, reason="takes long; the checkout was tried")
@pytest.mark.cell("HUP", "switch", "scale", "crash", "max_requests", "preload")
@pytest.mark.timeout(60 + 60 * int(ROUNDS))
def test_no_request_fails_but_those_that_a_killed_worker_held(
    serve_default: Serve, worker_class: str, tmp_path: Path
) -> None:
    classes = (worker_class, *(name for name in WORKER_CLASSES if name != worker_class))
    subject = Workerhub(tmp_path, classes, lambda *args, **options: serve_default(*args, processes=None, **options))
    with Crowd(subject.address, clients=8) as crowd:
        churn = Churn(subject, crowd, int(SEED or 1))
        churn.run(int(ROUNDS))
    assert churn.account.failed == [], str(churn)
    assert len(churn.account.excused) <= sum(len(kill.ports) for kill in churn.account.kills)
    assert churn.account.kept > churn.account.answers // 4, str(churn)
    assert "recycled: " in subject.server.log
    assert "a connection was dropped" not in subject.server.log
    subject.stop()
    assert ": no request was cut" in subject.server.log.splitlines()[-1]
    print(churn)  # for whoever runs a long one with -s


@pytest.mark.parametrize(
    ("failure", "excused"),
    [
        (Failure("reset", "/", 40001, None, opened_at=1, at=3), True),
        (Failure("reset", "/", 40001, 4711, opened_at=1, at=3), True),
        (Failure("reset", "/", 40002, 4711, opened_at=1, at=3), False),
        (Failure("reset", "/", 40001, 4712, opened_at=1, at=3), False),
        (Failure("reset", "/", 40001, None, opened_at=2.5, at=3), False),
        (Failure("reset", "/", 40001, None, opened_at=1, at=1.5), False),
        (Failure("refused", "/", None, None, opened_at=1, at=3), False),
    ],
    ids=["held", "served before", "another port", "another process", "begun later", "broken before", "no connection"],
)
def test_only_the_connections_that_a_killed_worker_held_are_excused(failure: Failure, *, excused: bool) -> None:
    assert failure.excused_by(Kill(2, 4711, frozenset({40001}))) is excused
