"""Seeds that diverged, or have completed no epoch: left out by every command, and refused where no other is left.

The data has one example with inputs so large that whatever trains on it diverges. Which seeds and members of an
ensemble do is decided by the split and the bootstrap alone, and these are drawn here.
"""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from regexp.config import loads
from regexp.core.errors import Interrupted, RunError
from regexp.datasets.splits import split
from regexp.engine.prepare import members_split
from regexp.experiment import trials
from regexp.inference import evaluate, open_saved, predict
from regexp.runs import Run
from tests.cli.command import inside
from tests.sessions import begin, finish, resumed

POISONED = 5  # the row
CONFIG = """\
dataset: {name: npz, path: PATH, test: 0.4, validation: 0.2}
model: linear
regularizers: {METHOD}
optimizer: {name: sgd, learning_rate: 0.1}
training: {epochs: 3, batch_size: 4, seeds: SEEDS}
"""
ENSEMBLES = {"deep": "deep_ensemble: {members: 2}", "bagging": "bagging: {members: 2}"}


def write(folder: Path, method: str = "", rows: int = 40) -> tuple[str, list[int], list[int]]:
    """(config, seeds none of whose lanes trains on the poisoned row, seeds of which at least one lane does)."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(rows, 2)).astype(np.float32)
    targets = (inputs[:, 0] > 0).astype(np.int32)
    inputs[POISONED] = 1e30
    np.savez(folder / "data.npz", inputs=inputs, targets=targets)
    np.savez(folder / "new.npz", inputs=inputs[10:16])
    text = CONFIG.replace("PATH", str(folder / "data.npz")).replace("METHOD", method)
    experiment = loads(text.replace("SEEDS", "[0]")).experiment
    data = experiment.dataset.load()
    sound: list[int] = []
    lost: list[int] = []
    for seed in count():
        base = split(experiment.dataset, data, seed)
        lanes = trials(replace(experiment, training=replace(experiment.training, seeds=(seed,))))
        hit = [POISONED in members_split(trial, base).train for trial in lanes]
        if not any(hit) and POISONED in base.test and len(sound) < 2:
            sound.append(seed)
        elif any(hit) and (len(hit) == 1 or not all(hit) or "deep" in method) and len(lost) < 2:
            lost.append(seed)
        if len(sound) == len(lost) == 2:
            return text, sound, lost
    raise AssertionError


def train(folder: Path, text: str, seeds: list[int], name: str = "c") -> int:
    (folder / "c.yaml").write_text(text.replace("SEEDS", str(seeds)))
    return inside("train", folder / "c.yaml", "--runs-dir", folder, "--name", name, "--quiet")


def predicted(folder: Path, name: str) -> int:
    return inside(
        "predict", name, "--runs-dir", folder, "--input", folder / "new.npz", "--output", folder / f"{name}.csv"
    )


@pytest.mark.parametrize("method", ["", *ENSEMBLES])
def test_every_command_leaves_out_the_seeds_that_diverged(method, tmp_path, capsys):
    text, sound, lost = write(tmp_path, ENSEMBLES.get(method, ""))
    seeds = [lost[0], sound[0], lost[1], sound[1]]
    assert train(tmp_path, text, seeds) == 0
    assert train(tmp_path, text, sound, "alone") == 0
    summary = json.loads((tmp_path / "c" / "summary.json").read_text())
    assert {lane["seed"] for lane in summary["lanes"] if lane["status"] == "diverged"} == set(lost)
    capsys.readouterr()
    sentence = f"seeds {', '.join(map(str, sorted(lost)))} left out: diverged"

    assert predicted(tmp_path, "c") == 0
    assert sentence in capsys.readouterr().err
    assert predicted(tmp_path, "alone") == 0
    assert "left out" not in capsys.readouterr().err
    with (tmp_path / "c.csv").open() as ours, (tmp_path / "alone.csv").open() as alone:
        for a, b in zip(csv.DictReader(ours), csv.DictReader(alone), strict=True):
            assert a["prediction"] == b["prediction"]
            for column in ("p(0)", "p(1)", "std_over_seeds"):
                assert float(a[column]) == pytest.approx(float(b[column]), abs=1e-5)

    assert inside("evaluate", "c", "--runs-dir", tmp_path, "--json") == 0
    evaluation = json.loads(capsys.readouterr().out)
    assert evaluation["diverged"] == sorted(lost)
    for name, numbers in summary["metrics"].items():
        found = evaluation["metrics"][name]["values"]
        assert [value is None for value in found] == [seed in lost for seed in seeds], name
        both = [(a, b) for a, b in zip(found, numbers["values"], strict=True) if a is not None and b is not None]
        np.testing.assert_allclose(*zip(*both, strict=True), rtol=1e-5, atol=1e-6)
    assert inside("diagnose", "c", "--runs-dir", tmp_path, "--what", "weights", "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["seed"] == sound[0]
    assert sentence in shown.err

    assert inside("export", "c", "--to", "csv", "--runs-dir", tmp_path, "--output", tmp_path / "exports") == 0
    for file in (tmp_path / "exports").rglob("final*.csv"):
        with file.open() as table:
            assert {int(row["seed"]) for row in csv.DictReader(table) if row.get("value")} <= set(sound)


@pytest.mark.parametrize("method", ["", *ENSEMBLES])
def test_a_run_of_which_every_seed_diverged_is_refused(method, tmp_path, capsys):
    text, _, lost = write(tmp_path, ENSEMBLES.get(method, ""))
    assert train(tmp_path, text, lost) == 1
    capsys.readouterr()
    (tmp_path / "c" / "summary.json").unlink()  # what is known stands in the checkpoint
    for use in (
        lambda: predicted(tmp_path, "c"),
        lambda: inside("evaluate", "c", "--runs-dir", tmp_path),
        lambda: inside("diagnose", "c", "--runs-dir", tmp_path),
    ):
        assert use() == 1
        error = capsys.readouterr().err
        assert f"every seed diverged in {tmp_path / 'c'}, so it has no model to use" in error
        assert "train again with a smaller optimizer.learning_rate" in error
    assert not (tmp_path / "c.csv").exists()


def test_the_prediction_is_the_mean_over_the_seeds_that_count(tmp_path):
    """Softmax of x W + b of the sound seeds' saved weights, by NumPy."""
    text, sound, lost = write(tmp_path)
    assert train(tmp_path, text, [lost[0], *sound]) == 0
    arrays, meta, _ = Run.read(tmp_path, "c").load_checkpoint("best")
    places = {
        seed: (number, place)
        for number, entry in enumerate(meta["models"])
        for place, seed in enumerate(entry["seeds"])
    }
    marks = {seed: meta["models"][number]["diverged"][place] for seed, (number, place) in places.items()}
    assert marks == {lost[0]: True, sound[0]: False, sound[1]: False}
    inputs = np.load(tmp_path / "new.npz")["inputs"].astype(float)
    total = np.zeros((len(inputs), 2))
    for seed in sound:
        number, place = places[seed]
        own = {
            name.rpartition(":")[2]: array[place].astype(float)
            for name, array in arrays.items()
            if name.startswith(f"{number}/variables")
        }
        logits = inputs @ own["kernel"] + own["bias"]
        total += np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    predictions = predict(Run.read(tmp_path, "c"), str(tmp_path / "new.npz"))
    assert predictions.seeds == tuple(sound)
    np.testing.assert_allclose(predictions.values, total / 2, rtol=1e-5)


@pytest.mark.parametrize("validation", [0.2, 0])
def test_an_unfinished_run_that_has_completed_no_epoch_is_refused(validation, tmp_path, capsys):
    text, sound, _ = write(tmp_path, rows=200)
    text = text.replace("validation: 0.2", f"validation: {validation}").replace("SEEDS", str(sound))
    text = text.replace("batch_size: 4", "batch_size: 1")  # so that the first chunk ends within the first epoch
    session = begin(tmp_path, text, lambda: 15)
    with pytest.raises(Interrupted):
        finish(session)
    assert 0 < session.stages[0].positions[0] < session.stages[0].groups[0].steps_per_epoch
    assert open_saved(session.run).untrained == tuple(sorted(sound))
    for use in (lambda run: predict(run, str(tmp_path / "new.npz")), evaluate):
        with pytest.raises(RunError) as caught:
            use(session.run)
        assert "no seed has completed an epoch: its weights are untrained" in str(caught.value)
        assert "regexp train --resume run" in str(caught.value)
    assert inside("diagnose", "run", "--runs-dir", tmp_path) == 1
    assert "its weights are untrained" in capsys.readouterr().err

    session = resumed(session)
    finish(session, resume=True)
    assert predict(session.run, str(tmp_path / "new.npz")).seeds == tuple(sound)


def test_of_an_unfinished_run_the_seeds_without_an_epoch_are_left_out(tmp_path, capsys):
    """As where programs train one after another, and the second has just begun."""
    text, sound, _ = write(tmp_path)
    assert train(tmp_path, text, sound) == 0
    run = Run.read(tmp_path, "c")
    arrays, meta, _ = run.load_checkpoint("best")
    meta["models"][0]["trained"] = [False, True]
    run.save_checkpoint("best", arrays, meta)
    capsys.readouterr()
    assert predicted(tmp_path, "c") == 0
    sentence = f"seed {sound[0]} left out: no epoch completed, so the weights are untrained"
    assert sentence in capsys.readouterr().err
    assert inside("evaluate", "c", "--runs-dir", tmp_path, "--json") == 0
    evaluation = json.loads(capsys.readouterr().out)
    assert (evaluation["untrained"], evaluation["metrics"]["test/accuracy"]["values"][0]) == ([sound[0]], None)
    assert inside("evaluate", "c", "--runs-dir", tmp_path) == 0
    assert sentence in capsys.readouterr().err


def test_older_checkpoints_know_of_divergence_by_the_summary(tmp_path, capsys):
    text, sound, lost = write(tmp_path)
    assert train(tmp_path, text, [lost[0], sound[0]]) == 0
    run = Run.read(tmp_path, "c")
    arrays, meta, _ = run.load_checkpoint("best")
    meta["models"] = [{key: entry[key] for key in ("seeds", "members")} for entry in meta["models"]]
    run.save_checkpoint("best", arrays, meta)
    assert predict(run, str(tmp_path / "new.npz")).seeds == (sound[0],)


def test_an_input_without_rows_is_refused(tmp_path, capsys):
    text, sound, _ = write(tmp_path)
    assert train(tmp_path, text, sound) == 0
    np.savez(tmp_path / "new.npz", inputs=np.zeros((0, 2), np.float32))
    assert predicted(tmp_path, "c") == 1
    assert "new.npz: " in capsys.readouterr().err
    shutil.rmtree(tmp_path / "c")
