"""List the diagnostics. Each is a module with one function, `explain(subject) -> Explanation`."""

from __future__ import annotations

from regexp.core.questions import Questions
from regexp.runs.explanation import Explanation

DIAGNOSTICS: Questions[Explanation] = Questions(
    "diagnostic",
    "regexp.diagnostics",
    "explain",
    "weights",
    "hessian",
    "early_stopping",
    "dropout",
    "batch_norm_gap",
    "batch_norm_drift",
    "batch_norm_smoothness",
    "generalisation",
    "bias_variance",
    "ensemble_size",
    "calibration",
    "adversarial",
)
