"""A class that doesn't keep the contract is refused with every defect, not the first."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ConfigDict

from workerhub.worker import CONTRACT_VERSION, Worker, WorkerOptions, available, capacity_defects, defects


class Good(Worker[WorkerOptions]):
    @classmethod
    def capacity(cls, options: WorkerOptions) -> int:
        return 1

    def serve(self, app: Any) -> None: ...

    def interrupt(self, index: int) -> bool:
        return False


def variant(**members: Any) -> type:
    """`Good` with some members replaced."""
    return type("Variant", (Good,), members)


class LooseOptions(WorkerOptions):
    model_config = ConfigDict(extra="allow", frozen=False)


class GreedyOptions(WorkerOptions):
    processes: int = 1


class DemandingOptions(WorkerOptions):
    size: int


def test_a_good_class_has_no_defects() -> None:
    assert defects(Good) == ()


def test_the_classes_that_come_with_workerhub_have_no_defects() -> None:
    built_in = {listing.name: listing.defects for listing in available() if listing.origin.startswith("workerhub ")}
    assert "sync" in built_in
    assert built_in == dict.fromkeys(built_in, ())


@pytest.mark.parametrize("thing", [None, 3, "sync", lambda: None, Good.serve])
def test_not_even_a_class(thing: object) -> None:
    (defect,) = defects(thing)
    assert defect.startswith("expected a class, got ")


def test_a_stranger_gets_every_defect_at_once() -> None:
    class Stranger:
        Options = dict

        async def serve(self, app: Any) -> None: ...

        def capacity(self, options: Any) -> int:
            return 1

        def interrupt(self) -> bool:
            return False

        close = "not a method"

    assert defects(Stranger) == (
        "Stranger does not derive from workerhub.worker.Worker",
        "unavailable() is missing",
        "capacity(options) must be a classmethod: it is called before there is an instance",
        "__init__(context, options) is missing",
        "prepare() is missing",
        "serve(app) must be a plain function: calling this one runs nothing",
        "interrupt(self) -> 'bool' can't be called as interrupt(index): too many positional arguments",
        "stack(index) is missing",
        "tasks() is missing",
        "close is not a method",
        "Options must be a subclass of workerhub.worker.WorkerOptions, not <class 'dict'>",
    )


def test_abstract_methods_left_out_are_missing() -> None:
    class Empty(Worker[WorkerOptions]):
        pass

    assert defects(Empty) == ("capacity(options) is missing", "serve(app) is missing", "interrupt(index) is missing")


@pytest.mark.parametrize(
    ("members", "defect"),
    [
        ({"serve": lambda self: None}, "serve(self) can't be called as serve(app): too many positional arguments"),
        (
            {"serve": lambda self, app, port: None},
            "serve(self, app, port) can't be called as serve(app): missing a required argument: 'port'",
        ),
        ({"__init__": lambda self: None}, "__init__(self) can't be called as __init__(context, options)"),
        ({"capacity": classmethod(lambda cls: 1)}, "capacity() can't be called as capacity(options)"),
        ({"Options": LooseOptions}, "Options (LooseOptions) must forbid unknown keys (extra='forbid')"),
        ({"Options": LooseOptions}, "Options (LooseOptions) must be frozen"),
        (
            {"Options": GreedyOptions},
            "Options (GreedyOptions) may not have a field 'processes': the [worker] table's own",
        ),
        ({"Options": GreedyOptions()}, "Options must be a subclass of workerhub.worker.WorkerOptions"),
        ({"default_keepalive": 0}, "default_keepalive must be a number of seconds above 0, or None, not 0"),
        ({"default_keepalive": True}, "default_keepalive must be a number of seconds above 0, or None, not True"),
        ({"default_keepalive": "75s"}, "default_keepalive must be a number of seconds above 0, or None, not '75s'"),
        ({"contract_version": CONTRACT_VERSION + 1}, f"this workerhub speaks version {CONTRACT_VERSION}"),
        (
            {"capacity": classmethod(lambda cls, options: "1")},
            "capacity() must return a whole number of 1 or more, not '1'",
        ),
        (
            {"capacity": classmethod(lambda cls, options: 0)},
            "capacity() must return a whole number of 1 or more, not 0",
        ),
        (
            {"capacity": classmethod(lambda cls, options: options.threads)},
            "capacity() raised AttributeError for the default options",
        ),
        ({"unavailable": classmethod(lambda cls: False)}, "unavailable() must return None or a reason, not False"),
        ({"unavailable": classmethod(lambda cls: 1 / 0)}, "unavailable() raised ZeroDivisionError"),
    ],
)
def test_each_defect_has_its_sentence(members: dict[str, Any], defect: str) -> None:
    found = defects(variant(**members))
    assert [sentence for sentence in found if defect in sentence], found


@pytest.mark.parametrize(
    "members",
    [
        {"serve": lambda self, *args, **kwargs: None},
        {"capacity": staticmethod(lambda options: 4)},
        {"Options": DemandingOptions},
        {"default_keepalive": None},
        {"default_keepalive": 5},
        {"unavailable": classmethod(lambda cls: "pip install it")},
    ],
)
def test_what_only_looks_unusual_is_fine(members: dict[str, Any]) -> None:
    assert defects(variant(**members)) == ()


@pytest.mark.parametrize("capacity", [True, False, 0, -1, 1.0, "1", None])
def test_capacities_that_are_none(capacity: object) -> None:
    assert capacity_defects(capacity) == (f"capacity() must return a whole number of 1 or more, not {capacity!r}",)


def test_options_are_frozen_and_forbid_what_they_do_not_know() -> None:
    class Options(WorkerOptions):
        size: int = 1

    assert Options.model_validate({"size": 2}).size == 2
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        Options.model_validate({"sise": 2})
    with pytest.raises(ValueError, match="Instance is frozen"):
        Options().size = 3  # type: ignore[misc]  # which is what is refused


def test_defaults_of_the_contract() -> None:
    assert Good.Options is WorkerOptions
    assert Good.default_keepalive == 75.0
    assert Good.unavailable() is None


@pytest.mark.parametrize("name", ["unavailable", "capacity", "__init__", "prepare", "serve", "interrupt", "close"])
def test_every_method_says_when_where_and_what_raising_means(name: str) -> None:
    text = getattr(Worker, name).__doc__
    assert "Raising" in text
    assert "Called" in text
    assert "master" in text or "child" in text
