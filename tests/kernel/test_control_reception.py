"""The master's end of the control socket, with real clients, good and bad, and a clock that a test turns."""

from __future__ import annotations

import errno
import json
import selectors
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from workerhub.kernel.control import reception as module
from workerhub.kernel.control.listener import take_place
from workerhub.kernel.control.peers import Peer
from workerhub.kernel.control.reception import ASK_PATIENCE, MAX_CLIENTS, READ_PATIENCE, REST, Reception
from workerhub.kernel.control.wire import Outcome, Step
from workerhub.kernel.protocol import DiffRequested, Happening, StacksRequested, StatusRequested
from workerhub.supervisor.events import ReloadRequested, ScaleRequested, StopRequested, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STATUS = b'{"workerhub": 1, "verb": "status"}\n'
DONE = Outcome(ok=True, message="done")


class Hall:
    """A reception, its selector, its clock, and whoever comes."""

    def __init__(self, path: Path) -> None:
        self.now = 100.0
        self.listener = take_place(path)
        self.selector = selectors.DefaultSelector()
        self.reception = Reception(self.listener, self.selector, lambda: self.now)
        self.guests: list[socket.socket] = []

    def enter(self, *, receive_buffer: int = 0) -> socket.socket:
        guest = socket.socket(socket.AF_UNIX)
        if receive_buffer:
            guest.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        guest.settimeout(10)
        guest.connect(str(self.listener.path))
        self.guests.append(guest)
        self.turn()
        return guest

    def ask(self, line: bytes = STATUS) -> tuple[socket.socket, Any]:
        """A guest who has asked; what was heard."""
        guest = self.enter()
        guest.sendall(line)
        (heard,) = self.turn()
        return guest, heard

    def turn(self) -> list[Happening]:
        """Everything that is there now."""
        heard: list[Happening] = []
        for _ in range(100):
            ready = self.selector.select(0)
            if not ready:
                return heard
            for key, mask in ready:
                heard += key.data(mask)
        raise AssertionError("the selector never comes to rest: a master would spin")

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.reception.sweep()

    def close(self) -> None:
        self.reception.close()
        self.listener.close()
        self.selector.close()
        for guest in self.guests:
            guest.close()


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    hall = Hall(tmp_path / "control")
    yield hall
    hall.close()


def replies(guest: socket.socket) -> list[Any]:
    """All that a guest is told until the connection ends."""
    data = b""
    try:
        while more := guest.recv(1 << 16):
            data += more
    except ConnectionResetError:  # it was closed with something of ours unread
        pass
    return [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"workerhub": 1, "verb": "status"}\n', lambda at, _, ticket: StatusRequested(at, ticket)),
        (b'{"workerhub": 1, "verb": "stacks"}\n', lambda at, _, ticket: StacksRequested(at, ticket)),
        (b'{"workerhub": 1, "verb": "diff"}\n', lambda at, _, ticket: DiffRequested(at, ticket)),
        (b'{"workerhub": 1, "verb": "reload"}\n', ReloadRequested),
        (b'{"workerhub": 1, "verb": "stop", "fast": true}\n', lambda at, who, n: StopRequested(at, True, who, n)),
        (
            b'{"workerhub": 1, "verb": "scale", "size": 3, "pool": "web"}\n',
            lambda at, who, ticket: ScaleRequested(at, 0, who, "web", ticket, 3),
        ),
        (
            b'{"workerhub": 1, "verb": "scale", "change": -1}\n',
            lambda at, who, ticket: ScaleRequested(at, -1, who, "", ticket, None),
        ),
    ],
)
def test_each_verb_is_heard(hall: Hall, line: bytes, expected: Callable[[float, str, Ticket], Happening]) -> None:
    _, heard = hall.ask(line)
    origin = getattr(heard, "origin", "")
    assert heard == expected(100.0, origin, heard.ticket)
    assert origin == "" or origin.startswith("control socket, pid ")


def test_a_request_may_come_byte_by_byte(hall: Hall) -> None:
    guest, heard = hall.enter(), []
    for at in range(len(STATUS)):
        guest.sendall(STATUS[at : at + 1])
        heard += hall.turn()
    assert [type(it) for it in heard] == [StatusRequested]


def test_steps_and_outcome_go_to_who_asked_and_then_the_line_is_closed(hall: Hall) -> None:
    (one, first), (two, second) = hall.ask(), hall.ask()
    assert first.ticket != second.ticket
    hall.reception.tell(first.ticket, Step("half-way", {"n": 1}))
    hall.reception.answer(second.ticket, DONE)
    hall.reception.answer(first.ticket, Outcome(ok=False, message="no", detail="why"))
    assert [reply["message"] for reply in replies(one)] == ["half-way", "no"]
    assert [reply["message"] for reply in replies(two)] == ["done"]
    assert len(hall.selector.get_map()) == 1, "only the listener is left"


def test_who_is_gone_is_ignored_and_takes_no_place(hall: Hall) -> None:
    guest, heard = hall.ask(b'{"workerhub": 1, "verb": "reload"}\n')
    guest.close()
    hall.turn()
    assert len(hall.selector.get_map()) == 1
    hall.reception.tell(heard.ticket, Step("too late"))
    hall.reception.answer(heard.ticket, DONE)


def test_who_has_closed_its_sending_side_is_told_all_the_same(hall: Hall) -> None:
    guest, heard = hall.ask()
    guest.shutdown(socket.SHUT_WR)
    hall.turn()
    hall.reception.answer(heard.ticket, DONE)
    assert [reply["message"] for reply in replies(guest)] == ["done"]


def test_who_talks_on_is_not_listened_to(hall: Hall) -> None:
    guest, heard = hall.ask()
    guest.sendall(STATUS * 1000)
    assert hall.turn() == []
    hall.reception.answer(heard.ticket, DONE)
    assert [reply["message"] for reply in replies(guest)] == ["done"]


@pytest.mark.parametrize("line", [b"nonsense\n", b"x" * 5000, b'{"workerhub": 1, "verb": "stop", "now": true}\n'])
def test_nonsense_is_answered_and_nothing_is_heard(hall: Hall, line: bytes) -> None:
    guest = hall.enter()
    guest.sendall(line)
    assert hall.turn() == []
    ((refusal),) = replies(guest)
    assert refusal["ok"] is False
    assert refusal["message"]


def test_ten_megabytes_are_not_read(hall: Hall) -> None:
    guest = hall.enter()
    guest.setblocking(False)
    sent = 0
    with suppress(BrokenPipeError, ConnectionResetError):
        while sent < 10 << 20:
            with suppress(BlockingIOError):
                sent += guest.send(b"x" * (64 << 10))
            hall.turn()
    assert sent < 1 << 20


def test_who_does_not_ask_is_sent_away(hall: Hall) -> None:
    guest = hall.enter()
    guest.sendall(STATUS[:5])
    hall.turn()
    assert hall.reception.deadline == 100 + ASK_PATIENCE
    hall.pass_time(ASK_PATIENCE - 1)
    guest.sendall(STATUS[5:6])
    hall.turn()
    assert hall.reception.deadline == 100 + ASK_PATIENCE, "a byte now and then doesn't help"
    hall.pass_time(1)
    assert ["nothing was asked" in reply["message"] for reply in replies(guest)] == [True]


def test_who_waits_for_an_outcome_may_wait_for_ever(hall: Hall) -> None:
    guest, heard = hall.ask()
    assert hall.reception.deadline == float("inf")
    hall.pass_time(1e6)
    hall.reception.answer(heard.ticket, DONE)
    assert len(replies(guest)) == 1


def test_who_does_not_read_is_sent_away_and_what_is_held_for_it_is_freed(hall: Hall) -> None:
    _, heard = hall.ask()
    hall.reception.answer(heard.ticket, Outcome(ok=True, message="", detail="x" * 4_000_000))
    hall.turn()
    assert hall.reception.deadline == 100 + READ_PATIENCE
    hall.pass_time(READ_PATIENCE)
    assert len(hall.selector.get_map()) == 1


def test_a_long_reply_arrives_whole_at_who_reads_slowly(hall: Hall) -> None:
    guest, heard = hall.ask()
    hall.reception.answer(heard.ticket, Outcome(ok=True, message="", detail="x" * 1_000_000))
    data = b""
    while not data.endswith(b"\n"):
        hall.turn()
        piece = guest.recv(50_000)
        assert piece, "it was sent away"
        data += piece
        hall.pass_time(READ_PATIENCE / 5)
    assert hall.now > 100 + READ_PATIENCE
    assert len(json.loads(data)["detail"]) == 1_000_000


def test_too_much_held_is_at_the_cost_of_whom_it_is_held_for(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD", 1_000_000)
    (_, deaf), (guest, heard) = hall.ask(), hall.ask()
    hall.reception.tell(deaf.ticket, Step("x" * 1_100_000))
    hall.reception.tell(deaf.ticket, Step("x" * 500_000))
    hall.reception.answer(heard.ticket, DONE)
    assert [reply["message"] for reply in replies(guest)] == ["done"]
    assert len(hall.selector.get_map()) == 1


def test_of_too_many_the_first_that_has_not_asked_makes_room(hall: Hall) -> None:
    waiting, heard = hall.ask()
    idle = [hall.enter() for _ in range(MAX_CLIENTS - 1)]
    guest, _ = hall.ask()
    assert replies(idle[0]) == []
    hall.reception.answer(heard.ticket, DONE)
    assert len(replies(waiting)) == 1
    assert guest.fileno() > 0
    assert len(hall.selector.get_map()) == MAX_CLIENTS


def test_who_comes_when_all_are_waiting_for_an_outcome_is_told_so(hall: Hall) -> None:
    for _ in range(MAX_CLIENTS):
        hall.ask()
    guest = hall.enter()
    ((refusal),) = replies(guest)
    assert "32 others are waiting for an outcome" in refusal["message"]


def test_another_user_may_ask_nothing(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "peer_of", lambda _sock: Peer(4711, 12345))
    guest = hall.enter()
    ((refusal),) = replies(guest)
    assert refusal == {
        "workerhub": 1, "ok": False, "message": "user 12345 may not ask anything here", "detail": "", "fields": {},
    }  # fmt: skip


def test_where_the_system_does_not_tell_the_modes_have_to_be_enough(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "peer_of", lambda _sock: Peer(None, None))
    _, heard = hall.ask(b'{"workerhub": 1, "verb": "reload"}\n')
    assert heard.origin == "control socket"


def test_a_system_that_will_not_accept_is_given_a_rest(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def accept(self) -> None:
            raise OSError(errno.EMFILE, "too many open files")

        def fileno(self) -> int:
            return real.fileno()

    real = hall.listener.socket
    monkeypatch.setattr(hall.reception, "_listener", replace(hall.listener, socket=Refusing()))  # type: ignore[arg-type]
    guest = hall.enter()  # which would never come to rest, were the listener watched on
    monkeypatch.undo()
    assert hall.reception.deadline == 100 + REST
    hall.pass_time(REST)
    guest.sendall(STATUS)
    assert [type(it) for it in hall.turn()] == [StatusRequested]


def test_last_words_arrive_before_the_master_leaves(hall: Hall) -> None:
    guest, heard = hall.ask(b'{"workerhub": 1, "verb": "stop"}\n')
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(replies, guest)
        hall.reception.answer(heard.ticket, Outcome(ok=True, message="stopped", detail="x" * 1_000_000))
        hall.reception.close()
        assert [reply["message"] for reply in told.result()] == ["stopped"]


def test_a_child_closes_its_copies_and_nothing_more(hall: Hall) -> None:
    guest, _ = hall.ask()
    hall.reception.close_in_child()
    assert hall.listener.path.exists()
    assert len(hall.selector.get_map()) == 2, "the selector is the master's"
    assert replies(guest) == []
