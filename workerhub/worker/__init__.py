"""The plug-in contract: what a worker class has to be, and all that it may know. Public, versioned.

A plug-in imports from here, from `workerhub.http` and from `workerhub.errors`; nothing else of workerhub is its concern.
`docs/reference/worker-contract.md` is the same in prose.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workerhub.errors import ClientDisconnected, RequestTimeout
from workerhub.worker.context import (
    AccessLog,
    Books,
    Log,
    RunRecord,
    ServeSettings,
    Stopping,
    WorkerContext,
    WSGIApplication,
)
from workerhub.worker.contract import CONTRACT_VERSION, Worker, WorkerType
from workerhub.worker.lazy import OptionValues, lazy_options
from workerhub.worker.slot import RequestSlot, Tally

if TYPE_CHECKING:
    from workerhub.worker.inspection import capacity_defects, defects
    from workerhub.worker.options import WorkerOptions
    from workerhub.worker.registry import (
        ENTRY_POINT_GROUP,
        Listing,
        UnknownWorkerError,
        WorkerClass,
        available,
        find,
    )

_LATER = {
    "WorkerOptions": "options",
    "capacity_defects": "inspection",
    "defects": "inspection",
    "ENTRY_POINT_GROUP": "registry",
    "Listing": "registry",
    "UnknownWorkerError": "registry",
    "WorkerClass": "registry",
    "available": "registry",
    "find": "registry",
}
"""Names whose module is imported when they are asked for (PEP 562): they need pydantic, which no worker and no master should pay for."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    "CONTRACT_VERSION",
    "ENTRY_POINT_GROUP",
    "AccessLog",
    "Books",
    "ClientDisconnected",
    "Listing",
    "Log",
    "OptionValues",
    "RequestSlot",
    "RequestTimeout",
    "RunRecord",
    "ServeSettings",
    "Stopping",
    "Tally",
    "UnknownWorkerError",
    "WSGIApplication",
    "Worker",
    "WorkerClass",
    "WorkerContext",
    "WorkerOptions",
    "WorkerType",
    "available",
    "capacity_defects",
    "defects",
    "find",
    "lazy_options",
]
