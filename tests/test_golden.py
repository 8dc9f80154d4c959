"""The cases of scripts/golden.py name every part of the catalogue."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from regexp import initializers, models, optimizers, preprocessing, schedules
from regexp.config import loads
from regexp.datasets.base import CATALOGUE as DATASETS
from regexp.regularizers.base import CATALOGUE as REGULARIZERS
from scripts import golden

PUBLISHED = {"mnist", "fashion_mnist"}  # their files are not part of the project


@pytest.fixture(scope="module")
def experiments() -> list[Any]:
    return [loads(yaml.safe_dump(golden.without_nulls(case.config))).experiment for case in golden.CASES]


def test_every_part_is_trained(experiments):
    assert {m.name for e in experiments for m in e.regularizers} == set(REGULARIZERS)
    assert {e.dataset.name for e in experiments} == set(DATASETS) - PUBLISHED
    assert {e.model.name for e in experiments} == set(models.base.CATALOGUE)
    assert {e.optimizer.name for e in experiments} == set(optimizers.base.CATALOGUE)
    assert {e.optimizer.schedule.name for e in experiments} == set(schedules.base.CATALOGUE)
    assert {e.model.initializer.name for e in experiments} == set(initializers.base.CATALOGUE)
    assert {step.name for e in experiments for step in e.dataset.preprocess} == set(preprocessing.base.CATALOGUE)


def test_names_of_cases_are_distinct():
    assert len({case.name for case in golden.CASES}) == len(golden.CASES)


@pytest.mark.parametrize(
    ("before", "after", "within"),
    [(0.5, 0.5, True), (0.5, 0.5 + 1e-7, True), (0.5, 0.51, False), (float("nan"), 0.5, False)],
)
def test_a_metric_that_differs_is_reported(before, after, within):
    records = [{"metrics": {"test/accuracy": value}, "arrays": {}} for value in (before, after)]
    assert golden.compare(*records)[1] is within


def test_a_missing_metric_is_reported():
    sentence, within = golden.compare({"metrics": {"test/loss": 1.0}, "arrays": {}}, {"metrics": {}, "arrays": {}})
    assert "test/loss" in sentence
    assert not within
