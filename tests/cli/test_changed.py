"""A run whose config.yaml or data has changed since its training: every command that reads it says so or refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from regexp.runs import Run
from regexp.runs.explanation import FILE
from tests.cli.command import inside

CONFIG = """\
dataset: {name: NAME, path: PATH, preprocess: [standardize], test: 0.25, validation: 0.25}
model: linear
optimizer: {name: adam, learning_rate: 0.05}
training: {epochs: 3, batch_size: 8, seeds: [0, 1]}
"""


def write_table(path: Path, order: np.ndarray) -> None:
    """40 rows of a linear rule, in some order."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(44, 3)).round(4)
    labels = np.where(inputs @ [1.0, -1.0, 0.5] > 0, "yes", "no")
    rows = [f"{','.join(map(str, inputs[i]))},{labels[i]}" for i in order]
    path.write_text("\n".join(["a,b,c,label", *rows]) + "\n")


def write_arrays(path: Path, order: np.ndarray) -> None:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(44, 3)).astype(np.float32)
    np.savez(path, inputs=inputs[order], targets=(inputs @ [1.0, -1.0, 0.5] > 0).astype(np.int32)[order])


def write_images(path: Path, order: np.ndarray) -> None:
    from PIL import Image

    shutil.rmtree(path, ignore_errors=True)
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 255, (44, 4, 4), np.uint8)
    for place, number in enumerate(order):
        folder = path / ("dark" if number % 2 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[number]).save(folder / f"{place:03}.png")


FORMS = {"csv": write_table, "npz": write_arrays, "image_folder": write_images}
ROWS = np.arange(40)
OTHERS = {"another order": np.r_[20:40, 0:20], "a row more": np.arange(41), "a row less": np.arange(39)}


def train(folder: Path, form: str = "csv") -> Path:
    """A trained run `c` in folder/runs; returns the file or folder with its data."""
    data = folder / {"csv": "t.csv", "npz": "t.npz", "image_folder": "t"}[form]
    FORMS[form](data, ROWS)
    name = "image_folder, size: 4" if form == "image_folder" else form
    (folder / "c.yaml").write_text(CONFIG.replace("NAME", name).replace("PATH", str(data)))
    assert inside("train", folder / "c.yaml", "--runs-dir", folder / "runs", "--quiet") == 0
    return data


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with t.csv, new.csv and the run runs/c, not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    train(folder)
    (folder / "new.csv").write_text("a,b,c\n0.1,0.2,0.3\n")
    return folder


def copied(trained: Path, folder: Path) -> Path:
    shutil.copytree(trained / "runs", folder / "runs")
    return folder / "runs" / "c"


def interrupt(run: Path) -> None:
    """As a signal leaves it: `--resume` goes on from the last checkpoint."""
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    (run / "summary.json").unlink()


def command(name: str, trained: Path, runs: Path) -> list[object]:
    options: dict[str, list[object]] = {
        "train": ["--resume", "c", "--quiet"],
        "evaluate": ["c"],
        "predict": ["c", "--input", trained / "new.csv", "--output", runs / "out.csv"],
        "diagnose": ["c", "--what", "weights"],
        "export": ["c", "--to", "csv", "--output", runs / "exports"],
    }
    return [name, *options[name], "--runs-dir", runs]


COMMANDS = ["train", "evaluate", "predict", "diagnose", "export"]
MATERIAL = {
    "learning_rate: 0.05": "learning_rate: 0.5",
    "seeds: [0, 1]": "seeds: [0, 2]",
    "test: 0.25": "test: 0.3",
    "per: auto": "per: feature",
    "batch_size: 8": "batch_size: 4",
    "ece_bins: 15": "ece_bins: 10",
}


# -- config -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", MATERIAL)
@pytest.mark.parametrize("name", COMMANDS)
def test_an_edited_config_is_refused_with_the_lines_that_differ(name, line, trained, tmp_path, capsys):
    run = copied(trained, tmp_path)
    text = (run / "config.yaml").read_text()
    assert line in text
    edited = text.replace(line, MATERIAL[line])
    (run / "config.yaml").write_text(edited)
    if name == "train":
        interrupt(run)
    before = {path: path.read_bytes() for path in (run / "checkpoints").iterdir()}
    assert inside(*command(name, trained, run.parent)) == 1
    error = capsys.readouterr().err
    assert f"{run / 'config.yaml'} is not the config that" in error
    if name != "export":
        assert MATERIAL[line] in next(shown for shown in error.splitlines() if shown.startswith("+  "))
        assert "restore these lines, or train the edited config as a new run" in error
    assert {path: path.read_bytes() for path in (run / "checkpoints").iterdir()} == before
    assert not (run.parent / "out.csv").exists()
    assert not (run.parent / "exports").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_another_path_and_run_settings_are_told_and_used(name, trained, tmp_path, capsys):
    run = copied(trained, tmp_path)
    shutil.copy(trained / "t.csv", tmp_path / "moved.csv")
    text = (run / "config.yaml").read_text()
    text = text.replace(str(trained / "t.csv"), str(tmp_path / "moved.csv"))
    text = text.replace("checkpoint_seconds: 10.0", "checkpoint_seconds: 20.0")
    (run / "config.yaml").write_text(text)
    if name == "train":
        interrupt(run)
    arguments = [argument for argument in command(name, trained, run.parent) if argument != "--quiet"]
    assert inside(*arguments) == 0
    shown = capsys.readouterr()
    if name != "export":
        said = shown.err + shown.out
        assert "has different paths or run settings than c was trained with" in said
        assert "+  checkpoint_seconds: 20.0" in said


def test_a_report_warns_of_an_edited_config(trained, tmp_path, capsys):
    run = copied(trained, tmp_path)
    assert inside("report", "c", "--runs-dir", run.parent) == 0
    assert capsys.readouterr().err == ""
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("epochs: 3", "epochs: 30"))
    assert inside("report", "c", "--runs-dir", run.parent) == 0
    assert f"warning: {run / 'config.yaml'} is not the config that the run was trained with" in capsys.readouterr().err


def test_a_refused_resume_does_not_change_what_the_manifest_records(trained, tmp_path, capsys):
    run = copied(trained, tmp_path)
    interrupt(run)
    recorded = {k: v for k, v in json.loads((run / "manifest.json").read_text()).items() if k in ("config", "data")}
    assert set(recorded) == {"config", "data"}
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("epochs: 3", "epochs: 30"))
    assert inside("train", "--resume", "c", "--runs-dir", run.parent) == 1
    manifest = json.loads((run / "manifest.json").read_text())
    assert {key: manifest[key] for key in recorded} == recorded


@pytest.mark.parametrize("name", ["evaluate", "predict", "diagnose"])
def test_a_checkpoint_of_an_older_version_is_used_with_a_warning(name, trained, tmp_path, capsys):
    run = copied(trained, tmp_path)
    folder = Run.read(run.parent, "c")
    arrays, meta, _ = folder.load_checkpoint("best")
    older = {key: value for key, value in meta.items() if key not in ("config", "data")}
    older["models"] = [{key: entry[key] for key in ("seeds", "members")} for entry in meta["models"]]
    folder.save_checkpoint("best", arrays, older)
    assert inside(*command(name, trained, run.parent)) == 0
    error = capsys.readouterr().err
    assert "an older version saved this run without its config; using config.yaml unchecked" in error
    assert "no hash of its data" not in error  # the manifest has one
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({k: v for k, v in manifest.items() if k != "data"}))
    assert inside(*command(name, trained, run.parent)) == 0
    assert ("no hash of its data is recorded" in capsys.readouterr().err) == (name != "predict")


# -- data -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", OTHERS)
@pytest.mark.parametrize("form", FORMS)
def test_changed_data_is_refused_by_everything_that_reads_it(form, change, tmp_path, capsys):
    if form == "image_folder" and change == "another order":
        pytest.skip("images are read in the order of their names")
    data = train(tmp_path, form)
    run = tmp_path / "runs" / "c"
    FORMS[form](data, OTHERS[change])
    sentence = f"{data} has changed since c was trained on it"
    for name in ("evaluate", "diagnose"):
        arguments = command(name, tmp_path, run.parent)
        assert inside(*arguments) == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert "restore the file, or train a new run; --data-changed uses it all the same" in error
        assert inside(*arguments, "--data-changed") == 0
        error = capsys.readouterr().err
        assert f"warning: {sentence}: the splits are drawn anew, so validation and test may contain examples" in error
    assert not (run / FILE).exists()  # no explanation of the run: the report would show it as one
    interrupt(run)
    assert inside(*command("train", tmp_path, run.parent)) == 1
    assert sentence in capsys.readouterr().err
    FORMS[form](data, ROWS)
    assert inside(*command("train", tmp_path, run.parent)) == 0
    assert inside(*command("evaluate", tmp_path, run.parent)) == 0


def test_a_resume_names_the_data_before_what_the_data_breaks(tmp_path, capsys):
    """Of 12 rows fewer than a batch are left to train on, which once was all that the message said."""
    data = train(tmp_path)
    run = tmp_path / "runs" / "c"
    interrupt(run)
    write_table(data, np.arange(12))
    assert inside(*command("train", tmp_path, run.parent)) == 1
    assert f"{data} has changed since c was trained on it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda t: t.replace("yes", "maybe"), "classes ['maybe', 'no'], trained with ['no', 'yes']"),
        (lambda t: t.replace(",yes", ",1,yes").replace(",no", ",2,no").replace("c,", "c,d,"), "shape of an input [4]"),
        (lambda t: re.sub(r"(?m)^([^,]+),([^,]+),", r"\2,\1,", t), "columns [['b', None], ['a', None], ['c', None]]"),
        (lambda t: re.sub(r"\n[^,]+,", "\n,", t, count=3), "values are missing in a, as they were not before"),
    ],
    ids=["classes", "shape", "columns", "missing"],
)
@pytest.mark.parametrize("name", ["evaluate", "diagnose"])
def test_changed_data_of_another_form_is_refused_whatever_is_meant(name, edit, reason, trained, tmp_path, capsys):
    run = copied(trained, tmp_path)
    (tmp_path / "moved.csv").write_text(edit((trained / "t.csv").read_text()))
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace(str(trained / "t.csv"), str(tmp_path / "moved.csv")))
    assert inside(*command(name, trained, run.parent), "--data-changed") == 1
    error = capsys.readouterr().err
    assert "moved.csv does not fit c: " in error
    assert reason in error


@pytest.mark.parametrize("offset", [0.0, 1.7e9])
def test_changed_data_is_measured_with_the_preprocessing_of_the_training(offset, tmp_path, capsys):
    """RMSE of a linear model by NumPy: standardized with the training's means, weights from the checkpoint.

    offset: of a column and of the target, so large that float32 holds them relative to their mean alone
    """
    generator = np.random.default_rng(1)
    drawn, offsets = generator.normal(5, 3, (40, 2)), np.asarray([offset, 0.0])
    inputs, targets = drawn + offsets, drawn @ [2.0, -1.0] + generator.normal(size=40) + offset
    data = tmp_path / "t.npz"
    np.savez(data, inputs=inputs, targets=targets)
    text = CONFIG.replace("NAME", "npz").replace("PATH", str(data)).replace("[0, 1]", "[0]").replace("0.25", "0")
    (tmp_path / "c.yaml").write_text(text)
    assert inside("train", tmp_path / "c.yaml", "--runs-dir", tmp_path, "--quiet") == 0
    arrays, _, _ = Run.read(tmp_path, "c").load_checkpoint("best")
    own = {name.rpartition(":")[2]: array[0].astype(float) for name, array in arrays.items()}

    moved = 3 * drawn - 7 + offsets
    np.savez(data, inputs=moved, targets=targets)
    assert inside("evaluate", "c", "--runs-dir", tmp_path, "--json", "--data-changed") == 0
    measured = json.loads(capsys.readouterr().out)
    outputs = (moved - inputs.mean(0)) / inputs.std(0) @ own["kernel"] + own["bias"]
    predicted = outputs[:, 0] * targets.std() + targets.mean()
    rmse = np.sqrt(np.mean((predicted - targets) ** 2))
    assert measured["metrics"]["train/rmse"]["mean"] == pytest.approx(rmse, rel=1e-4)
    assert "the splits are drawn anew" in measured["warnings"][0]


@pytest.mark.slow
def test_an_ablation_goes_on_with_the_same_data_alone(tmp_path, capsys):
    data = tmp_path / "t.csv"
    write_table(data, ROWS)
    text = CONFIG.replace("NAME", "csv").replace("PATH", str(data)) + "regularizers: {l2: true}\n"
    (tmp_path / "c.yaml").write_text(text)
    ablate = ("ablate", tmp_path / "c.yaml", "--runs-dir", tmp_path, "--name", "a", "--no-cost")
    assert inside(*ablate) == 0
    write_table(data, OTHERS["a row more"])
    assert inside(*ablate) == 1
    error = capsys.readouterr().err
    assert f"{data} has changed since {tmp_path / 'a' / 'all'} was trained on it" in error
    assert "to ablate on this data choose another --name" in error
    write_table(data, ROWS)
    assert inside(*ablate) == 0
    assert "done before" in capsys.readouterr().out


SWEEP = """
sweep:
  objective: validation/accuracy
  space: {optimizer.learning_rate: {log_uniform: [0.001, 0.1]}}
  stages: [{trials: 2, epochs: 2}]
  confirm: null
"""


@pytest.mark.slow
def test_a_sweep_goes_on_with_the_same_config_and_data_alone(tmp_path, capsys):
    data = tmp_path / "t.csv"
    write_table(data, ROWS)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("NAME", "csv").replace("PATH", str(data)) + SWEEP)
    assert inside("sweep", tmp_path / "c.yaml", "--runs-dir", tmp_path, "--name", "s", "--quiet") == 0
    run = tmp_path / "s"
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    text = (run / "config.yaml").read_text()
    resume = ("sweep", "--resume", "s", "--runs-dir", tmp_path)

    assert inside("report", "s", "--runs-dir", tmp_path) == 0
    assert "is not the config" not in capsys.readouterr().err
    for old, new in (("trials: 2", "trials: 3"), ("[0.001, 0.1]", "[0.001, 0.2]"), ("batch_size: 8", "batch_size: 4")):
        (run / "config.yaml").write_text(text.replace(old, new))
        assert inside(*resume) == 1
        error = capsys.readouterr().err
        assert f"{run / 'config.yaml'} is not the config that s was trained with" in error
        assert new in error
        assert inside("report", "s", "--runs-dir", tmp_path) == 0
        assert f"warning: {run / 'config.yaml'} is not the config" in capsys.readouterr().err
    (run / "config.yaml").write_text(text)
    write_table(data, OTHERS["another order"])
    assert inside(*resume) == 1
    assert f"{data} has changed since s was trained on it" in capsys.readouterr().err
    recorded = json.loads((run / "manifest.json").read_text())
    assert recorded["data"] == manifest["data"]
    write_table(tmp_path / "moved.csv", ROWS)
    (run / "config.yaml").write_text(text.replace(str(data), str(tmp_path / "moved.csv")))
    assert inside(*resume) == 0
    shown = capsys.readouterr()
    assert "has different paths or run settings than s was trained with" in shown.out + shown.err
