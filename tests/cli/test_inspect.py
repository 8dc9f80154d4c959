"""`regexp evaluate` and `regexp predict`."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from regexp.core import escaping
from tests.cli.command import CONFIG, inside, regexp


def test_evaluate_finds_the_numbers_of_the_summary(trained):
    done = regexp("evaluate", "wine", "--runs-dir", trained / "runs", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["metrics"]
    summary = json.loads((trained / "runs" / "wine" / "summary.json").read_text())["metrics"]
    for name, numbers in summary.items():
        np.testing.assert_allclose(found[name]["values"], numbers["values"], rtol=1e-6, atol=1e-7)


def test_of_a_run_that_is_not_finished_evaluate_says_so(trained, tmp_path, capsys):
    shutil.copytree(trained / "runs" / "wine", tmp_path / "wine")
    assert inside("evaluate", "wine", "--runs-dir", tmp_path) == 0
    assert capsys.readouterr().err == ""
    manifest = json.loads((tmp_path / "wine" / "manifest.json").read_text())
    (tmp_path / "wine" / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    assert inside("evaluate", "wine", "--runs-dir", tmp_path) == 0
    assert "wine is not finished: these are its best models so far" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "predict", "diagnose"])
def test_a_damaged_best_checkpoint_is_passed_over_aloud(command, trained, tmp_path, capsys):
    shutil.copytree(trained / "runs" / "wine", tmp_path / "wine")
    np.savez(tmp_path / "new.npz", inputs=np.ones((2, 13)))
    best = tmp_path / "wine" / "checkpoints" / "best"
    shutil.copy(best, best.with_name("best.previous"))
    best.write_bytes(best.read_bytes()[:-1])
    options = {"predict": ["--input", tmp_path / "new.npz", "--output", tmp_path / "out.csv"],
               "diagnose": ["--what", "weights"]}  # fmt: skip
    assert inside(command, "wine", "--runs-dir", tmp_path, *options.get(command, [])) == 0
    said = f"warning: {best}: damaged (checksum mismatch); using the previous checkpoint"
    assert said in capsys.readouterr().err
    best.with_name("best.previous").unlink()
    assert inside(command, "wine", "--runs-dir", tmp_path, *options.get(command, [])) == 1


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


def test_predict_into_what_is_no_file(trained, tmp_path):
    """Once the temporary file took the place of `/dev/stdout` itself."""
    np.savez(tmp_path / "new.npz", inputs=np.ones((2, 13)))
    (tmp_path / "link.csv").symlink_to("real.csv")
    (tmp_path / "stdout").symlink_to("/dev/stdout")
    command = ("predict", "wine", "--runs-dir", trained / "runs", "--input", tmp_path / "new.npz", "--output")
    printed = regexp(*command, tmp_path / "stdout")
    assert printed.returncode == 0, printed.stderr
    assert (tmp_path / "stdout").is_symlink()
    assert inside(*command, tmp_path / "link.csv") == 0
    assert printed.stdout == (tmp_path / "real.csv").read_text()
    assert len(printed.stdout.splitlines()) == 3


def test_predict_refuses_a_folder_and_no_input(trained, tmp_path, capsys):
    np.savez(tmp_path / "new.npz", inputs=np.ones((2, 13)))
    command = ("predict", "wine", "--runs-dir", trained / "runs")
    assert inside(*command, "--input", tmp_path / "new.npz", "--output", tmp_path) == 1
    assert f"{tmp_path}: Is a directory" in capsys.readouterr().err
    assert inside(*command, "--input", tmp_path / "none.npz", "--output", tmp_path / "out.csv") == 2
    assert "none.npz: no such file" in capsys.readouterr().err


def test_predict_refuses_another_shape(trained):
    np.savez(trained / "narrow.npz", inputs=np.ones((3, 5)))
    done = regexp("predict", "wine", "--runs-dir", trained / "runs", "--input", trained / "narrow.npz",
                  "--output", trained / "no.csv")  # fmt: skip
    assert done.returncode == 1
    assert "shape (5,)" in done.stderr
    assert not (trained / "no.csv").exists()


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


def test_evaluate_counts_no_diverged_seed(trained, tmp_path, capsys):
    run = tmp_path / "runs" / "wine"
    shutil.copytree(trained / "runs" / "wine", run)
    summary = json.loads((run / "summary.json").read_text())
    summary["lanes"][1]["status"] = "diverged"
    (run / "summary.json").write_text(json.dumps(summary))
    assert inside("evaluate", "wine", "--runs-dir", tmp_path / "runs", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["diverged"] == [1]
    first = summary["metrics"]["test/accuracy"]["values"][0]
    assert found["metrics"]["test/accuracy"]["values"][1] is None
    np.testing.assert_allclose(found["metrics"]["test/accuracy"]["mean"], first, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "written"),
    [("=1+1", "'=1+1"), ("@x", "'@x"), ("+x", "'+x"), ("-x", "'-x"), ("-1", "-1"), ("+2.5e3", "+2.5e3"),
     ("a\x1b[31m", "a?[31m"), ("[red]", "[red]"), ("", "")],
)  # fmt: skip
def test_class_names_are_no_formulas(name, written):
    assert escaping.csv(name) == written
