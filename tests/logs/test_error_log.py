"""The error log: its two formats, and that nobody's words can forge a line of it."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from workerhub.logs import ErrorLog, LogFile, open_logs

if TYPE_CHECKING:
    from pathlib import Path

    from workerhub.logs.error import Format, Level

HEAD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d{4} \[\d+\] (debug|info|warning|error) [\w/]+: ")


def log_to(path: Path, level: Level = "debug", format: Format = "text") -> ErrorLog:  # noqa: A002  # named as the setting is
    return ErrorLog(LogFile(str(path)), level, format)


def test_a_line_says_when_who_and_how_bad(tmp_path: Path) -> None:
    log_to(tmp_path / "log").named("main/0").warning("it is late")
    line = (tmp_path / "log").read_text()
    assert HEAD.match(line)
    assert line.endswith(f"[{os.getpid()}] warning main/0: it is late\n")


def test_a_traceback_stands_indented_below(tmp_path: Path) -> None:
    log_to(tmp_path / "log").error("failed", "Traceback:\n  File x\nValueError: no\n")
    assert (tmp_path / "log").read_text().splitlines()[1:] == ["    Traceback:", "      File x", "    ValueError: no"]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_less_important_levels_are_left_out(tmp_path: Path, level: Level) -> None:
    log = log_to(tmp_path / "log", level)
    for method in (log.debug, log.info, log.warning, log.error):
        method("x")
    levels = ["debug", "info", "warning", "error"]
    assert [line.split()[4] for line in (tmp_path / "log").read_text().splitlines()] == levels[levels.index(level) :]


HOSTILE = [
    "x\n2026-11-22 17:01:02.123 +0000 [1] error master: forged",
    "x\r\nforged",
    "x\x0b\x0c\x1c\x85\u2028\u2029forged",
    "\x1b[2J\x1b]0;title\x07",
    "\x00\x7f\u202e",
    "\ud800lone",
]


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
def test_words_from_outside_stay_in_their_line(tmp_path: Path, words: str) -> None:
    log_to(tmp_path / "log").error(f"failed in {words}", f"first {words}\nsecond")
    data = (tmp_path / "log").read_bytes()
    lines = data.decode().splitlines()
    assert HEAD.match(lines[0])
    assert all(line.startswith("    ") for line in lines[1:])
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", data)


def test_other_alphabets_are_readable(tmp_path: Path) -> None:
    log_to(tmp_path / "log").info("Grüße, 世界")
    assert (tmp_path / "log").read_text(encoding="utf-8").endswith("Grüße, 世界\n")


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
def test_a_json_line_is_one_object(tmp_path: Path, words: str) -> None:
    log = log_to(tmp_path / "log", format="json").named("main/0", pool="main", slot=0)
    log.error(words, f"Traceback\n{words}\n", cause=ValueError("x"), level="mine", time=1)
    (line,) = (tmp_path / "log").read_bytes().splitlines()
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", found.pop("time"))
    assert found == {
        "level": "error",
        "pid": os.getpid(),
        "name": "main/0",
        "message": words,
        "detail": f"Traceback\n{words}",
        "pool": "main",
        "slot": 0,
        "cause": "x",
    }


def test_what_the_application_does_to_logging_does_not_matter(tmp_path: Path) -> None:
    import logging.config

    log = log_to(tmp_path / "log")
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    logging.disable()
    try:
        log.info("still here")
    finally:
        logging.disable(logging.NOTSET)
    assert "still here" in (tmp_path / "log").read_text()


def test_lost_access_lines_are_told_in_the_error_log(tmp_path: Path) -> None:
    logs = open_logs(file=str(tmp_path / "error"), access="/dev/full")
    assert logs.access is not None
    for _ in range(3):
        logs.access({}, 200, 0, 0.0)
    _, access_file = logs.files
    os.dup2(os.open(tmp_path / "access", os.O_WRONLY | os.O_CREAT), access_file._fd)
    logs.access({}, 200, 0, 0.0)
    logs.close()
    assert (
        "warning master: lines lost from the access log: 3 (No space left on device)"
        in (tmp_path / "error").read_text()
    )
    assert len((tmp_path / "access").read_text().splitlines()) == 1


def test_a_file_that_cannot_be_opened_leaves_nothing_open(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        open_logs(file=str(tmp_path / "error"), access=str(tmp_path / "no" / "access"))
    assert caught.value.filename == str(tmp_path / "no" / "access")


def test_reopening_that_fails_is_told_and_the_old_file_stays(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    logs = open_logs(file=str(tmp_path / "error"), access=str(tmp_path / "here" / "access"))
    (tmp_path / "here").rename(tmp_path / "there")
    logs.reopen()
    assert logs.access is not None
    logs.access({}, 200, 0, 0.0)
    logs.close()
    told = (tmp_path / "error").read_text()
    assert (
        f"can't reopen {tmp_path}/here/access: No such file or directory; the file opened before stays in use" in told
    )
    assert len((tmp_path / "there" / "access").read_text().splitlines()) == 1
