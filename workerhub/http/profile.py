"""What the connections of one process share: worked out once per settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workerhub.http.fields import FieldNames, FieldReader
from workerhub.http.forwarded import APPLY, TrustedProxies
from workerhub.http.memory import HeadMemory
from workerhub.http.parsers import parser_class
from workerhub.slotted import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from workerhub.http.settings import HttpSettings


@dataclass(frozen=True, slots=True)
class Profile:
    """Settings in the form that a connection uses.

    Attributes:
        settings: themselves.
        trusted: who may speak for others.
        apply: what is done with a trusted peer's forwarding fields, if anything.
        trusted_fields: reads a trusted peer's fields.
        other_fields: reads everybody else's.
    """

    settings: HttpSettings
    trusted: TrustedProxies
    apply: Callable[[dict[str, Any], TrustedProxies], None] | None
    trusted_fields: FieldReader
    other_fields: FieldReader


_profiles: dict[int, Profile] = {}
"""By the identity of the settings, which a profile keeps alive: hashing what they hold would take 1 us for each connection."""

_REMEMBERED_MAX: Final = 8


def profile_of(settings: HttpSettings) -> Profile:
    """The profile for these settings.

    Raises:
        ValueError: `trusted_proxies` holds what is neither address, network nor "unix".
        ImportError: the parser asked for isn't installed.
    """
    profile = _profiles.get(id(settings))
    if profile is None:
        profile = _make_profile(settings)
        if len(_profiles) >= _REMEMBERED_MAX:
            _profiles.clear()
        _profiles[id(settings)] = profile
    return profile


def _make_profile(settings: HttpSettings) -> Profile:
    parser = parser_class(settings.parser)
    trusted_names = FieldNames(
        hide_forwarded=settings.forwarded == "x-forwarded", hide_x_forwarded=settings.forwarded == "rfc7239"
    )
    return Profile(
        settings=settings,
        trusted=TrustedProxies(settings.trusted_proxies),
        apply=APPLY[settings.forwarded],
        trusted_fields=FieldReader(parser, trusted_names, HeadMemory(settings.max_request_line)),
        other_fields=FieldReader(
            parser, FieldNames(hide_forwarded=True, hide_x_forwarded=True), HeadMemory(settings.max_request_line)
        ),
    )
