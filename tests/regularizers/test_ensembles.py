"""Ensembles: members that differ as they should, and predictions put together as by hand."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy import stats

from regexp.config import loads
from regexp.core.errors import ConfigError, Interrupted
from regexp.engine.prepare import members_split
from regexp.engine.scores import combine
from regexp.experiment import Training, Trial, trials
from regexp.inference import evaluate, predict
from regexp.optimizers.sgd import SGD
from regexp.regularizers.ensembles.bagging import Bagging
from regexp.regularizers.ensembles.deep_ensemble import DeepEnsemble
from regexp.regularizers.ensembles.snapshot_ensemble import SnapshotEnsemble
from tests.lab import experiment, flat, group, images, table, train
from tests.sessions import begin, finish, lasting, resumed

pytestmark = pytest.mark.slow  # members and cycles are trained in full

WINE = """
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [5]}
regularizers:
  dropout: {rate: 0.2}
  METHOD
optimizer: {name: sgd, learning_rate: 0.1}
training: {epochs: 4, batch_size: 16, seeds: [0, 1]}
run: {checkpoint_seconds: 1000}
"""
DIABETES = """
dataset: {name: diabetes, preprocess: [standardize]}
model: {name: linear}
regularizers: {bagging: {members: 4}}
optimizer: {name: sgd, learning_rate: 0.1}
training: {epochs: 3, batch_size: 32}
"""


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    session = begin(tmp_path_factory.mktemp("deep"), WINE.replace("METHOD", "deep_ensemble: {members: 3}"))
    return session, finish(session)


@pytest.fixture(scope="module")
def bagged(tmp_path_factory):
    session = begin(tmp_path_factory.mktemp("bagged"), DIABETES)
    return session, finish(session)


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def outputs(session, rows):
    """[seed][member] outputs (n, K) of the selected models."""
    (group,) = session.stages[0].groups
    found = group.predict(group.selected()[0], np.stack([rows[t.seed] for t in session.trials]))
    return {s: [o for t, o in zip(session.trials, found, strict=True) if t.seed == s] for s in rows}


# -- putting together -------------------------------------------------------------------------------------------------


def test_mean_and_vote_are_those_of_a_voting_classifier():
    from sklearn.ensemble import VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import LabelEncoder

    data, generator = images(), np.random.default_rng(0)
    x, y = data.inputs.reshape(len(data.inputs), -1), data.targets
    fitted = [LogisticRegression(C=c, max_iter=30).fit(x[rows], y[rows])
              for c in (1e-3, 1e-2, 1.0) for rows in [generator.choice(240, 60)]]  # fmt: skip
    logits = np.stack([np.log(one.predict_proba(x)) for one in fitted])
    for how, kind in (("mean", "soft"), ("vote", "hard")):
        theirs = VotingClassifier([(str(i), one) for i, one in enumerate(fitted)], voting=kind)
        theirs.estimators_, theirs.le_, theirs.classes_ = fitted, LabelEncoder().fit(y), np.arange(3)
        ours = np.exp(combine(experiment(DeepEnsemble(combine=how)), data, logits))
        if how == "mean":
            np.testing.assert_allclose(ours, theirs.predict_proba(x), rtol=1e-5, atol=1e-6)
        else:
            shares = np.stack([(theirs.transform(x) == k).mean(1) for k in range(3)], 1)
            np.testing.assert_allclose(ours, shares, atol=1e-6)
        np.testing.assert_array_equal(ours.argmax(1), theirs.predict(x))


# -- deep ensemble ----------------------------------------------------------------------------------------------------


def test_the_first_member_is_the_run_without_the_method_and_the_others_are_not():
    plain, together = train(experiment(), seeds=(0, 1, 2)), train(experiment(DeepEnsemble(members=3)))
    of = [jax.tree.map(lambda x, i=i: np.asarray(x)[i], together.state.variables) for i in range(3)]
    np.testing.assert_array_equal(flat(of[0]), flat(jax.tree.map(lambda x: np.asarray(x)[0], plain.state.variables)))
    assert not np.allclose(flat(of[0]), flat(of[1]))
    assert not np.allclose(flat(of[1]), flat(of[2]))
    orders = [np.asarray(together._order(0, 10))[i] for i in range(3)]
    assert not np.array_equal(orders[0], orders[1])


def test_the_summary_is_of_the_mean_probability(deep):
    session, summary = deep
    found = outputs(session, {seed: s.test for seed, s in session.base.items()})
    for place, (seed, members) in enumerate(found.items()):
        mean, labels = softmax(np.stack(members)).mean(0), session.data.targets[session.base[seed].test]
        nll = -np.log(mean[np.arange(len(labels)), labels]).mean()
        assert summary["metrics"]["test/nll"]["values"][place] == pytest.approx(nll, rel=1e-4)
        assert summary["metrics"]["test/accuracy"]["values"][place] == pytest.approx((mean.argmax(1) == labels).mean())
        each = [-np.log(softmax(m)[np.arange(len(labels)), labels]).mean() for m in members]
        assert summary["ensemble"]["members"]["test/nll"]["values"][place] == pytest.approx(np.mean(each), rel=1e-4)
        assert any(summary["ensemble"]["best_member"]["test/nll"]["values"][place] == pytest.approx(e, rel=1e-4)
                   for e in each)  # fmt: skip
    assert [(lane["seed"], lane["member"]) for lane in summary["lanes"]] == [(s, m) for s in (0, 1) for m in range(3)]


def test_evaluate_and_predict_agree_with_the_summary(deep, tmp_path):
    session, summary = deep
    again = evaluate(session.run, session.data).metrics
    assert set(again) == set(summary["metrics"])
    for name, numbers in again.items():
        assert numbers["values"] == pytest.approx(summary["metrics"][name]["values"], rel=1e-5), name
    rows = np.arange(20)
    np.savez(tmp_path / "some.npz", inputs=session.data.inputs[rows])
    predicted = predict(session.run, str(tmp_path / "some.npz"))
    by_hand = [softmax(np.stack(m)).mean(0) for m in outputs(session, dict.fromkeys(session.base, rows)).values()]
    np.testing.assert_allclose(predicted.values, np.mean(by_hand, 0), rtol=1e-4, atol=1e-6)


def test_interrupted_and_resumed_an_ensemble_gives_the_same_bytes(deep, tmp_path):
    session = begin(tmp_path, WINE.replace("METHOD", "deep_ensemble: {members: 3}"), lambda: 15)
    with pytest.raises(Interrupted):
        finish(session)
    again = resumed(session)
    assert lasting(again, finish(again, resume=True)) == lasting(*deep)


# -- bagging ----------------------------------------------------------------------------------------------------------


def test_a_resample_is_as_large_and_leaves_out_1_over_e():
    rows = np.arange(100, 2100)
    drawn = [Bagging().resample(rows, np.random.default_rng(seed)) for seed in range(20)]
    seen = np.array([len(np.unique(own)) for own in drawn])
    assert all(len(own) == 2000 and np.isin(own, rows).all() for own in drawn)
    n, e = 2000, np.exp(-1)  # distinct rows of n draws: about normal, variance n (1/e)(1 - 2/e)
    assert abs(seen.mean() - n * (1 - e)) < 4.5 * np.sqrt(n * e * (1 - 2 * e) / len(seen))
    counts = np.bincount(np.concatenate(drawn) - 100, minlength=n)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_members_of_a_bag_differ_in_their_rows_alone():
    data, every = images(), trials(experiment(Bagging(members=3)))
    made = group(every, data)
    rows = [split.train for split in made.splits]
    assert len({len(r) for r in rows}) == 1
    assert len({tuple(np.sort(r)) for r in rows}) == 3
    for leaf in jax.tree.leaves(made.state.variables):
        np.testing.assert_array_equal(leaf[0], leaf[1])  # the same initial weights
    again = members_split(every[1], made.splits[0])
    assert not np.array_equal(again.train, made.splits[0].train)


def test_out_of_bag_by_hand(bagged):
    """Each example by the members that never saw it; every member in its own target units."""
    session, summary = bagged
    split, data = session.base[0], session.data
    own = outputs(session, {0: split.train})[0]
    seen = [set(s.train.tolist()) for s in session.stages[0].splits]
    errors, examples = [], 0
    for i, row in enumerate(split.train):
        unseen = [o[i] for o, rows in zip(own, seen, strict=True) if int(row) not in rows]
        if unseen:
            errors.append((np.mean(unseen, 0) - data.targets[row]) ** 2)
            examples += 1
    found = summary["ensemble"]["out_of_bag"]
    assert found["share"]["values"] == [pytest.approx(examples / len(split.train))]
    assert abs(examples / len(split.train) - (1 - (1 - np.exp(-1)) ** 4)) < 0.07
    assert found["rmse"]["values"] == [pytest.approx(np.sqrt(np.mean(errors)), rel=1e-4)]


def test_a_bag_of_regressions_is_the_mean_in_the_targets_units(bagged, tmp_path):
    session, summary = bagged
    split, data = session.base[0], session.data
    mean = np.mean(outputs(session, {0: split.test})[0], 0)
    rmse = np.sqrt(np.mean((mean - data.targets[split.test]) ** 2))
    assert summary["metrics"]["test/rmse"]["values"] == [pytest.approx(rmse, rel=1e-5)]
    np.testing.assert_allclose(session.run.read_predictions()["outputs"][0], mean, rtol=1e-5)
    assert evaluate(session.run, data).metrics["test/rmse"]["values"] == [pytest.approx(rmse, rel=1e-5)]
    np.savez(tmp_path / "some.npz", inputs=data.inputs[split.test])
    np.testing.assert_allclose(predict(session.run, str(tmp_path / "some.npz")).values, mean, rtol=1e-4)


# -- snapshots --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("total", "members"), [(60, 5), (490, 49), (820, 41), (37, 1)])
def test_rates_are_the_papers(total, members):
    """alpha_0/2 (cos(pi mod(t - 1, T/M)/(T/M)) + 1) for t = 1 ... T; a cycle's first step has the whole rate."""
    steps = np.arange(total, dtype=np.int32)
    progress = jax.numpy.asarray(steps) / total
    method, rate = SnapshotEnsemble(members=members), jax.numpy.asarray(0.5)
    ours = jax.vmap(lambda share: method.transform_rate(rate, share))(progress)
    cycle = total // members
    np.testing.assert_allclose(ours, 0.25 * (np.cos(np.pi * (steps % cycle) / cycle) + 1), atol=1e-5)


def test_snapshots_are_the_weights_at_the_ends_of_the_cycles():
    what = experiment(
        SnapshotEnsemble(members=3), optimizer=SGD(learning_rate=0.2), training=Training(epochs=6, batch_size=16)
    )
    made = group([Trial(experiment=what, seed=seed) for seed in (0, 1)], table())
    ends = []
    while not made.done:
        made.advance(2 * made.steps_per_epoch)
        ends.append(flat(jax.tree.map(np.array, made.state.variables)))
    snapshots = made.selected()
    assert len(snapshots) == len(ends) == 3
    for ours, end in zip(snapshots, ends, strict=True):
        np.testing.assert_array_equal(flat(ours), end)
    metrics, _ = made.evaluate(snapshots[0])
    assert np.all(np.isfinite(metrics["test/loss"]))


# -- what does not go together ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "lines", "message"),
    [
        ("regularizers:\n  bagging:\n  deep_ensemble:\n", [2, 3], "are both ensembles: choose one of them"),
        ("regularizers:\n  snapshot_ensemble:\n  early_stopping:\n", [2], "would end the run before the last cycles"),
        ("training: {epochs: 4}\nregularizers:\n  snapshot_ensemble:\n", [3], "5 cycles need at least as many"),
        (
            "optimizer: {name: sgd, schedule: cosine}\nregularizers:\n  snapshot_ensemble:\n",
            [3],
            "leave optimizer.schedule constant",
        ),
        (
            "dataset: diabetes\nregularizers:\n  bagging: {combine: vote}\n",
            [3],
            "members vote for classes; this dataset is a regression",
        ),
    ],
)
def test_what_ensembles_do_not_go_with_is_a_config_error(text, lines, message):
    with pytest.raises(ConfigError) as caught:
        loads(text)
    assert [(p.line, p.column) for p in caught.value.problems] == [(line, 3) for line in lines]
    assert all(message in p.message for p in caught.value.problems)
