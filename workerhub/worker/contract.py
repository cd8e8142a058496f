"""The contract that every worker class keeps, the built-in ones and anybody's.

A worker class decides one thing: how the requests that reach one process are run, one after the other, in threads, in
greenlets. Everything else is the same for all of them and is done around them: forking, signals, readiness, deadlines,
recycling, draining, counting, logging, exit codes. So a worker class never counts requests or compares them with a
limit, never beats a heart, never watches its parent, never installs a signal handler and never exits the process.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from workerhub.worker.lazy import NO_OPTIONS, lazy_options

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from workerhub.worker.context import WorkerContext, WSGIApplication
    from workerhub.worker.options import WorkerOptions

CONTRACT_VERSION = 1
"""Rises when a class written for the version before could no longer be run as it is."""

OptionsT = TypeVar("OptionsT", bound="WorkerOptions")


class Worker(ABC, Generic[OptionsT]):
    """One worker process, from its first moment to its last, as its class sees it.

    The order of a life, all in the child unless said otherwise::

        unavailable()  capacity()       where the configuration is judged: in a process of its own, never the master
        __init__()                      right after the fork
        prepare()                       before the application is imported
        serve(app)                      after it was imported; the worker is reported ready
            stack(index)                at any moment during serve(), from a signal handler in the main thread
            interrupt(index)            likewise, right behind it
            tasks()                     likewise, and before it, too
        close()                         always, whatever happened before

    `prepare`, `serve`, `stack`, `interrupt`, `tasks` and `close` are called in the main thread.

    With `preload` a template process imports the application and forks the workers. `__init__` and `prepare` are called in the template;
    in each worker `__init__` is called once more, for an instance of its own, and then `serve`. So `prepare` changes the process, not
    the instance.
    """

    Options: ClassVar[type[WorkerOptions]] = lazy_options(NO_OPTIONS)
    """The model of this class's keys in the `[worker]` table.

    A plain class attribute, `Options = MyOptions`: the worker imports pydantic with the model, and is given an instance of it. Or by
    name, `Options = lazy_options("package.module:MyOptions")`: the model is imported only where a configuration is judged, so that no
    worker pays for pydantic; the worker is given the validated values as attributes, frozen, without the model's methods."""

    default_keepalive: ClassVar[float | None] = 75.0
    """`timeouts.keepalive` in seconds where the configuration doesn't say; None switches keep-alive off."""

    contract_version: ClassVar[int] = CONTRACT_VERSION
    """The version of the contract that the class was written for. Worth stating in a class that is distributed: a
    workerhub that speaks another version then refuses the class by name instead of failing in the middle."""

    speaks_tls: ClassVar[bool] = False
    """Whether the class wraps each connection with `context.tls()`. One that doesn't is refused where `tls.certificate` is set: it would
    speak plain HTTP where the configuration says otherwise."""

    honours: ClassVar[frozenset[str]] = frozenset()
    """Which of the settings of connections, that a class may do without, this one puts into force: `http.max_connections`, `http.proxy_protocol`,
    `queue.max_wait` (`ServeSettings` has them). A class is refused where one is set that it doesn't name here."""

    @classmethod
    def unavailable(cls) -> str | None:
        """Say why this class can't run here, or None.

        Called where the configuration is judged: by `check`, `workers` and the other verbs, at start and at each reload in a child of the
        master that ends then; for every installed class. May look (is a library installed? is this Linux?) and may not touch: no import that has effects, no thread, no descriptor, no write.

        Returns:
            None where it can run, else one line that ends with what to do:
            "gevent is not installed; pip install 'workerhub[gevent]'".

        Raising: counts as a defect of the class, which is refused.
        """
        return None

    @classmethod
    @abstractmethod
    def capacity(cls, options: OptionsT) -> int:
        """Tell how many requests one process can run at once: 1 or more.

        Called where the configuration is judged, as `unavailable` is and never in the master, with validated options, an instance of
        `Options`; a pure function of `options`.
        The process gets so many request slots on the shared board, numbered 0 .. capacity - 1. `serve` never runs more.

        Raising: the configuration is refused with the message.
        """

    def __init__(self, context: WorkerContext, options: OptionsT) -> None:
        """Keep what is given; do nothing else yet.

        Called in the child, right after it dropped its privileges, or after it was forked from a template, and in the template itself,
        where `context.slot` is `TEMPLATE_SLOT` and nothing is ever served. No thread, no monkey-patching, no import of the application's
        world: that is `prepare`'s.

        Args:
            context: all that this worker may know of the server.
            options: the validated `[worker]` table: an instance of `Options`, or its values where that is `lazy_options`.

        Raising: the worker exits with "setup failed" and the traceback; `close` is not called, as there is nobody to call.
        """
        self.context = context
        self.options = options

    def prepare(self) -> None:  # empty is a good default
        """Make the process ready for the application's import: the place for monkey-patching.

        Called once in the child, main thread, before the application or anything of it is imported; with `preload` in the template, and in
        none of its workers. May import and patch; may not start to serve or to accept, nor start threads or keep in the instance what
        `serve` will need. `timeouts.boot` is running.

        Raising: the worker exits with "setup failed" and the traceback; `close` is called first.
        """

    @abstractmethod
    def serve(self, app: WSGIApplication) -> None:
        """Serve until `context.stopping` is true, then drain, then return.

        Called once in the child, main thread; the worker has just been reported ready. Accepts from
        `context.listeners` (non-blocking sockets that siblings share: an accept may find nothing) only what it can
        run, so that a busy worker leaves connections to its siblings; reads through `context.connection`; runs each
        request through a slot that `context.request` made, which does the book-keeping.

        To be told of the stop without delay, put `context.stopping` into the poller. Draining is: (`stopping.server`:
        accept until the queue is empty, first;) accept no more; finish what runs; answer what arrives on a connection
        that is still open with `last=True`; close idle connections after a short linger. `timeouts.graceful` is not this
        method's concern: a worker that takes longer is ended from outside.

        May not: install signal handlers, fork, change directory or user, call `sys.exit` or `os._exit`.

        Raising, or returning without being asked to stop: the worker exits as "serve failed" with the traceback in the
        log, and is replaced under the crash budget. One connection's or request's trouble is therefore to be kept here.
        """

    @abstractmethod
    def interrupt(self, index: int) -> bool:
        """End the request that runs in slot `index`, and only that one, if this runtime can.

        Called in the child's main thread from within a signal handler, at most a few times per request, after its
        deadline; the log already says where it was stuck. So it may come between any two bytecodes of `serve`: it may
        set flags, wake a poller or a thread, or, where the request runs in the main thread itself, raise
        `RequestTimeout` right here. It may not block, log or wait for the request's end. It must leave a slot alone
        whose `RequestSlot.interruptible` is false.

        Returns:
            True if the request is being ended, False if it can't be or is already over. Either way the master looks
            again `timeouts.kill` later, and replaces the worker if the same request is still there.

        Raising anything but `RequestTimeout`: logged, and taken as False.
        """

    def stack(self, index: int) -> FrameType | None:  # noqa: ARG002  # the contract's signature
        """Tell where the request in slot `index` is, if that isn't the stack of the thread that runs it.

        For classes that run several requests in one thread, as greenlets or coroutines do: the innermost frame of one
        that waits. Called in the child's main thread from within a signal handler, right before `interrupt` and for
        `workerhub stacks`, and may do as little as `interrupt`.

        Returns:
            the frame; None for "that thread's own stack", which is what all other classes mean and the default.

        Raising: taken as None.
        """
        return None

    def tasks(self) -> Iterable[tuple[str, FrameType]]:
        """Tell what else waits in this process: neither a thread nor a request; greenlets or coroutines of whatever origin.

        For `workerhub stacks`, which shows threads and requests anyway. Called in the child's main thread from within a signal
        handler, at any moment after `__init__`, and may do as little as `interrupt`.

        Returns:
            for each a name, and its innermost frame.

        Raising: taken as none.
        """
        return ()

    def close(self) -> None:  # empty is a good default
        """Give back what the instance holds: descriptors, threads, temporary files.

        Called once in the child, last, also after `prepare` or `serve` raised; in a template only when its boot failed, as its workers may
        still use what `prepare` made. The listeners are not its to close.
        May not wait for requests.

        Raising: logged; the exit code stays what it was.
        """


WorkerType: TypeAlias = type[Worker[Any]]
"""A worker class, whatever its options."""
