"""Heads read by httptools: llhttp, in C."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import httptools

from workerhub.http.parsers.base import FieldSink


class _Callbacks:
    """llhttp's "protocol". It has no `on_url` and no `on_body` on purpose: a callback that isn't there costs nothing."""

    __slots__ = ("on_header",)

    def __init__(self, sink: FieldSink) -> None:
        self.on_header = sink


class HttptoolsParser:
    """One llhttp parser; making one takes 1 us."""

    __slots__ = ("parse",)

    verdicts: ClassVar[tuple[type[Exception], ...]] = (httptools.HttpParserError, httptools.HttpParserUpgrade)

    def __init__(self, sink: FieldSink) -> None:
        parser = httptools.HttpRequestParser(_Callbacks(sink))
        # The next head it reads may be another connection's, so it is no concern of its that this one shall be closed.
        parser.set_dangerous_leniencies(lenient_keep_alive=True)
        self.parse: Callable[[bytes], object] = parser.feed_data

    @staticmethod
    def accepts(verdict: Exception) -> bool:
        """Its word for "what follows may be another protocol". Upgrades aren't taken here (RFC 9110, 7.8: ignored)."""
        return isinstance(verdict, httptools.HttpParserUpgrade)
