"""The components of a config's `sweep:` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from regexp.core.component import Component, Count, Finite, Share, component, static


@component
class Range(Component):
    """The range of one searched value; exactly one of the first five fields is set.

    log_uniform: [low, high], both above 0; uniform in the logarithm
    uniform: [low, high]
    int_uniform: [low, high], whole numbers, both ends included
    choice: a list of values
    optional: true; the regularizer is in or out
    limits: [low, high] that a widened range never leaves, in addition to the range of the field
    """

    log_uniform: tuple[Finite, Finite] | None = None
    uniform: tuple[Finite, Finite] | None = None
    int_uniform: tuple[int, int] | None = None
    choice: tuple[Any, ...] | None = None
    optional: Literal[True] | None = None
    limits: tuple[Finite, Finite] | None = None


@component
class SweepStage(Component):
    """One stage of the search: new settings, in ranges narrowed by the previous stage.

    trials: number of settings
    epochs: epochs that each setting is trained
    sampler: grid, random, sobol; tpe, gp and cma_es learn from the trials of their stage
    keep: share of the previous stage's settings, the best, that span this stage's ranges, (0, 1]
    seeds: seeds trained for each setting; the mean over them is its score
    halving: n; train all settings for part of the epochs, the best 1/n for n times as long, and so on; null is off
    """

    trials: Count
    epochs: Count
    sampler: Literal["grid", "random", "sobol", "tpe", "gp", "cma_es"] = "sobol"
    keep: Share = 0.25
    seeds: Annotated[int, Ge(1), Le(1000)] = static(default=1)
    halving: Annotated[int, Ge(2), Le(100)] | None = None


@component
class Confirm(Component):
    """The confirmation: the best settings of the last stage and the config's own, trained on fresh seeds.

    top: number of best settings
    seeds: seeds trained for each setting, none of which a stage has used
    """

    top: Annotated[int, Ge(1), Le(1000)] = static(default=3)
    seeds: Annotated[int, Ge(1), Le(1000)] = static(default=5)


@component
class Sweep(Component):
    """A search over values of an experiment.

    objective: validation/accuracy, validation/loss, ...; at the epoch that training.select and early_stopping select
    space: dotted paths of values, each with its range
    stages: the stages of the search, one after another
    confirm: train the best settings again on fresh seeds; null: the best of the last stage wins without confirmation
    """

    objective: str = "validation/loss"
    space: dict[str, Range]
    stages: tuple[SweepStage, ...]
    confirm: Confirm | None = Confirm()
