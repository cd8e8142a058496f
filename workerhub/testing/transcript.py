"""What happened, in the order in which it happened, for people to read."""

from __future__ import annotations


class Transcript:
    """Lines with their moment: the story of a simulation, fit to be kept as a golden file and reviewed as a text."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, at: float, who: str, what: str) -> None:
        """Write down one thing, by whom it was done."""
        first, *rest = what.splitlines() or [""]
        self.lines.append(f"{at:12.3f}  {who:<9} {first}".rstrip())
        self.lines += [f"{'':25}| {line}" for line in rest]

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"
