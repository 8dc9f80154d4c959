"""An ablation's folder as `regexp ablate` leaves it, made without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from regexp.config import loads
from regexp.runs import Run
from regexp.study.ablate import arms
from tests.report.folders import CONFIG, folder, gathered

REGULARIZERS = (
    "{l2: {strength: 0.1}, dropout: {rate: 0.2}, label_smoothing: {epsilon: 0.1}, gaussian_noise: {sigma: 1}}"
)
GAINS = {"l2": 0.03, "dropout": 0.01, "label_smoothing": -0.02, "gaussian_noise": 0.0}


def ablated(root: Path, name: str = "digits-ablation", pairs: bool = True, seeds: int = 8) -> Path:
    """l2 and dropout help, more so together; label smoothing hurts; what noise does is luck."""
    text = CONFIG % {"dataset": "digits", "regularizers": REGULARIZERS, "rate": 1e-3, "seeds": list(range(seeds))}
    wanted = arms(loads(text).experiment, pairs)
    for number, arm in enumerate(wanted):
        folder(root / name, arm.name, _values(arm.methods, seeds), REGULARIZERS, rate=1e-3 * (1 + number))
    manifest = gathered() | {
        "command": ["regexp", "ablate", "digits.yaml"],
        "kind": "ablation",
        "methods": list(GAINS),
        "retune": None,
        "arms": {arm.name: sorted(arm.methods) for arm in wanted},
        "step_time": {"l2": 1.05, "dropout": 1.2, "label_smoothing": 0.99, "gaussian_noise": 1.0},
    }
    Run(root / name).write_json("manifest.json", manifest)
    return root / name


def _values(methods: Sequence[str] | frozenset[str], seeds: int) -> list[float]:
    gain = sum(GAINS[method] for method in methods) + (0.02 if {"l2", "dropout"} <= set(methods) else 0)
    luck = 0.003 if "gaussian_noise" in methods else 0
    return [0.9 + gain + 0.001 * (seed % 3) + luck * (-1) ** seed for seed in range(seeds)]
