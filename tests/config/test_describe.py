"""What a field accepts, in words, is what the config accepts: a part by its name or as a mapping."""

from __future__ import annotations

import pytest

from regexp.config import loads
from regexp.config.catalogues import CATALOGUES
from regexp.config.describe import describe
from regexp.core.component import field_types
from regexp.core.errors import ConfigError

BY_KIND = {catalogue.kind: catalogue for catalogue in CATALOGUES.values()}


@pytest.mark.parametrize(
    ("kind", "part", "field", "words"),
    [
        ("optimizer", "sgd", "schedule", "the name of a schedule or a mapping"),
        ("model", "mlp", "initializer", "the name of an initializer or a mapping"),
        ("dataset", "digits", "preprocess", "a list, each item the name of a preprocessor or a mapping"),
        ("dataset", "digits", "limit", "a whole number at least 1 and below 2^31 or null or a mapping of n, by"),
    ],
)
def test_parts_within_parts(kind, part, field, words):
    assert describe(field_types(BY_KIND[kind][part])[field]) == words


@pytest.mark.parametrize("schedule", ["cosine", "{name: cosine, warmup: 2}"])
def test_a_schedule_is_a_name_or_a_mapping(schedule):
    found = loads(f"optimizer: {{name: sgd, schedule: {schedule}}}").experiment.optimizer.schedule
    assert found.name == "cosine"


def test_the_refusal_has_the_same_words():
    words = describe(field_types(BY_KIND["optimizer"]["sgd"])["schedule"])
    with pytest.raises(ConfigError, match=f"optimizer.schedule must be {words}, got 3"):
        loads("optimizer: {name: sgd, schedule: 3}")
