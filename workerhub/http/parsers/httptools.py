"""Heads read by httptools: llhttp, in C."""

from __future__ import annotations

import httptools

from workerhub.http.parsers.base import FieldSink, ParserRefused


class _Callbacks:
    """llhttp's "protocol". It has no `on_url` and no `on_body` on purpose: a callback that isn't there costs nothing."""

    __slots__ = ("on_header",)

    def __init__(self, sink: FieldSink) -> None:
        self.on_header = sink


class HttptoolsParser:
    """Keeps one llhttp parser while heads without a body follow each other; making one takes 0.5 us."""

    __slots__ = ("_callbacks", "_feed", "_fresh")

    def __init__(self, sink: FieldSink) -> None:
        self._callbacks = _Callbacks(sink)
        self._renew()

    def parse(self, head: bytes) -> None:
        """See `HeadParser.parse`."""
        try:
            self._feed(head)
            self._fresh = False
        except httptools.HttpParserUpgrade:
            # Its word for "what follows may be another protocol". Upgrades aren't taken here (RFC 9110, 7.8: ignored).
            self._renew()
        except httptools.HttpParserError as error:
            if self._fresh:
                raise ParserRefused from error
            # It had read a head before, and was waiting for that one's body, or regarded the connection as closed:
            # then it fails before the first field. What is wrong with the head itself is wrong for a fresh parser too.
            self._renew()
            self.parse(head)

    def _renew(self) -> None:
        self._feed = httptools.HttpRequestParser(self._callbacks).feed_data
        self._fresh = True
