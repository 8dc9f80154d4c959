"""Check that a model trained on shuffled labels scores at chance level on validation data; otherwise labels leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import ROWS, Bench, Job
from regexp.checks.range_test import range_test
from regexp.datasets.base import Data

SHUFFLES, STEPS, CONFIDENCE = 4, 60, 0.99


def check(bench: Bench) -> Finding:
    """Score by accuracy (regression: correlation) against the true and the shuffled labels; the higher one counts."""
    if not len(bench.splits[bench.seeds[0]].validation):
        return Finding(
            "WARN", "no validation examples", "at least one", "set dataset.validation to see whether labels leak"
        )
    rates = np.full(STEPS, range_test(bench).middle)
    seeds = [bench.seeds[i % len(bench.seeds)] for i in range(SHUFFLES)]
    shuffled = [_shuffled(bench.data, i) for i in range(SHUFFLES)]
    trained = bench.train([Job(bench.experiment, s, rates, data=d) for s, d in zip(seeds, shuffled, strict=True)])
    rows = [bench.splits[seed].validation[:ROWS] for seed in seeds]
    requests = [(s, t.variables, r) for s, t, r in zip(seeds, trained, rows, strict=True)]
    outputs = [seed_outputs for seed_outputs, _ in bench.predict(requests)]
    scores = {
        kind: np.asarray([_score(o, d.targets[r], d) for o, r, d in zip(outputs, rows, against, strict=True)])
        for kind, against in (("true", [bench.data] * SHUFFLES), ("shuffled", shuffled))
    }
    kind = max(scores, key=lambda name: float(scores[name].mean()))
    mean, chance, tolerance = float(scores[kind].mean()), _chance(bench), _tolerance(bench, scores[kind])
    fails = mean > chance + tolerance
    metric = "accuracy" if bench.data.classes else "correlation"
    return Finding(
        verdict(fails),
        f"validation {metric} {mean:.3f} against the {kind} labels ({SHUFFLES} shuffles)",
        f"chance level, {chance:.3f}, or at most {tolerance:.3f} above it",
        "the labels leak into the model: look for them in the inputs, the preprocessing and the split" if fails else "",
        {name: values.tolist() for name, values in scores.items()} | {"chance": chance, "tolerance": tolerance},
    )


def _shuffled(data: Data, number: int) -> Data:
    generator = np.random.default_rng([number, 4])
    return replace(data, targets=generator.permutation(data.targets))


def _score(outputs: np.ndarray, targets: np.ndarray, data: Data) -> float:
    """Return the accuracy, or for a regression the correlation of the first target; 0 if either is constant."""
    if data.classes:
        return float(np.mean(outputs.argmax(1) == targets))
    pair = np.stack([outputs[:, 0], targets[:, 0]])
    return float(np.corrcoef(pair)[0, 1]) if np.all(pair.std(1) > 0) else 0.0


def _chance(bench: Bench) -> float:
    """Return the score at chance level: the share of the most frequent class, or a correlation of 0."""
    return float(np.bincount(bench.data.targets).max() / len(bench.data.targets)) if bench.data.classes else 0.0


def _tolerance(bench: Bench, scores: np.ndarray) -> float:
    """Return a one-sided t bound on the mean score over the shuffles.

    With `SHUFFLES` scores their standard deviation may come out too small by luck, so it is at least the binomial
    (regression: Gaussian) standard error of the number of validation examples.
    """
    n = min(ROWS, len(bench.splits[bench.seeds[0]].validation))
    chance = _chance(bench)
    least = np.sqrt((chance * (1 - chance) if bench.data.classes else 1) / n)
    spread = max(float(np.std(scores, ddof=1)), least)
    return float(stats.t.ppf(CONFIDENCE, SHUFFLES - 1) * spread / np.sqrt(SHUFFLES))
