"""`regexp sweep`: what it prints, its files and its exit codes."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from regexp.cli.sweep_display import SweepLines, SweepLive
from regexp.config import load
from regexp.runs import Run
from regexp.study.sweep.records import Record
from regexp.study.sweep.tasks import Measured
from tests.cli.command import ROOT, inside
from tests.study.lab import BASE, SWEEP, optuna_trials, sweeping


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The folder of a sweep that is over, and what it printed as JSON."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "wine.yaml").write_text(BASE + SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        out = io.StringIO()
        patch.setattr("sys.stdout", out)
        code = inside("sweep", folder / "wine.yaml", "--runs-dir", folder / "runs", "--json", "--device", "cpu")
    assert code == 0
    return folder, [json.loads(line) for line in out.getvalue().splitlines()]


def test_events_as_json(swept):
    _, events = swept
    names = [event["event"] for event in events]
    assert names[0] == "planned"
    assert names[-1] == "concluded"
    assert [e["confirming"] for e in events if e["event"] == "began"] == [False, False, True]
    assert sum(len(e["ended"]) for e in events if e["event"] == "progress") == 12 + 6 + 3


def test_the_folder_has_everything(swept):
    folder, events = swept
    run = Run.read(folder / "runs", "wine")
    assert run.read_json("manifest.json")["status"] == "done"
    assert run.read_json("summary.json")["winner"] == events[-1]["summary"]["winner"]
    assert load(run.path / "config.yaml").search.sweep == load(folder / "wine.yaml").search.sweep
    assert load(run.path / "winner.yaml").experiment.training.epochs == 3


def test_lines_tell_the_story(swept):
    text = shown(SweepLines, swept)
    assert "12 + 6 trials, 3 to confirm; 30 lanes, " in text
    assert "stage 2: 6 trials, 3 epochs, 2 seeds each" in text
    assert "(best 5 of 12" in text
    assert "validation/accuracy when chosen" in text
    assert "validation/accuracy confirmed on fresh seeds" in text
    assert "paired difference" in text
    assert "importance (PED-ANOVA, stage 1): " in text
    assert "warning: 12 trials for 4 parameters cover the space thinly" in text
    runs = swept[0] / "runs"
    assert f"next: regexp train {runs}/wine/winner.yaml --name wine-winner --runs-dir {runs}" in " ".join(text.split())


def test_the_live_table_has_a_row_for_each_stage(swept):
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown(SweepLive, swept))
    table = text[text.rindex("best  running") :]
    rows = {line[:7]: line[7:].split() for line in table.splitlines()}
    for stage, count in (("stage 1", "12"), ("stage 2", "6"), ("confirm", "3")):
        best, running, done, failed, *_ = rows[stage]
        assert 0 < float(best) <= 1
        assert (running, done, failed) == ("0", count, "0")


def shown(kind, swept):
    """What a display writes of a sweep's events."""
    from regexp.study.sweep import events as kinds

    folder, events = swept
    run, out = Run.read(folder / "runs", "wine"), io.StringIO()
    display = kind(Console(file=out, width=200, force_terminal=kind is SweepLive), run)
    classes = {name.lower(): getattr(kinds, name) for name in ("Planned", "Narrowed", "Began", "Progress", "Concluded")}
    with display:
        for event in events:
            fields = {k: v for k, v in event.items() if k not in ("event", "run")}
            if "ended" in fields:
                fields["ended"] = [Record(**r) for r in fields["ended"]]
            display.event(classes[event["event"]](**fields))
    return out.getvalue()


def test_a_dry_run_says_what_it_takes_and_writes_nothing(swept, tmp_path, capsys):
    folder, events = swept
    code = inside("sweep", folder / "wine.yaml", "--dry-run", "--runs-dir", tmp_path / "runs", "--device", "cpu")
    said = capsys.readouterr().out
    assert code == 0
    assert not (tmp_path / "runs").exists()
    plan = events[0]
    assert plan["trials"] == [12, 6, 3]
    assert plan["lanes"] == 12 + 12 + 6
    assert plan["lane_steps"] == (12 * 2 + 12 * 3 + 6 * 3) * (121 // 16)  # of 178: 142 without the test, 121 to train
    assert f"{plan['lane_steps']:,} steps of a lane" in said
    assert "-> 2 programs" in said


def test_a_program_that_was_in_the_cache_does_not_hide_what_compiling_the_others_takes():
    one = sweeping()
    one.blocks.measured = Measured(size=12, seconds=0.5, step_seconds=0.0, steps_per_epoch=7, spared=9.0)
    out = io.StringIO()
    SweepLines(Console(file=out, width=200), None).planned(one.planned())
    assert "-> 2 programs" in out.getvalue()
    assert "about 1 s with compiling, 10 s if the other programs are not in the cache" in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a config is needed"),
        (["base.yaml"], "base.yaml has no sweep section"),
        (["wine.yaml", "--set", "sweep.stages=3"], "sweep needs stages"),
        (["--resume", "none"], "no run 'none'"),
        (["--resume", "wine"], "wine is done already"),
        (["--resume", "wine", "--name", "x"], "--name and --dry-run are for a new sweep"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(swept, arguments, message, capsys):
    folder, _ = swept
    (folder / "base.yaml").write_text(BASE)
    full = [folder / a if a.endswith(".yaml") else a for a in arguments]
    assert inside("sweep", *full, "--runs-dir", folder / "runs") == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_nothing_works_is_exit_code_1(tmp_path, capsys):
    text = BASE.replace("adam, learning_rate: 1.0e-2", "sgd, learning_rate: 1.0e-2")
    (tmp_path / "wild.yaml").write_text(text + SWEEP.replace("[1.0e-4, 1.0e-1]", "[1.0e+30, 1.0e+35]"))
    assert inside("sweep", tmp_path / "wild.yaml", "--runs-dir", tmp_path / "runs", "--device", "cpu") == 1
    said = capsys.readouterr().out
    assert "there is no winner" in said
    assert "trials diverged or failed" in said
    assert not (tmp_path / "runs" / "wild" / "winner.yaml").exists()


@pytest.mark.slow
def test_an_interrupt_keeps_what_is_finished_and_says_how_to_go_on(tmp_path):
    (tmp_path / "wine.yaml").write_text(BASE + SWEEP.replace("epochs: 3", "epochs: 200000"))
    process = subprocess.Popen(
        [sys.executable, "-m", "regexp", "sweep", str(tmp_path / "wine.yaml"), "--runs-dir", str(tmp_path / "runs")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while "stage 2:" not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "go on with: regexp sweep --resume wine" in error
    run = Run.read(tmp_path / "runs", "wine")
    assert run.read_json("manifest.json")["status"] == "interrupted"
    trials = optuna_trials(f"sqlite:///{run.path / 'study.db'}", "wine")
    assert [t.user_attrs["stage"] for t in trials] == [1] * 12


def test_a_winner_without_a_method_shows_none_of_its_fields(swept):
    from regexp.cli.sweep_display import conclusion

    _, events = swept
    summary = events[-1]["summary"]
    setting = summary["winner"]["setting"] | {"regularizers.dropout": False}
    lines = [line for line, _ in conclusion(summary | {"winner": summary["winner"] | {"setting": setting}}, None)]
    assert "  regularizers.dropout: out" in lines
    assert not any(line.startswith("  regularizers.dropout.rate") for line in lines)


@pytest.mark.parametrize(
    ("options", "missing", "message"),
    [
        (["--workers", "2"], None, "--workers is for --executor processes or ray"),
        (["--executor", "processes", "--address", "auto"], None, "--address is for --executor ray"),
        (["--executor", "ray"], "ray", "the executor ray needs ray: pip install '.[ray]'"),
        (
            ["--storage", "postgresql://me@nowhere/x"],
            "psycopg",
            "postgresql databases is not installed: pip",
        ),
        (["--storage", "nonsense"], None, "--storage names no database"),
        (["--storage", "oracel://me@here/x"], None, "--storage names no database"),
    ],
)
def test_wrong_options_are_told_with_what_to_do(tmp_path, monkeypatch, capsys, options, missing, message):
    (tmp_path / "wine.yaml").write_text(BASE + SWEEP)
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)  # as if it were not installed
    command = ["sweep", tmp_path / "wine.yaml", "--runs-dir", tmp_path / "runs", "--device", "cpu", *options]
    assert inside(*command) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
