"""`regexp diagnose`: from saved runs to tables and sentences."""

from __future__ import annotations

import json
import shutil

import pytest

from regexp.core.errors import RunError
from regexp.diagnostics.base import DIAGNOSTICS
from regexp.runs import Run
from regexp.runs.explanation import FILE
from tests.cli.command import inside

pytestmark = pytest.mark.slow  # all diagnostics of real runs


def test_a_sentence_for_every_diagnostic(trained, capsys):
    assert inside("diagnose", "wine", "--runs-dir", trained / "runs", "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["diagnostic"] for one in found] == list(DIAGNOSTICS)
    assert all(one["sentence"].endswith(".") for one in found)
    assert found[0]["values"]["all"]["weights"] == 13 * 8 + 8 * 3


def test_the_weights_are_those_of_the_checkpoint(trained, capsys):
    assert inside("diagnose", "wine", "--runs-dir", trained / "runs", "--what", "weights", "--json") == 0
    values = json.loads(capsys.readouterr().out)["values"]
    arrays, _, _ = Run.read(trained / "runs", "wine").load_checkpoint("best")
    kernel = arrays["0/variables:parameters:model:output:kernel"][0]
    assert abs(values["output"]["rms"] - (kernel.astype(float) ** 2).mean() ** 0.5) < 1e-9


def test_a_seed_that_diverged_is_not_explained(trained, tmp_path, capsys):
    """Though its best weights, of an epoch before, are finite."""
    shutil.copytree(trained / "runs" / "wine", tmp_path / "wine")
    summary = tmp_path / "wine" / "summary.json"
    for lost, code in ((1, 0), (2, 1)):
        told = json.loads(summary.read_text())
        for lane in told["lanes"][:lost]:
            lane["status"] = "diverged"
        summary.write_text(json.dumps(told))
        assert inside("diagnose", "wine", "--runs-dir", tmp_path, "--what", "weights", "--json") == code
        captured = capsys.readouterr()
        if lost == 1:
            assert json.loads(captured.out)["seed"] == 1
        else:
            assert "every seed diverged" in captured.err


def test_several_runs_stand_in_one_table(trained, capsys):
    folder = trained / "runs" / "wine"
    assert inside("diagnose", "wine", folder, "--runs-dir", trained / "runs", "--what", "weights") == 0
    out = capsys.readouterr().out
    assert out.startswith("weights: wine, seed 0")
    assert out.splitlines()[1].split()[:2] == ["run", "layer"]
    assert out.count("\nwine: 0.0% of 128 weights are exactly zero") == 2


def test_unknown_names_are_refused(trained, capsys):
    assert inside("diagnose", "wine", "--runs-dir", trained / "runs", "--what", "auras") == 2
    assert 'there is no diagnostic "auras"; there are weights,' in capsys.readouterr().err
    assert inside("diagnose", "beer", "--runs-dir", trained / "runs") == 2


def test_page_figures_and_what_the_report_shows_of_it(trained, tmp_path, capsys):
    runs, html, figures = trained / "runs", tmp_path / "why.html", tmp_path / "figures"
    options = ("--what", "weights", "--what", "dropout", "--html", html, "--figures", figures)
    assert inside("diagnose", "wine", "--runs-dir", runs, *options) == 0
    sentence = capsys.readouterr().out.splitlines()[-2]
    assert sentence.startswith("One mask has")
    assert sentence in html.read_text()
    assert {path.suffix for path in figures.glob("dropout-1.*")} == {".png", ".svg"}
    assert inside("report", "wine", "--runs-dir", runs, "--html", tmp_path / "report.html") == 0
    assert sentence in (tmp_path / "report.html").read_text()
    # another diagnostic later stands beside the first ones
    assert inside("diagnose", "wine", "--runs-dir", runs, "--what", "calibration") == 0
    assert {"weights", "dropout", "calibration"} <= set(Run.read(runs, "wine").read_json(FILE))


def test_what_an_unfinished_run_says_is_not_kept(trained, tmp_path, capsys):
    shutil.copytree(trained / "runs" / "wine", tmp_path / "wine")
    (tmp_path / "wine" / FILE).unlink(missing_ok=True)
    manifest = json.loads((tmp_path / "wine" / "manifest.json").read_text())
    (tmp_path / "wine" / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    assert inside("diagnose", "wine", "--runs-dir", tmp_path, "--what", "weights") == 0
    assert "is interrupted" in capsys.readouterr().err
    assert not (tmp_path / "wine" / FILE).exists()


def test_a_folder_that_cannot_be_written_is_explained_all_the_same(trained, capsys, monkeypatch):
    def full(self, name, value):
        raise RunError(f"{self.path / name}: no space left on device")

    monkeypatch.setattr(Run, "write_json", full)
    assert inside("diagnose", "wine", "--runs-dir", trained / "runs", "--what", "weights") == 0
    captured = capsys.readouterr()
    assert "no penalty in this run" in captured.out
    assert "not kept for the report" in captured.err
