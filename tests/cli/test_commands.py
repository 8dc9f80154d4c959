"""The commands as a user meets them: words, files, exit codes."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from regexp.cli import app as app_module
from regexp.cli.text import safe
from regexp.component import Catalogue
from regexp.config.build import CATALOGUES

ROOT = Path(__file__).parents[2]
CONFIG = """\
dataset: {name: wine, preprocess: [standardize]}
model: {name: mlp, hidden: [8]}
regularizers:
  dropout: {rate: 0.1}
optimizer: {name: adam, learning_rate: 1.0e-2}
training: {epochs: 8, batch_size: 16, seeds: [0, 1]}
"""


def regexp(*arguments: object, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "regexp", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with wine.yaml and runs/wine."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "wine.yaml").write_text(CONFIG)
    done = regexp("train", folder / "wine.yaml", "--runs-dir", folder / "runs")
    assert done.returncode == 0, done.stderr
    (folder / "output.txt").write_text(done.stdout)
    return folder


def test_train_prints_a_table_the_path_and_what_to_try_next(trained):
    text = (trained / "output.txt").read_text()
    assert "2 trials (1 setting x 2 seeds) -> 1 program; 121 train, 21 validation, 36 test examples" in text
    for words in (
        "mean ± standard deviation over 2 seeds",
        "accuracy",
        "brier",
        "compiled in",
        "next: regexp evaluate",
    ):
        assert words in text
    assert "runs/wine" in text


def test_train_leaves_the_run_folder_as_promised(trained):
    path = trained / "runs" / "wine"
    summary = json.loads((path / "summary.json").read_text())
    assert summary["status"] == "done"
    assert summary["seeds"] == [0, 1]
    accuracy = summary["metrics"]["test/accuracy"]
    assert accuracy["mean"] == pytest.approx(np.mean(accuracy["values"]))
    assert accuracy["std"] == pytest.approx(np.std(accuracy["values"], ddof=1))
    assert set(summary["seconds"]) == {"compile", "train"}
    assert summary["compilations"] >= 2
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["status"] == "done"
    assert {"command", "versions", "device", "git_commit", "seeds", "data", "seconds"} <= set(manifest)
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 16
    assert {"epoch", "seed", "loss/data", "loss/total", "train/accuracy", "validation/accuracy"} <= set(rows[0])
    with np.load(path / "predictions.npz") as found:
        hits = (found["outputs"].argmax(-1) == found["targets"]).mean(1)
    np.testing.assert_allclose(hits, accuracy["values"], rtol=1e-6)


def test_the_resolved_config_trains_to_the_same_numbers(trained):
    again = regexp("train", trained / "runs" / "wine" / "config.yaml", "--runs-dir", trained / "again", "--json")
    assert again.returncode == 0
    events = [json.loads(line) for line in again.stdout.splitlines()]
    assert [e["event"] for e in events][:2] == ["prepared", "compiled"]
    first = json.loads((trained / "runs" / "wine" / "summary.json").read_text())
    assert events[-1]["summary"]["metrics"] == first["metrics"]
    assert (trained / "again" / "config" / "metrics.jsonl").read_bytes() == (
        trained / "runs" / "wine" / "metrics.jsonl"
    ).read_bytes()


def test_evaluate_finds_the_numbers_of_the_summary(trained):
    done = regexp("evaluate", "wine", "--runs-dir", trained / "runs", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["metrics"]
    summary = json.loads((trained / "runs" / "wine" / "summary.json").read_text())["metrics"]
    for name, numbers in summary.items():
        np.testing.assert_allclose(found[name]["values"], numbers["values"], rtol=1e-6, atol=1e-7)


def test_predict_writes_probabilities(trained):
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    np.savez(trained / "new.npz", inputs=x)
    done = regexp("predict", "wine", "--runs-dir", trained / "runs", "--input", trained / "new.npz",
                  "--output", trained / "out.csv")  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (trained / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 178
    right = [row["prediction"] == f"class_{label}" for row, label in zip(rows, y, strict=True)]
    assert np.mean(right) > 0.9
    total = [sum(float(row[f"p(class_{k})"]) for k in range(3)) for row in rows]
    np.testing.assert_allclose(total, 1, rtol=1e-4)


def test_predict_refuses_another_shape(trained):
    np.savez(trained / "narrow.npz", inputs=np.ones((3, 5)))
    done = regexp("predict", "wine", "--runs-dir", trained / "runs", "--input", trained / "narrow.npz",
                  "--output", trained / "no.csv")  # fmt: skip
    assert done.returncode == 1
    assert "shape (5,)" in done.stderr
    assert not (trained / "no.csv").exists()


def test_resume_of_a_finished_or_another_run_is_refused(trained):
    done = regexp("train", "--resume", "wine", "--runs-dir", trained / "runs")
    assert done.returncode == 1
    assert "is done already" in done.stderr
    other = regexp("train", trained / "wine.yaml", "--set", "training.epochs=9", "--resume", "wine",
                   "--runs-dir", trained / "runs")  # fmt: skip
    assert other.returncode == 1
    assert "+  epochs: 9" in other.stderr


def test_csv_from_training_to_prediction(tmp_path):
    rows = [
        f"{i},{'red' if i % 2 else 'blue'},{'' if i % 7 == 0 else i / 9},{'yes' if i % 2 else 'no'}" for i in range(90)
    ]
    (tmp_path / "t.csv").write_text("n,colour,x,label\n" + "\n".join(rows) + "\n")
    config = CONFIG.replace("{name: wine,", f"{{name: csv, path: {tmp_path}/t.csv,")
    (tmp_path / "t.yaml").write_text(config)
    done = regexp("train", tmp_path / "t.yaml", "--runs-dir", tmp_path / "runs", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (tmp_path / "new.csv").write_text("n,colour,x\n5,red,\n6,blue,3\n7,green,3\n")
    done = regexp("predict", "t", "--runs-dir", tmp_path / "runs", "--input", tmp_path / "new.csv",
                  "--output", tmp_path / "out.csv")  # fmt: skip
    assert done.returncode == 0, done.stderr
    predicted = [line.split(",")[0] for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    assert predicted[:2] == ["yes", "no"]


def test_all_lanes_diverged(tmp_path):
    (tmp_path / "wild.yaml").write_text(CONFIG)
    done = regexp(
        "train", tmp_path / "wild.yaml", "--set", "optimizer.learning_rate=1e38", "--runs-dir", tmp_path / "r"
    )
    assert done.returncode == 0, done.stderr
    assert "diverged" in done.stdout
    summary = json.loads((tmp_path / "r" / "wild" / "summary.json").read_text())
    assert summary["status"] == "diverged"
    assert summary["metrics"]["test/accuracy"] == {"mean": None, "std": None, "values": [None, None]}
    assert all(lane["diverged_at"] is not None for lane in summary["lanes"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "none.yaml"], 2, "none.yaml: cannot be read"),
        (["train"], 2, "a config is needed"),
        (["train", "configs/quickstart.yaml", "--device", "tpu"], 2, "--device"),
        (["train", "configs/quickstart.yaml", "--name", "../x"], 2, "plain folder name"),
        (["train", "configs/quickstart.yaml", "--runs-dir", "LICENSE"], 1, "LICENSE"),
        (["train", "--resume", "nothing", "--runs-dir", "/nowhere"], 2, "no run 'nothing'"),
        (["evaluate", "nothing"], 2, "no run 'nothing'"),
        (["show", "dropuot"], 2, 'did you mean "dropout"?'),
        (["list", "wheels"], 2, "no kind 'wheels'"),
        (["validate", "tests/config/bad/activation.yaml"], 2, 'did you mean "relu"?'),
        (["init", "LICENSE"], 2, "is there already"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_failures_are_one_message_and_a_code(arguments, code, words):
    done = regexp(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_too_large_a_batch_is_told_before_anything_is_compiled(tmp_path):
    (tmp_path / "big.yaml").write_text(CONFIG)
    done = regexp("train", tmp_path / "big.yaml", "--set", "training.batch_size=500", "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert "training.batch_size 500 is above the 121 training examples" in done.stderr


def test_help_list_show_and_validate_never_load_jax():
    code = (
        "import sys\nfrom regexp.__main__ import main\n"
        "for words in (['--help'], ['list'], ['show', 'fgsm'], ['validate', 'configs/quickstart.yaml'], ['schema']):\n"
        "    sys.argv = ['regexp', *words]\n"
        "    try: main()\n"
        "    except SystemExit as stop: assert not stop.code, words\n"
        "    assert 'jax' not in sys.modules, words\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_loads_next_to_nothing():
    code = "import sys\nsys.argv = ['regexp', '--help']\nfrom regexp.__main__ import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print([m for m in ('numpy', 'pydantic', 'yaml', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def parts():
    return [(c.kind, name) for c in CATALOGUES.values() for name in c]


def test_list_names_everything():
    found = CliRunner().invoke(app_module.app, ["list", "--json"])
    entries = json.loads(found.stdout)
    assert {(e["kind"], e["name"]) for e in entries if e["kind"] != "metric"} == set(parts())
    assert all(e["summary"] for e in entries)


@pytest.mark.parametrize(("kind", "name"), parts())
def test_every_card_describes_every_field(kind, name):
    catalogue: Catalogue = next(c for c in CATALOGUES.values() if c.kind == kind)
    text = CliRunner().invoke(app_module.app, ["show", name]).stdout
    assert f"{name} ({kind})" in text
    from regexp.config.schema import field_line

    for field in dataclasses.fields(catalogue[name]):
        assert field_line(catalogue[name], field.name), f"{kind} {name}: {field.name} is not described"


def test_init_makes_a_config_that_validates(tmp_path):
    done = regexp("init", tmp_path / "lab.yaml")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lab.yaml").read_text().startswith("# yaml-language-server: $schema=regexp.schema.json\n")
    assert json.loads((tmp_path / "regexp.schema.json").read_text())["title"] == "regexp experiment"
    assert regexp("validate", tmp_path / "lab.yaml").returncode == 0
    assert regexp("init", tmp_path / "lab.yaml").returncode == 2


def test_text_from_users_is_inert():
    assert safe("\x1b[31mred\x07\u202e") == "?[31mred??"
    assert safe("a\nb é 漢") == "a\nb é 漢"


def test_a_broken_compilation_cache_is_harmless(tmp_path):
    import os

    (tmp_path / "wine.yaml").write_text(CONFIG)
    (tmp_path / "file").write_text("")
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "file")}
    done = regexp("train", tmp_path / "wine.yaml", "--runs-dir", tmp_path / "a", "--quiet", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    for name in ("b", "c"):
        done = regexp("train", tmp_path / "wine.yaml", "--runs-dir", tmp_path / name, "--quiet", env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        entries = [f for f in (tmp_path / "cache").rglob("*") if f.is_file()]
        assert entries
        for entry in entries:
            entry.write_bytes(b"junk")
    same = [(tmp_path / n / "wine" / "metrics.jsonl").read_bytes() for n in ("a", "b", "c")]
    assert same[0] == same[1] == same[2]
