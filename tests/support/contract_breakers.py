"""For each clause of the worker contract a class that breaks it: the one that `docs/how-to/write-a-worker.md` builds, with one thing changed.

A breaker gets that page's module, made anew, and changes something in it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import count
from typing import Any

from support.page_code import module
from support.server import ROOT

from workerhub.worker import RequestTimeout, WorkerType

PAGE = ROOT / "docs" / "how-to" / "write-a-worker.md"


@dataclass(frozen=True, slots=True)
class Breaker:
    """One change.

    Attributes:
        clause: the identifier of the clause that it breaks.
        evidence: what the kit says to that, as a regular expression.
        is_silent: whether the kit has to wait in vain to find out.
        change: makes it.
    """

    clause: str
    evidence: str
    is_silent: bool
    change: Callable[[Any], None]

    def make(self) -> WorkerType:
        """The class."""
        page = module(PAGE, "thread_per_connection.py")
        self.change(page)
        cls: WorkerType = page.__dict__["ThreadPerConnection"]
        return cls


BREAKERS: list[Breaker] = []


def breaks(
    clause: str, evidence: str, *, is_silent: bool = False
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Add a change to `BREAKERS`."""

    def add(change: Callable[[Any], None]) -> Callable[[Any], None]:
        BREAKERS.append(Breaker(clause, evidence, is_silent, change))
        return change

    return add


def before(cls: Any, method: str, first: Callable[..., object]) -> None:
    """Have something done before a method of a class, with the same arguments."""
    original = getattr(cls, method)

    def both(*arguments: Any, **named: Any) -> Any:
        first(*arguments, **named)
        return original(*arguments, **named)

    setattr(cls, method, both)


def after(cls: Any, method: str, last: Callable[..., object]) -> None:
    """Have something done after a method of a class, with the same arguments."""
    original = getattr(cls, method)

    def both(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        last(*arguments, **named)
        return result

    setattr(cls, method, both)


def nothing(*_arguments: Any, **_named: Any) -> None:
    """Nothing is done."""


# Declaring


@breaks("has-no-defects", "close is not a method")
def not_a_method(page: Any) -> None:
    page.ThreadPerConnection.close = "later"


@breaks("is-available", "it says: not today")
def unavailable(page: Any) -> None:
    page.ThreadPerConnection.unavailable = classmethod(lambda _cls: "not today")


@breaks("judging-leaves-no-trace", "directory: .* before, / after")
def capacity_goes_elsewhere(page: Any) -> None:
    home = os.getpid()

    def go(_options: Any) -> None:
        if os.getpid() != home:
            os.chdir("/")

    before(page.ThreadPerConnection, "capacity", go)


@breaks("capacity-depends-on-options-alone", "its answers: expected")
def capacity_grows(page: Any) -> None:
    answers = count(5)
    page.ThreadPerConnection.capacity = classmethod(lambda _cls, _options: next(answers))


# Life


@breaks("making-one-does-nothing-yet", "sockets: 1 before, 3 after")
def opens_sockets_at_once(page: Any) -> None:
    def open_early(worker: Any, *_arguments: Any) -> None:
        worker.early = socket.socketpair()

    after(page.ThreadPerConnection, "__init__", open_early)


@breaks("prepare-serves-nothing", "accept queue: expected 1, got 0")
def accepts_while_it_prepares(page: Any) -> None:
    def accept(worker: Any) -> None:
        (listener,) = worker.context.listeners
        select.select([listener], [], [])
        worker.early = listener.accept()

    after(page.ThreadPerConnection, "prepare", accept)


@breaks("prepare-is-for-the-process", "was gone|ended without an answer|reset")
def keeps_what_it_has_prepared(page: Any) -> None:
    after(page.ThreadPerConnection, "prepare", lambda worker: setattr(worker, "is_prepared", True))
    before(page.ThreadPerConnection, "serve", lambda worker, _app: worker.is_prepared)


@breaks("close-works-whatever-happened-before", r"close\(\) raised")
def closes_what_may_not_be_there(page: Any) -> None:
    page.ThreadPerConnection.close = lambda worker: worker.bell.close()


def has_had_enough(page: Any) -> None:
    def serve_two(worker: Any, app: Any) -> None:
        worker.free = [0, 1]
        worker.runners = [page.Runner(worker.context.request(app, index)) for index in worker.free]
        accepted = 0
        while accepted < 2:
            for listener in worker.wait(worker.context.listeners):
                accepted += worker.accept(listener)
        worker.drain()

    page.ThreadPerConnection.serve = serve_two


for counted in ("serves-until-it-is-told", "limits-of-its-life-are-not-its-concern"):
    breaks(counted, "ended without an answer|was gone|refused|reset")(has_had_enough)


@breaks("leaves-when-it-is-told", r"exited with 7 before serve\(\) had returned")
def exits_by_itself(page: Any) -> None:
    after(page.ThreadPerConnection, "serve", lambda _worker, _app: os._exit(7))


@breaks("may-be-told-before-it-serves", "in vain|timed out", is_silent=True)
def forgets_what_it_was_told(page: Any) -> None:
    def wait_first(worker: Any, _app: Any) -> None:
        worker.context.stopping.clear()
        select.select([worker.context.stopping], [], [])

    before(page.ThreadPerConnection, "serve", wait_first)


@breaks("hears-while-it-sleeps", "in vain for the worker to hear the interrupt", is_silent=True)
def is_deaf(page: Any) -> None:
    def wait(worker: Any, listeners: Any = (), seconds: Any = None) -> Any:
        return select.select([worker.bell, *listeners], [], [], seconds)[0]

    page.ThreadPerConnection.wait = wait


@breaks("signals-are-left-alone", "SIGTERM")
def handles_signals(page: Any) -> None:
    before(
        page.ThreadPerConnection,
        "serve",
        lambda _worker, _app: signal.signal(signal.SIGTERM, signal.default_int_handler),
    )


@breaks("process-is-left-as-it-is", "umask: .* before, 0077 after")
def changes_the_umask(page: Any) -> None:
    before(page.ThreadPerConnection, "serve", lambda _worker, _app: os.umask(0o077))


@breaks("close-gives-everything-back", "in vain for the worker to give back", is_silent=True)
def closes_nothing(page: Any) -> None:
    page.ThreadPerConnection.close = nothing


@breaks("listeners-listen-on", "ConnectionRefusedError")
def shuts_listeners_down(page: Any) -> None:
    def shut_down(worker: Any) -> None:
        for listener in worker.context.listeners:
            listener.shutdown(socket.SHUT_RDWR)

    before(page.ThreadPerConnection, "close", shut_down)


# Serving


@breaks("answers", "ended without an answer")
def says_nothing(page: Any) -> None:
    page.Conversation.answer = nothing


@breaks("environ-tells-both-ends", "192.0.2.1")
def makes_the_peer_up(page: Any) -> None:
    def connect(worker: Any, listener: Any) -> bool:
        sock, _ = listener.accept()
        index = worker.free.pop()
        http = worker.context.connection(listener, ("192.0.2.1", 80))
        worker.conversations[index] = page.Conversation(worker.context, worker.runners[index], sock, http)
        page.Thread(target=worker.hold, args=(index,), daemon=True).start()
        return True

    page.ThreadPerConnection.accept = connect


def hides_errors(page: Any) -> None:
    def hide(_client: Any, data: Any) -> None:
        if bytes(data).startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")):
            raise page.ClientDisconnected

    before(page.Client, "write", hide)


for hidden in ("failures-are-answered-500", "nonsense-is-refused"):
    breaks(hidden, "ended without an answer")(hides_errors)


@breaks("answers-that-break-off-look-like-it", "the answer to HTTP/1.0 looks complete")
def takes_what_it_gets_for_whole(page: Any) -> None:
    page.Client.cut = page.Client.part


@breaks("connections-are-kept", "Connection: close")
def never_keeps(page: Any) -> None:
    def run(runner: Any, request: Any, output: Any, *, last: bool) -> Any:
        return runner.slot.run(request, output, last=True)

    page.Runner.run = run


def waits_for_the_client_to_close(page: Any) -> None:
    def wait(client: Any) -> None:
        while client.read(None):
            pass

    page.Client.part = wait


for kept in ("connection-close-is-kept", "keep-alive-can-be-switched-off"):
    breaks(kept, "timed out", is_silent=True)(waits_for_the_client_to_close)


@breaks("http-1-0-is-served", "ended without an answer")
def is_modern(page: Any) -> None:
    def refuse(_conversation: Any, request: Any) -> None:
        if request.http_version == (1, 0):
            raise page.ClientDisconnected

    before(page.Conversation, "answer", refuse)


@breaks("pipelined-requests-are-answered-in-order", "ended without an answer")
def has_no_patience_with_pipelines(page: Any) -> None:
    answer = page.Conversation.answer
    page.Conversation.answer = lambda conversation, request: (
        answer(conversation, request) and conversation.http.phase is page.Phase.IDLE
    )


@breaks("head-has-no-body", "ValueError|ended within")
def takes_head_for_get(page: Any) -> None:
    before(page.Conversation, "answer", lambda _conversation, request: setattr(request, "method", "GET"))


@breaks("bytes-may-come-one-by-one", r"expected \(200, .*got \(400|Connection|Broken pipe")
def wants_all_at_once(page: Any) -> None:
    read = page.Client.read

    def listen(conversation: Any) -> Any:
        conversation.http.receive(read(conversation.client, None))
        if conversation.http.phase is page.Phase.HEAD:
            conversation.http.refuse(400)
        return listen_on(conversation)

    listen_on, page.Conversation.listen = page.Conversation.listen, listen


def reads_only_five_bytes(page: Any) -> None:
    def cut(_conversation: Any, request: Any) -> None:
        request.environ["wsgi.input"] = BytesIO(request.environ["wsgi.input"].read(5))

    before(page.Conversation, "answer", cut)


for cut_short in ("chunked-bodies-are-read", "large-bodies-arrive-whole"):
    breaks(cut_short, r"expected \(200, '[0-9a-f]+'\), got \(200, ")(reads_only_five_bytes)


@breaks("expectations-are-met", "timed out", is_silent=True)
def keeps_clients_waiting(page: Any) -> None:
    write = page.Client.write
    page.Client.write = lambda client, data: bytes(data).startswith(b"HTTP/1.1 100") or write(client, data)


@breaks("large-answers-arrive-whole", "timed out", is_silent=True)
def sends_once(page: Any) -> None:
    page.Client.write = lambda client, data: client.sock.send(data) if data else None


@breaks("files-arrive-whole", "another one")
def sends_files_from_their_beginning(page: Any) -> None:
    page.Client.sendfile = lambda client, file, _offset, size: client.sock.sendfile(file, 0, size)


@breaks("blocks-are-sent-as-they-are-made", "timed out", is_silent=True)
def keeps_blocks_back(page: Any) -> None:
    write, answer = page.Client.write, page.Conversation.answer

    def send_all(conversation: Any, request: Any) -> Any:
        held: list[bytes] = []
        conversation.client.write = held.append
        outcome = answer(conversation, request)
        del conversation.client.write
        write(conversation.client, b"".join(held))
        return outcome

    page.Conversation.answer = send_all


@breaks("half-closed-clients-are-answered", "ended without an answer")
def takes_a_closed_half_for_the_whole(page: Any) -> None:
    def look(conversation: Any, _request: Any) -> None:
        conversation.client.sock.settimeout(1)
        if not conversation.client.sock.recv(1, socket.MSG_PEEK):
            raise page.ClientDisconnected

    before(page.Conversation, "answer", look)


@breaks("all-listeners-are-served", "timed out", is_silent=True)
def serves_one_listener(page: Any) -> None:
    wait = page.ThreadPerConnection.wait
    page.ThreadPerConnection.wait = lambda worker, listeners=(), seconds=None: wait(worker, listeners[:1], seconds)


@breaks("unix-sockets-are-served", "ended without|was gone|reset")
def expects_a_host_and_a_port(page: Any) -> None:
    def accept(worker: Any, listener: Any) -> None:
        _, (_host, _port) = listener.accept()

    page.ThreadPerConnection.accept = accept


# Books


class Nowhere:
    """A run record that isn't on the board."""

    thread = 0
    begin = end = nothing


def change_slots(page: Any, change: Callable[[Any], None]) -> None:
    """Have something done to each request slot."""
    after(page.Runner, "__init__", lambda _runner, slot: change(slot))


@breaks("is-on-the-board-while-it-runs", "requests on the board: expected 1, got 0")
def runs_off_the_books(page: Any) -> None:
    change_slots(page, lambda slot: setattr(slot, "_record", Nowhere()))


@breaks("is-off-the-board-when-it-is-answered", "in vain for the worker to take the request off", is_silent=True)
def holds_on(page: Any) -> None:
    def wait(runner: Any, request: Any, output: Any, *, last: bool) -> Any:
        return runner.slot.run(request, output, last=last, settle=lambda: select.select([output.sock], [], []))

    page.Runner.run = wait


@breaks("is-counted-and-logged-once", "access log's new lines: .*got .*'/one', '/one'")
def logs_twice(page: Any) -> None:
    def twice(slot: Any) -> None:
        access = slot._access
        slot._access = lambda *facts: (access(*facts), access(*facts))

    change_slots(page, twice)


@breaks("refusals-are-logged", "in vain for the worker to log each refusal", is_silent=True)
def refuses_on_its_own(page: Any) -> None:
    before(page.Conversation, "listen", lambda conversation: setattr(conversation.http, "_access", None))


# Capacity


@breaks("requests-run-side-by-side", "in vain for the worker to run a second request", is_silent=True)
def runs_one_at_a_time(page: Any) -> None:
    turn = threading.Lock()
    run = page.Runner.run

    def in_turn(runner: Any, request: Any, output: Any, *, last: bool) -> Any:
        with turn:
            return run(runner, request, output, last=last)

    page.Runner.run = in_turn


@breaks("capacity-is-not-exceeded", "was run in the slot")
def runs_all_in_one_slot(page: Any) -> None:
    def share(worker: Any, _listener: Any) -> None:
        worker.runners = [worker.runners[0]] * worker.context.capacity

    before(page.ThreadPerConnection, "accept", share)


@breaks("busy-workers-accept-nothing", "it has accepted")
def accepts_what_it_cannot_run(page: Any) -> None:
    def wait(worker: Any, _listeners: Any = (), seconds: Any = None) -> Any:
        ready = sleep(worker, worker.context.listeners, seconds)
        if not worker.free:
            worker.waiting_room = [*getattr(worker, "waiting_room", ()), *(listener.accept() for listener in ready)]
        return ready

    sleep, page.ThreadPerConnection.wait = page.ThreadPerConnection.wait, wait


# Clients


def does_all_in_one_thread(page: Any) -> None:
    class Inline(threading.Thread):
        start = threading.Thread.run

    page.Thread = Inline


for delayed in ("slow-heads-delay-nobody", "slow-bodies-delay-nobody", "slow-readers-delay-nobody"):
    breaks(delayed, "timed out", is_silent=True)(does_all_in_one_thread)


def runs_out_of_patience_silently(page: Any) -> None:
    def read(client: Any, seconds: float) -> Any:
        try:
            return read_on(client, seconds)
        except TimeoutError:
            raise page.ClientDisconnected from None

    read_on, page.Client.read = page.Client.read, read


for unsaid in ("heads-that-stop-are-answered-408", "bodies-that-stop-are-answered-408"):
    breaks(unsaid, "ended without an answer")(runs_out_of_patience_silently)


def answers_who_said_nothing(page: Any) -> None:
    def read(client: Any, seconds: float) -> Any:
        try:
            return read_on(client, seconds)
        except TimeoutError:
            client.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            raise

    read_on, page.Client.read = page.Client.read, read


for said in ("silent-connections-are-closed", "idle-connections-are-closed"):
    breaks(said, "something was said")(answers_who_said_nothing)


@breaks("readers-that-stop-are-cut", "in vain for the worker to close the iterable", is_silent=True)
def waits_for_readers(page: Any) -> None:
    after(page.Client, "__init__", lambda client, *_: setattr(client, "write_timeout", None))


@breaks("patience-begins-anew-with-each-byte", "an answer came before the request was complete")
def gives_a_request_so_much_time(page: Any) -> None:
    def read(client: Any, seconds: float) -> Any:
        client.until = getattr(client, "until", time.monotonic() + seconds)
        return read_on(client, max(0.001, client.until - time.monotonic()))

    read_on, page.Client.read = page.Client.read, read


@breaks("limits-are-kept", r"expected \(414, True\), got \(200")
def has_limits_of_its_own(page: Any) -> None:
    def widen(worker: Any, context: Any, _options: Any) -> None:
        own = replace(context.settings.http, max_body=None, max_request_line=1 << 20, max_header_bytes=1 << 20)
        context.settings = replace(context.settings, http=own)

    after(page.ThreadPerConnection, "__init__", widen)


def closes_at_once(page: Any) -> None:
    page.Client.part = lambda client: client.sock.close()


breaks("refusals-reach-who-is-still-sending", "reset|Broken pipe|ended")(closes_at_once)
breaks("last-answers-reach-who-has-sent-more", "reset|Broken pipe|ended")(closes_at_once)


@breaks("who-leaves-ends-its-answer", "in vain for the worker to close the iterable", is_silent=True)
def talks_on(page: Any) -> None:
    def write(client: Any, data: Any) -> None:
        with suppress(OSError):
            client.sock.sendall(data)

    page.Client.write = write


@breaks("who-leaves-early-harms-nobody", "was gone|ended|reset|refused")
def lets_clients_end_the_worker(page: Any) -> None:
    does_all_in_one_thread(page)

    def read(client: Any, seconds: float) -> Any:
        try:
            return read_on(client, seconds)
        except ConnectionResetError as error:
            raise RuntimeError("a client has left") from error

    read_on, page.Client.read = page.Client.read, read


# Leaving


def leaves_at_once(page: Any) -> None:
    page.ThreadPerConnection.drain = nothing


breaks("running-requests-are-finished", "ended without an answer")(leaves_at_once)
breaks("what-runs-is-waited-for", "has returned")(leaves_at_once)


@breaks("idle-connections-may-speak-once-more", "ended without an answer|Broken pipe|reset")
def does_not_linger(page: Any) -> None:
    page.LINGER = 0.0


@breaks("idle-connections-hold-nobody-up", "timed out", is_silent=True)
def waits_for_idlers(page: Any) -> None:
    page.Conversation.end_idling = nothing


@breaks("arriving-requests-are-served", r"expected \(200, True\), got \(400, True\)|ended|pipe|reset")
def hears_nobody_out(page: Any) -> None:
    does_not_linger(page)
    page.Conversation.end_idling = lambda conversation: conversation.client.sock.shutdown(socket.SHUT_RD)


@breaks("answers-are-read-to-the-end", "ended within an answer")
def hangs_up(page: Any) -> None:
    does_not_linger(page)
    page.Conversation.end_idling = lambda conversation: conversation.client.sock.shutdown(socket.SHUT_RDWR)


@breaks("new-connections-are-left-to-siblings", "accept queue: expected 1, got 0")
def goes_on_accepting(page: Any) -> None:
    def drain(worker: Any) -> None:
        while worker.conversations:
            for listener in worker.wait(worker.context.listeners):
                worker.accept(listener)

    page.ThreadPerConnection.drain = drain


@breaks("accept-queue-is-emptied-when-the-server-stops", "ended without an answer|reset")
def leaves_the_queue(page: Any) -> None:
    page.ThreadPerConnection.empty_queues = nothing


# Interrupting


def only_says_that_it_ends_it(page: Any) -> None:
    page.ThreadPerConnection.interrupt = lambda _worker, _index: True


breaks("a-request-that-computes-is-ended", "timed out", is_silent=True)(only_says_that_it_ends_it)
breaks("an-answer-that-has-begun-is-cut", "timed out", is_silent=True)(only_says_that_it_ends_it)
breaks("a-request-that-sleeps-is-ended", "expected '504', got '200'")(only_says_that_it_ends_it)
breaks("an-interrupt-that-comes-late-is-refused", "expected 'False', got 'True'")(only_says_that_it_ends_it)


@breaks("others-are-unharmed", r"expected \(200, .*got \(504")
def ends_all_of_them(page: Any) -> None:
    page.ThreadPerConnection.interrupt = lambda worker, _index: sum(runner.interrupt() for runner in worker.runners) > 0


@breaks("interrupts-may-come-at-any-moment", "was gone|refused|ended|reset")
def raises_in_the_main_thread(page: Any) -> None:
    def interrupt(_worker: Any, _index: int) -> bool:
        raise RequestTimeout

    page.ThreadPerConnection.interrupt = interrupt


@breaks("the-stack-is-the-requests", "doesn't lead to the application")
def tells_its_own_stack(page: Any) -> None:
    page.ThreadPerConnection.stack = lambda _worker, _index: sys._getframe()


@breaks("tasks-are-what-else-waits", "a request is among them")
def takes_every_thread_for_a_task(page: Any) -> None:
    page.ThreadPerConnection.tasks = lambda _worker: [("thread", frame) for frame in sys._current_frames().values()]
