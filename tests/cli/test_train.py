"""`regexp train`: what it prints, what it leaves, and how it stops."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest

from regexp.config import load
from tests.cli.command import CONFIG, inside, regexp


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


@pytest.mark.slow
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


def test_resume_of_a_finished_or_another_run_is_refused(trained):
    done = regexp("train", "--resume", "wine", "--runs-dir", trained / "runs")
    assert done.returncode == 1
    assert "is done already" in done.stderr
    other = regexp("train", trained / "wine.yaml", "--set", "training.epochs=9", "--resume", "wine",
                   "--runs-dir", trained / "runs")  # fmt: skip
    assert other.returncode == 2
    assert "+  epochs: 9" in other.stderr


def test_too_large_a_batch_is_told_before_anything_is_compiled(tmp_path):
    (tmp_path / "big.yaml").write_text(CONFIG)
    done = regexp("train", tmp_path / "big.yaml", "--set", "training.batch_size=500", "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert "training.batch_size 500 is above the 121 training examples" in done.stderr


@pytest.mark.slow
def test_all_lanes_diverged(tmp_path):
    (tmp_path / "wild.yaml").write_text(CONFIG)
    done = regexp(
        "train", tmp_path / "wild.yaml", "--set", "optimizer.learning_rate=1e38", "--runs-dir", tmp_path / "r"
    )
    assert done.returncode == 1
    assert "diverged" in done.stdout
    summary = json.loads((tmp_path / "r" / "wild" / "summary.json").read_text())
    assert summary["status"] == "diverged"
    assert summary["metrics"]["test/accuracy"] == {"mean": None, "std": None, "values": [None, None]}
    assert all(lane["diverged_at"] is not None for lane in summary["lanes"])


def test_a_new_name_for_an_old_run_is_refused(capsys):
    assert inside("train", "--resume", "wine", "--name", "other") == 2
    assert "--name is for a new run" in capsys.readouterr().err


def test_the_next_command_works_as_it_stands(trained):
    line = (trained / "output.txt").read_text().splitlines()[-1]
    command, config, set_, setting, *rest = shlex.split(line.removeprefix("next: regexp "))
    assert (command, set_) == ("train", "--set")
    assert load(config, [setting]).experiment.regularizers == ()
    assert rest == ["--name", "wine-without-dropout", "--runs-dir", str(trained / "runs")]


def test_a_device_that_is_not_there_leaves_a_manifest_that_says_so(tmp_path):
    (tmp_path / "a.yaml").write_text(CONFIG)
    done = regexp("train", tmp_path / "a.yaml", "--device", "gpu", "--runs-dir", tmp_path / "r")
    if done.returncode == 0:
        pytest.skip("this machine has a GPU")
    manifest = json.loads((tmp_path / "r" / "a" / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert "no GPU found" in manifest["reason"]


@pytest.mark.slow
def test_a_stop_before_the_schedule_s_end_is_told(tmp_path):
    (tmp_path / "early.yaml").write_text(CONFIG)
    sets = ("regularizers.early_stopping.patience=1", "regularizers.early_stopping.min_delta=1e6",
            "optimizer.schedule=cosine")  # fmt: skip
    options = [word for setting in sets for word in ("--set", setting)]
    done = regexp("train", tmp_path / "early.yaml", *options, "--runs-dir", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    assert "stopped early, while the cosine schedule stood at" in done.stdout
    (warning,) = json.loads((tmp_path / "r" / "early" / "summary.json").read_text())["warnings"]
    assert "seed 0, 1 stopped early" in warning


def test_a_model_beyond_all_memory_is_refused(tmp_path, capsys):
    """Where the backend cannot get the memory it waits for ever, deaf to signals."""
    (tmp_path / "c.yaml").write_text(CONFIG)
    assert inside("train", tmp_path / "c.yaml", "--runs-dir", tmp_path, "--set", "model.hidden=[2000000000]") == 1
    assert "out of memory: the weights and their gradient need " in capsys.readouterr().err


def test_a_caller_that_goes_away_after_the_last_event_leaves_the_run_done(tmp_path):
    """As a display that cannot print its closing table; once the manifest then called the run interrupted."""
    from regexp.config import loads, to_yaml
    from regexp.runs import Run
    from regexp.study.train import Finished, train

    loaded = loads(CONFIG)
    run = Run.create(tmp_path, "c")
    run.write_config(to_yaml(loaded.experiment))
    events = train(loaded, run, False, "cpu", [])
    while not isinstance(next(events), Finished):
        pass
    events.close()
    manifest = Run.read(tmp_path, "c").read_json("manifest.json")
    assert (manifest["status"], manifest["reason"]) == ("done", None)
