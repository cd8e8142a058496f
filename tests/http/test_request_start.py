"""How long a request has waited, by what a proxy says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.http_wire import SMALL, connect

from workerhub.http import Phase
from workerhub.http.request_start import BELIEVABLE, waited

NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("t=1794999997.500", 2.5),  # nginx: t=${msec}
        ("1794999997.500", 2.5),
        ("t=1794999998", 2.0),
        ("t=1794999997500", 2.5),  # Heroku's router, and New Relic's examples
        ("1794999997500", 2.5),
        ("t=1794999997500000", 2.5),  # Apache: t=%t
        ("t=1794999997500000000", 2.5),
        ("", 0.0),
        ("t=", 0.0),
        ("t=1795000001", 0.0),  # from the future: clocks differ
        ("t=1794990000", 0.0),  # hours ago
        ("t=0", 0.0),
        ("t=-1794999998", 0.0),
        ("t=1794999998, t=1794999998", 0.0),
        ("t=99999999999999999999", 0.0),
        ("now", 0.0),
        ("t=\u0661\u0667\u0669\u0664\u0669\u0669\u0669\u0669\u0669\u0668", 0.0),
    ],
)
def test_what_it_means(value: str, seconds: float) -> None:
    assert waited(value, NOW) == pytest.approx(seconds)


@given(st.text(max_size=30) | st.from_regex(r"t=[0-9]+(\.[0-9]+)?", fullmatch=True))
def test_nothing_that_stands_there_is_an_error_or_more_than_is_believable(value: str) -> None:
    assert 0 <= waited(value, NOW) < BELIEVABLE


@pytest.mark.parametrize(("proxies", "seconds"), [(("192.0.2.0/24",), 3.0), ((), 0.0)])
def test_only_a_trusted_proxy_is_believed(proxies: tuple[str, ...], seconds: float) -> None:
    connection = connect(replace(SMALL, trusted_proxies=proxies))
    assert connection.waited(NOW) == 0.0
    connection.receive(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Start: t=1794999997\r\n\r\n")
    assert connection.phase is Phase.READY
    assert connection.waited(NOW) == pytest.approx(seconds)
    assert connection.next_request() is not None
    assert connection.waited(NOW) == 0.0
