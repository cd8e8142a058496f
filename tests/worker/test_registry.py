"""Names in the configuration become classes, through one door for everybody."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from workerhub.errors import ContractError
from workerhub.worker import UnknownWorkerError, available, find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GOOD = """
from workerhub.worker import Worker, WorkerOptions
from pydantic import Field

class Options(WorkerOptions):
    boxes: int = Field(default=3, ge=1)

class Boxed(Worker[Options]):
    Options = Options
    @classmethod
    def capacity(cls, options): return options.boxes
    def serve(self, app): pass
    def interrupt(self, index): return False

class Absent(Boxed):
    @classmethod
    def unavailable(cls): return "boxes are not installed; pip install boxes"

class Poor:
    pass
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a distribution into a directory on the path, the way pip leaves it there."""
    made: list[str] = []

    def put(distribution: str, module: str, source: str, folder: str = "site", **points: str) -> None:
        site = tmp_path / folder
        info = site / f"{distribution}-1.2.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        lines = "\n".join(f"{name} = {target}" for name, target in points.items())
        (info / "entry_points.txt").write_text(f"[workerhub.workers]\n{lines}\n")
        monkeypatch.syspath_prepend(str(site))
        made.append(module)

    yield put
    for module in made:
        sys.modules.pop(module, None)
    importlib.invalidate_caches()


def test_a_third_party_class_is_found_by_its_name(install: Callable[..., None]) -> None:
    install("tiny-worker", "tiny_worker", GOOD, boxed="tiny_worker:Boxed")
    found = find("boxed")
    assert (found.name, found.origin) == ("boxed", "tiny-worker 1.2")
    assert found.cls.capacity(found.cls.Options.model_validate({"boxes": 5})) == 5
    (listing,) = [listing for listing in available() if listing.name == "boxed"]
    assert (listing.cls, listing.target, listing.defects) == (found.cls, "tiny_worker:Boxed", ())


def test_the_built_in_class_comes_through_the_same_door() -> None:
    found = find("sync")
    assert found.cls.__module__ == "workerhub_workers.sync"
    assert found.origin.startswith("workerhub ")


def test_a_class_is_found_without_being_installed(install: Callable[..., None]) -> None:
    install("tiny-worker", "tiny_worker", GOOD)
    found = find("tiny_worker:Boxed")
    assert (found.name, found.origin, found.cls.__name__) == ("tiny_worker:Boxed", "tiny_worker:Boxed", "Boxed")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("snyc", 'no worker class called "snyc"; did you mean "sync"? (installed: '),
        ("tornado", 'no worker class called "tornado" (installed: '),
    ],
)
def test_an_unknown_name_is_told_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownWorkerError) as caught:
        find(name)
    assert str(caught.value).startswith(message)
    assert "sync" in caught.value.installed


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("no_such_module:Class", "can't be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("workerhub.worker:Missing", "can't be imported: AttributeError"),
        ("workerhub.worker:", "can't be imported: ValueError: expected module:Class"),
        (":Class", "can't be imported: ValueError: expected module:Class"),
        ("workerhub.worker:find", "expected a class, got <function find"),
    ],
)
def test_a_reference_that_leads_nowhere(reference: str, reason: str) -> None:
    with pytest.raises(ContractError) as caught:
        find(reference)
    assert reason in str(caught.value)


def test_a_broken_plug_in_is_listed_and_spoils_nobody_else(install: Callable[..., None]) -> None:
    install("broken-worker", "broken_worker", "raise RuntimeError('half installed')", broken="broken_worker:Any")
    install("tiny-worker", "tiny_worker", GOOD, boxed="tiny_worker:Boxed")
    listings = {listing.name: listing for listing in available()}
    assert listings["broken"].cls is None
    assert listings["broken"].defects == ("broken_worker:Any can't be imported: RuntimeError: half installed",)
    assert listings["broken"].origin == "broken-worker 1.2"
    assert listings["boxed"].defects == ()
    assert find("sync").name == "sync"
    with pytest.raises(ContractError, match="half installed"):
        find("broken")


def test_a_class_that_does_not_keep_the_contract_is_refused_with_every_defect(install: Callable[..., None]) -> None:
    install("tiny-worker", "tiny_worker", GOOD, poor="tiny_worker:Poor")
    with pytest.raises(ContractError) as caught:
        find("poor")
    assert caught.value.defects[0] == "Poor does not derive from workerhub.worker.Worker"
    assert len(caught.value.defects) > 5


def test_a_class_that_can_not_run_here_says_what_to_do(install: Callable[..., None]) -> None:
    install("tiny-worker", "tiny_worker", GOOD, absent="tiny_worker:Absent")
    (listing,) = [listing for listing in available() if listing.name == "absent"]
    assert (listing.defects, listing.unavailable) == ((), "boxes are not installed; pip install boxes")
    with pytest.raises(ContractError, match="pip install boxes"):
        find("absent")


def test_a_name_that_two_distributions_claim_belongs_to_neither(install: Callable[..., None]) -> None:
    install("tiny-worker", "tiny_worker", GOOD, boxed="tiny_worker:Boxed")
    install("other-worker", "other_worker", GOOD, "other", boxed="other_worker:Boxed")
    with pytest.raises(ContractError) as caught:
        find("boxed")
    assert "tiny-worker 1.2 (tiny_worker:Boxed)" in str(caught.value)
    assert "other-worker 1.2 (other_worker:Boxed)" in str(caught.value)
    assert find("tiny_worker:Boxed").cls.__name__ == "Boxed"


def test_one_distribution_on_two_paths_counts_once(install: Callable[..., None]) -> None:
    install("tiny-worker", "tiny_worker", GOOD, "one", boxed="tiny_worker:Boxed")
    install("tiny-worker", "tiny_worker", GOOD, "two", boxed="tiny_worker:Boxed")
    assert find("boxed").origin == "tiny-worker 1.2"
