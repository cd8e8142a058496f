"""What a parser is given and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

FieldSink: TypeAlias = Callable[[bytes, bytes], object]
"""Called for each field line, in order: its name as sent, its value without the white space around it."""


class ParserRefused(Exception):  # noqa: N818  # a verdict, not an error of ours
    """The parser found the head malformed."""


class HeadParser(Protocol):
    """Reads heads, one after the other, for the life of a connection."""

    def __init__(self, sink: FieldSink) -> None:
        """Fields go to the sink, and nowhere else: the parser keeps no reference to a connection (no reference cycle)."""

    def parse(self, head: bytes) -> None:
        """Read one whole head, from the method to the empty line. The body behind it will not be shown.

        Raises:
            ParserRefused: it is malformed. Some fields may have gone to the sink already.
        """
