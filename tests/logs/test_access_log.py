"""The access log: formats, fields, forgeries, price."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from workerhub.config.access_format import ACCESS_ATOMS, NAMED_FORMATS, check_access_format
from workerhub.logs import AccessLog, LogFile

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "REQUEST_URI": "/some%20path?a=b",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/some path",
    "QUERY_STRING": "a=b",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "192.0.2.1",
    "HTTP_HOST": "example.org",
    "HTTP_REFERER": "https://example.org/x",
    "HTTP_USER_AGENT": "curl/8",
    "CONTENT_TYPE": "text/plain",
    "HTTP_X_REQUEST_ID": "id-1",
    "wsgi.url_scheme": "http",
}


def line(
    path: Path, pattern: str = "combined", environ: dict[str, Any] | None = None, sent: int = 123, **change: Any
) -> str:
    file = LogFile(str(path / "access"))
    AccessLog(file, pattern)({**(ENVIRON if environ is None else environ), **change}, 200, sent, 1.234567)
    file.close()
    return (path / "access").read_bytes().decode("ascii")


DATE = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"


def test_combined(tmp_path: Path) -> None:
    expected = rf'192\.0\.2\.1 - - {DATE} "GET /some%20path\?a=b HTTP/1\.1" 200 123 "https://example\.org/x" "curl/8"\n'
    assert re.fullmatch(expected, line(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {key: value}
        for key in (
            "REMOTE_ADDR",
            "REQUEST_METHOD",
            "REQUEST_URI",
            "SERVER_PROTOCOL",
            "HTTP_REFERER",
            "HTTP_USER_AGENT",
        )
        for value in ("", "x y", 'x"y', "x\\y", "x\ny", "x\x1by", "x\xe9y", "x\u2028y", None)
    ]
    + [{"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(b"me:x").decode()}, {"REMOTE_USER": "me"}, {}],
    ids=repr,
)
def test_combined_is_the_pattern_that_it_stands_for(tmp_path: Path, change: dict[str, Any]) -> None:
    """Although it is put together in a shorter way, where that is safe."""
    environ = {key: value for key, value in {**ENVIRON, **change}.items() if value is not None}
    file = LogFile(str(tmp_path / "access"))
    short, long = AccessLog(file, "combined"), AccessLog(file, NAMED_FORMATS["combined"] + "|")
    for sent in (0, 5):
        for log in (short, short, long):  # the first line of a second takes the long way
            log(environ, 200, sent, 0.0)
    file.close()
    lines = [re.sub(DATE, "", text).removesuffix("|") for text in (tmp_path / "access").read_text().splitlines()]
    assert lines[0] == lines[1] == lines[2]
    assert lines[3] == lines[4] == lines[5]


def test_common(tmp_path: Path) -> None:
    assert re.fullmatch(
        rf'192\.0\.2\.1 - - {DATE} "GET /some%20path\?a=b HTTP/1\.1" 200 123\n', line(tmp_path, "common")
    )


def test_json(tmp_path: Path) -> None:
    found = json.loads(line(tmp_path, "json", HTTP_USER_AGENT="M\xc3\xa9tro\n"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", found.pop("time"))
    assert isinstance(found.pop("pid"), int)
    assert found == {
        "client": "192.0.2.1",
        "user": "",
        "method": "GET",
        "target": "/some%20path?a=b",
        "protocol": "HTTP/1.1",
        "host": "example.org",
        "status": 200,
        "bytes": 123,
        "seconds": 1.234567,
        "referer": "https://example.org/x",
        "user_agent": "Métro\n",
    }


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("%(h)s|%(l)s|%(u)s|", "192.0.2.1|-|-|"),
        ("%(m)s %(U)s %(q)s %(H)s", "GET /some%20path a=b HTTP/1.1"),
        ("%(s)s %(b)s %(B)s", "200 123 123"),
        ("%(T)s %(M)s %(D)s %(L)s", "1 1234 1234567 1.234567"),
        ("%(f)s %(a)s", "https://example.org/x curl/8"),
        ("%({X-Request-ID}i)s %({content-type}i)s %({absent}i)s", "id-1 text/plain -"),
        ("%({wsgi.url_scheme}e)s", "http"),
        ("100%% %(s)s", "100% 200"),
        ("tab: %(s)s 世", None),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, expected: str | None) -> None:
    if expected is None:
        file = LogFile(str(tmp_path / "access"))
        AccessLog(file, pattern)({}, 200, 0, 0.0)
        assert (tmp_path / "access").read_text(encoding="utf-8") == "tab: 200 世\n"
    else:
        assert line(tmp_path, pattern) == expected + "\n"


def test_every_known_field_can_be_read_from_nothing(tmp_path: Path) -> None:
    pattern = " ".join(f"%({atom})s" for atom in ACCESS_ATOMS)
    assert re.fullmatch(rf"- - - {DATE} .*\n", line(tmp_path, pattern, {}, sent=0))


def test_no_body_is_a_dash_or_a_nought(tmp_path: Path) -> None:
    assert line(tmp_path, "%(b)s %(B)s", sent=0) == "- 0\n"


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("Basic " + base64.b64encode(b"ann:secret").decode(), "ann"),
        ("basic " + base64.b64encode(b"a b\n:x").decode(), r"a\x20b\n"),
        ("Basic " + base64.b64encode(b"\xff\xfe").decode(), r"\\xff\\xfe"),
        ("Basic !", "-"),
        ("Basic \xff", "-"),
        ("Bearer abc", "-"),
    ],
)
def test_the_user_of_basic_authentication(tmp_path: Path, header: str, user: str) -> None:
    assert line(tmp_path, "%(u)s", HTTP_AUTHORIZATION=header) == user + "\n"


def test_the_target_is_made_again_where_the_environ_has_none(tmp_path: Path) -> None:
    found = line(
        tmp_path,
        "%(r)s",
        {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/app", "PATH_INFO": '/a b"\xe9\n', "QUERY_STRING": "q"},
    )
    assert found == "GET /app/a%20b%22%E9%0A?q\n"


HOSTILE = ['"', "\\", "\n", "\r\n127.0.0.1 - - forged", "\x1b[31m", "\x00", "\x7f", "\x80\xff", '" 200 5 "', "\u2028"]


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
@pytest.mark.parametrize(
    "format", ["combined", "json", "%(h)s %(u)s %(m)s %(U)s %(q)s %(H)s %(f)s %(a)s %({x}i)s %({X}e)s"]
)
def test_no_client_can_forge_a_line(tmp_path: Path, format: str, words: str) -> None:  # noqa: A002  # named as the setting is
    hostile = dict.fromkeys([*ENVIRON, "REMOTE_USER", "HTTP_X", "X"], f"a{words}b")
    told = line(tmp_path, format, hostile)
    assert told.count("\n") == 1
    assert told.endswith("\n")
    assert told[:-1].isprintable()
    if format == "combined":
        expected = rf'\S+ - \S+ {DATE} "(?:[^"\\]|\\.)*" 200 123 "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"\n'
        assert re.fullmatch(expected, told)
    if format == "json":
        assert json.loads(told)["status"] == 200


def test_different_words_stay_different(tmp_path: Path) -> None:
    """An escape can't be imitated: a backslash that was sent is told as two."""
    lines = set()
    for agent in ("a\nb", "a\\nb", "a\\x0ab", 'a"b', 'a\\"b'):
        (tmp_path / "access").unlink(missing_ok=True)
        lines.add(line(tmp_path, "%(a)s", HTTP_USER_AGENT=agent))
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("combined", None),
        ("common", None),
        ("json", None),
        ("%(h)s %(r)s", None),
        ("combind", 'expected "json", "combined", "common", or a pattern with %(x)s fields, got "combind"'),
        ("", 'expected "json", "combined", "common", or a pattern with %(x)s fields, got ""'),
        ("%(h)s %s", "a lone % at character 7; write %(x)s for a field, or %% for a per cent sign"),
        ("%(h)s %(D)d", "a lone % at character 7; write %(x)s for a field, or %% for a per cent sign"),
        ("%(Z)s", f"unknown field %(Z)s (known: {' '.join(ACCESS_ATOMS)})"),
        ("%({x}o)s", "%({x}o)s: response headers are not offered"),
        ("%()s", f"unknown field %()s (known: {' '.join(ACCESS_ATOMS)})"),
        ("%(h)s\n", "a pattern is one line of printable characters"),
    ],
)
def test_a_bad_pattern_is_found_beforehand(text: str, problem: str | None) -> None:
    assert check_access_format(text) == problem


def test_what_is_no_request_line_stands_there_as_it_came(tmp_path: Path) -> None:
    """It is what `workerhub.http` has of a request that it refused."""
    environ = {"REQUEST_METHOD": "", "REQUEST_URI": '\x16\x03\xff"', "SERVER_PROTOCOL": "", "REMOTE_ADDR": "192.0.2.1"}
    assert line(tmp_path, '"%(r)s" %(m)s %(U)s %(H)s', environ) == '"\\x16\\x03\\xff\\"" - \\x16\\x03\\xff\\" -\n'
    assert line(tmp_path, '"%(r)s"', {**environ, "REQUEST_URI": ""}).endswith('"-"\n')
