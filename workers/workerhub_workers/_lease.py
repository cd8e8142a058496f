"""The reactor in the hands of a thread that runs what it finds there: who has it, and how it comes back.

To hand a request that takes a tenth of a millisecond to another thread costs two switches and makes two threads fight for the interpreter
lock, which together takes longer than the request. So the main thread lends the reactor to one of the crew's, which goes round it and runs
what is complete then and there, as `sync` does. The main thread itself can't: it has to hear signals, whatever a request is doing.

It stands by instead, asleep. A request that is late loses the reactor to it in mid-course and ends as an ordinary thread's would.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from workerhub_workers._alarm import Alarm
from workerhub_workers._poller import IN, new_poller
from workerhub_workers._trust import Sample, Trust
from workerhub_workers._waker import Waker

if TYPE_CHECKING:
    from collections.abc import Callable

    from workerhub_workers._seat import Seat

LATE = 0.001
"""Seconds that a request may wait for something before the reactor is taken back."""

TOO_LATE = 0.01
"""Seconds that it may compute: meanwhile others could hardly run. But C code may do so without the interpreter lock. And a thread
that has lost the processor to another process, as happens for milliseconds, does nothing wrong."""

SAMPLE = 0.005
"""Seconds between two requests that are looked at more closely: that costs 10 us. The first is a while after the reactor was lent: by
then threads that were at work before are out of the way."""


class Lease:
    """The reactor, lent to one thread once.

    It is in the borrower's hands until that gives it back, between two requests, or until it is taken out of them, within one. What
    stands for it there is an item in a list: taking it out is atomic, so only one can have it.

    Args:
        seat: the borrower.
        standby: waits for it.

    Attributes:
        is_over: the main thread has the reactor, or will have as soon as it looks.
        is_wanted: the borrower is to give it back.
        failure: what went wrong in the reactor itself.
    """

    __slots__ = (
        "_in_request",
        "_next_alarm",
        "_next_sample",
        "_sample",
        "_standby",
        "failure",
        "is_over",
        "is_wanted",
        "seat",
    )

    def __init__(self, seat: Seat, standby: Standby) -> None:
        self.seat = seat
        self.is_over = False
        self.is_wanted = False
        self.failure: BaseException | None = None
        self._standby = standby
        self._in_request: list[float] = []
        """When the request began that the borrower runs, if it runs one."""
        self._next_alarm = 0.0
        self._next_sample = monotonic() + SAMPLE
        self._sample: Sample | None = None

    # For the borrower.

    def enter(self) -> None:
        """A request begins, in the course of which the reactor may be taken back."""
        now = monotonic()
        if now > self._next_alarm:
            # It rings after two: so it is put off once in LATE, not for each request.
            self._next_alarm = now + LATE
            self._standby.alarm.put_off()
            if now > self._next_sample:
                self._next_sample = now + SAMPLE
                self._sample = Sample()
        self._in_request.append(now)

    def leave(self) -> bool:
        """The request is over; False: the reactor was taken back meanwhile."""
        try:
            self._in_request.pop()
        except IndexError:
            return False
        if self._sample is not None:
            self._judge(self._sample)
        return True

    def forgo(self) -> None:
        """The request is going to wait for what the reactor has to do: it does without it from now on."""
        if self._take():
            self.give_back()

    def give_back(self) -> None:
        """The borrower is done with the reactor."""
        self.is_over = True
        self._standby.wake()

    # For the main thread.

    def revoke(self) -> bool:
        """Take the reactor out of the borrower's hands; False: it runs no request, so that must not be."""
        if self._take():
            self.is_over = True
        return self.is_over

    def is_late(self) -> bool:
        """Whether the borrower is in the midst of a request that waits for something, or has taken very long."""
        seconds = self._age()
        if LATE < seconds < TOO_LATE and self.seat.is_able():
            return False
        # Again: if it was this thread that it waited for, it has got on while the question was put.
        return self._age() > LATE

    # Inside.

    def _age(self) -> float:
        try:
            return monotonic() - self._in_request[0]
        except IndexError:
            return 0.0

    def _take(self) -> bool:
        try:
            self._in_request.pop()
        except IndexError:
            return False
        return True

    def _judge(self, sample: Sample) -> None:
        self._sample = None
        trust = self._standby.trust
        if sample.has_waited():
            now = monotonic()
            trust.shrink(now)
            if not trust.is_given(now):
                self.is_wanted = True
        else:
            trust.grow()


class Standby:
    """What the main thread does while the reactor is lent.

    Args:
        signals: a descriptor that is readable when there was a signal, which only the main thread can act on.

    Attributes:
        trust: whether to lend at all.
        alarm: the borrower puts it off as long as it gets on.

    Raises:
        OSError: the system doesn't have what this needs.
    """

    def __init__(self, signals: int) -> None:
        self.trust = Trust()
        self.alarm = Alarm(2 * LATE)
        self._signals = signals
        self._bell = Waker()
        self._poller = new_poller()
        self._poller.register(self._bell.fileno(), IN)
        self._poller.register(self.alarm.fileno(), IN)
        self._poller.register(signals, 0)

    def wake(self) -> None:
        """Have the main thread look."""
        self._bell.ring()

    def wait(self, lease: Lease, call: Callable[[], None]) -> bool:
        """Return when the main thread has the reactor again.

        Args:
            lease: whose end is awaited.
            call: makes a borrower who sleeps in the poller look whether the reactor is wanted.

        Returns:
            whether it was because of a request that was late.
        """
        self._poller.modify(self._signals, IN)
        self.alarm.put_off()
        while not lease.is_over:
            reported = self._sleep(None)
            if self._signals in reported:
                self._poller.modify(self._signals, 0)  # it stays readable until the reactor has seen to it
                self._claim(lease, call)
            elif self.alarm.fileno() in reported:
                if lease.is_late() and lease.revoke():
                    self.trust.shrink(monotonic())
                    return True
                # Whether or not there is a request: the borrower relies on it to ring within two of LATE.
                self.alarm.put_off()
        return False

    def have_back(self, lease: Lease, call: Callable[[], None]) -> None:
        """Make an end of it, however it is."""
        while not lease.is_over:
            self._claim(lease, call)
            self._sleep(LATE)
        self._poller.modify(self._signals, 0)

    def close(self) -> None:
        """Give the descriptors back."""
        self._poller.close()
        self._bell.close()
        self.alarm.close()

    def _claim(self, lease: Lease, call: Callable[[], None]) -> None:
        lease.is_wanted = True
        call()
        lease.revoke()

    def _sleep(self, seconds: float | None) -> list[int]:
        """Until a descriptor is readable; tell which are."""
        reported = [fd for fd, _ in self._poller.poll(seconds)]
        if self._bell.fileno() in reported:
            self._bell.clear()
        if self.alarm.fileno() in reported:
            self.alarm.clear()
        return reported
