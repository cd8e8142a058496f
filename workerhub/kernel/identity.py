"""Who a process is: its title, its user, its directory, its environment."""

from __future__ import annotations

import grp
import os
import pwd
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import setproctitle

from workerhub.errors import WorkerhubError
from workerhub.slotted import dataclass


class IdentityError(WorkerhubError):
    """A process can't be who it is to be. The message names the setting."""


class Identity(Protocol):
    """What the settings say about a pool's processes; `workerhub.planning` makes it. None: as the master is."""

    @property
    def user(self) -> str | int | None:
        """Name or number."""

    @property
    def group(self) -> str | int | None:
        """Name or number; None with a `user`: the user's own group."""

    @property
    def umask(self) -> int | None:
        """What new files don't get."""

    @property
    def chdir(self) -> Path | None:
        """The working directory."""

    @property
    def python_path(self) -> Sequence[str | Path]:
        """What goes to the front of `sys.path`."""

    @property
    def env(self) -> Mapping[str, str]:
        """What is added to the environment."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and a group as the system knows them. `name` is None for a number that has no name."""

    uid: int
    gid: int
    name: str | None


def find_account(user: str | int | None, group: str | int | None) -> Account | None:
    """Look user and group up; None where neither is given.

    Raises:
        IdentityError: the system doesn't know one of them.
    """
    if user is None and group is None:
        return None
    entry = _find_user(user if user is not None else os.geteuid())
    if entry is None and user is not None and not _is_number(user):
        raise IdentityError(f"user: there is no user called {str(user)!r} on this system")
    if group is not None:
        gid = _find_group(group)
    elif entry is not None:
        gid = entry.pw_gid
    else:
        raise IdentityError(f"group: user {user} has no entry on this system, so its group has to be given")
    if entry is not None:
        return Account(entry.pw_uid, gid, entry.pw_name)
    return Account(os.geteuid() if user is None else int(user), gid, None)


def take_identity(identity: Identity) -> None:
    """Become what the settings say: user and group, umask, directory, environment, import path; in this order.

    The directory is entered as the user, so that a path it may not enter fails here. The working directory stands on
    `sys.path`, behind `python_path`: an application is found where its config says it is.

    Raises:
        IdentityError: one of it can't be done; the message names the setting.
    """
    account = find_account(identity.user, identity.group)
    if account is not None:
        _become(account)
    if identity.umask is not None:
        os.umask(identity.umask)
    if identity.chdir is not None:
        try:
            os.chdir(identity.chdir)
        except OSError as error:
            raise IdentityError(f"chdir: can't enter {identity.chdir}: {error.strerror}") from error
    os.environ.update(identity.env)
    # Text, not path objects: using these writes to 0.2 MiB that workers would share otherwise.
    here = os.getcwd()  # noqa: PTH109
    front = [*(os.path.join(here, entry) for entry in identity.python_path), here]  # noqa: PTH118
    sys.path[:] = [*dict.fromkeys(front), *(entry for entry in sys.path if entry not in front)]


def set_title(title: str, name: str = "workerhub") -> None:
    """Show up in `ps` as `workerhub: master`; `name` is the `name` setting."""
    setproctitle.setproctitle(f"{name}: {title}")


def _become(account: Account) -> None:
    """Change user and group for good.

    Raises:
        IdentityError: not permitted.
    """
    if (account.uid, account.gid) == (os.geteuid(), os.getegid()) == (os.getuid(), os.getgid()):
        return
    try:
        if account.name is not None and os.geteuid() == 0:
            os.initgroups(account.name, account.gid)
        elif os.geteuid() == 0:
            os.setgroups([account.gid])
        os.setgid(account.gid)
        os.setuid(account.uid)
    except OSError as error:
        who = f"user {account.name or account.uid}, group {account.gid}"
        raise IdentityError(f"user: can't become {who}: {error.strerror}; only root may change the user") from error


def _is_number(value: str | int) -> bool:
    return isinstance(value, int) or value.isdecimal()


def _find_user(user: str | int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(int(user)) if _is_number(user) else pwd.getpwnam(str(user))
    except KeyError:
        return None


def _find_group(group: str | int) -> int:
    """A group's number.

    Raises:
        IdentityError: there is none of that name.
    """
    if _is_number(group):
        return int(group)
    try:
        return grp.getgrnam(str(group)).gr_gid
    except KeyError:
        raise IdentityError(f"group: there is no group called {str(group)!r} on this system") from None
