"""Measure workerhub beside others that serve WSGI: `python tests/bench/run.py`, or some parts of it: `run.py fairness slow`.

All in one run, in alternating rounds, because machines differ and so does the same machine from minute to minute; the
goals are ratios, each the median over the rounds. Needs wrk, and for the comparison `pip install --group bench`.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.contestants import EVERYBODY, Contestant  # found by the line above
from bench.goals import verdicts
from bench.parts import PARTS, Part, Rounds, Run


def compile_ours() -> None:
    """Compile workerhub's modules, as pip does when it installs a distribution: a checkout may never have been."""
    for package in ("workerhub", "workerhub_workers"):
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations or ()) if found is not None else ():
            compileall.compile_dir(folder, quiet=2)


def table(measured: Rounds, part: Part, contestants: Sequence[Contestant]) -> Iterator[str]:
    """The medians, with the smallest and largest round behind."""
    yield part.title
    yield f"{'':28}" + "".join(
        f"{f'{each.name} ({each.unit})' if each.unit else each.name:>26}" for each in part.columns
    )
    for each in contestants:
        cells = []
        for column in part.columns:
            numbers = [number * column.scale for number in measured[each.name, column.name]]
            middle, least, most = (
                f"{number:.{column.digits}f}" for number in (statistics.median(numbers), min(numbers), max(numbers))
            )
            cells.append(f"{f'{middle} ({least} to {most})':>26}")
        yield f"{each.title:28}" + "".join(cells)


def overview(measured: Rounds) -> Iterator[str]:
    """All medians in one table, in Markdown."""
    columns = {column.name: column for part in PARTS.values() for column in part.columns}
    present = [column for column in columns.values() if any(name == column.name for _, name in measured)]
    yield "| " + " | ".join(["", *(f"{each.name}, {each.unit}" if each.unit else each.name for each in present)]) + " |"
    yield "|" + "---|" * (len(present) + 1)
    for each in EVERYBODY:
        rounds = [measured.get((each.name, column.name)) for column in present]
        if any(rounds):
            cells = [
                f"{statistics.median(numbers) * column.scale:.{column.digits}f}" if numbers else ""
                for numbers, column in zip(rounds, present, strict=True)
            ]
            yield "| " + " | ".join([each.title, *cells]) + " |"


def chosen(part: Part, only: Sequence[str]) -> list[Contestant]:
    """Who takes part: installed, and asked for."""
    return [
        each
        for each in part.contestants
        if each.version is not None and (not only or any(word in each.name for word in only))
    ]


def main() -> int:
    """Measure, print; 0 if every goal is met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=f"of {', '.join(PARTS)}; else all"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load, for each number")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="contestants with this in their names"
    )
    parser.add_argument("--markdown", action="store_true", help="print all medians once more, as one table")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed")
    for each in EVERYBODY:
        if each.version is None:
            print(f"left out: {each.name} ({each.needs or each.distribution} is not installed)", file=sys.stderr)
    compile_ours()
    measured: Rounds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.parts or PARTS:
            part = PARTS[name]
            contestants = chosen(part, arguments.only)
            run = Run(
                contestants,
                arguments.rounds,
                arguments.seconds,
                Path(folder),
                lambda text: print(text, file=sys.stderr, flush=True),
            )
            part.measure(run, measured)
            print(*table(measured, part, contestants), "", sep="\n", flush=True)
    if arguments.markdown:
        print(*overview(measured), "", sep="\n")
    results = list(verdicts(measured))
    print(f"Medians of {arguments.rounds} rounds of {arguments.seconds:g} s.", *(line for _, line in results), sep="\n")
    return 0 if all(met for met, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
