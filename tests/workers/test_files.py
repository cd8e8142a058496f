"""`wsgi.file_wrapper`: on a plain socket a file goes from the disk to the client without coming by."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from support.raw import get
from support.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from workerhub.worker import WorkerType

CONTENT = bytes(range(256)) * 4096


@pytest.mark.cell("sendfile")
def test_a_file_is_sent_by_the_system(worker: WorkerType, tmp_path: Path) -> None:
    """Every byte of it, in HTTP/1.1 and 1.0; and of a file that isn't one of the system's, none."""
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    sent: list[int] = []

    def count() -> None:
        real = os.sendfile

        def counted(*arguments: Any) -> int:
            sent.append(real(*arguments))
            return sent[-1]

        os.sendfile = counted  # type: ignore[assignment]  # called with positions only

    class FileLike:
        """Reads as a file does, and is none."""

        def __init__(self) -> None:
            self.position = 0

        def read(self, size: int) -> bytes:
            block = CONTENT[self.position : self.position + size]
            self.position += size
            return block

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/sent":
            start_response("200 OK", [])
            total = str(sum(sent)).encode()
            sent.clear()
            return [total]
        start_response("200 OK", [("Content-Length", str(len(CONTENT)))])
        wrapper: Iterable[bytes] = environ["wsgi.file_wrapper"](
            file.open("rb") if environ["PATH_INFO"] == "/file" else FileLike()
        )
        return wrapper

    with serving(worker, app, before=count) as server:
        with server.connect() as client:
            for path, by_the_system in (("/file", len(CONTENT)), ("/like", 0)):
                assert client.ask(path).body == CONTENT
                assert client.ask("/sent").text == str(by_the_system)
        with server.connect() as client:
            client.send(get("/file", version="1.0"))
            assert client.answer().body == CONTENT
        with server.connect() as client:
            assert client.ask("/sent").text == str(len(CONTENT))
