"""`regexp check`: verdicts, exit codes, JSON and what --save leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from regexp.checks.base import CHECKS
from tests.cli.command import CONFIG, ROOT, inside, regexp

BROKEN = {
    "rate_too_high": "learning_rate",
    "zero_initialisation": "symmetry",
    "leaking_split": "split_overlap",
}


@pytest.fixture
def config(tmp_path) -> Path:
    file = tmp_path / "wine.yaml"
    file.write_text(CONFIG)
    return file


def test_every_broken_config_is_in_the_list():
    assert {file.stem for file in (ROOT / "configs" / "broken").glob("*.yaml")} == set(BROKEN)


@pytest.mark.parametrize(("name", "fault"), BROKEN.items())
def test_broken_configs_are_caught_by_name(name, fault, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert inside("check", f"configs/broken/{name}.yaml", "--json") == 3
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["check"] for one in found] == list(CHECKS)
    assert [one["check"] for one in found if one["verdict"] == "FAIL"] == [fault]
    assert all(one["advice"] for one in found if one["verdict"] != "PASS")


def test_a_check_says_all_four_things(config, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert inside("check", config, "--only", "validation_size", "--only", "symmetry") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "WARN  validation_size"
    assert [line.split()[0] for line in lines] == [
        "WARN", "measured", "expected", "do", "PASS", "measured", "expected"
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wine.yaml"]  # no run is left behind


def test_settings_and_the_exit_code(config, capsys):
    assert inside("check", config, "--only", "learning_rate", "--set", "optimizer.learning_rate=9") == 3
    out = capsys.readouterr().out
    assert out.startswith("FAIL  learning_rate")
    assert "--set optimizer.learning_rate=" in out
    assert " loss +" in out  # the curve


def test_save_keeps_the_findings_and_the_curve(config, capsys, tmp_path):
    assert inside("check", config, "--only", "learning_rate", "--save", "--runs-dir", tmp_path / "kept") == 0
    folder = tmp_path / "kept" / "wine-check"
    assert f"saved in {folder}" in capsys.readouterr().out
    assert (folder / "learning_rate.png").read_bytes().startswith(b"\x89PNG")
    kept = json.loads((folder / "checks.json").read_text())
    assert kept["learning_rate"]["verdict"] == "PASS"
    assert len(kept["learning_rate"]["values"]["rates"]) == len(kept["learning_rate"]["values"]["losses"])
    assert (folder / "config.yaml").exists()
    assert inside("report", "--runs-dir", tmp_path / "kept") == 2
    assert "no runs in" in capsys.readouterr().err  # it is none, and no damaged one


def test_an_unknown_check_is_refused_before_any_work(config, capsys):
    assert inside("check", config, "--only", "vibes") == 2
    assert 'there is no check "vibes"; there are split_overlap,' in capsys.readouterr().err


def test_the_command_in_a_process_of_its_own(config):
    done = regexp("check", config, "--only", "class_balance", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["values"]["missing"] == []
