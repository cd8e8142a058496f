"""What the contract kit tells about a class as a whole, by each of its doors."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from support import contract_reference
from support.contract_breakers import BREAKERS, PAGE
from support.page_code import module
from support.readme import source

from workerhub.errors import ContractError
from workerhub.testing import ContractBrokenError, check_worker
from workerhub.testing.contract import CLAUSES, Outcome
from workerhub.testing.procfs import Anatomy, children
from workerhub.testing.pytest_plugin import WorkerContract

if TYPE_CHECKING:
    from pathlib import Path

    from workerhub.worker import WorkerType

SOME = tuple(
    clause
    for clause in CLAUSES
    if clause.id in {"answers", "head-has-no-body", "files-arrive-whole", "limits-are-kept"}
)
"""Clauses enough to see what the kit does with clauses."""


class TestTheClassOfThePage(WorkerContract):
    """`docs/how-to/write-a-worker.md` says that it keeps the contract."""

    worker = module(PAGE, "thread_per_connection.py").__dict__["ThreadPerConnection"]
    options: ClassVar = {"connections": 32}


def broken(clause: str) -> WorkerType:
    """A class that breaks it."""
    return next(breaker.make() for breaker in BREAKERS if breaker.clause == clause)


def test_the_reference_page_lists_the_clauses() -> None:
    page = contract_reference.PAGE.read_text(encoding="utf-8")
    assert page == contract_reference.page(), f"the page is stale; write it anew: {contract_reference.COMMAND}"


def test_clauses_have_names_of_their_own_and_whole_sentences() -> None:
    assert len({clause.id for clause in CLAUSES}) == len(CLAUSES)
    assert [clause.id for clause in CLAUSES if not clause.sentence.endswith(".")] == []


def test_a_class_that_keeps_every_clause_passes_and_nothing_is_left_behind() -> None:
    worker = TestTheClassOfThePage.worker
    # This process may have children of its own: servers that other tests share.
    before, others = Anatomy.of(os.getpid()), children(os.getpid())
    report = check_worker(worker, {"connections": 32}, clauses=SOME)
    assert report.passed
    assert str(report) == "ThreadPerConnection: 4 kept"
    assert (children(os.getpid()), before.changes(Anatomy.of(os.getpid()))) == (others, "")


def test_every_broken_clause_is_told_with_its_evidence() -> None:
    with pytest.raises(ContractBrokenError) as error:
        check_worker(broken("files-arrive-whole"), {"connections": 32}, clauses=SOME)
    assert isinstance(error.value, ContractError)
    assert isinstance(error.value, AssertionError)
    assert [verdict.clause.id for verdict in error.value.report.failures] == ["files-arrive-whole"]
    summary, broken_clause, sentence, evidence, *_ = str(error.value).splitlines()
    assert summary == "ThreadPerConnection: 3 kept, 1 broken"
    assert broken_clause == "broken: files-arrive-whole"
    assert sentence.startswith("    A file that the application hands over")
    assert evidence == "    the body that came is another one"


@pytest.mark.parametrize("foundation", ["has-no-defects", "is-available", "answers"])
def test_where_a_foundation_is_broken_nothing_else_is_tried(foundation: str) -> None:
    with pytest.raises(ContractBrokenError) as error:
        check_worker(broken(foundation), {"connections": 32}, clauses=(*CLAUSES[:2], *SOME))
    outcomes = {verdict.clause.id: verdict.outcome for verdict in error.value.report.verdicts}
    assert outcomes.pop(foundation) is Outcome.BROKEN
    assert outcomes.pop("head-has-no-body") is Outcome.NOT_TRIED
    assert f"{foundation} is broken" in str(error.value)


def test_the_evidence_says_what_the_worker_has_logged_and_where_it_is() -> None:
    (clause,) = (clause for clause in CLAUSES if clause.id == "hears-while-it-sleeps")
    with pytest.raises(ContractBrokenError) as error:
        check_worker(broken(clause.id), {"connections": 32}, clauses=[clause], patience=1.0)
    assert "the worker's log:" in str(error.value)
    assert "most recent call first" in str(error.value)
    assert " in wait" in str(error.value)
    # The function that `forking.fork` begins a process in has the name by which `kernel.dumps` knows where a worker's own frames begin.
    assert "_pytest" not in str(error.value)


def test_a_capacity_that_is_too_large_to_fill_is_told() -> None:
    (clause,) = (clause for clause in CLAUSES if clause.id == "capacity-is-not-exceeded")
    report = check_worker(TestTheClassOfThePage.worker, {"connections": 500}, clauses=[clause])
    assert [verdict.outcome for verdict in report.verdicts] == [Outcome.NOT_TRIED]
    assert "the capacity is 500" in str(report)


def test_a_process_with_threads_is_not_forked() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="busy")
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="busy"):
            check_worker(TestTheClassOfThePage.worker, clauses=SOME)
    finally:
        over.set()
        thread.join()


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python module in a folder that has what the page has its readers write."""
    for name in ("thread_per_connection.py", "test_thread_per_connection.py"):
        (folder / name).write_text(source(PAGE, name), encoding="utf-8")
    command: tuple[Any, ...] = (sys.executable, "-m", *arguments)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def test_from_a_shell(tmp_path: Path) -> None:
    unknown = run(tmp_path, "workerhub.testing", "thread_per_connection:ThreadPerConnection", "conections=32")
    assert (unknown.returncode, "conections" in unknown.stderr) == (2, True)
    defective = tmp_path / "defective.py"
    defective.write_text(
        f"{source(PAGE, 'thread_per_connection.py')}\nThreadPerConnection.Conversation = Conversation\nConversation.answer = lambda *_: None\n",
        encoding="utf-8",
    )
    ended = run(tmp_path, "workerhub.testing", "defective:ThreadPerConnection", "connections=8")
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout.startswith(f"ThreadPerConnection: 2 kept, 1 broken, {len(CLAUSES) - 3} not tried\n")


def test_under_pytest_there_is_a_test_for_each_clause(tmp_path: Path) -> None:
    ended = run(tmp_path, "pytest", "-p", "no:cacheprovider", "-v", "-k", "answers or head-has-no-body")
    assert ended.returncode == 0, ended.stdout
    for clause in ("answers", "head-has-no-body"):
        assert f"test_thread_per_connection.py::TestThreadPerConnection::test_clause[{clause}] PASSED" in ended.stdout
    assert "WorkerContract::" not in ended.stdout


def test_workerhub_does_not_bring_pytest_along() -> None:
    code = "import sys, workerhub.testing.contract, workerhub.cli; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
