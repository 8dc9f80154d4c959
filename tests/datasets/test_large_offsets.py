"""A column or target with a large offset trains as the same column without it: float64 until it is centred."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from regexp.cli.app import main as command
from regexp.config import loads
from regexp.datasets.base import Data
from regexp.datasets.loading import coarseness, load_data
from regexp.datasets.splits import split
from regexp.engine.prepare import prepare_lane, prepare_shared
from regexp.experiment import trials
from regexp.preprocessing.base import apply_all
from regexp.runs import Run

OFFSET = 1.7e9  # seconds of UNIX time: float32 has steps of 128 there
EXAMPLES = 120


def arrays(offset: float, target_offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Two columns, the first with an offset, and a target that is linear in them."""
    generator = np.random.default_rng(0)
    inputs = np.stack([np.arange(EXAMPLES) % 60.0, generator.normal(size=EXAMPLES)], axis=1)
    targets = 20 * inputs[:, 0] + inputs[:, 1] + target_offset
    return inputs + np.asarray([offset, 0.0]), targets


def write(folder: Path, form: str, name: str, offset: float, target_offset: float) -> Path:
    """The same numbers as a csv or an npz file."""
    inputs, targets = arrays(offset, target_offset)
    path = folder / f"{name}.{form}"
    if form == "npz":
        np.savez(path, inputs=inputs, targets=targets)
    else:
        rows = [f"{a!r},{b!r},{y!r}" for (a, b), y in zip(inputs.tolist(), targets.tolist(), strict=True)]
        path.write_text("\n".join(["time,noise,y", *rows]) + "\n")
    return path


def config(path: Path, steps: str = "[standardize]") -> str:
    form = path.suffix[1:]
    return f"""
dataset: {{name: {form}, path: "{path}", kind: regression, preprocess: {steps}}}
model: {{name: mlp, hidden: [8]}}
optimizer: {{name: adam, learning_rate: 0.02}}
training: {{epochs: 40, batch_size: 16, seeds: [0]}}
"""


def first_features(text: str) -> tuple[np.ndarray, np.ndarray, Data]:
    """(what the model is given for every row, the training rows, the data), as the compiled step computes it."""
    experiment = loads(text).experiment
    data = load_data(experiment.dataset)
    rows = split(experiment.dataset, data, 0)
    lane = prepare_lane(trials(experiment)[0], data, rows)
    stored = prepare_shared(data).inputs
    assert stored.dtype == np.float32
    return apply_all(experiment.dataset.steps(data.codec), lane.fitted, stored), rows.train, data


@pytest.mark.parametrize("form", ["csv", "npz"])
@pytest.mark.parametrize(("steps", "scaler"), [("[standardize]", StandardScaler), ("[minmax]", MinMaxScaler)])
def test_features_are_those_of_scikit_learn_in_float64(form, steps, scaler, tmp_path):
    path = write(tmp_path, form, "data", OFFSET, 0.0)
    features, train, _ = first_features(config(path, steps))
    inputs, _ = arrays(OFFSET, 0.0)
    expected = scaler().fit(inputs[train]).transform(inputs)
    np.testing.assert_allclose(features, expected, atol=2e-6)


@pytest.mark.parametrize("form", ["csv", "npz"])
def test_without_an_offset_float32_of_the_values_is_stored(form, tmp_path):
    path = write(tmp_path, form, "data", 0.0, 0.0)
    data = load_data(loads(config(path)).experiment.dataset)
    inputs, targets = arrays(0.0, 0.0)
    stored = prepare_shared(data)
    np.testing.assert_array_equal(stored.inputs, inputs.astype(np.float32))
    np.testing.assert_array_equal(stored.targets[:, 0], targets.astype(np.float32))


@pytest.mark.parametrize("form", ["csv", "npz"])
def test_train_evaluate_predict_and_report_agree_with_the_data_without_the_offset(form, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    metrics, predictions = {}, {}
    for name, offset, target_offset in (("plain", 0.0, 0.0), ("shifted", OFFSET, OFFSET)):
        path = write(tmp_path, form, name, offset, target_offset)
        (tmp_path / f"{name}.yaml").write_text(config(path))
        run_command("train", f"{name}.yaml", "--quiet")
        metrics[name] = json.loads(Path("runs", name, "summary.json").read_text())["metrics"]
        capsys.readouterr()
        run_command("evaluate", name, "--json")
        evaluated = json.loads(capsys.readouterr().out)["metrics"]
        assert evaluated["test/rmse"]["mean"] == pytest.approx(metrics[name]["test/rmse"]["mean"], rel=1e-5)
        run_command("predict", name, "--input", str(path), "--output", f"{name}-out.csv")
        predictions[name] = read_predictions(Path(f"{name}-out.csv")) - target_offset
        stored = Run(Path("runs", name)).read_predictions()
        _, targets = arrays(offset, target_offset)
        np.testing.assert_allclose(stored["targets"][0, :, 0], targets[stored["rows"][0]], rtol=1e-15)
        errors = stored["outputs"][0, :, 0] - stored["targets"][0, :, 0]
        expected = metrics[name]["test/rmse"]["mean"]
        assert np.sqrt(np.mean(errors**2)) == pytest.approx(expected, rel=1e-4)
    for metric in ("test/rmse", "test/r2", "train/rmse"):
        assert metrics["shifted"][metric]["mean"] == pytest.approx(metrics["plain"][metric]["mean"], rel=1e-2)
    assert np.abs(predictions["shifted"] - predictions["plain"]).max() < 0.01 * predictions["plain"].std()


def run_command(*arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["regexp", *arguments])
        with pytest.raises(SystemExit) as end:
            command()
    assert not end.value.code, arguments


def read_predictions(path: Path) -> np.ndarray:
    lines = path.read_text().splitlines()[1:]
    return np.asarray([float(line.split(",")[0]) for line in lines])


@pytest.mark.parametrize("steps", ["[]", "[{name: impute}]"])
def test_a_column_that_nothing_centres_is_named_with_the_key_that_helps(steps, tmp_path):
    path = write(tmp_path, "csv", "data", OFFSET, 0.0)
    data = load_data(loads(config(path, steps)).experiment.dataset)
    (note,) = [note for note in data.notes if "float32" in note]
    assert "column 'time'" in note
    assert "dataset.preprocess: [standardize]" in note
    np.testing.assert_array_equal(data.inputs, arrays(OFFSET, 0.0)[0])


def test_missing_values_and_categories_keep_their_meaning_beside_an_offset(tmp_path):
    inputs, targets = arrays(OFFSET, 0.0)
    kinds = np.where(np.arange(EXAMPLES) % 2, "a", "b")
    rows = [f"{t!r},{k},{y!r}" for t, k, y in zip(inputs[:, 0].tolist(), kinds, targets.tolist(), strict=True)]
    rows[3] = "," + rows[3].split(",", 1)[1]
    path = tmp_path / "data.csv"
    path.write_text("\n".join(["time,kind,y", *rows]) + "\n")
    features, train, data = first_features(config(path))
    assert data.columns == ("time", "kind=a", "kind=b")
    assert list(data.input_offset[1:]) == [0.0, 0.0]
    present = [row for row in train if row != 3]
    seconds = np.where(np.arange(EXAMPLES) == 3, inputs[present, 0].mean(), inputs[:, 0])
    expected = StandardScaler().fit(seconds[train, None]).transform(seconds[:, None])[:, 0]
    np.testing.assert_allclose(features[:, 0], expected, atol=2e-6)


def test_coarseness_is_the_step_of_float32_over_the_standard_deviation():
    values = np.asarray([[1.7e9, 0.0, 5.0, np.nan], [1.7e9 + 59, 1.0, 5.0, np.nan]])
    np.testing.assert_allclose(coarseness(values), [128 / 29.5, 2.0**-23 / 0.5, 0.0, 0.0])


def test_a_column_of_tiny_values_is_not_constant():
    values = np.asarray([[1e-13], [3e-13], [2e-13]])
    from regexp.preprocessing.standardize import Standardize

    fitted = Standardize().fit(values)
    np.testing.assert_allclose(fitted["std"], StandardScaler().fit(values * 1e13).scale_ / 1e13)
