"""Who a process is. Each change is made in a child: it can't be taken back."""

from __future__ import annotations

import json
import os
import pwd
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workerhub.kernel.identity import (
    Account,
    IdentityError,
    find_account,
    set_title,
    take_identity,
)
from workerhub.kernel.streams import open_standard_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root may change the user")


@dataclass(frozen=True)
class Wanted:
    user: str | int | None = None
    group: str | int | None = None
    umask: int | None = None
    chdir: Path | None = None
    python_path: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def in_a_child(action: Callable[[], Any]) -> Any:
    """What the action returns, or "IdentityError: ..."."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            result = action()
        except IdentityError as error:
            result = f"IdentityError: {error}"
        except BaseException:  # noqa: BLE001  # told to the test
            result = traceback.format_exc()
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(data)


def test_nothing_wanted_changes_nothing_but_the_import_path() -> None:
    def act() -> list[Any]:
        before = os.getuid(), os.getgid(), Path.cwd(), dict(os.environ)
        take_identity(Wanted())
        return [before == (os.getuid(), os.getgid(), Path.cwd(), dict(os.environ)), sys.path[0] == str(Path.cwd())]

    assert in_a_child(act) == [True, True]


def test_directory_umask_environment_and_import_path(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    wanted = Wanted(umask=0o027, chdir=tmp_path, python_path=(tmp_path / "lib",), env={"WH_COLOUR": "blue"})

    def act() -> list[Any]:
        sys.path.append(str(tmp_path))
        take_identity(wanted)
        Path("made").touch()
        mode = Path("made").stat().st_mode & 0o777
        return [str(Path.cwd()), mode, os.environ["WH_COLOUR"], sys.path[:2], sys.path.count(str(tmp_path))]

    assert in_a_child(act) == [str(tmp_path), 0o640, "blue", [str(tmp_path / "lib"), str(tmp_path)], 1]


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    told = in_a_child(lambda: take_identity(Wanted(chdir=tmp_path / "no")))
    assert told == f"IdentityError: chdir: can't enter {tmp_path / 'no'}: No such file or directory"


def who_am_i() -> list[Any]:
    return [os.getresuid(), os.getresgid(), os.getgroups()]


@as_root
def test_a_user_by_name_brings_its_group() -> None:
    nobody = pwd.getpwnam("nobody")

    def act() -> list[Any]:
        take_identity(Wanted(user="nobody"))
        return who_am_i()

    users, groups, also = in_a_child(act)
    assert (users, groups) == ([nobody.pw_uid] * 3, [nobody.pw_gid] * 3)
    assert 0 not in also


@as_root
def test_numbers_without_names() -> None:
    def act() -> list[Any]:
        take_identity(Wanted(user=54321, group="65432"))
        return who_am_i()

    assert in_a_child(act) == [[54321] * 3, [65432] * 3, [65432]]


@as_root
def test_the_directory_is_entered_as_the_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    told = in_a_child(lambda: take_identity(Wanted(user="nobody", chdir=tmp_path)))
    assert told == f"IdentityError: chdir: can't enter {tmp_path}: Permission denied"


@as_root
def test_who_is_not_root_cannot_change_the_user() -> None:
    def act() -> None:
        os.setuid(54321)
        take_identity(Wanted(user="root"))

    assert in_a_child(act) == (
        "IdentityError: user: can't become user root, group 0: Operation not permitted; only root may change the user"
    )


def test_who_is_already_the_user_needs_no_permission() -> None:
    assert in_a_child(lambda: take_identity(Wanted(user=os.getuid(), group=os.getgid()))) is None


def test_looking_accounts_up() -> None:
    root = pwd.getpwuid(0)
    assert find_account(None, None) is None
    assert find_account("root", None) == Account(0, root.pw_gid, "root")
    assert find_account("0", 4242) == Account(0, 4242, "root")
    assert find_account(None, 4242) == Account(os.geteuid(), 4242, pwd.getpwuid(os.geteuid()).pw_name)
    with pytest.raises(IdentityError, match="user: there is no user called 'nobdy' on this system"):
        find_account("nobdy", None)
    with pytest.raises(IdentityError, match="group: there is no group called 'wheels' on this system"):
        find_account(None, "wheels")
    with pytest.raises(
        IdentityError, match="group: user 54321 has no entry on this system, so its group has to be given"
    ):
        find_account(54321, None)


def test_the_title_is_what_ps_shows() -> None:
    def act() -> str:
        set_title("worker main/0 (generation 3)")
        return Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").decode()

    assert in_a_child(act) == "workerhub: worker main/0 (generation 3)"


def test_standard_streams_are_opened_where_they_are_missing() -> None:
    def act() -> list[Any]:
        os.close(0)
        os.close(2)
        open_standard_streams()
        fd = os.open(os.devnull, os.O_RDONLY)
        return [str(Path("/proc/self/fd/0").readlink()), str(Path("/proc/self/fd/2").readlink()), fd > 2]

    assert in_a_child(act) == [os.devnull, os.devnull, True]
