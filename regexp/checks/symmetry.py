"""Units that start alike stay alike: the config's own first weights tell them apart, all zeros never would."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench, Job, alike
from regexp.core.lazy import jax
from regexp.engine.step import Variables

STEPS, RATE = 20, 1e-2


def check(bench: Bench) -> Finding:
    """Hidden units that equal another of their layer after some steps, from the config's weights and from zeros."""
    seed = bench.seeds[0]
    own = bench.first(seed)
    units = sum(layer["kernel"].shape[-1] for layer in list(own.parameters["model"].values())[:-1])
    if not units:
        return Finding("PASS", "no hidden units", "nothing")
    rates = np.full(STEPS, RATE)
    jobs = [Job(bench.experiment, seed, rates, variables=start) for start in (own, zeros(own))]
    ours, theirs = (sum(alike(trained.variables)) for trained in bench.train(jobs))
    return Finding(
        verdict(ours > 0),
        f"{ours} of {units} hidden units equal another after {STEPS} steps; from zeros {theirs}",
        "0, with no tolerance",
        "draw the first weights at random: model.initializer: he" if ours else "",
        {"alike": ours, "alike_from_zeros": theirs, "units": units},
    )


def zeros(variables: Variables) -> Variables:
    """The same with every weight of the model zero."""
    return variables._replace(
        parameters=variables.parameters | {"model": jax.tree.map(np.zeros_like, variables.parameters["model"])}
    )
