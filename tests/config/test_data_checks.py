"""What only the loaded data tells is located in the config, too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regexp.config import Facts, loads
from regexp.errors import ConfigError

FACTS = Facts("classification", True, (8, 8, 1), train=100, validation=20)


LINEAR = """\
training: {{epochs: 2, batch_size: {batch}}}
optimizer: {{name: sgd, schedule: {{name: linear, length: {steps}, unit: steps}}}}
"""


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("training: {batch_size: 101}", (1, 12), "training.batch_size 101 is above the 100 training examples"),
        (
            LINEAR.format(batch=50, steps=5),
            (2, 24),
            "the schedule takes 5 steps, longer than the run of 4 steps",
        ),
        (
            "training: {epochs: 2}\noptimizer: {name: gd, schedule: {name: constant, warmup: 3, unit: steps}}",
            (2, 23),
            "the warmup takes 3 steps, longer than the run of 2 steps",
        ),
        (
            "regularizers: {random_crop: {padding: 8, fill: reflect}}",
            (1, 30),
            "reflecting needs padding below the image's side, 8",
        ),
        (
            "regularizers: {color_jitter: {hue: 0, saturation: 0.1}}",
            (1, 39),
            "color_jitter.saturation needs colour, three channels; these images have 1 channel: set it to 0",
        ),
        (
            "regularizers: {color_balance: }",
            (1, 16),
            "color_balance.range needs colour, three channels; these images have 1 channel: set it to 0",
        ),
    ],
)
def test_what_only_the_data_tells_is_located(text, place, message):
    loaded = loads(text)
    with pytest.raises(ConfigError) as caught:
        loaded.check_data(FACTS)
    (problem,) = caught.value.problems
    assert ((problem.line, problem.column), problem.message) == (place, message)


def test_what_fits_the_data_passes():
    assert loads(LINEAR.format(batch=100, steps=2)).check_data(FACTS) == ()


def test_colour_methods_pass_where_there_is_colour_or_nothing_to_do():
    text = "regularizers: {color_jitter: {saturation: %s, hue: %s}, color_balance: {range: %s}}"
    colour = replace(FACTS, shape=(8, 8, 3))
    assert loads(text % (0.2, 0.1, 0.3)).check_data(colour) == ()
    assert loads(text % (0, 0.0, 0)).check_data(FACTS) == ()
    with pytest.raises(ConfigError, match="4 channels"):
        loads(text % (0, 0.1, 0)).check_data(replace(FACTS, shape=(8, 8, 4)))


def test_a_file_s_task_is_checked_once_it_is_known():
    loaded = loads(
        "dataset: {name: npz, path: a.npz}\nregularizers: {label_smoothing: {epsilon: 0.1}, random_crop: }\n"
    )
    with pytest.raises(ConfigError) as caught:
        loaded.check_data(Facts("regression", False, (4,), train=100, validation=20))
    assert [p.message for p in caught.value.problems] == [
        "label_smoothing needs classes; this dataset is a regression",
        "random_crop transforms images; this dataset is a table",
    ]


def test_a_share_for_the_test_is_void_where_a_split_is_published():
    loaded = loads("dataset: {name: mnist, test: 0.3}\n")
    (warning,) = loaded.check_data(Facts("classification", True, (28, 28, 1), 100, 20, published_test=True))
    assert "changes nothing" in warning.message
