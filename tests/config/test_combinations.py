"""Methods that do nothing in the company they are in: the config says why; methods' own tests have the others."""

from __future__ import annotations

import dataclasses

import pytest

from regexp.config import loads
from regexp.config.check import check
from regexp.core.errors import ConfigError
from regexp.core.problems import Problem
from regexp.regularizers.base import Regularizer
from regexp.regularizers.parameters.l2 import L2

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
            "gaussian inference needs a hidden layer",
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
    with pytest.raises(
        ConfigError, match=rf"{other} changes v after the update, and w = g v/\|\|v\|\| does not depend"
    ):
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
        (
            ADAMW + "{weight_norm: }",
            ["adamw decays v, and w = g v/||v|| does not depend on the length of v; l2 acts on w"],
        ),
        (
            "regularizers: {dropout: {spatial: true}}",
            ["spatial drops channels; the model mlp has none, so units are dropped"],
        ),
    ],
)
def test_what_is_hardly_meant_is_a_warning(text, messages):
    warnings = loads(text).warnings
    assert len(warnings) == len(messages)
    assert all(warning.message.startswith(message) for warning, message in zip(warnings, messages, strict=True))


class Complains(Regularizer):
    """A method that reports one problem of each severity; the text of a message decides nothing."""

    name = "complains"

    def conflicts(self, experiment):
        return [Problem("warning: this is an error"), Problem("this may still run", "warning")]


def test_the_severity_of_a_methods_problem_arrives():
    experiment = dataclasses.replace(loads("dataset: digits").experiment, regularizers=(Complains(),))
    remarks = [remark for remark in check(experiment) if remark.path == "regularizers.complains"]
    assert [(remark.message, remark.is_warning) for remark in remarks] == [
        ("warning: this is an error", False),
        ("this may still run", True),
    ]


def test_a_methods_error_refuses_the_config_and_its_warning_does_not(monkeypatch):
    monkeypatch.setattr(L2, "conflicts", lambda self, experiment: [Problem("this may still run", "warning")])
    assert [problem.message for problem in loads("regularizers: {l2: }").warnings] == ["this may still run"]
    monkeypatch.setattr(L2, "conflicts", Complains.conflicts)
    with pytest.raises(ConfigError) as caught:
        loads("regularizers: {l2: }")
    assert [problem.message for problem in caught.value.problems] == ["warning: this is an error"]
