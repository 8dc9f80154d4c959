"""Compare batch norm's running statistics with the population statistics, and measure the cost of the gap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from regexp.diagnostics import programs
from regexp.diagnostics.calibration import probabilities
from regexp.diagnostics.dropout import losses
from regexp.diagnostics.subject import Subject
from regexp.diagnostics.trajectory import has_batch_norm
from regexp.engine.batches import batch_size
from regexp.engine.prepare import prepare_shared
from regexp.engine.scores import uses_population
from regexp.engine.step import Variables
from regexp.runs.explanation import Explanation, Plot, series

LEAST = 1e-12  # floor of a variance; a constant unit has none
WIDTH = 40


def explain(subject: Subject) -> Explanation:
    """Report |mu_ema - mu|/sigma and |sigma_ema^2/sigma^2 - 1| of all units: root mean square and maximum by layer.

    The population statistics are those of all minibatches of an epoch at the final weights.
    """
    if not has_batch_norm(subject):
        return Explanation("This run has no batch norm, so there are no running statistics.")
    if uses_population(subject.experiment):
        return Explanation("This run uses population statistics only, so there is no gap to measure.")
    if not len(subject.unseen):
        return Explanation("This run has neither test nor validation examples to measure the cost of a gap on.")
    population = _with_population(subject)
    ema, exact = subject.variables.state["batch_norm"], population.state["batch_norm"]
    gaps = {site.removesuffix("/pre"): gap(ema[site], exact[site]) for site in ema}
    mean, variance = (np.concatenate(parts) for parts in zip(*gaps.values(), strict=True))
    (loss, score), (loss_exact, score_exact) = _measured(subject, subject.variables), _measured(subject, population)
    name = "accuracy" if subject.data.classes else "RMSE"
    return Explanation(
        f"The running means lie {rms(mean):.3f} standard deviations from the population's (root mean square of "
        f"{len(mean)} units) and the variances are off by {rms(variance):.1%}; on {len(subject.unseen)} examples the "
        f"loss is {loss:.4f} with them and {loss_exact:.4f} with the population's, the {name} {score:.4f} and "
        f"{score_exact:.4f}.",
        ("layer", "units", "mean off", "at most", "variance off", "at most"),
        tuple(_row(layer, *layer_gaps) for layer, layer_gaps in gaps.items()),
        _chart(gaps),
        {"mean": rms(mean), "variance": rms(variance), "ema": [loss, score], "population": [loss_exact, score_exact],
         "layers": {n: {"mean": m.tolist(), "variance": v.tolist()} for n, (m, v) in gaps.items()}},
        (_plot(gaps),),
    )  # fmt: skip


def gap(ema: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of the means in standard deviations and the variances' relative error, both (units,)."""
    variance = np.maximum(np.asarray(exact["variance"], np.float64), LEAST)
    distance = np.abs(np.asarray(ema["mean"], np.float64) - exact["mean"]) / np.sqrt(variance)
    return distance, np.abs(np.maximum(np.asarray(ema["variance"], np.float64), LEAST) / variance - 1)


def rms(x: np.ndarray) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(x))))


def _row(layer: str, mean: np.ndarray, variance: np.ndarray) -> tuple[str, ...]:
    numbers = (rms(mean), mean.max(), rms(variance), variance.max())
    return layer, f"{mean.size}", *(f"{x:.4f}" for x in numbers)


def _with_population(subject: Subject) -> Variables:
    """Return the variables with statistics over all minibatches of an epoch, as the run itself would compute them."""
    rows = subject.split.train
    size = batch_size(subject.experiment, len(rows))
    batches = rows[: len(rows) // size * size].reshape(-1, size).astype(np.int32)
    inputs, targets = prepare_shared(subject.data)
    arguments = (subject.lane, subject.variables, inputs, targets, batches)
    variables: Variables = subject.call(programs.population, arguments)
    return variables


def _measured(subject: Subject, variables: Variables) -> tuple[float, float]:
    """Return loss and accuracy or RMSE of the unseen examples, for a regression in the units of the target."""
    inputs, targets = subject.rows(subject.unseen)
    outputs = subject.outputs(inputs, subject.lane, variables)
    if subject.data.classes:
        accuracy = float(np.mean(outputs.argmax(-1) == targets.argmax(-1)))
        return float(losses(probabilities(outputs), targets, classes=True).mean()), accuracy
    loss = losses(outputs * subject.lane.target_scale, targets * subject.lane.target_scale, classes=False).mean()
    return float(loss), float(np.sqrt(loss))


def _chart(gaps: dict[str, tuple[np.ndarray, np.ndarray]]) -> tuple[str, ...]:
    """Return two bars per layer: # for the means, + for the variances."""
    shown = {name: (rms(m), rms(v)) for name, (m, v) in gaps.items()}
    scale = WIDTH / max(*(x for pair in shown.values() for x in pair), LEAST)
    lines = ["# mean off, in standard deviations; + variance off"]
    for name, (m, v) in shown.items():
        lines += [f"{name:<12} {'#' * round(m * scale)}", f"{'':<12} {'+' * round(v * scale)}"]
    return tuple(line.rstrip() for line in lines)


def _plot(gaps: dict[str, tuple[np.ndarray, np.ndarray]]) -> Plot:
    places = range(len(gaps))
    kinds = ("mean, in standard deviations", "variance, relative")
    return Plot(
        "Running against population statistics",
        "Distance between the running statistics of training and those over all minibatches at the final weights: root "
        "mean square over the units of a layer.",
        "",
        "distance",
        tuple(series(kind, places, [rms(g[k]) for g in gaps.values()], "bars") for k, kind in enumerate(kinds)),
        ticks=tuple(gaps),
    )
