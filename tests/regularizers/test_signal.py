"""Few labels, the autoencoder and the second head, against NumPy, SciPy and PyTorch's autograd."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from regexp.config import loads
from regexp.core.errors import ConfigError, DataError
from regexp.datasets.base import Data, Dataset, Split
from regexp.datasets.csv import CSV
from regexp.datasets.splits import split
from regexp.engine.group import Group
from regexp.engine.prepare import prepare_lane
from regexp.experiment import Training, Trial
from regexp.models.mlp import MLP
from regexp.optimizers.gd import GD
from regexp.optimizers.sgd import SGD
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.adversarial.fgsm import FGSM
from regexp.regularizers.base import Batch
from regexp.regularizers.gradients.sam import SAM
from regexp.regularizers.signal.auxiliary import Auxiliary
from regexp.regularizers.signal.semi_supervised import SemiSupervised
from tests.lab import experiment, flat, images, train, weights

# -- which labels are kept --------------------------------------------------------------------------------------------


def kept(labels, seed=0, data=None):
    data = images() if data is None else data
    trial = Trial(experiment=experiment(SemiSupervised(labels=labels)), seed=seed)
    parts = split(trial.experiment.dataset, data, seed)
    return prepare_lane(trial, data, parts).own["semi_supervised"]["labelled"], parts


def test_exactly_n_labels_of_each_class_by_seed_and_more_keep_those_of_fewer():
    data = images()
    five, parts = kept(5)
    ten, _ = kept(10)
    assert np.bincount(data.targets[five == 1]).tolist() == [5, 5, 5]
    assert np.bincount(data.targets[ten == 1]).tolist() == [10, 10, 10]
    assert set(np.unique(ten)) == {0, 1}
    assert np.all(ten >= five)
    assert set(np.flatnonzero(ten)) <= set(parts.train)
    np.testing.assert_array_equal(five, kept(5)[0])
    assert np.any(five != kept(5, seed=1)[0])


def test_members_of_an_ensemble_keep_the_same_labels():
    data, what = images(), experiment(SemiSupervised(labels=5))
    parts = split(what.dataset, data, 0)
    first, second = (prepare_lane(Trial(experiment=what, seed=0, member=m), data, parts) for m in (0, 1))
    np.testing.assert_array_equal(first.own["semi_supervised"]["labelled"], second.own["semi_supervised"]["labelled"])


def test_a_class_with_too_few_examples_is_told():
    with pytest.raises(DataError, match=r"semi_supervised needs 60 labels of class 'class 0', which has 5\d"):
        kept(60)


SMALL = {"model": MLP(hidden=(6,)), "optimizer": SGD(learning_rate=0.1)}
METHODS = {
    "pseudo_label": (
        SemiSupervised(labels=4, threshold=0.4, warmup=1.0), FGSM(epsilon=0.05), SAM(), Dropout(rate=0.2), BatchNorm(),
    ),
    "autoencoder": (SemiSupervised(labels=10, method="autoencoder", warmup=1.0),),
}  # fmt: skip


@pytest.mark.parametrize("method", list(METHODS))
def test_labels_that_were_taken_away_move_no_bit(method):
    """Pseudo labels beside four other methods; a label that was kept does move something."""
    data = images()
    trial = Trial(experiment=experiment(*METHODS[method], **SMALL), seed=0)
    parts = split(trial.experiment.dataset, data, 0)
    lane = prepare_lane(trial, data, parts)
    labelled = lane.own["semi_supervised"]["labelled"][parts.train] == 1

    def trained(change):
        targets = data.targets.copy()
        targets[change] = (targets[change] + 1) % 3
        made = Group([trial], [lane], replace(data, targets=targets), [parts])
        made.compile()
        while not made.done:
            made.advance(made.total_steps)
        return flat(made.state.variables)

    plain = trained(parts.train[:0])
    np.testing.assert_array_equal(plain, trained(parts.train[~labelled]))
    assert np.any(plain != trained(parts.train[labelled][:1]))


# -- its losses -------------------------------------------------------------------------------------------------------


def losses(method, logits, labelled, epoch):
    """What the method makes of cross entropies with class 0, for a batch of rows in reverse order."""
    rows = np.arange(len(logits))[::-1]
    own = {"semi_supervised": {"labelled": jnp.asarray(labelled[::-1].astype(np.float32))}}
    given = Batch(None, None, None, None, jnp.asarray(rows), jnp.asarray(epoch), own)
    return method.transform_losses(-jax.nn.log_softmax(logits)[:, 0], jnp.asarray(logits), given)


RAMPS = [(0.0, 4.0, 0.0), (1.0, 4.0, 0.25), (9.0, 4.0, 1.0), (0.0, 0.0, 0.0)]


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.6, 1.0])
@pytest.mark.parametrize(("epoch", "warmup", "ramp"), RAMPS)
def test_pseudo_labels_by_hand(threshold, epoch, warmup, ramp):
    generator = np.random.default_rng(0)
    logits = (2 * generator.normal(size=(12, 3))).astype(np.float32)
    logits[0] = [0.0, 0.0, -200.0]  # a probability of exactly 0.5, which is not above it
    labelled = np.arange(12) % 4 == 1
    method = SemiSupervised(weight=0.7, threshold=threshold, warmup=warmup)
    logs = log_softmax(logits.astype(float), -1)
    supervised = np.mean([-row[0] for row, known in zip(logs, labelled, strict=True) if known])
    pseudo = [-row.max() if np.exp(row.max()) > threshold else 0.0 for row in logs[~labelled]]
    expected = supervised + 0.7 * ramp * np.mean(pseudo)
    assert float(jnp.mean(losses(method, logits, labelled, epoch))) == pytest.approx(expected, rel=1e-5)
    if threshold == 1:
        assert expected == supervised


def test_the_pseudo_label_is_a_constant_to_the_gradient():
    """Of cross entropy with a fixed class: softmax less one-hot."""
    logits = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    method = SemiSupervised(threshold=0.0, warmup=1.0)
    labelled = np.array([True, False, False, False])
    found = jax.grad(lambda z: jnp.mean(losses(method, z, labelled, 1.0)))(jnp.asarray(logits))
    guess = np.where(labelled, 0, logits.argmax(1))
    share = np.where(labelled, 1.0, 1 / 3)[:, None]
    np.testing.assert_allclose(found, share * (np.exp(log_softmax(logits, -1)) - np.eye(3)[guess]), atol=1e-6)


@pytest.mark.parametrize("labelled", [np.zeros(4, bool), np.ones(4, bool)])
def test_batches_without_one_kind_are_finite(labelled):
    method = SemiSupervised(threshold=0.0, warmup=0.0)
    found = jnp.mean(losses(method, np.eye(4, 3, dtype=np.float32), labelled, 1.0))
    assert np.isfinite(found)
    assert float(found) > 0


def test_first_the_autoencoder_then_the_classifier():
    """One epoch each: reconstruction moves the trunk and its own head alone, then the classifier trunk and output."""
    made = train(experiment(*METHODS["autoencoder"], **SMALL), steps=0)

    def now():
        own = jax.tree.map(np.asarray, made.state.variables.parameters["semi_supervised"])
        return {**{layer: flat(arrays) for layer, arrays in weights(made).items()}, "head": flat(own)}

    start = now()
    rows = made.advance(made.steps_per_epoch)
    middle = now()
    rows += made.advance(made.steps_per_epoch)
    end = now()
    moved = {layer: np.any(start[layer] != middle[layer]) for layer in start}
    assert moved == {"hidden_0": True, "output": False, "head": True}
    moved = {layer: np.any(middle[layer] != end[layer]) for layer in start}
    assert moved == {"hidden_0": True, "output": True, "head": False}
    assert rows[0]["loss/data"] < 0.7  # squared errors of pixels in [0, 1]
    assert rows[1]["loss/data"] > 0.7  # cross entropy of three classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("semi_supervised: , mixup: ", "mixup would mix labels that were taken away into the batch"),
        ("semi_supervised: , bagging: ", "bagging gives each member other training rows"),
        ("semi_supervised: {method: autoencoder, warmup: 30}", "training.epochs 30 ends the run within the 30 epochs"),
        ("semi_supervised: {method: autoencoder}, early_stopping: {patience: 10}", "early_stopping.patience 10 ends"),
        ("auxiliary: {head: extra}", "auxiliary.head extra needs dataset.extra"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(text, message):
    with pytest.raises(ConfigError) as caught:
        loads(f"regularizers: {{{text}}}\n")
    (problem,) = caught.value.problems
    assert problem.message.startswith(message)
    assert (problem.line, problem.column) == (1, 16)


def test_selecting_by_the_training_metrics_is_warned_of():
    text = "regularizers: {semi_supervised: , early_stopping: {monitor: train/loss}}\ntraining: {monitor: %s}\n"
    assert [w.message for w in loads(text % "train/accuracy").warnings] == [
        "train/accuracy selects by labels that were taken away",
        "train/loss selects by labels that were taken away",
    ]
    assert loads("regularizers: {semi_supervised: , early_stopping: }\n").warnings == ()


@pytest.mark.parametrize("text", ["auxiliary: ", "semi_supervised: {method: autoencoder}"])
def test_heads_need_a_hidden_layer(text):
    with pytest.raises(ConfigError, match="needs a hidden layer; the model has none"):
        loads(f"model: linear\nregularizers: {{{text}}}\n")


# -- the second head --------------------------------------------------------------------------------------------------

TWO_HEADED = {
    "model": MLP(hidden=(6,), activation="tanh"), "optimizer": GD(learning_rate=0.3), "training": Training(epochs=3),
}  # fmt: skip
LAYERS = [("hidden_0", "kernel"), ("hidden_0", "bias"), ("output", "kernel"), ("output", "bias")]


def torch_training(start, head, x, labels, targets, weight, steps):
    """Gradient descent of cross entropy plus `weight` times the mean squared error of a second linear head."""
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    arrays = [start[layer][name] for layer, name in LAYERS] + [head["kernel"], head["bias"]]
    leaves = [torch.tensor(a.astype(float), requires_grad=True) for a in arrays]
    x, labels, targets = torch.tensor(x), torch.tensor(labels).long(), torch.tensor(targets)
    for _ in range(steps):
        h = torch.tanh(x @ leaves[0] + leaves[1])
        second = torch.stack([
            (own[~there.isnan()] - there[~there.isnan()]).square().sum() / max(1, int((~there.isnan()).sum()))
            for own, there in zip(h @ leaves[4] + leaves[5], targets, strict=True)
        ])  # fmt: skip
        loss = torch.nn.functional.cross_entropy(h @ leaves[2] + leaves[3], labels) + weight * second.mean()
        for leaf, gradient in zip(leaves, torch.autograd.grad(loss, leaves), strict=True):
            leaf.data -= 0.3 * gradient
    return [leaf.detach().numpy() for leaf in leaves], loss.item()


def compare_with_torch(method, dataset, data, targets_of):
    """Three steps of full-batch gradient descent; returns our group."""
    what = experiment(method, dataset=dataset, **TWO_HEADED)
    begun, made = train(what, data, steps=0), train(what, data)
    own = jax.tree.map(lambda a: np.asarray(a)[0], begun.state.variables.parameters["auxiliary"]["hidden_0/post"])
    rows = made.splits[0].train
    x = data.inputs[rows].reshape(len(rows), -1).astype(float)
    theirs, loss = torch_training(
        weights(begun), own, x, data.targets[rows], targets_of(x, rows), method.weight, steps=3
    )
    ours = weights(made)
    head = made.state.variables.parameters["auxiliary"]["hidden_0/post"]
    found = [ours[layer][name] for layer, name in LAYERS] + [np.asarray(head[k])[0] for k in ("kernel", "bias")]
    for a, b in zip(found, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert made.rows[-1]["loss/data"] == pytest.approx(loss, rel=1e-5)


def test_reconstruction_is_torchs_two_headed_net():
    compare_with_torch(Auxiliary(weight=2.0), Dataset(validation=0.0), images(n=60, side=3), lambda x, rows: x)


def people(n=80):
    """Rows of a table whose height and weight are extra targets, some of them missing."""
    generator = np.random.default_rng(0)
    cells = np.round(generator.normal(size=(n, 5)) * [1, 2, 30, 5, 1] + [0, 1, 170, 70, 0], 3).astype(str)
    cells[::7, 2] = ""
    cells[1::5, 3] = "NA"
    cells[:, 4] = np.arange(n) % 2
    return "a,b,height,weight,y\n" + "\n".join(map(",".join, cells)) + "\n"


def extra(folder, **fields):
    (folder / "t.csv").write_text(people())
    chosen = {"extra": ("height", "weight"), "validation": 0.0} | fields
    return CSV(path=str(folder / "t.csv"), **chosen)


def test_extra_columns_are_torchs_two_headed_net_and_missing_ones_cost_nothing(tmp_path):
    dataset = extra(tmp_path)
    data = dataset.load()
    assert data.columns == ("a", "b")
    assert data.extra.shape == (80, 2)

    def targets(x, rows):
        own = data.extra[rows].astype(float)
        return (own - np.nanmean(own, 0)) / np.nanstd(own, 0)

    parts = split(dataset, data, 0)
    assert np.isnan(data.extra[parts.train]).all(1).any()
    compare_with_torch(Auxiliary(weight=2.0, head="extra"), dataset, data, targets)


def test_extra_targets_without_a_value_or_a_spread_stay_finite():
    column = np.full((6, 3), np.nan, np.float32)
    column[:, 1] = 7
    column[:, 2] = [1, 2, 3, np.nan, 100, 200]
    data = Data(np.zeros((6, 1), np.float32), np.zeros(6, np.int32), ("a", "b"), extra=column)
    parts = Split(np.arange(4), np.arange(0), np.arange(4, 6))
    found = Auxiliary(head="extra").prepare(data, parts, np.random.default_rng(0))["targets"]
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_array_equal(found[:, 1], 0)
    np.testing.assert_allclose(found[:3, 2], np.array([-1, 0, 1]) / np.std([1, 2, 3]), rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"extra": ("hight",)}, "t.csv:2: no column 'hight'; there are a, b, height, weight, y"),
        ({"extra": ("y",)}, "dataset.extra names the target, or a column twice"),
        ({"extra": ("a", "a")}, "dataset.extra names the target, or a column twice"),
        ({"extra": ("a", "b", "height", "weight")}, "dataset.extra leaves no column for the inputs"),
        ({"extra": ("word",), "target": "y"}, "column 'word' holds text; dataset.extra takes numbers"),
    ],
)
def test_columns_that_cannot_be_extra_targets(tmp_path, fields, message):
    dataset = extra(tmp_path, **fields)
    if "word" in fields["extra"]:
        lines = people().splitlines()
        (tmp_path / "t.csv").write_text("\n".join([lines[0] + ",word", *(line + ",w" for line in lines[1:])]))
    with pytest.raises(DataError, match=message):
        dataset.load()


@pytest.mark.parametrize("header", [True, False])
def test_prediction_takes_files_with_and_without_the_columns_that_are_no_inputs(tmp_path, header):
    names = ("height", "weight") if header else ("column_2", "column_3")
    dataset = extra(tmp_path, extra=names)
    if not header:
        (tmp_path / "t.csv").write_text(people().partition("\n")[2])
    data = dataset.load()
    cells = [line.split(",") for line in people().splitlines()[0 if header else 1 :]]
    for keep in ((0, 1, 2, 3, 4), (0, 1)):
        (tmp_path / "new.csv").write_text("\n".join(",".join(line[i] for i in keep) for line in cells))
        np.testing.assert_array_equal(dataset.read_inputs(str(tmp_path / "new.csv"), data.codec), data.inputs)
