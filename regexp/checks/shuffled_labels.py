"""Trained on shuffled labels, a model is no better than chance on validation data; else the labels leak."""

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
    """Accuracy (regression: correlation) against the true labels and against the shuffled ones; the higher counts."""
    if not len(bench.splits[bench.seeds[0]].validation):
        return Finding("WARN", "no validation examples", "some", "set dataset.validation to see whether labels leak")
    rates = np.full(STEPS, range_test(bench).middle)
    seeds = [bench.seeds[i % len(bench.seeds)] for i in range(SHUFFLES)]
    shuffled = [_shuffled(bench.data, i) for i in range(SHUFFLES)]
    trained = bench.train([Job(bench.experiment, s, rates, data=d) for s, d in zip(seeds, shuffled, strict=True)])
    rows = [bench.splits[seed].validation[:ROWS] for seed in seeds]
    asked = [(s, t.variables, r) for s, t, r in zip(seeds, trained, rows, strict=True)]
    outputs = [found for found, _ in bench.predict(asked)]
    scores = {
        kind: np.asarray([_score(o, d.targets[r], d) for o, r, d in zip(outputs, rows, against, strict=True)])
        for kind, against in (("true", [bench.data] * SHUFFLES), ("shuffled", shuffled))
    }
    kind = max(scores, key=lambda name: float(scores[name].mean()))
    mean, chance, tolerance = float(scores[kind].mean()), _chance(bench), _tolerance(bench, scores[kind])
    fails = mean > chance + tolerance
    what = "accuracy" if bench.data.classes else "correlation"
    return Finding(
        verdict(fails),
        f"validation {what} {mean:.3f} against the {kind} labels ({SHUFFLES} shuffles)",
        f"chance, {chance:.3f}, or at most {tolerance:.3f} above it",
        "labels reach the model by another way than training: look for them in the inputs, the preprocessing, the split"
        if fails
        else "",
        {name: values.tolist() for name, values in scores.items()} | {"chance": chance, "tolerance": tolerance},
    )


def _shuffled(data: Data, number: int) -> Data:
    generator = np.random.default_rng([number, 4])
    return replace(data, targets=generator.permutation(data.targets))


def _score(outputs: np.ndarray, wanted: np.ndarray, data: Data) -> float:
    if data.classes:
        return float(np.mean(outputs.argmax(1) == wanted))
    both = np.stack([outputs[:, 0], wanted[:, 0]])
    return float(np.corrcoef(both)[0, 1]) if np.all(both.std(1) > 0) else 0.0


def _chance(bench: Bench) -> float:
    """The share of the most frequent class; no correlation."""
    return float(np.bincount(bench.data.targets).max() / len(bench.data.targets)) if bench.data.classes else 0.0


def _tolerance(bench: Bench, scores: np.ndarray) -> float:
    """One-sided t bound over the shuffles, whose spread is at least that of so few validation examples."""
    n = min(ROWS, len(bench.splits[bench.seeds[0]].validation))
    chance = _chance(bench)
    least = np.sqrt((chance * (1 - chance) if bench.data.classes else 1) / n)
    spread = max(float(np.std(scores, ddof=1)), least)
    return float(stats.t.ppf(CONFIDENCE, SHUFFLES - 1) * spread / np.sqrt(SHUFFLES))
