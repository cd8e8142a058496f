"""A real Django project, served from TOML: admin, ORM, templates, static files, streams, uploads, errors."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest
from support.browser import Browser, links
from support.django_project import PROJECT, manage, migrated
from support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import Serve, Server

pytest.importorskip("django", reason="Django is not installed")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("django") / "db.sqlite3")


@pytest.fixture
def site(share: Serve, database: Path) -> Server:
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM guestbook_entry")
    settings = f'chdir = "{PROJECT}"\n[env]\nDJANGO_DATABASE = "{database}"\n'
    return share(settings, app="mysite.wsgi:application", processes=2)


@pytest.fixture
def browser(site: Server) -> Browser:
    return Browser(*site.endpoint)


def test_logging_in_and_working_in_the_admin(browser: Browser) -> None:
    welcome = browser.get("/admin/")
    assert (welcome.status, welcome.header("Location")) == (302, "/admin/login/?next=/admin/")
    form = browser.get("/admin/login/?next=/admin/")
    assert form.status == 200
    for sheet in links(form.text):
        assert browser.get(sheet).header("Content-Type") == "text/css"
    entered = browser.submit(
        "/admin/login/?next=/admin/", {"username": "admin", "password": "secret", "next": "/admin/"}
    )
    assert (entered.status, entered.header("Location")) == (302, "/admin/")
    assert "Site administration" in browser.get("/admin/").text
    added = browser.submit("/admin/guestbook/entry/add/", {"author": "Ada", "text": "Hello, engine"})
    assert (added.status, added.header("Location")) == (302, "/admin/guestbook/entry/")
    assert "Hello, engine" in browser.get("/admin/guestbook/entry/").text


def test_a_wrong_token_is_refused(browser: Browser) -> None:
    browser.get("/admin/login/")
    browser.cookies["csrftoken"] = "x" * 32
    assert browser.submit("/admin/login/", {"csrfmiddlewaretoken": "y" * 32, "username": "admin"}).status == 403


def test_pages_forms_static_files_and_streams(browser: Browser) -> None:
    assert "Nobody yet" in browser.get("/").text
    for number in range(30):
        browser.get("/")
        assert browser.submit("/", {"author": f"guest {number}", "text": "<b>"}).status == 302
    page = browser.get("/").text
    assert "<b>guest 29</b>: &lt;b&gt;" in page
    (sheet,) = links(page)
    assert browser.get(sheet).body == (PROJECT / "guestbook/static/guestbook/site.css").read_bytes()
    export = browser.get("/export/")
    assert export.header("Content-Type") == "text/csv"
    assert export.text.splitlines() == [f"guest {number},<b>" for number in range(30)]


@pytest.mark.parametrize("size", [10, 6_000_000], ids=["in memory", "on disk"])
def test_an_upload_arrives_whole(browser: Browser, size: int) -> None:
    data = os.urandom(size)
    facts = browser.upload("/upload/", "holiday.jpg", data).json()
    assert facts == {"name": "holiday.jpg", "size": size, "sha256": hashlib.sha256(data).hexdigest()}


def test_a_view_that_raises_is_djangos_500_and_its_traceback_is_logged(site: Server, browser: Browser) -> None:
    assert browser.get("/broken/").status == 500
    site.wait_log("RuntimeError: raised by the Django view")
    assert browser.get("/").status == 200


def test_a_reload_keeps_the_session(site: Server, browser: Browser) -> None:
    browser.get("/admin/login/")
    browser.submit("/admin/login/?next=/admin/", {"username": "admin", "password": "secret"})
    site.reload()
    wait_for(lambda: "Site administration" in browser.get("/admin/").text, "the admin")


def test_check_deploy_says_what_it_said_without_us(database: Path) -> None:
    said = manage(database, "check", "--deploy")
    assert "workerhub" not in said
    assert "System check identified" in said
