"""Which arms an ablation trains: all methods, all but each, none, none plus each, and every two."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, cast

from regexp.core.component import is_static
from regexp.core.errors import UsageError
from regexp.experiment import Experiment
from regexp.regularizers.base import Regularizer


@dataclass(frozen=True)
class Arm:
    """One setting of an ablation: its name, the methods that are on, and the experiment."""

    name: str
    methods: frozenset[str]
    experiment: Experiment


def arms(experiment: Experiment, pairs: bool = False) -> list[Arm]:
    """Every arm once, `all` first and `none` last.

    Raises UsageError for an experiment without regularizers.
    """
    names = [method.name for method in experiment.regularizers]
    if not names:
        raise UsageError("there is nothing to ablate: the config names no regularizers")
    wanted = [("all", set(names))]
    wanted += [(f"without-{name}", set(names) - {name}) for name in names]
    wanted += [(f"only-{name}", {name}) for name in names]
    wanted += [(f"only-{a}-{b}", {a, b}) for a, b in combinations(names, 2) if pairs]
    wanted.append(("none", set()))
    found: dict[frozenset[str], Arm] = {}
    for name, methods in wanted:
        found.setdefault(frozenset(methods), Arm(name, frozenset(methods), with_methods(experiment, methods)))
    return list(found.values())


def with_methods(experiment: Experiment, methods: set[str]) -> Experiment:
    """The experiment with these methods on; another is at its neutral value where it has one, so that the arms share a
    program, else it is left out."""
    kept = [method if method.name in methods else neutral(method) for method in experiment.regularizers]
    return replace(experiment, regularizers=tuple(method for method in kept if method is not None))


def neutral(method: Regularizer) -> Regularizer | None:
    """The method switched off by its numbers alone, with the structure it has; None where that cannot be.

    It can where its neutral fields are traced, and every other number has its default: only of those is it known, from
    tests/test_regularizer_contract.py, that neutral equals absent.
    """
    cls: Any = type(method)
    if not cls.neutral or any(is_static(cls, field) for field in cls.neutral):
        return None
    others = [f for f in dataclasses.fields(cls) if f.name not in cls.neutral and not is_static(cls, f.name)]
    if any(getattr(method, f.name) != f.default for f in others):
        return None
    return cast("Regularizer", replace(cast("Any", method), **cls.neutral))
