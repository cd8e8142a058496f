"""Where the control socket lies: the name that a server gives it and a verb looks for, and the directory that nobody else can write to.

The name comes from the configuration file's path and the profile, so a verb needs no more than these to find it, and two
servers only meet where they are the same twice. Symbolic links in the path stay as they are: behind `current/server.toml`
another release may lie by now, and the server that goes by this path will read that one when it reloads.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from workerhub.errors import WorkerhubError

SUFFIX: Final = ".sock"

_STEM: Final = 28
_PROFILE: Final = 16
"""Characters that are taken over into the name. `sun_path` has room for 107, and the directory takes some, too."""


class PlaceError(WorkerhubError):
    """A directory can't hold the socket. The text says which, and why."""


def socket_name(config: Path, profile: str = "") -> str:
    """Name the socket of the server that runs with a configuration file: `server-3f9a1c2b7d.sock`, `server-3f9a1c2b7d@live.sock`.

    Args:
        config: the file's path; it needn't exist.
        profile: the one that was chosen; empty for none.
    """
    path = os.path.abspath(config)  # noqa: PTH100  # `Path.resolve` would follow symbolic links
    at_profile = f"@{_readable(profile, _PROFILE)}" if profile else ""
    return f"{_readable(Path(path).stem, _STEM)}-{_digest(path, 5)}{at_profile}{SUFFIX}"


def nameless(module: str, pid: int) -> str:
    """Name the socket of a server that runs without a file: by its application and its process, `mysite.wsgi-4711.sock`."""
    return f"{_readable(module, _STEM)}-{pid}{SUFFIX}"


def of_any_profile(directory: Path, config: Path) -> list[Path]:
    """The sockets in a directory that go by this file and some profile."""
    return sorted(directory.glob(socket_name(config).replace(SUFFIX, f"@*{SUFFIX}")))


def directories() -> tuple[Path, ...]:
    """Where this user's sockets may lie, the best place first.

    None of it depends on what a server's environment has and a shell's hasn't, but for XDG_RUNTIME_DIR, which names the second
    of these on nearly every system.
    """
    user = os.geteuid()
    found = [Path("/run/workerhub")] if user == 0 else []
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        found.append(Path(runtime) / "workerhub")
    found.append(Path(f"/run/user/{user}/workerhub"))
    found.append(Path(f"/tmp/workerhub-{user}"))  # noqa: S108  # looked at before it is trusted
    return tuple(dict.fromkeys(found))


def make_private(directory: Path) -> None:
    """Make the directory, unless it is there, and see to it that it is fit; the directory around it has to be there.

    Raises:
        PlaceError: it can't be made, or isn't fit.
    """
    try:
        directory.mkdir(0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise PlaceError(f"{directory} can't be made: {_words(error)}") from error
    require_private(directory)


def require_private(directory: Path) -> None:
    """Make sure that nobody but this user, and root, can put anything there, or something else in its place.

    Raises:
        PlaceError: somebody can, or it isn't there.
    """
    try:
        here, above = directory.lstat(), directory.parent.stat()
    except OSError as error:
        raise PlaceError(f"{directory}: {_words(error)}") from error
    if not stat.S_ISDIR(here.st_mode):
        raise PlaceError(f"{directory} is not a directory" + (" but a link" if stat.S_ISLNK(here.st_mode) else ""))
    if here.st_uid != os.geteuid():
        raise PlaceError(f"{directory} belongs to user {here.st_uid}")
    if here.st_mode & 0o022:
        raise PlaceError(f"others may write to {directory}")
    if above.st_uid not in (0, os.geteuid()) or (above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX):
        raise PlaceError(f"others may replace {directory}")


def private_directories() -> Iterator[Path]:
    """Those of `directories` that are there, and fit."""
    for directory in directories():
        with suppress(PlaceError):
            require_private(directory)
            yield directory


def reasons(errors: Iterable[Exception]) -> str:
    """Several reasons in one line."""
    return "; ".join(map(str, errors))


def _words(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def _readable(text: str, most: int) -> str:
    """Text fit for a file's name. What had to be changed is told apart by a digest of the whole."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", text)[:most]
    return plain if plain == text else f"{plain}-{_digest(text, 2)}"


def _digest(text: str, size: int) -> str:
    import hashlib  # noqa: PLC0415  # brings OpenSSL along, and a master that is given the name needs none

    return hashlib.blake2s(os.fsencode(text), digest_size=size).hexdigest()
