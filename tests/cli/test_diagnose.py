"""`regexp diagnose`: from saved runs to tables and sentences."""

from __future__ import annotations

import json

from regexp.diagnostics.base import DIAGNOSTICS
from regexp.runs import Run
from tests.cli.command import inside


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
