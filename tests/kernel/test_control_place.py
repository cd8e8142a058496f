"""Where the control socket lies: names, and directories that can be trusted."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from workerhub.config.addresses import LONGEST_UNIX_PATH
from workerhub.kernel.control.place import (
    PlaceError,
    directories,
    make_private,
    nameless,
    of_any_profile,
    require_private,
    socket_name,
)


def test_the_name_is_readable_and_says_which_file() -> None:
    name = socket_name(Path("/srv/site/server.toml"))
    assert re.fullmatch(r"server-[0-9a-f]{10}\.sock", name)
    assert name == socket_name(Path("/srv/site/../site/server.toml"))
    assert name != socket_name(Path("/srv/other/server.toml"))


def test_a_relative_path_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert socket_name(Path("server.toml")) == socket_name(tmp_path / "server.toml")


def test_a_link_keeps_its_name_wherever_it_leads(tmp_path: Path) -> None:
    """Behind `current` lies another release after each deployment; the server that goes by this path is the same."""
    for release in ("a", "b"):
        (tmp_path / release).mkdir()
    current = tmp_path / "current"
    current.symlink_to("a")
    before = socket_name(current / "server.toml")
    current.unlink()
    current.symlink_to("b")
    assert socket_name(current / "server.toml") == before


def test_profiles_are_told_apart_and_found_together(tmp_path: Path) -> None:
    config = Path("/srv/site/server.toml")
    names = {profile: socket_name(config, profile) for profile in ("", "live", "a/b", "a:b", "ü" * 60)}
    assert len(set(names.values())) == len(names)
    assert names["live"] == names[""].replace(".sock", "@live.sock")
    for name in (*names.values(), socket_name(Path("/srv/other/server.toml"), "live")):
        (tmp_path / name).touch()
    assert set(of_any_profile(tmp_path, config)) == {tmp_path / name for profile, name in names.items() if profile}


@pytest.mark.parametrize("stem", ["x" * 200, "ü" * 100, "a b\nc", "[*]", "-"])
def test_any_name_is_fit_for_a_directory_and_short_enough(stem: str) -> None:
    path = f"/run/user/1000/workerhub/{socket_name(Path(f'/srv/{stem}.toml'), stem)}"
    assert len(path) <= LONGEST_UNIX_PATH
    assert re.fullmatch(r"[A-Za-z0-9._@-]+", Path(path).name)


def test_without_a_file_application_and_process_make_the_name() -> None:
    assert nameless("mysite.wsgi", 4711) == "mysite.wsgi-4711.sock"


def test_directories_of_a_user_and_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert directories() == (Path("/run/user/1000/workerhub"), Path("/tmp/workerhub-1000"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "not/absolute")
    assert directories() == (Path("/run/user/1000/workerhub"), Path("/tmp/workerhub-1000"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert directories()[0] == Path("/run/workerhub")


def test_a_private_directory_is_made_and_found_fit(tmp_path: Path) -> None:
    directory = tmp_path / "here"
    make_private(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    make_private(directory)


def test_what_cannot_be_trusted_is_refused(tmp_path: Path) -> None:
    private, link, file = tmp_path / "private", tmp_path / "link", tmp_path / "file"
    private.mkdir(0o700)
    link.symlink_to(private)
    file.touch()
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    inside = open_to_all / "inside"
    inside.mkdir(0o700)
    for directory, told in [
        (link, "is not a directory but a link"),
        (file, "is not a directory"),
        (open_to_all, "others may write to"),
        (inside, "others may replace"),
        (tmp_path / "no" / "where", "no such file or directory"),
    ]:
        with pytest.raises(PlaceError, match=told):
            make_private(directory)
    open_to_all.chmod(0o1777)  # as /tmp is
    require_private(inside)


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "theirs"
    directory.mkdir(0o700)
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.raises(PlaceError, match=f"belongs to user {me}"):
        require_private(directory)
