"""Heads read by h11: pure Python, the reference."""

from __future__ import annotations

import re
from typing import ClassVar, Final

import h11

from workerhub.http.parsers.base import FieldSink

_LENGTHS: Final = re.compile(rb"\r\ncontent-length:[^\r]*,", re.IGNORECASE)
"""A list of lengths: h11 makes one of equal ones, as it may, and then nobody can tell any more. Everybody else refuses it."""


class _RefusedError(Exception):
    """The head is malformed."""


class H11Parser:
    """A new h11 connection per head: it then never has to be told about bodies and answers."""

    __slots__ = ("_sink",)

    verdicts: ClassVar[tuple[type[Exception], ...]] = (_RefusedError,)

    def __init__(self, sink: FieldSink) -> None:
        self._sink = sink

    def parse(self, head: bytes) -> None:
        """See `HeadParser.parse`."""
        if _LENGTHS.search(head):
            raise _RefusedError
        # Sizes are the gate's business; h11's own limit must only not be smaller.
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=len(head) + 1)
        try:
            connection.receive_data(head)
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            raise _RefusedError from error
        if not isinstance(event, h11.Request):
            raise _RefusedError
        for name, value in event.headers.raw_items():
            self._sink(name, value)

    @staticmethod
    def accepts(verdict: Exception) -> bool:  # noqa: ARG004  # of one kind only
        """It has only one."""
        return False
