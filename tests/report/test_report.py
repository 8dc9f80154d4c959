"""From folders to rows, numbers and verdicts."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from regexp.core.errors import UsageError
from regexp.report import formats
from regexp.report.collect import collect
from regexp.report.compare import build
from regexp.report.sweeps import with_setting
from regexp.report.tables import tables
from tests.cli.command import ROOT, inside, regexp
from tests.report.folders import edit, folder

BASE = [0.90, 0.91, 0.89, 0.92, 0.90, 0.88, 0.91, 0.90]
GAIN = [0.02, 0.03, 0.01, 0.02, 0.04, 0.02, 0.03, 0.01]
BETTER = [b + g for b, g in zip(BASE, GAIN, strict=True)]


def as_text(made):
    return formats.text(tables(made))


def report(root, *names, **options):
    return build(*collect(root, names), **options)


def test_runs_that_differ_only_in_the_seed_are_one_row(tmp_path):
    folder(tmp_path, "a", BASE[:3])
    folder(tmp_path, "b", BASE[3:], first_seed=3)
    folder(tmp_path, "c", BASE, rate=1e-2)
    made = report(tmp_path)
    assert [(line.row.name, line.summary.n) for line in made.lines] == [("a +1", 8), ("c", 8)]
    assert made.columns == ("optimizer.learning_rate",)
    assert made.lines[0].summary.mean == pytest.approx(np.mean(BASE))
    low, high = stats.t.interval(0.95, 7, np.mean(BASE), stats.sem(BASE))
    assert (made.lines[0].summary.interval.low, made.lines[0].summary.interval.high) == pytest.approx((low, high))


def test_a_seed_trained_twice_counts_once(tmp_path):
    folder(tmp_path, "a", [0.5, 0.7])
    folder(tmp_path, "b", [0.7], first_seed=1)
    (line,) = report(tmp_path).lines
    assert (line.summary.n, line.summary.mean) == (2, pytest.approx(0.6))


def test_verdicts_are_paired_by_seed(tmp_path):
    folder(tmp_path, "base", BASE)
    folder(tmp_path, "dropout", BETTER, "{dropout: {rate: 0.2}}")
    folder(tmp_path, "few", BETTER[:5], "{dropout: {rate: 0.3}}")
    folder(tmp_path, "elsewhere", BETTER, "{dropout: {rate: 0.4}}", first_seed=100)
    made = report(tmp_path, baseline="base")
    found = {line.row.name: line.verdict for line in made.lines}
    assert {name: v and v.word for name, v in found.items()} == {
        "base": None, "dropout": "better", "few": "undecided", "elsewhere": "no pairs"
    }  # fmt: skip
    assert found["dropout"].comparison.pairs == 8
    assert found["dropout"].comparison.p == 2 / 2**8
    assert found["few"].reason == "5 pairs reach p = 0.0625 at best with 2 rows compared"
    assert made.columns == ("regularizers.dropout.rate",)
    shown = {row[0]: row[1] for row in tables(made)[0].rows}
    assert shown == {"base (baseline)": "off", "dropout": "0.2", "few": "0.3", "elsewhere": "0.4"}


def test_losses_are_better_when_smaller(tmp_path):
    folder(tmp_path, "base", BASE)
    folder(tmp_path, "other", BETTER, "{dropout: {rate: 0.2}}")
    made = report(tmp_path, baseline="base", metric="test/loss")
    (line,) = (line for line in made.lines if line.verdict)
    assert line.verdict.comparison.difference < 0
    assert line.verdict.word == "better"
    assert [line.row.name for line in made.lines] == ["base", "other"]
    assert "smaller is better" in tables(made)[0].notes[0]
    assert "best validation/loss" in tables(made)[0].notes[0]


def test_diverged_seeds_and_failed_runs_are_counted(tmp_path):
    folder(tmp_path, "base", BASE)
    folder(tmp_path, "some", [*BETTER[:6], None, None], "{dropout: {rate: 0.2}}")
    path = folder(tmp_path, "stopped", BETTER, "{dropout: {rate: 0.2}}", first_seed=8)
    edit(path / "manifest.json", lambda m: m.update(status="failed", reason="DataError: gone"))
    (path / "summary.json").unlink()
    made = report(tmp_path, baseline="base")
    line = next(line for line in made.lines if line.verdict)
    assert (line.row.name, line.summary.n, line.row.diverged, line.row.unfinished) == ("some +1", 6, 2, 1)
    settings, verdicts = tables(made)
    assert settings.header[-2:] == ("diverged", "unfinished")
    assert verdicts.rows[0][-1].endswith("excludes 2 diverged seeds")


def damage(path, how):
    if how == "no manifest":
        (path / "manifest.json").unlink()
    elif how == "no config":
        (path / "config.yaml").unlink()
    elif how == "config":
        (path / "config.yaml").write_bytes(b"model: [\xff")
    elif how == "yaml":
        (path / "config.yaml").write_text("model: [1")
    elif how == "truncated":
        text = (path / "summary.json").read_text()
        (path / "summary.json").write_text(text[: len(text) // 2])
    elif how == "nested":
        (path / "summary.json").write_text("[" * 100_000)
    elif how == "list":
        (path / "summary.json").write_text("[]")
    else:
        edit(path / "summary.json", {
            "text": lambda s: s["metrics"]["test/accuracy"].update(values=["0.9"] * 8),
            "short": lambda s: s["metrics"]["test/accuracy"].update(values=[0.9]),
            "huge": lambda s: s["metrics"]["test/accuracy"].update(values=[10**400] * 8),
            "bool": lambda s: s["metrics"]["test/accuracy"].update(values=[True] * 8),
            "seeds": lambda s: s.update(seeds=["0"] * 8),
            "lanes": lambda s: s.update(lanes=s["lanes"][1:]),
            "metrics": lambda s: s.update(metrics=3),
            "selection": lambda s: s.update(selection="last"),
        }[how])  # fmt: skip


HOW = ["no manifest", "no config", "config", "yaml", "truncated", "nested", "list", "text", "short", "huge", "bool",
       "seeds", "lanes", "metrics", "selection"]  # fmt: skip


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_folder_is_listed_and_hides_no_other(tmp_path, how):
    folder(tmp_path, "good", BASE)
    damage(folder(tmp_path, "bad", BETTER, rate=0.1), how)
    made = report(tmp_path)
    assert [line.row.name for line in made.lines] == ["good"]
    (skipped,) = made.skipped
    assert skipped.name == "bad"
    assert skipped.reason
    assert str(tmp_path) not in skipped.reason
    assert "bad" in formats.text(tables(made))


def test_group_by_takes_the_mean_over_the_other_keys(tmp_path):
    for name, methods, rate, values in (
        ("a", "{}", 1e-3, [0.5, 0.6]), ("b", "{}", 1e-2, [0.7, 0.8]), ("c", "{l2: {strength: 0.1}}", 1e-3, [0.9, 0.9])
    ):  # fmt: skip
        folder(tmp_path, name, values, methods, rate)
    made = report(tmp_path, keys=["regularizers.l2.strength"])
    assert [(line.row.name, line.row.values("test/accuracy")) for line in made.lines] == [
        ("c", {0: 0.9, 1: 0.9}), ("a +1", {0: pytest.approx(0.6), 1: pytest.approx(0.7)})
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no run has this key"):
        report(tmp_path, keys=["x.y"])


def test_other_data_are_compared_with_their_own_baseline(tmp_path):
    for number, dataset in enumerate(("digits", "wine", "breast_cancer")):
        folder(tmp_path, f"{dataset}-none", [b - 0.1 * number for b in BASE], dataset=dataset)
        folder(tmp_path, f"{dataset}-l2", [b - 0.1 * number for b in BETTER], "{l2: {strength: 0.1}}", dataset=dataset)
    made = report(tmp_path, baseline="wine-none")
    found = {line.row.name: line.verdict.comparison.difference for line in made.lines if line.verdict}
    assert found == {f"{name}-l2": pytest.approx(np.mean(GAIN)) for name in ("digits", "wine", "breast_cancer")}
    assert sum(line.is_baseline for line in made.lines) == 3
    assert sorted(made.datasets.ranks) == [1, 2]
    better = int(np.argmin(made.datasets.ranks))
    assert made.datasets.p[better] == 0.25  # three data sets, the exact test's least
    assert made.datasets.means.shape == (3, 2)
    assert set(made.datasets.methods) == {"none", "l2"}
    folder(tmp_path, "wine-none-again", BASE[:1], dataset="wine", first_seed=50)
    assert set(report(tmp_path, baseline="wine-none").datasets.methods) == {"none", "l2"}  # not "wine-none +1"
    assert tables(made)[-1].title == "Datasets"


def test_the_same_name_with_other_data_is_no_pair(tmp_path):
    folder(tmp_path, "old", BASE)
    path = folder(tmp_path, "new", BETTER, "{l2: {strength: 0.1}}")
    edit(path / "manifest.json", lambda m: m.update(data={"sha256": "changed"}))
    made = report(tmp_path, baseline="old")
    assert [line.verdict for line in made.lines] == [None, None]
    assert "the baseline's setting has no run on this data" in formats.text(tables(made))


def test_mcnemar_for_two_single_runs(tmp_path):
    generator = np.random.default_rng(0)
    targets, rows = generator.integers(0, 3, (1, 80)), np.arange(80)[None]
    outputs = [generator.normal(size=(1, 80, 3)) + strength * np.eye(3)[targets] for strength in (0.5, 3)]
    for name, methods, output in zip(("a", "b"), ("{}", "{l2: {strength: 0.1}}"), outputs, strict=True):
        folder(tmp_path, name, [0.5], methods, predictions={"rows": rows, "targets": targets, "outputs": output})
    made = report(tmp_path, baseline="a")
    found = next(line.models for line in made.lines if line.models)
    right = [np.argmax(output, -1) == targets for output in outputs]
    b, c = int(np.sum(right[1] & ~right[0])), int(np.sum(right[0] & ~right[1]))
    assert (found.only_first, found.only_second) == (b, c)
    assert found.p == pytest.approx(stats.binomtest(b, b + c).pvalue)
    assert "these two trained models" in formats.text(tables(made))


@pytest.mark.parametrize("write", [as_text, formats.markdown, formats.csv, formats.latex, formats.json])
def test_the_same_input_gives_the_same_bytes(tmp_path, write):
    folder(tmp_path, "base", BASE * 2)
    folder(tmp_path, "l2", BETTER * 2, "{l2: {strength: 0.1}}")
    assert write(report(tmp_path, baseline="base")) == write(report(tmp_path, baseline="base"))


def test_csv_and_json_hold_all_digits(tmp_path):
    folder(tmp_path, "base", BASE)
    folder(tmp_path, "l2", BETTER, "{l2: {strength: 0.1}}")
    made = report(tmp_path, baseline="base")
    table = {row["run"]: row for row in csv.DictReader(io.StringIO(formats.csv(made)))}
    rows = {row["run"]: row for row in json.loads(formats.json(made))["rows"]}
    mean = float(np.mean(np.asarray(BETTER) - BASE))
    assert float(table["l2"]["difference"]) == pytest.approx(mean, abs=1e-15) == rows["l2"]["difference"]
    assert (table["l2"]["verdict"], rows["l2"]["verdict"], rows["base"]["verdict"]) == ("better", "better", None)
    assert rows["l2"]["values"] == {str(seed): value for seed, value in enumerate(BETTER)}


def test_the_command(tmp_path, capsys):
    folder(tmp_path, "base", BASE)
    folder(tmp_path, "l2", BETTER, "{l2: {strength: 0.1}}")
    assert inside("report", "--runs-dir", tmp_path, "--baseline", "base") == 0
    assert "better" in capsys.readouterr().out
    assert inside("report", "l2", "--runs-dir", tmp_path, "--baseline", "base", "--format", "csv") == 0
    assert capsys.readouterr().out.count("\n") == 3
    for wrong, message in (
        (["--metric", "test/nope"], "available: test/accuracy, test/loss"),
        (["--baseline", "x"], "--baseline x: no run of this report has this name"), (["x"], "no run 'x'"),
        (["--delta", "-1"], "must be a number"), (["--runs-dir", tmp_path / "none"], "cannot be read"),
    ):  # fmt: skip
        assert inside("report", "--runs-dir", tmp_path, *wrong) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_run_is_reported(trained):
    done = regexp("report", "--runs-dir", trained / "runs", "--format", "json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    summary = json.loads((trained / "runs" / "wine" / "summary.json").read_text())
    assert list(row["values"].values()) == summary["metrics"]["test/accuracy"]["values"]
    assert row["mean"] == pytest.approx(summary["metrics"]["test/accuracy"]["mean"])


def test_it_loads_no_jax(tmp_path):
    folder(tmp_path, "base", BASE)
    code = (
        "import sys; from regexp.cli.app import app\n"
        f"try: app(['report', '--runs-dir', {str(tmp_path)!r}, '--baseline', 'base'])\n"
        "finally: print('loaded:', sorted({'jax', 'jaxlib', 'optax', 'sklearn', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("loaded: []\n"), done.stdout + done.stderr


@pytest.fixture
def thousand(tmp_path):
    """1,000 runs of 8 seeds, each its own setting; links to one folder's files but for the config and the summary."""
    generator = np.random.default_rng(0)
    first = folder(tmp_path, "run0000", list(generator.normal(0.9, 0.01, 8)))
    config, summary = (first / "config.yaml").read_text(), json.loads((first / "summary.json").read_text())
    for number in range(1, 1_000):
        path = tmp_path / f"run{number:04d}"
        path.mkdir()
        (path / "manifest.json").hardlink_to(first / "manifest.json")
        (path / "config.yaml").write_text(config.replace("learning_rate: 0.001", f"learning_rate: {number}.5"))
        summary["metrics"]["test/accuracy"]["values"] = list(generator.normal(0.9, 0.01, 8))
        (path / "summary.json").write_text(json.dumps(summary, indent=2))
    return tmp_path


def test_a_thousand_runs_in_three_seconds(thousand):
    """Start of Python included. 1.9 s on two shared cores; processor seconds, so that neighbours do not count."""
    code = (
        "import sys, time; from regexp.cli.app import app\n"
        "try: app(sys.argv[1:])\n"
        "finally: print(time.process_time(), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "report", "--runs-dir", thousand, "--baseline", "run0000"]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    took = time.perf_counter() - began
    assert sum(line.startswith("run0") for line in done.stdout.splitlines()) == 1_000 + 999
    assert float(done.stderr) < 3 or took < 3


def test_a_narrow_terminal_gets_one_table_without_its_least_columns(tmp_path):
    folder(tmp_path, "base", BASE)
    folder(tmp_path, "l2", BETTER, "{l2: {strength: 0.1}}")
    console = Console(file=io.StringIO(), force_terminal=True, width=50, color_system=None)
    formats.terminal(tables(report(tmp_path, baseline="base")), console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 50
    assert sum(line.startswith("run ") for line in lines) == 2  # the settings and the verdicts
    assert sum(line.startswith("columns hidden at this width:") for line in lines) == 2
    assert any(line.split()[:2] == ["l2", "better"] for line in lines)


def test_a_folder_of_runs_counts_as_its_runs(tmp_path):
    """As `regexp ablate` leaves them."""
    folder(tmp_path, "alone", BASE)
    folder(tmp_path / "digits-ablation", "all", BETTER, "{l2: {strength: 0.1}}")
    folder(tmp_path / "digits-ablation", "none", BASE, rate=0.1)
    assert {line.row.name for line in report(tmp_path).lines} == {
        "alone",
        "digits-ablation/all",
        "digits-ablation/none",
    }
    made = report(tmp_path, "digits-ablation", "digits-ablation/none", baseline="digits-ablation/none")
    assert {line.row.name: line.is_baseline for line in made.lines} == {
        "digits-ablation/all": False, "digits-ablation/none": True
    }  # fmt: skip
    assert made.skipped == ()


def test_ensembles_and_refits_are_read(tmp_path):
    """An ensemble has several lanes for a seed; a seed that diverged in its refit has a lane that is done, no value."""
    path = folder(tmp_path, "ensemble", BASE)
    edit(path / "summary.json", lambda s: s.update(lanes=[lane for lane in s["lanes"] for _ in range(3)]))
    path = folder(tmp_path, "refit", [*BASE[:7], None], rate=0.1)
    edit(path / "summary.json", lambda s: s["lanes"][7].update(status="done"))
    found = {line.row.name: (line.summary.n, line.row.diverged) for line in report(tmp_path).lines}
    assert found == {"ensemble": (8, 0), "refit": (7, 1)}


def sweep(root, name="search"):
    """As `regexp sweep` leaves it."""
    path = folder(root, name, BASE)
    config = (path / "config.yaml").read_text()
    space = 'sweep:\n  objective: "validation/accuracy"\n  space: {regularizers.dropout: {optional: true}}\n'
    (path / "config.yaml").write_text(config + space)
    (path / "winner.yaml").write_text(
        config.replace("seeds: [0, 1, 2, 3, 4, 5, 6, 7]", f"seeds: {list(range(10, 18))}")
    )
    best = {"regularizers.dropout": True, "regularizers.dropout.rate": 0.2, "optimizer.learning_rate": 0.1}
    confirm = [
        {"number": n, "setting": setting, "status": status, "scores": [{"test/accuracy": v} for v in values]}
        for n, setting, status, values in (
            (0, {}, "done", BASE), (1, best, "done", BETTER), (2, {"optimizer.learning_rate": 9.0}, "diverged", [])
        )
    ]  # fmt: skip
    summary = {"status": "done", "winner": {"setting": best}, "confirm": confirm}
    (path / "summary.json").write_text(json.dumps(summary))
    edit(path / "manifest.json", lambda m: m.update(kind="sweep", status="done"))
    return path


def test_a_sweep_shows_its_confirmed_scores(tmp_path):
    sweep(tmp_path)
    made = report(tmp_path, baseline="search: as written")
    found = {line.row.name: line for line in made.lines}
    assert found["search: winner"].verdict.word == "better"
    assert found["search: winner"].row.values("test/accuracy") == dict(zip(range(10, 18), BETTER, strict=True))
    assert (found["search: confirmed 2"].summary, found["search: confirmed 2"].row.diverged) == (None, 8)
    assert set(made.columns) == {"regularizers.dropout", "optimizer.learning_rate"}
    assert made.skipped == ()


def test_a_sweep_that_found_nothing_or_is_damaged(tmp_path):
    edit(sweep(tmp_path, "stopped") / "manifest.json", lambda m: m.update(status="interrupted"))
    edit(sweep(tmp_path, "short") / "summary.json", lambda s: s["confirm"][0]["scores"].pop())
    (sweep(tmp_path, "lost") / "winner.yaml").unlink()
    made = report(tmp_path)
    assert [(line.row.name, line.row.unfinished) for line in made.lines] == [("stopped", 1)]
    assert [one.name for one in made.skipped] == ["lost", "short"]


def test_a_method_that_is_out_is_taken_away():
    config = {"regularizers.dropout.rate": 0.1, "regularizers.l2.strength": 1.0}
    assert with_setting(config, {"regularizers.dropout": False}) == {"regularizers.l2.strength": 1.0}
