"""From trained models to numbers per seed: of single models as the programs measure them, of ensembles put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regexp.datasets.base import Data, Split
from regexp.engine.evaluate import metrics_by_part, metrics_of_rows, rows_of
from regexp.engine.group import Group
from regexp.engine.prepare import target_units
from regexp.engine.step import Variables
from regexp.experiment import Experiment, Trial
from regexp.metrics import names

TINY = 1e-7  # the least probability that a vote leaves a class, so that the likelihood stays finite


@dataclass(frozen=True)
class Models:
    """The lanes of a group with one set of variables; `trials`: their indices."""

    group: Group
    trials: list[int]
    variables: Variables


@dataclass
class Scores:
    """Per seed.

    metrics: of the train, validation and test splits
    outputs: (n, K) of the test split; numbers in the target's units
    ensemble: {"members": their mean, "best_member": by validation loss, "out_of_bag": ...}, where it is one
    """

    metrics: list[dict[str, float]]
    outputs: list[np.ndarray]
    ensemble: list[dict[str, dict[str, float]]] = field(default_factory=list)


@np.errstate(over="ignore", invalid="ignore")  # the outputs of a diverged model may be infinite
def score(
    experiment: Experiment, data: Data, trials: Sequence[Trial], splits: Sequence[Split], models: Sequence[Models],
    base: dict[int, Split], probe: bool = True,
) -> Scores:  # fmt: skip
    """Measure everything.

    splits: of each trial; base: of each seed, before any member drew training rows of its own
    probe: whether Monte Carlo predictions and attacks are measured, too
    """
    if any(method.is_ensemble for method in experiment.regularizers):
        return _score_ensembles(experiment, data, trials, splits, models, base)
    metrics: list[dict[str, float]] = [{} for _ in trials]
    outputs: list[Any] = [None] * len(trials)
    for one in models:
        found, logits = one.group.evaluate(one.variables)
        found |= one.group.probed(one.variables) if probe else {}
        for place, index in enumerate(one.trials):
            metrics[index] = {name: float(values[place]) for name, values in found.items()}
            mean, scale = target_units(data, splits[index].train)
            outputs[index] = logits[place] * scale + mean  # relative to the data's target_offset
    return Scores(metrics, outputs)


def score_names(experiment: Experiment, task: str) -> list[str]:
    """The name of every metric that `score` finds."""
    dataset, evaluation = experiment.dataset, experiment.evaluation
    parts = [("train", True), ("validation", dataset.validation), ("test", dataset.test or dataset.published_test)]
    found = [f"{part}/{name}" for part, there in parts if there for name in names(task)]
    if evaluation.mc_samples:
        own = ("entropy", "mutual_information") if task == "classification" else ("loss", "spread")
        found += [f"mc/{name}" for name in (*(n for n in names(task) if n != "loss"), *own)]
    if evaluation.attacks is not None:
        attacks = [f"{kind}-{size:g}" for kind in ("fgsm", "pgd") for size in evaluation.attacks.epsilons]
        found += [f"{attack}/{name}" for attack in attacks for name in names(task)]
    return found


def _score_ensembles(
    experiment: Experiment, data: Data, trials: Sequence[Trial], splits: Sequence[Split],
    models: Sequence[Models], base: dict[int, Split],
) -> Scores:  # fmt: skip
    predicted: dict[int, list[tuple[int, dict[str, float], np.ndarray]]] = {seed: [] for seed in base}
    rows = {seed: rows_of(split) for seed, split in base.items()}
    for one in models:
        found, _ = one.group.evaluate(one.variables)
        outputs = one.group.predict(one.variables, np.stack([rows[trials[i].seed] for i in one.trials]))
        for place, index in enumerate(one.trials):
            metrics = {name: float(values[place]) for name, values in found.items()}
            predicted[trials[index].seed].append((index, metrics, outputs[place]))
    scores = Scores([], [])
    for seed, members in predicted.items():
        split, (mean, scale) = base[seed], target_units(data, base[seed].train)
        whole = combine(experiment, data, np.stack([outputs for _, _, outputs in members]))
        metrics = metrics_by_part(experiment, data, split, (whole - mean) / scale, mean, scale)
        scores.metrics.append(metrics)
        scores.outputs.append(whole[len(split.train) + len(split.validation) :])
        best = min(members, key=lambda m: m[1].get("validation/loss", m[1]["train/loss"]))[1]
        each = {name: float(np.mean([m[1][name] for m in members])) for name in members[0][1]}
        scores.ensemble.append({"members": each, "best_member": best})
        if any(method.resamples for method in experiment.regularizers):
            seen = [splits[index].train for index, _, _ in members]
            stacked = np.stack([outputs[: len(split.train)] for _, _, outputs in members])
            scores.ensemble[-1]["out_of_bag"] = _out_of_bag(experiment, data, split.train, seen, stacked, mean, scale)
    return scores


def uses_population(experiment: Experiment) -> bool:
    """Whether running statistics are taken anew over all training minibatches before anything is measured."""
    methods = experiment.regularizers
    averaged = any(method.overrides("averaged") for method in methods)
    return averaged or next((m.statistics for m in methods if hasattr(m, "statistics")), "ema") == "population"


def combine(experiment: Experiment, data: Data, outputs: np.ndarray) -> np.ndarray:
    """(members, n, K) -> (n, K): log of the mean probability or of the share of votes; mean of predictions.

    Of a regression both are in the target's units.
    """
    if data.task == "regression":
        return outputs.mean(0)
    shifted = np.exp(outputs.astype(np.float64) - outputs.max(-1, keepdims=True))
    probabilities = shifted / shifted.sum(-1, keepdims=True)
    if any(getattr(method, "combine", "") == "vote" for method in experiment.regularizers):
        probabilities = np.eye(outputs.shape[-1])[outputs.argmax(-1)]
    return np.log(np.maximum(probabilities.mean(0), TINY)).astype(np.float32)


def _out_of_bag(
    experiment: Experiment, data: Data, rows: np.ndarray, seen: list[np.ndarray], outputs: np.ndarray,
    mean: np.ndarray, scale: np.ndarray,
) -> dict[str, float]:  # fmt: skip
    """Each training example by the members that never saw it; examples that all have seen are left out and counted."""
    unseen = np.stack([~np.isin(rows, own) for own in seen])  # (members, n)
    some = unseen.any(0)
    if not some.any():
        return {"share": 0.0}
    together = np.zeros(outputs.shape[1:], np.float32)
    for who in np.unique(unseen[:, some], axis=1).T:
        alike = (unseen == who[:, None]).all(0)
        together[alike] = combine(experiment, data, outputs[who][:, alike])
    together = together[some]
    metrics = metrics_of_rows(experiment, data, rows[some], (together - mean) / scale, mean, scale)
    return {**metrics, "share": float(some.mean())}
