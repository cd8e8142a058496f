"""The kinds of value a setting can have: what is read, and into what."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic_core import PydanticCustomError

from workerhub.config.access_format import NAMED_FORMATS, parse_access_format
from workerhub.config.addresses import BindAddress, parse_address
from workerhub.config.units import DURATION_PATTERN, SIZE_PATTERN, parse_duration, parse_size
from workerhub.config.written import Checked, Written, above_zero, or_off, or_word, text_matching
from workerhub.slotted import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a pool's size, in per cent."""

    percent: int

    def of(self, size: int) -> int:
        """How many processes that is: rounded up, so that it is never none."""
        return math.ceil(size * self.percent / 100)


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """The files of one host's certificate, as written. No key: it is in the same file."""

    certificate: str
    key: str | None


def _read_umask(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"(0o)?[0-7]{1,4}", value):
        value = int(value.removeprefix("0o"), 8)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0o777:
        raise ValueError
    return value


def _read_account(value: object) -> str | int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32 - 1:
        return value
    if isinstance(value, str) and value and "\0" not in value:
        return value
    raise ValueError


def _read_surge(value: object) -> int | Share:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, str) and (match := re.fullmatch(r"([1-9][0-9]?|100)%", value)):
        return Share(int(match[1]))
    raise ValueError


def _whole(least: int) -> Written:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError
        return value

    return Written(read, f"a whole number of {least} or more", {"type": "integer", "minimum": least})


def _read_addresses(value: object) -> tuple[BindAddress, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    if not listed:
        raise ValueError("an empty list would listen nowhere")
    addresses = tuple(map(parse_address, listed))
    for address in addresses:
        if addresses.count(address) > 1:
            raise ValueError(f'"{address}" is listed twice')
    return addresses


def _read_texts(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, str) and item and "\0" not in item for item in listed):
        raise ValueError
    return tuple(listed)


def _read_proxies(value: object) -> tuple[str, ...]:
    proxies = _read_texts(value)
    for proxy in proxies:
        if proxy == "*":
            raise ValueError('everybody is written ["0.0.0.0/0", "::/0", "unix"]')
        if proxy == "unix":
            continue
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise ValueError(f'"{proxy}": {_network_hint(proxy)}') from error
    return proxies


def _network_hint(text: str) -> str:
    try:
        return f'did you mean "{ipaddress.ip_network(text, strict=False)}"?'
    except ValueError:
        return "not an IP address or network"


def _read_variable(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or "\0" in str(value):
        raise ValueError
    return str(value)


def _check_variable_names(environment: Mapping[str, str]) -> Mapping[str, str]:
    for name in environment:
        if not name or "=" in name or "\0" in name:
            raise PydanticCustomError("refused", "{name} can't name an environment variable", {"name": f'"{name}"'})
    return environment


def _read_host_certificate(value: object) -> HostCertificate:
    if not isinstance(value, dict) or not value.keys() <= {"certificate", "key"} or "certificate" not in value:
        raise ValueError
    if not all(isinstance(path, str) and path and "\0" not in path for path in value.values()):
        raise ValueError("both are paths")
    return HostCertificate(value["certificate"], value.get("key"))


def _check_host_name(name: str) -> str:
    if not re.fullmatch(_SERVER_NAME, name, re.ASCII):
        raise PydanticCustomError("refused", "{why}", {"why": _server_name_hint(name)})
    return name


def _server_name_hint(name: str) -> str:
    if not name.isascii():
        return "a host is written as clients ask for it: in ASCII, xn--... where it has other letters"
    if re.fullmatch(_SERVER_NAME, name.lower(), re.ASCII):
        return f'did you mean "{name.lower()}"?'
    return 'no host name; expected one such as "shop.example", or "*.shop.example" for one label more'


def _read_access_format(value: object) -> str:
    if not isinstance(value, str) or (value not in {*NAMED_FORMATS, "json"} and "%" not in value):
        raise ValueError
    if value != "json":
        parse_access_format(value)
    return value


_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_SERVER_NAME = rf"(\*\.)?{_LABEL}(\.{_LABEL})*"
_DOTTED = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"
_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

_COUNT = _whole(1)
_DURATION = Written(
    parse_duration,
    'a time such as "30s", "5m" or "250ms"',
    {"anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "number", "minimum": 0}]},
)
_SIZE = Written(
    parse_size,
    'a size such as "512MiB", "64KiB" or a number of bytes',
    {"anyOf": [{"type": "string", "pattern": SIZE_PATTERN}, {"type": "integer", "minimum": 0}]},
)

Count: TypeAlias = Annotated[int, _COUNT]
CountOrNone: TypeAlias = Annotated[int, _whole(0)]
CountOrOff: TypeAlias = Annotated[int | None, or_off(_COUNT)]
CountOrAuto: TypeAlias = Annotated[int | None, or_word(_COUNT, "auto", None)]
"""None is "auto"."""
Delay: TypeAlias = Annotated[float, _DURATION]
"""Seconds; none at all is allowed."""
Limit: TypeAlias = Annotated[float, above_zero(_DURATION)]
"""Seconds, more than none."""
LimitOrOff: TypeAlias = Annotated[float | None, or_off(above_zero(_DURATION))]
"""Seconds; None is "off"."""
LimitOrOffOrAuto: TypeAlias = Annotated[float | str | None, or_word(or_off(above_zero(_DURATION)), "auto", "auto")]
"""Seconds; None is "off"; "auto" leaves it to the worker class."""
Size: TypeAlias = Annotated[int, _SIZE]
"""Bytes; none at all is allowed."""
SizeLimit: TypeAlias = Annotated[int, above_zero(_SIZE)]
"""Bytes, more than none."""
SizeOrOff: TypeAlias = Annotated[int | None, or_off(above_zero(_SIZE))]
"""Bytes; None is "off"."""
Addresses: TypeAlias = Annotated[
    tuple[BindAddress, ...],
    Written(
        _read_addresses,
        'an address such as "127.0.0.1:8000", ":8000", "[::1]:8000", "unix:/run/app.sock", "fd://3" or "systemd", or a list of them',
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
    ),
]
Application: TypeAlias = Annotated[
    str,
    text_matching(
        rf"{_DOTTED}(:{_DOTTED}(\(\))?)?",
        'an application such as "mysite.wsgi:application", "mysite:create_app()" or "mysite.wsgi"',
    ),
]
WorkerName: TypeAlias = Annotated[
    str,
    text_matching(
        rf"[A-Za-z0-9_.-]+|{_DOTTED}:{_DOTTED}", 'the name of a worker class, or one such as "package.module:Class"'
    ),
]
Hook: TypeAlias = Annotated[
    str | None, text_matching(rf"{_DOTTED}[.:]{_DOTTED}", 'a dotted name such as "mysite.hooks:announce"')
]
Account: TypeAlias = Annotated[
    str | int | None,
    Written(
        _read_account,
        "a name or a numeric id",
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}]},
    ),
]
Umask: TypeAlias = Annotated[
    int | None,
    Written(
        _read_umask,
        'an octal mode mask such as "027" or 0o027',
        {
            "anyOf": [
                {"type": "string", "pattern": "^(0o)?[0-7]{1,4}$"},
                {"type": "integer", "minimum": 0, "maximum": 511},
            ]
        },
    ),
]
Surge: TypeAlias = Annotated[
    int | Share,
    Written(
        _read_surge,
        'a whole number of 1 or more, or a share such as "25%"',
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^([1-9][0-9]?|100)%$"}]},
    ),
]
_PATH = text_matching(r"[^\0]+", "a path")
Path: TypeAlias = Annotated[str | None, _PATH]
PathOrOff: TypeAlias = Annotated[str | None, or_off(_PATH)]
PathOrOffOrAuto: TypeAlias = Annotated[str | None, or_word(or_off(_PATH), "auto", "auto")]
"""None is "off"; "auto" is itself."""
Paths: TypeAlias = Annotated[tuple[str, ...], Written(_read_texts, "a path, or a list of paths", _TEXTS)]
Proxies: TypeAlias = Annotated[
    tuple[str, ...],
    Written(_read_proxies, 'a list of IP addresses, networks such as "10.0.0.0/8", and "unix"', _TEXTS),
]
Environment: TypeAlias = Annotated[
    Mapping[
        str,
        Annotated[str, Written(_read_variable, "text or a whole number", {"type": ["string", "integer"]})],
    ],
    Checked(_check_variable_names),
]
HostCertificates: TypeAlias = Mapping[
    Annotated[str, Checked(_check_host_name)],
    Annotated[
        HostCertificate,
        Written(
            _read_host_certificate,
            'a table such as { certificate = "shop.pem", key = "shop.key" }',
            {
                "type": "object",
                "properties": {"certificate": {"type": "string"}, "key": {"type": "string"}},
                "required": ["certificate"],
                "additionalProperties": False,
            },
        ),
    ],
]
"""By the name that a client asks for."""
ServerHeader: TypeAlias = Annotated[
    str | None,
    or_off(text_matching(r"[\x21-\x7e]+( [\x21-\x7e]+)*", "printable ASCII text")),
]
AccessFormat: TypeAlias = Annotated[
    str,
    Written(_read_access_format, '"combined", "common", "json" or a pattern of %(x)s fields', {"type": "string"}),
]
Text: TypeAlias = Annotated[str | None, text_matching(r"[^\0\r\n]+", "text")]
ProcessName: TypeAlias = Annotated[
    str, text_matching(r"[\x21-\x7e]{1,64}", "a word of at most 64 printable ASCII characters")
]
