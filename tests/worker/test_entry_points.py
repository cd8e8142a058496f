"""Entry points are found as `importlib.metadata` finds them."""

from __future__ import annotations

import importlib
import sys
import zipfile
from importlib.metadata import DistributionFinder, PathDistribution, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workerhub.worker.entry_points import Announcement, announced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

GROUP = "workerhub.workers"


def as_python_says(group: str = GROUP) -> list[Announcement]:
    importlib.invalidate_caches()
    return [
        Announcement(point.name, f"{point.module}:{point.attr or ''}", f"{point.dist.name} {point.dist.version}")
        for point in entry_points(group=group)
        if point.dist is not None
    ]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put one distribution's metadata into a directory of the path; the last directory that is asked for comes first."""

    def put(folder: str, info: str, points: str, *, file: str = "METADATA", **headers: str) -> Path:
        directory = tmp_path / folder / info
        directory.mkdir(parents=True)
        told = {"Metadata-Version": "2.1", "Name": "thing", "Version": "1.0", **headers}
        head = "".join(f"{name}: {value}\n" for name, value in told.items())
        (directory / file).write_text(f"{head}\nName: wrong\n")
        (directory / "entry_points.txt").write_text(points)
        if str(tmp_path / folder) not in sys.path:
            monkeypatch.syspath_prepend(str(tmp_path / folder))
        return directory

    return put


def test_here_and_now_both_say_the_same() -> None:
    assert announced(GROUP) == as_python_says()
    assert announced("console_scripts") == as_python_says("console_scripts")
    assert announced("pytest11") == as_python_says("pytest11")


@pytest.mark.parametrize(
    "points",
    [
        f"[{GROUP}]\na = x.y:Z\n",
        f"# first\n\n[other]\na = b:c\n[{GROUP}]\n  # not this\n a=x:Y.Z\nb =  x : W  \n\n[console_scripts]\nc = d:e\n",
        f"[{GROUP}]\na = x:Y [extra, more]\n",
        f"[{GROUP}]\na.b-c = x:Y\n[{GROUP}]\nd = x:Z\n",
        "[workerhub.workers.more]\na = b:c\n",
        "",
    ],
)
def test_the_file_is_read_alike(site: Callable[..., Path], points: str) -> None:
    site("one", "thing-1.0.dist-info", points)
    assert announced(GROUP) == as_python_says()


def test_each_way_of_being_installed(site: Callable[..., Path]) -> None:
    points = f"[{GROUP}]\na = x:A\n"
    site("one", "new_style-2.0.dist-info", points, Name="new-style", Version="2.0")
    site("two", "old_style-3.0-py3.11.egg-info", points, Name="old-style", Version="3.0", file="PKG-INFO")
    site("three", "developed.egg-info", points, Name="developed", Version="4.0", file="PKG-INFO")
    assert announced(GROUP) == as_python_says()
    assert [each.origin for each in announced(GROUP)][:3] == ["developed 4.0", "old-style 3.0", "new-style 2.0"]


def test_what_stands_further_back_under_the_same_name_is_hidden(site: Callable[..., Path]) -> None:
    """Even by one that announces nothing, however the name is spelt."""
    site("back", "My.Thing-1.0.dist-info", f"[{GROUP}]\na = x:A\n")
    site("front", "my_thing-2.0.dist-info", "")
    assert announced(GROUP) == as_python_says()
    assert "a" not in {each.name for each in announced(GROUP)}


def test_directories_that_are_not_there_and_files_that_are_broken(
    site: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (site("one", "thing-1.0.dist-info", f"[{GROUP}]\na = x:A\n") / "METADATA").unlink()
    monkeypatch.syspath_prepend("/no/such/directory")
    assert announced(GROUP)[0] == Announcement("a", "x:A", "unknown unknown")


def test_a_distribution_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "thing.zip"
    with zipfile.ZipFile(archive, "w") as writing:
        writing.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        writing.writestr("thing-1.0.dist-info/entry_points.txt", f"[{GROUP}]\nzipped = x:A\n")
    monkeypatch.syspath_prepend(str(archive))
    assert announced(GROUP)[0] == Announcement("zipped", "x:A", "thing 1.0")
    assert announced(GROUP) == as_python_says()


def test_a_finder_that_finds_more(site: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = site("elsewhere", "hidden-1.0.dist-info", f"[{GROUP}]\nhidden = x:A\n", Name="hidden")
    sys.path.remove(str(hidden.parent))

    class Finder(DistributionFinder):
        def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> None: ...

        def find_distributions(self, context: Any = None) -> Iterable[PathDistribution]:
            return [PathDistribution(hidden)]

    assert "hidden" not in {each.name for each in announced(GROUP)}
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert "hidden" in {each.name for each in announced(GROUP)}
    assert announced(GROUP) == as_python_says()
