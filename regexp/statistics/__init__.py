"""Quantify uncertainty, with NumPy and SciPy only. Every function cites its source; docs/statistics.md gives reasons.

intervals.py   values over seeds: mean, standard deviation, interval (t, or BCa bootstrap)
paired.py      two settings on shared seeds: difference, exact sign-flip test and its interval, equivalence
verdict.py     many settings against a baseline: Holm's correction, verdicts, number of further seeds needed
contrasts.py   the contrasts of an ablation
models.py      two trained models on one test set: McNemar
budget.py      expected best score of a search of k trials
datasets.py    several datasets: mean ranks, Wilcoxon with Holm, interquartile mean
"""

from __future__ import annotations

from regexp.statistics.budget import expected_best
from regexp.statistics.datasets import Aggregate, interquartile_mean, iqm, mean_ranks, wilcoxon_holm
from regexp.statistics.intervals import (
    Interval,
    Summary,
    bca_interval,
    bootstrap_interval,
    mean_interval,
    summarize,
    t_interval,
)
from regexp.statistics.models import McNemar, mcnemar
from regexp.statistics.paired import (
    Comparison,
    compare,
    correlation,
    difference_interval,
    equivalence_p,
    least_p,
    probability_of_improvement,
    sign_flip_interval,
    sign_flip_p,
)
from regexp.statistics.verdict import Verdict, holm, more_seeds, verdicts

__all__ = [
    "Aggregate",
    "Comparison",
    "Interval",
    "McNemar",
    "Summary",
    "Verdict",
    "bca_interval",
    "bootstrap_interval",
    "compare",
    "correlation",
    "difference_interval",
    "equivalence_p",
    "expected_best",
    "holm",
    "interquartile_mean",
    "iqm",
    "least_p",
    "mcnemar",
    "mean_interval",
    "mean_ranks",
    "more_seeds",
    "probability_of_improvement",
    "sign_flip_interval",
    "sign_flip_p",
    "summarize",
    "t_interval",
    "verdicts",
    "wilcoxon_holm",
]
