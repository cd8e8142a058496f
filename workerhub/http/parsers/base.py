"""What a parser is given and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, TypeAlias

FieldSink: TypeAlias = Callable[[bytes, bytes], object]
"""Called for each field line, in order: its name as sent, its value without the white space around it."""


class HeadParser(Protocol):
    """Reads whole heads, from the method to the empty line, one after the other; heads of any connections, as long as none has a body.

    Attributes:
        verdicts: what `parse` raises instead of returning. Some fields may have gone to the sink already, and the parser can't be used again.
    """

    verdicts: ClassVar[tuple[type[Exception], ...]]

    def __init__(self, sink: FieldSink) -> None:
        """Fields go to the sink, and nowhere else: the parser keeps nothing of them."""

    @property
    def parse(self) -> Callable[[bytes], object]:
        """Reads a head. The body behind it will not be shown, so after a head that announces one the parser can't be used again."""

    @staticmethod
    def accepts(verdict: Exception) -> bool:
        """Whether the head is well-formed all the same."""
