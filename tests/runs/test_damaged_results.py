"""A changed digit in a result is named by the commands that show it; a resume does not go on from a changed record."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.cli.command import CONFIG, inside


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A runs folder with one finished run."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "c.yaml").write_text(CONFIG)
    assert inside("train", folder / "c.yaml", "--runs-dir", folder / "runs", "--quiet") == 0
    return folder / "runs"


@pytest.fixture
def runs(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "runs")
    return tmp_path / "runs"


def change_a_digit(path: Path, number: int = 20) -> None:
    raw = path.read_bytes()
    place = list(re.finditer(rb"[1-8]", raw))[number].start()
    path.write_bytes(raw[:place] + bytes([raw[place] + 1]) + raw[place + 1 :])


@pytest.mark.parametrize("name", ["metrics.jsonl", "summary.json", "predictions.npz"])
@pytest.mark.parametrize("command", ["report", "export"])
def test_a_changed_digit_is_named(command, name, runs, tmp_path, capsys):
    change_a_digit(runs / "c" / name)
    arguments = {"report": (), "export": ("c", "--to", "csv", "--output", tmp_path / "out")}[command]
    code = inside(command, *arguments, "--runs-dir", runs)
    told = capsys.readouterr()
    assert f"{name}: is not what the run wrote" in told.out + told.err
    assert code == (0 if command == "report" else 1)  # a report says which folders it skipped


def test_an_unchanged_run_is_reported(runs, capsys):
    assert inside("report", "--runs-dir", runs) == 0
    assert "Skipped" not in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["digit", "bad line"])
def test_a_resume_refuses_rows_that_were_changed(damage, runs, capsys):
    manifest = runs / "c" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"status": "done"', '"status": "interrupted"'))
    metrics = runs / "c" / "metrics.jsonl"
    if damage == "digit":
        change_a_digit(metrics)
    else:
        lines = metrics.read_bytes().splitlines(keepends=True)
        metrics.write_bytes(b"".join([lines[0], b"not a row\n", *lines[2:]]))
    before = metrics.read_bytes()
    assert inside("train", "--resume", "c", "--runs-dir", runs) == 1
    assert "metrics.jsonl: a row from before the checkpoint is not what the run wrote" in capsys.readouterr().err
    assert metrics.read_bytes() == before
