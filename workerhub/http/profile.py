"""What the connections of one process share: worked out once per settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workerhub.http.fields import FieldNames
from workerhub.http.forwarded import APPLY, TrustedProxies
from workerhub.http.parsers import HeadParser, parser_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from workerhub.http.settings import HttpSettings


@dataclass(frozen=True, slots=True)
class Profile:
    """Settings in the form that a connection uses.

    Attributes:
        parser: makes a connection's parser.
        trusted: who may speak for others.
        apply: what is done with a trusted peer's forwarding fields, if anything.
        trusted_names: field names as a trusted peer's requests get them.
        other_names: field names as everybody else's get them.
    """

    parser: type[HeadParser]
    trusted: TrustedProxies
    apply: Callable[[dict[str, Any], TrustedProxies], None] | None
    trusted_names: FieldNames
    other_names: FieldNames


@lru_cache(maxsize=8)
def profile_of(settings: HttpSettings) -> Profile:
    """The profile for these settings.

    Raises:
        ValueError: `trusted_proxies` holds what is neither address, network nor "unix".
        ImportError: the parser asked for isn't installed.
    """
    return Profile(
        parser=parser_class(settings.parser),
        trusted=TrustedProxies(settings.trusted_proxies),
        apply=APPLY[settings.forwarded],
        trusted_names=FieldNames(
            hide_forwarded=settings.forwarded == "x-forwarded", hide_x_forwarded=settings.forwarded == "rfc7239"
        ),
        other_names=FieldNames(hide_forwarded=True, hide_x_forwarded=True),
    )
