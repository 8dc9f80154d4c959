"""Attacks against closed forms and PyTorch's autograd; Monte Carlo against all masks of a small net and SciPy."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.datasets import load_wine

from regexp.config import loads
from regexp.core.errors import ConfigError
from regexp.core.prng import drop_mask, stream
from regexp.datasets.base import Data, Dataset
from regexp.datasets.splits import split
from regexp.engine.epoch import EVALUATION_BLOCK, predict
from regexp.engine.lanes import compilations
from regexp.engine.prepare import prepare_lane, prepare_shared, spec_of
from regexp.engine.probe import monte_carlo, probed
from regexp.engine.step import Variables
from regexp.experiment import Attacks, Evaluation, Trial
from regexp.models.linear import Linear
from regexp.models.mlp import MLP
from regexp.preprocessing.standardize import Standardize
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.adversarial.attack import ascend
from regexp.runs import Run
from tests.cli.command import inside
from tests.lab import experiment, table, train

pytestmark = pytest.mark.slow  # attacks and Monte Carlo: large programs

DATASET = Dataset(validation=0.0, test=0.5, preprocess=(Standardize(),))


def columns(n=1400, classes=2, seed=0):
    """A table whose columns have other units; a few rows lie far outside the others' range."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(n, 4)) * [1.0, 10.0, 0.1, 3.0] + [0.0, 50.0, 1.0, -3.0]
    inputs[::97] *= 3
    targets = np.arange(n) % classes
    return Data(inputs=inputs.astype(np.float32), targets=targets.astype(np.int32), classes=tuple("abc"[:classes]))


def setting(what, data):
    """(spec, shared, lane, test rows) of one lane."""
    parts = split(what.dataset, data, 0)
    lane = prepare_lane(Trial(experiment=what, seed=0), data, parts)
    return spec_of(what, data), *jax.tree.map(jnp.asarray, (prepare_shared(data), lane, parts.test))


def layers(seed, *widths):
    """{hidden_0: {kernel, bias}, ..., output}: numbers of the order of 1."""
    generator = np.random.default_rng(seed)
    names = [f"hidden_{i}" for i in range(len(widths) - 2)] + ["output"]
    return {
        name: {
            "kernel": generator.normal(size=(a, b)).astype(np.float32),
            "bias": generator.normal(size=b).astype(np.float32),
        }
        for name, a, b in zip(names, widths[:-1], widths[1:], strict=True)
    }


def attacks(model, data, params, epsilons, steps):
    """What `probed` finds for these weights, and the test split as read."""
    evaluation = Evaluation(attacks=Attacks(epsilons=epsilons, steps=steps))
    what = experiment(model=model, dataset=DATASET, evaluation=evaluation)
    spec, shared, lane, rows = setting(what, data)
    run = jax.jit(lambda params: probed(what, spec, shared, lane, Variables({"model": params}, {}), rows))
    rows = np.asarray(rows)
    train = np.asarray(lane.train)
    return run(params), data.inputs[rows], data.targets[rows], data.inputs[train]


def test_a_linear_model_loses_e_times_the_l1_norm_in_raw_units_within_the_range():
    """The worst point moves every column by e against the margin, or to the end of its range."""
    data, params = columns(), layers(1, 4, 2)
    found, x, labels, seen = attacks(Linear(), data, params, (0.05, 0.5), 10)
    w = (params["output"]["kernel"][:, 1] - params["output"]["kernel"][:, 0]) / seen.std(0)
    bias = params["output"]["bias"][1] - params["output"]["bias"][0] - seen.mean(0) @ w
    sign = 2.0 * labels - 1
    low, high = np.minimum(seen.min(0), x), np.maximum(seen.max(0), x)
    assert len(x) > EVALUATION_BLOCK
    assert (x < seen.min(0)).any()
    assert (x > seen.max(0)).any()
    for i, e in enumerate((0.05, 0.5)):
        worst = np.clip(x - e * np.sign(w) * sign[:, None], low, high)
        margin = sign * (worst @ w + bias)
        free = (worst == x - np.float32(e) * np.sign(w) * sign[:, None]).all(1)
        np.testing.assert_allclose(
            margin[free], (sign * (x @ w + bias) - e * np.abs(w).sum())[free], rtol=1e-4, atol=1e-4
        )
        for kind in ("fgsm", "pgd"):
            assert float(found[f"{kind}/nll"][i]) == pytest.approx(np.logaddexp(0, -margin).mean(), rel=1e-4)
            assert float(found[f"{kind}/accuracy"][i]) == pytest.approx((margin > 0).mean(), abs=2 / len(x))


def test_attacks_on_a_network_are_torchs():
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    data, params = columns(300, classes=3), layers(2, 4, 8, 3)
    found, x, labels, seen = attacks(MLP(hidden=(8,), activation="tanh"), data, params, (0.02, 0.2), 5)
    a, b, c, d = (torch.tensor(params[n][k]).double() for n in ("hidden_0", "output") for k in ("kernel", "bias"))
    mean, scale = torch.tensor(seen.mean(0)), torch.tensor(seen.std(0))
    x, labels = torch.tensor(x).double(), torch.tensor(labels).long()
    low, high = (torch.tensor(f(seen, 0)) for f in (np.min, np.max))

    def loss(x):
        return torch.nn.functional.cross_entropy(torch.tanh((x - mean) / scale @ a + b) @ c + d, labels)

    def attacked(e, steps):
        at = x
        for _ in range(steps):
            leaf = at.clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(loss(leaf), leaf)
            at = at + (e if steps == 1 else 2.5 * e / steps) * gradient.sign()
            at = at.clamp(x - e, x + e).clamp(torch.minimum(low, x), torch.maximum(high, x))
        return float(loss(at))

    for i, e in enumerate((0.02, 0.2)):
        assert float(found["fgsm/nll"][i]) == pytest.approx(attacked(e, 1), rel=1e-4)
        assert float(found["pgd/nll"][i]) == pytest.approx(attacked(e, 5), rel=1e-4)
        assert float(found["pgd/nll"][i]) > float(found["fgsm/nll"][i]) - 0.01
    assert float(found["pgd/nll"][1]) > float(found["pgd/nll"][0]) > float(loss(x))


@cache
def ascent(steps):
    """`ascend` on a wavy loss, compiled once."""
    return jax.jit(lambda w, x, low, high, e: ascend(lambda x: jnp.sum(jnp.sin(x @ w)), x, x, low, high, e, steps))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0, 2, width=32), st.sampled_from([1, 2, 7]))
def test_no_attack_leaves_the_ball_or_the_range(seed, epsilon, steps):
    generator = np.random.default_rng(seed)
    w, x = generator.normal(size=(5, 3)).astype(np.float32), generator.normal(size=(6, 5)).astype(np.float32)
    low, high = -generator.exponential(size=5).astype(np.float32), generator.exponential(size=5).astype(np.float32)
    out = np.asarray(ascent(steps)(w, x, low, high, np.float32(epsilon)))
    assert np.abs(out - x).max() <= epsilon * (1 + 1e-6) + 1e-6
    assert np.all((out >= np.minimum(low, x)) & (out <= np.maximum(high, x)))
    if epsilon == 0:
        np.testing.assert_array_equal(out, x)


# -- Monte Carlo predictions ------------------------------------------------------------------------------------------


def sampled(what, data, variables):
    spec, shared, lane, rows = setting(what, data)
    run = jax.jit(lambda v: monte_carlo(what, spec, shared, lane, v, rows))
    return {k: np.asarray(v) for k, v in run(variables).items()}, lane, np.asarray(rows)


def enumerated(params, x, rate):
    """(16,) probability of each mask of four hidden units, and (16, n, outputs) outputs under it."""
    masks = np.array(list(product([0.0, 1.0], repeat=4)))
    probability = np.prod(np.where(masks == 1, 1 - rate, rate), 1)
    h = np.maximum(x @ params["hidden_0"]["kernel"] + params["hidden_0"]["bias"], 0)
    outputs = (h * masks[:, None] / (1 - rate)) @ params["output"]["kernel"] + params["output"]["bias"]
    return probability, outputs


def test_many_passes_agree_with_all_sixteen_masks():
    params, count, rate = layers(3, 4, 4, 3), 6000, 0.3
    data = replace(columns(40, classes=3), inputs=table(n=40, columns=4).inputs)
    what = experiment(
        Dropout(rate=rate), model=MLP(hidden=(4,)), dataset=replace(DATASET, preprocess=()),
        evaluation=Evaluation(mc_samples=count),
    )  # fmt: skip
    found, _, rows = sampled(what, data, Variables({"model": params}, {}))
    weight, outputs = enumerated(params, data.inputs[rows].astype(float), rate)
    each = softmax(outputs, -1)
    mean = np.einsum("m,mnk->nk", weight, each)
    deviation = np.sqrt(np.einsum("m,mnk->nk", weight, (each - mean) ** 2) / count)
    assert np.all(np.abs(np.exp(found["outputs"]) - mean) <= 4.5 * deviation + 1e-6)
    information = entropy(mean, axis=-1) - weight @ entropy(each, axis=-1)
    assert information.max() > 0.1
    np.testing.assert_allclose(found["entropy"], entropy(mean, axis=-1), atol=0.02)
    np.testing.assert_allclose(found["mutual_information"], information, atol=0.02)


def test_passes_are_those_of_the_same_masks_with_running_statistics_in_every_block():
    """Three passes worked outside from the masks' hash; blocks of rows draw masks of their own."""
    data, params = columns(1400, classes=3), layers(4, 4, 6, 3)
    del params["hidden_0"]["bias"]
    generator = np.random.default_rng(5)
    state = {"mean": generator.normal(size=6), "variance": generator.uniform(0.5, 2, 6)}
    own = {"gamma": generator.normal(size=6), "beta": generator.normal(size=6)}
    what = experiment(
        BatchNorm(), Dropout(rate=0.4), model=MLP(hidden=(6,), activation="tanh"), dataset=DATASET,
        evaluation=Evaluation(mc_samples=3),
    )  # fmt: skip
    wrap = {"batch_norm": {"hidden_0/pre": jax.tree.map(np.float32, own)}}
    variables = Variables({"model": params, **wrap}, {"batch_norm": {"hidden_0/pre": jax.tree.map(np.float32, state)}})
    found, lane, rows = sampled(what, data, variables)
    seen = data.inputs[np.asarray(lane.train)].astype(float)
    x = (data.inputs[rows] - seen.mean(0)) / seen.std(0)
    z = x @ params["hidden_0"]["kernel"]
    z = own["gamma"] * (z - state["mean"]) / np.sqrt(state["variance"] + 1e-5) + own["beta"]
    blocks = [stream_of_block(lane.key, sample, block) for sample in range(3) for block in range(2)]
    masks = [np.asarray(drop_mask(key, 0.4, (EVALUATION_BLOCK, 6))) for key in blocks]
    assert all(np.mean(a != b) > 0.3 for i, a in enumerate(masks) for b in masks[:i])
    passes = []
    for sample in range(3):
        dropped = np.concatenate(masks[2 * sample : 2 * sample + 2])[: len(rows)]
        h = np.where(dropped, 0, np.tanh(z) / 0.6)
        passes.append(softmax(h @ params["output"]["kernel"] + params["output"]["bias"], -1))
    mean = np.mean(passes, 0)
    np.testing.assert_allclose(np.exp(found["outputs"]), mean, atol=1e-5)
    np.testing.assert_allclose(found["entropy"], entropy(mean, axis=-1), atol=1e-5)
    information = entropy(mean, axis=-1) - np.mean(entropy(passes, axis=-1), 0)
    np.testing.assert_allclose(found["mutual_information"], information, atol=1e-5)


def stream_of_block(key, sample, block):
    own = stream(stream(key, "mc"), "dropout/transform_activation")
    return stream(jax.random.fold_in(jax.random.fold_in(own, sample), block), "hidden_0/post")


@pytest.mark.parametrize("size", [1.0, 1e-4])
def test_regression_has_the_mean_and_the_spread_of_predictions_in_the_targets_units(size):
    """A spread of a ten-thousandth of the prediction is not lost to rounding."""
    data, params = table(n=40, columns=4), layers(6, 4, 4, 1)
    data = replace(data, targets=5 + 100 * data.targets)
    params["output"] = {"kernel": size * params["output"]["kernel"], "bias": np.ones(1, np.float32)}
    count, rate = 6000, 0.3
    what = experiment(
        Dropout(rate=rate), model=MLP(hidden=(4,)), dataset=replace(DATASET, preprocess=()),
        evaluation=Evaluation(mc_samples=count),
    )  # fmt: skip
    found, lane, rows = sampled(what, data, Variables({"model": params}, {}))
    weight, outputs = enumerated(params, data.inputs[rows].astype(float), rate)
    mean = np.einsum("m,mnk->nk", weight, outputs)
    deviation = np.sqrt(np.einsum("m,mnk->nk", weight, (outputs - mean) ** 2))
    assert np.all(np.abs(found["outputs"] - mean) <= 4.5 * deviation / np.sqrt(count) + 1e-5)
    expected = (deviation * data.targets[np.asarray(lane.train)].std(0)).mean(1)
    np.testing.assert_allclose(found["spread"], expected, rtol=0.06)


def test_a_run_measures_them_prints_them_and_measures_the_same_again(tmp_path, capsys):
    """The whole way, with two layers that share a parameter: summary.json, the closing lines, evaluate, predict."""
    (tmp_path / "c.yaml").write_text(CONFIG)
    assert inside("train", tmp_path / "c.yaml", "--runs-dir", tmp_path) == 0
    told = capsys.readouterr().out
    for words in (
        "conventions: dropconnect inference mean; dropout mode scaled; adam style lecture",
        "Monte Carlo: test accuracy",
        "under FGSM, epsilon 1e-05: test accuracy",
        "under PGD, epsilon 0.1: test accuracy",
    ):
        assert words in told
    summary = json.loads((tmp_path / "c" / "summary.json").read_text())
    measured = {"accuracy", "balanced_accuracy", "nll", "brier", "ece"}
    names = {f"mc/{name}" for name in measured | {"entropy", "mutual_information"}}
    sizes = ("fgsm-0.1", "fgsm-1e-05", "pgd-0.1", "pgd-1e-05")
    names |= {f"{kind}/{name}" for kind in sizes for name in measured | {"loss"}}
    found = {name: number for name, number in summary["metrics"].items() if "test" not in name}
    assert {name for name in found if not name.startswith(("train/", "validation/"))} == names
    assert found["pgd-0.1/nll"]["mean"] > summary["metrics"]["test/nll"]["mean"]
    assert inside("evaluate", "c", "--runs-dir", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == summary["metrics"]
    saved, _, _ = Run.read(tmp_path, "c").load_checkpoint("best")
    assert {name.split(":")[-2] for name in saved if name.endswith("kernel")} == {"hidden_0", "output"}
    with np.load(tmp_path / "c" / "predictions.npz") as left:
        rows, outputs = left["rows"], left["outputs"]
    np.savez(tmp_path / "new.npz", inputs=load_wine().data[rows[0]].astype(np.float32))
    files = ("--input", tmp_path / "new.npz", "--output", tmp_path / "p.csv")
    assert inside("predict", "c", "--runs-dir", tmp_path, *files) == 0
    found = np.loadtxt(tmp_path / "p.csv", str, delimiter=",", skiprows=1)[:, 1:4].astype(float)
    np.testing.assert_allclose(found, softmax(outputs[0], -1), atol=1e-5)


CONFIG = """\
conventions: lecture
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [13, 13], share: [[hidden_0, hidden_1]]}
regularizers: {weight_norm: , dropconnect: {rate: 0.1}, dropout: {rate: 0.1}}
training: {epochs: 2, seeds: [3]}
evaluation: {mc_samples: 2, attacks: {epsilons: [0.1, 1.0e-5], steps: 2}}
"""


def test_without_test_data_there_is_nothing_to_predict_or_probe():
    what = experiment(
        model=MLP(hidden=(4,)), dataset=Dataset(test=0.0), evaluation=Evaluation(mc_samples=2, attacks=Attacks())
    )
    spec, shared, lane, rows = setting(what, columns(40, classes=3))
    variables = Variables({"model": layers(0, 4, 4, 3)}, {})
    assert rows.shape == (0,)
    assert jax.eval_shape(lambda: predict(what, spec, shared, lane, variables, rows)).shape == (0, 3)
    assert probed(what, spec, shared, lane, variables, rows) == {}
    trained = train(what, columns(40, classes=3))
    before = compilations()
    assert trained.probed(trained.state.variables) == {}
    assert compilations() == before  # no program without results


@pytest.mark.parametrize(
    ("asked", "column"), [("mc_samples: 3", 14), ("attacks: {epsilons: [0.1]}", 14), ("attacks: {}", 14)]
)
@pytest.mark.parametrize("method", ["bagging", "deep_ensemble", "snapshot_ensemble"])
def test_ensembles_are_refused_where_they_are_asked_for(method, asked, column):
    with pytest.raises(ConfigError) as caught:
        loads(f"regularizers: {{{method}: }}\nevaluation: {{{asked}}}\n")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (2, column)
    assert problem.message == f"{asked.split(':')[0]} is measured on single models; {method} trains several"
