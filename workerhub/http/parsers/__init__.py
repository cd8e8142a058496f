"""The libraries that take a request head apart, behind one small interface.

They only ever see heads that the gate (`workerhub.http.grammar`) has let through, and only heads: bodies are framed here, once,
so that no difference between two libraries can become a difference between two requests.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from workerhub.http.parsers.base import FieldSink, HeadParser

__all__ = ["FieldSink", "HeadParser", "parser_class"]


def parser_class(choice: Literal["auto", "httptools", "h11"]) -> type[HeadParser]:
    """The parser for the setting `http.parser`: "auto" is httptools where it is installed, else h11.

    Raises:
        ImportError: httptools was asked for by name and isn't installed.
    """
    if choice == "httptools" or (choice == "auto" and find_spec("httptools") is not None):
        from workerhub.http.parsers.httptools import HttptoolsParser  # noqa: PLC0415  # imported only where it is chosen

        return HttptoolsParser
    from workerhub.http.parsers.h11 import H11Parser  # noqa: PLC0415  # imported only where it is chosen

    return H11Parser
