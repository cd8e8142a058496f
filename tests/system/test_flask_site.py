"""A Flask application: sessions, `stream_with_context`, file upload."""

from __future__ import annotations

import hashlib
import os

import pytest
from support.browser import Browser
from support.server import SITES, Serve, Server

pytest.importorskip("flask", reason="Flask is not installed")


@pytest.fixture(params=["shop:app", "shop:create_app()"])
def site(share: Serve, request: pytest.FixtureRequest) -> Server:
    return share(f'chdir = "{SITES / "flask_site"}"\n', app=request.param, processes=2)


@pytest.fixture
def browser(site: Server) -> Browser:
    return Browser(*site.endpoint)


def test_the_session_follows_the_visitor(browser: Browser) -> None:
    assert "empty" in browser.get("/").text
    for item in ("tea", "milk"):
        assert browser.submit("/basket", {"item": item}).status == 302
    assert "tea, milk" in browser.get("/").text
    browser.cookies.clear()
    assert "empty" in browser.get("/").text


def test_a_stream_keeps_its_request_context(browser: Browser) -> None:
    browser.submit("/basket", {"item": "tea"})
    browser.submit("/basket", {"item": "milk"})
    assert browser.get("/receipt?name=Ada").text == "1 tea for Ada\n2 milk for Ada\n"


def test_an_upload_arrives_whole(browser: Browser) -> None:
    data = os.urandom(3_000_000)
    facts = browser.upload("/upload", "holiday.jpg", data).json()
    assert facts == {"name": "holiday.jpg", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_a_view_that_raises_is_flasks_500_and_its_traceback_is_logged(site: Server, browser: Browser) -> None:
    assert browser.get("/broken").status == 500
    site.wait_log("RuntimeError: raised by the Flask view")
    assert browser.get("/").status == 200
