"""Methods that do nothing in the company they are in: the config says why; methods' own tests have the others."""

from __future__ import annotations

import pytest

from regexp.config import loads
from regexp.core.errors import ConfigError

ADAMW = "optimizer: adamw\nregularizers: "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: linear\nregularizers: {batch_norm: }", "batch_norm acts on hidden layers; the model linear has none"),
        (
            "model: linear\nregularizers: {activation_noise: }",
            "activation_noise acts on hidden layers; the model linear",
        ),
        (
            "model: {name: mlp, hidden: []}\nregularizers: {dropout: }",
            "the model mlp has no hidden units to drop; inputs",
        ),
        (
            "model: linear\nregularizers: {dropconnect: {inference: gaussian}}",
            "the gaussian inference is of hidden layers",
        ),
        (
            "training: {batch_size: 1}\nregularizers: {batch_norm: }",
            "batch_norm needs batches of at least two examples",
        ),
        (
            "training: {batch_size: 1}\nregularizers: {mixup: }",
            "mixup needs batches of at least two examples; training.",
        ),
        (
            "training: {batch_size: 1}\nregularizers: {cutmix: }",
            "cutmix needs batches of at least two examples; training",
        ),
        ("training: {epochs: 9}\nregularizers: {weight_averaging: {start: 9}}", "averaging begins after 9 epochs, and"),
        ("dataset: mnist\nregularizers: {color_balance: }", "color_balance.range needs colour, three channels; these"),
    ],
)
def test_a_method_without_what_it_acts_on_is_refused(text, message):
    with pytest.raises(ConfigError) as caught:
        loads(text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (2, 16)
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "model: linear\nregularizers: {dropout: {input_rate: 0.2}, dropconnect: , gaussian_noise: }",
        "training: {batch_size: 1}\noptimizer: gd\nregularizers: {batch_norm: , mixup: }",
        "training: {epochs: 9}\nregularizers: {weight_averaging: {start: 8.5}}",
        "model: cnn\nregularizers: {dropout: {spatial: true}}",
        "dataset: china_flower\nregularizers: {color_balance: , color_jitter: }",
        "optimizer: {name: adamw, decay: 0}\nregularizers: {l2: , weight_norm: }",
    ],
)
def test_where_it_has_it_nothing_is_said(text):
    assert loads(text).warnings == ()


@pytest.mark.parametrize("other", ["max_norm", "weight_decay"])
def test_what_shortens_v_past_the_gradient_is_refused_beside_weight_norm(other):
    with pytest.raises(ConfigError, match=rf"{other} changes v after the update, and w = g v/\|\|v\|\| does not feel"):
        loads(f"regularizers: {{weight_norm: , {other}: }}")


def test_an_average_beside_snapshots_is_refused():
    with pytest.raises(ConfigError, match="weight_averaging would never be evaluated"):
        loads("regularizers: {snapshot_ensemble: , weight_averaging: }")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (ADAMW + "{weight_decay: }", ["weight_decay and optimizer.adamw both shrink the weights"]),
        (ADAMW + "{elastic_net: }", ["elastic_net and optimizer.adamw both shrink the weights"]),
        (
            ADAMW + "{l2: , weight_decay: }",
            ["l2 and weight_decay both", "l2 and optimizer.adamw both", "weight_decay and optimizer.adamw both"],
        ),
        (ADAMW + "{weight_norm: }", ["adamw decays v, and w = g v/||v|| does not feel its length; l2 acts on w"]),
        ("regularizers: {dropout: {spatial: true}}", ["spatial drops channels; the model mlp has none, so units fall"]),
    ],
)
def test_what_is_hardly_meant_is_a_warning(text, messages):
    warnings = loads(text).warnings
    assert len(warnings) == len(messages)
    assert all(warning.message.startswith(message) for warning, message in zip(warnings, messages, strict=True))
