"""What a developer is shown when the application fails: all of it, and nothing that a browser would take for markup."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from support.http_wire import DATE, SMALL, Recorder, read_answers, request_for

from workerhub.http import WsgiGateway
from workerhub.http.error_page import error_page

if TYPE_CHECKING:
    from pathlib import Path

BROWSER = b"GET /?q=1 HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n"
PROGRAM = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"


def fail(message: str) -> None:
    raise ValueError(message)


def chained() -> None:
    try:
        fail("first")
    except ValueError as error:
        raise KeyError("second") from error


def failure(action: Any, *arguments: Any) -> BaseException:
    """What an action raises."""
    try:
        action(*arguments)
    except BaseException as error:  # noqa: BLE001  # whatever it is
        return error
    raise AssertionError


class Page(HTMLParser):
    """A page as a browser reads it: the text of each element, by tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self._open:
            self.texts[tag][-1] += data


def shown(error: BaseException, request: bytes = BROWSER) -> Page:
    kind, body = error_page(request_for(request), error)
    assert kind == "text/html; charset=utf-8"
    return Page(body.decode())


def test_the_error_and_the_line_that_raised_it_stand_first() -> None:
    page = shown(failure(fail, "bad"))
    assert page.texts["h1"] == ["ValueError: bad"]
    assert page.texts["figcaption"][0].startswith(f"{__file__}:")
    assert page.texts["b"] == ["fail", "failure"]
    assert page.texts["mark"][0].endswith("    raise ValueError(message)")
    assert "Traceback (most recent call last)" in page.texts["details"][0]


def test_nothing_becomes_markup() -> None:
    page = shown(failure(fail, "<script>alert(1)</script>&amp;"))
    assert page.texts["h1"] == ["ValueError: <script>alert(1)</script>&amp;"]
    assert page.texts["p"] == ["GET /?q=1"]
    assert "script" not in page.texts


def test_what_it_came_from_follows() -> None:
    page = shown(failure(chained))
    assert page.texts["h1"] == ["KeyError: 'second'"]
    assert page.texts["h2"] == ["caused by ValueError: first"]


def test_a_group_shows_each_of_its_errors() -> None:
    page = shown(BaseExceptionGroup("two", [failure(fail, "a"), failure(fail, "b")]))
    assert page.texts["h2"] == ["among them ValueError: a", "among them ValueError: b"]


def test_a_syntax_error_is_shown_where_it_is(tmp_path: Path) -> None:
    source = tmp_path / "broken.py"
    source.write_text("a = 1\ndef x(:\n")
    error = failure(compile, source.read_text(), str(source), "exec")
    page = shown(error)
    assert page.texts["h1"] == ["SyntaxError: invalid syntax"]
    assert page.texts["figcaption"][0] == f"{source}:2"
    assert page.texts["mark"][0] == "    2  def x(:"


def test_the_way_to_the_application_is_left_out() -> None:
    page = shown(failure(__import__, "no_such_module"))
    assert page.texts["h1"] == ["ModuleNotFoundError: No module named 'no_such_module'"]
    assert page.texts["b"] == ["failure"]


@pytest.mark.parametrize("message", ["two\nlines", "\udcff", ""])
def test_any_message_can_be_shown(message: str) -> None:
    assert shown(failure(fail, message)).texts["h1"][0].startswith("ValueError")


def test_who_does_not_want_html_gets_the_traceback() -> None:
    kind, body = error_page(request_for(PROGRAM), failure(fail, "<bad>"))
    assert kind == "text/plain; charset=utf-8"
    assert body.startswith(b"Traceback (most recent call last)")
    assert body.endswith(b"ValueError: <bad>\n")


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    raise ValueError("bad")


@pytest.mark.parametrize("show_errors", [False, True])
def test_only_a_developer_sees_it(*, show_errors: bool) -> None:
    output = Recorder()
    gateway = WsgiGateway(application, replace(SMALL, show_errors=show_errors), lambda _request, _error: None)
    outcome = gateway.run(request_for(BROWSER), output, DATE)
    (answer,) = read_answers(output.data, ["GET"], closed=True)
    assert (answer.status, outcome.status, outcome.sent) == (500, 500, len(answer.body))
    assert (b"ValueError: bad" in answer.body) is show_errors
    assert answer.fields["content-type"] == (
        "text/html; charset=utf-8" if show_errors else "text/plain; charset=us-ascii"
    )
