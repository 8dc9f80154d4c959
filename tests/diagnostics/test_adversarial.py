"""Attacks against their closed form on a linear model, and the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import softmax

from regexp.core.lazy import jax
from regexp.diagnostics import adversarial, programs
from regexp.experiment import Attacks, Evaluation, Training
from regexp.models.linear import Linear
from tests import lab
from tests.diagnostics.bodies import separable, subject


def test_fgsm_of_a_linear_model_is_its_closed_form():
    made = subject(lab.experiment(model=Linear()), lab.images())
    inputs, targets = (x.astype(np.float32) for x in made.rows(made.split.test))
    epsilons = np.asarray([0.0, 0.05], np.float32)
    attacked, logits = made.call(programs.fgsm, (made.lane, made.variables, inputs, targets, epsilons))
    layer = made.variables.parameters["model"]["output"]
    flat = inputs.reshape(len(inputs), -1)
    slope = (softmax(flat @ layer["kernel"] + layer["bias"], -1) - targets) @ layer["kernel"].T
    expected = np.clip(flat + 0.05 * np.sign(slope), 0, 1)
    np.testing.assert_allclose(attacked[1].reshape(expected.shape), expected, atol=1e-6)
    np.testing.assert_allclose(logits[1], expected @ layer["kernel"] + layer["bias"], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(attacked[0], inputs)


def test_attacks_stay_in_their_ball_and_in_range():
    made = subject(lab.experiment(), lab.images())
    inputs, targets = (x.astype(np.float32) for x in made.rows(made.split.test))
    epsilons = np.asarray([0.03, 0.2], np.float32)
    attacked, _ = made.call(programs.pgd, (made.lane, made.variables, inputs, targets, epsilons))
    for size, x in zip(epsilons, attacked, strict=True):
        assert np.abs(x - inputs).max() <= size + 1e-6
    assert attacked.min() >= 0
    assert attacked.max() <= 1


def test_accuracy_falls_with_the_size_and_a_picture_is_drawn():
    experiment = lab.experiment(training=Training(epochs=20, batch_size=16))
    variables = jax.tree.map(lambda x: np.asarray(x)[0], lab.train(experiment).state.variables)
    found = adversarial.explain(replace(subject(experiment, lab.images()), variables=variables))
    for name in ("fgsm", "pgd"):
        accuracy = found.values[name]
        assert accuracy[0] > 0.9
        assert accuracy[-1] < accuracy[0]
    head, *lines = found.lines
    assert head.startswith("input: class")
    assert len(lines) == 6  # pixels high
    assert {len(line) for line in lines} == {3 * 2 * 6 + 2 * 3}


def test_pgd_makes_the_steps_that_the_config_says(monkeypatch):
    made, taken = subject(lab.experiment(), lab.images()), []

    def ascend(loss, x, origin, low, high, epsilon, steps):
        taken.append(steps)
        return x

    monkeypatch.setattr(programs, "ascend", ascend)
    inputs, targets = (x.astype(np.float32) for x in made.rows(made.split.test))
    few = replace(made.experiment, evaluation=Evaluation(attacks=Attacks(epsilons=(0.1,), steps=3)))
    for experiment in (made.experiment, few):
        for attack in (programs.pgd, programs.fgsm):
            sizes = np.asarray([0.1], np.float32)
            attack(made.spec, experiment, made.lane, made.variables, inputs, targets, sizes)
    assert taken == [10, 1, 3, 1]


def test_each_size_shows_an_example_that_no_smaller_one_turns():
    """Three examples of class 0, of outputs that the second, the first and no size turn."""
    right, wrong = np.asarray([2.0, 0.0]), np.asarray([0.0, 2.0])
    logits = np.asarray([[right, right, right], [right, wrong, right], [wrong, wrong, right]])
    inputs = np.arange(3.0).reshape(3, 1, 1, 1)
    sizes = np.asarray([0.0, 0.1, 0.2])
    found = adversarial.adversarial_examples(inputs, np.zeros(3, int), sizes, np.stack([inputs] * 3), logits)
    assert [(one.size, float(one.before[0, 0, 0])) for one in found] == [(0.1, 1.0), (0.2, 0.0)]
    found = adversarial.adversarial_examples(inputs, np.zeros(3, int), sizes, np.stack([inputs] * 3), logits[[0, 2, 2]])
    assert [(one.size, float(one.before[0, 0, 0])) for one in found] == [(0.1, 0.0)]


def test_shades_and_signs():
    image = np.asarray([[[0.0], [0.5], [1.0]]])
    assert adversarial.shaded(image) == ["  ++@@"]
    assert adversarial.signed(np.asarray([[[0.1], [-0.1], [0.0]]]), 0.1) == ["++-- ."]


def test_a_table_needs_sizes_of_its_own():
    made = subject(lab.experiment(model=Linear()), separable())
    assert "evaluation.attacks.epsilons" in adversarial.explain(made).sentence
    sized = replace(made.experiment, evaluation=Evaluation(attacks=Attacks(epsilons=(0.5, 2.0))))
    found = adversarial.explain(replace(made, experiment=sized))
    assert found.values["epsilons"] == [0, 0.5, 2]
    assert found.lines == ()
    assert "regression" in adversarial.explain(subject(lab.experiment(), lab.table())).sentence
