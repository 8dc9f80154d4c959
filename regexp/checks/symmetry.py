"""Check that the initialization breaks the symmetry between hidden units: units that start equal stay equal."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench, Job, alike
from regexp.core.lazy import jax
from regexp.engine.step import Variables

STEPS, RATE = 20, 1e-2


def check(bench: Bench) -> Finding:
    """Count the hidden units that equal another of their layer after some steps.

    Training from all-zero weights is the control: there every unit stays equal to another.
    """
    seed = bench.seeds[0]
    initial = bench.first(seed)
    units = sum(layer["kernel"].shape[-1] for layer in list(initial.parameters["model"].values())[:-1])
    if not units:
        return Finding("PASS", "no hidden units", "nothing")
    rates = np.full(STEPS, RATE)
    jobs = [Job(bench.experiment, seed, rates, variables=start) for start in (initial, zeros(initial))]
    equal, equal_from_zeros = (sum(alike(trained.variables)) for trained in bench.train(jobs))
    return Finding(
        verdict(equal > 0),
        f"{equal} of {units} hidden units equal another after {STEPS} steps; {equal_from_zeros} from zero weights",
        "exactly 0",
        "initialize the weights at random: model.initializer: he" if equal else "",
        {"alike": equal, "alike_from_zeros": equal_from_zeros, "units": units},
    )


def zeros(variables: Variables) -> Variables:
    """Return the variables with every weight of the model set to zero."""
    return variables._replace(
        parameters=variables.parameters | {"model": jax.tree.map(np.zeros_like, variables.parameters["model"])}
    )
