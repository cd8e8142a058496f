"""As much of a browser as a login needs: cookies, forms, redirects, file uploads; over http.client."""

from __future__ import annotations

import http.client
import re
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from support.client import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

BOUNDARY = "----boundary-of-the-test"


def multipart(name: str, filename: str, data: bytes) -> tuple[str, bytes]:
    """One file as multipart/form-data (RFC 7578): the content type and the body."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
    return f"multipart/form-data; boundary={BOUNDARY}", head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


class Browser:
    """Keeps cookies, follows no redirect by itself."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.cookies: dict[str, str] = {}

    def get(self, target: str) -> Answer:
        """Ask for a page."""
        return self._ask("GET", target, b"", {})

    def submit(self, target: str, fields: Mapping[str, str]) -> Answer:
        """Send a form, with Django's token if a page gave one."""
        token = {"csrfmiddlewaretoken": self.cookies["csrftoken"]} if "csrftoken" in self.cookies else {}
        body = urlencode({**token, **fields}).encode()
        return self._ask("POST", target, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def upload(self, target: str, filename: str, data: bytes) -> Answer:
        """Send a file as the form field `file`."""
        kind, body = multipart("file", filename, data)
        return self._ask("POST", target, body, {"Content-Type": kind})

    def _ask(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=30)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, target, body or None, {**headers, **({"Cookie": cookies} if cookies else {})})
            response = connection.getresponse()
            answer = Answer(response.status, response.reason, tuple(response.getheaders()), response.read())
        finally:
            connection.close()
        for line in (value for name, value in answer.headers if name.lower() == "set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return answer


def links(page: str) -> list[str]:
    """The stylesheets of a page."""
    return re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
