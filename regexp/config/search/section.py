"""The words of a config's `sweep:` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from regexp.core.component import Component, Count, Finite, Share, component, static


@component
class Range(Component):
    """Where one value is searched: exactly one of the first five.

    log_uniform: [low, high], both above 0; even in the logarithm
    uniform: [low, high]
    int_uniform: [low, high], whole numbers, both ends included
    choice: a list of values
    optional: true; the regularizer in or out
    limits: [low, high] that widening never leaves; the field's own range holds anyway
    """

    log_uniform: tuple[Finite, Finite] | None = None
    uniform: tuple[Finite, Finite] | None = None
    int_uniform: tuple[int, int] | None = None
    choice: tuple[Any, ...] | None = None
    optional: Literal[True] | None = None
    limits: tuple[Finite, Finite] | None = None


@component
class SweepStage(Component):
    """One round of the search; every stage has other settings, in ranges narrowed by the stage before.

    trials: settings
    epochs: of each
    sampler: grid, random, sobol; tpe, gp and cma_es learn from the trials of their stage
    keep: share of the stage before whose best settings span this stage's ranges, (0, 1]
    seeds: trained for each setting; their mean is its score
    halving: n; train all for a part of the epochs, the best 1/n for n times as long, and so on; null is off
    """

    trials: Count
    epochs: Count
    sampler: Literal["grid", "random", "sobol", "tpe", "gp", "cma_es"] = "sobol"
    keep: Share = 0.25
    seeds: Annotated[int, Ge(1), Le(1000)] = static(default=1)
    halving: Annotated[int, Ge(2), Le(100)] | None = None


@component
class Confirm(Component):
    """The last stage's best settings and the file's own, trained again on seeds that no stage has used.

    top: settings
    seeds: of each
    """

    top: Annotated[int, Ge(1), Le(1000)] = static(default=3)
    seeds: Annotated[int, Ge(1), Le(1000)] = static(default=5)


@component
class Sweep(Component):
    """A search over an experiment's values.

    objective: validation/accuracy, validation/loss, ...; at the epoch that training.select and early_stopping choose
    space: dotted path of a value -> where it is searched
    stages: one after another
    confirm: the best again on fresh seeds; null: the best of the last stage wins unconfirmed
    """

    objective: str = "validation/loss"
    space: dict[str, Range]
    stages: tuple[SweepStage, ...]
    confirm: Confirm | None = Confirm()
