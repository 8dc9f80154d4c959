"""No interval of a metric reaches beyond what the metric can be, wherever an interval is made and shown."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from regexp.config.search.section import Sweep
from regexp.metrics import measure, smaller_is_better
from regexp.report import formats
from regexp.report.collect import collect
from regexp.report.compare import build
from regexp.report.page import page
from regexp.report.tables import tables
from regexp.study.sweep.conclude import compared
from regexp.study.sweep.records import Record
from tests.report.ablated import ablated
from tests.report.folders import folder


def test_measured_values_reach_the_bounds():
    labels = np.array([0, 1, 2, 0])
    right, wrong = np.eye(3)[labels] * 1e3, np.eye(3)[(labels + 1) % 3] * 1e3
    logits = [right, wrong]
    one = np.ones(1, np.float32)
    found = [measure("classification", "cross_entropy", x.astype(np.float32), labels, 0 * one, one, 15) for x in logits]
    assert [float(metrics["accuracy"]) for metrics in found[:2]] == [1, 0]
    assert [float(metrics["brier"]) for metrics in found[:2]] == [0, 2]
    assert [float(metrics["ece"]) for metrics in found[:2]] == [0, 1]
    targets = np.array([[0.0], [1.0], [3.0]], np.float32)
    perfect = measure("regression", "squared_error", targets, targets, 0 * one, one, 15)
    assert (float(perfect["rmse"]), float(perfect["r2"])) == (0, 1)


def _intervals(text: str) -> list[tuple[float, float]]:
    pattern = r"\[([-+]?[\d.e-]+), ([-+]?[\d.e-]+)\]"
    return [(float(low), float(high)) for low, high in re.findall(pattern, text)]


@pytest.fixture
def near_the_bounds(tmp_path):
    """Two settings whose accuracies are 0, 1 and next to them."""
    folder(tmp_path, "low", [0.0, 0.0, 0.1])
    folder(tmp_path, "high", [1.0, 1.0, 0.9], "{dropout: {rate: 0.2}}")
    return build(*collect(tmp_path), baseline="low")


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "page"])
def test_every_format_shows_intervals_inside_the_bounds(near_the_bounds, format):
    written = {
        "text": lambda: formats.text(tables(near_the_bounds)),
        "markdown": lambda: formats.markdown(near_the_bounds).replace("\\", ""),
        "latex": lambda: re.sub(r"[{}]", "", formats.latex(near_the_bounds)),
        "page": lambda: page(near_the_bounds),
    }[format]()
    shown = _intervals(written)
    assert {(0.0, 0.1768), (0.8232, 1.0)} <= set(shown)  # Student's, cut at 0 and 1
    assert all(-1 <= low <= high <= 1 for low, high in shown)


def test_csv_and_json_have_intervals_inside_the_bounds(near_the_bounds):
    rows = json.loads(formats.json(near_the_bounds))["rows"]
    assert [(row["low"], row["high"]) for row in rows] == [
        (0, pytest.approx(0.17676, abs=1e-4)),
        (pytest.approx(0.82324, abs=1e-4), 1),
    ]
    assert rows[1]["difference_high"] == 1
    header, *lines = formats.csv(near_the_bounds).splitlines()
    ends = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    assert [float(row['"low"']) >= 0 and float(row['"high"']) <= 1 for row in ends] == [True, True]


def test_an_ablations_contrasts_are_inside_the_bounds(tmp_path):
    ablated(tmp_path, seeds=3)
    (found,) = build(*collect(tmp_path)).ablations
    for one in found.contributions:
        comparison = one.verdict.comparison
        assert comparison is not None
        largest = 2 if one.family == "interaction" else 1
        assert -largest <= comparison.interval.low <= comparison.interval.high <= largest
    assert found.everything is not None
    assert found.everything.interval.high <= 1


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy"])
def test_a_sweeps_conclusion_is_inside_the_bounds(name):
    winner, base = ([1.0, 1.0, 0.9], [0.0, 0.0, 0.1])
    records = [
        Record(1, number, {}, "done", 0.0, [{f"test/{name}": value} for value in values])
        for number, values in ((1, winner), (0, base))
    ]
    sweep = Sweep(objective=f"validation/{name}", space={}, stages=())
    for pair in compared(sweep, *records):
        assert pair["winner_mean"]["high"] == 1
        assert pair["base_mean"]["low"] == 0
        assert -1 <= pair["difference"]["low"] <= pair["difference"]["high"] <= 1
        assert not smaller_is_better(pair["metric"])
