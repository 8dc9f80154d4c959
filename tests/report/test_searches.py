"""What the report says and draws of a sweep, read from what the sweep's own store has written."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from regexp.report import formats
from regexp.report.charts import charts
from regexp.report.charts import searches as drawing
from regexp.report.charts.searches import charts_of_search
from regexp.report.collect import collect
from regexp.report.compare import build
from regexp.report.figures import rendered
from regexp.report.page import page
from regexp.report.tables import search_table, tables, trial_table
from tests.report.folders import edit
from tests.report.reader import Reader
from tests.report.searched import searched


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("sweeps")
    return searched(root).parent


@pytest.fixture
def root(written, tmp_path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "runs"))


def search_of(root):
    (found,) = build(*collect(root)).searches
    return found


def drawn(found, name) -> Figure:
    chart = next(chart for chart in charts_of_search(found) if chart.name == name)
    figure = Figure()
    chart.draw(figure)
    return figure


def test_stages_trials_and_ranges_are_those_of_the_store(written):
    found = search_of(written)
    assert [(s.name, len(s.trials), s.epochs, s.seeds) for s in found.stages] == [
        ("stage 1", 20, 2, 1), ("stage 2", 8, 6, 2), ("confirmation", 3, 6, 8)
    ]  # fmt: skip
    assert found.scales == {
        "optimizer.learning_rate": "log", "regularizers.dropout": "choice", "regularizers.dropout.rate": "linear",
        "model.activation": "choice",
    }  # fmt: skip
    assert found.stages[0].ranges["optimizer.learning_rate"] == [1e-4, 1e-1]
    low, high = found.stages[1].ranges["optimizer.learning_rate"]
    assert 1e-4 < low < high < 1e-1
    assert found.winner == json.loads((written / "search" / "summary.json").read_text())["winner"]["setting"]


def test_the_table_counts_how_trials_ended_and_tells_why_ranges_changed(written):
    table = search_table(search_of(written))
    assert [row[:6] for row in table.rows] == [
        ("stage 1", "20", "17", "1", "1", "1"), ("stage 2", "8", "8", "0", "0", "0"), ("confirmation", "3", "3", *"000")
    ]  # fmt: skip
    assert [note for note in table.notes if note.startswith("stage 2: optimizer.learning_rate 0.0001..0.1 -> ")]
    every = trial_table(search_of(written))
    assert len(every.rows) == 31
    assert [row[1] for row in every.rows if row[0] == "stage 1, 4"] == ["failed: <b>batch</b> too large"]
    out = [row for row in every.rows if row[5] == "false"]
    assert out
    assert {row[6] for row in out} == {"out"}


def test_the_expected_best_is_the_mean_over_all_subsets(written):
    found = search_of(written)
    values = [trial.value for trial in found.stages[0].trials if trial.status == "done"]
    assert len(found.best) == len(values) == 17
    for k in (1, 2, 3):
        assert found.best[k - 1] == pytest.approx(np.mean([max(some) for some in combinations(values, k)]))
    assert "Expected best by budget" in formats.text(tables(build(*collect(written))))


@pytest.mark.parametrize(
    ("old", "new"), [("sampler: random", "sampler: sobol"), ("epochs: 2,", "epochs: 2, halving: 2,")]
)
def test_of_dependent_trials_no_expected_best_is_told(root, old, new):
    config = root / "search" / "config.yaml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    assert search_of(root).best == ()
    assert [chart.name for chart in charts_of_search(search_of(root))] == ["slices", "parallel", "ranges"]


def test_slices_show_every_trial_and_those_that_failed_as_crosses(written):
    figure = drawn(search_of(written), "slices")
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert set(panels) == {"optimizer.learning_rate", "dropout", "dropout.rate", "model.activation"}
    counts = {}
    for title, axes in panels.items():
        lines = [line for line in axes.lines if line.get_linestyle() == "None"]
        crosses = sum(len(line.get_xdata()) for line in lines if line.get_marker() == "x")
        counts[title] = (sum(len(line.get_xdata()) for line in lines), crosses)
    assert counts["optimizer.learning_rate"] == counts["dropout"] == (28, 2)
    inside = [t for s in search_of(written).searched for t in s.trials if t.setting["regularizers.dropout"]]
    assert counts["dropout.rate"][0] == len(inside) < 28  # where dropout is out, its rate means nothing
    assert [axes.get_xscale() for axes in panels.values()] == ["log", "linear", "linear", "linear"]
    (hollow,) = [
        line for line in panels["dropout"].lines if line.get_markerfacecolor() == "none" and len(line.get_xdata())
    ]
    assert len(hollow.get_xdata()) == 1  # stopped by halving


def test_whole_settings_are_lines_and_the_best_is_on_top(written):
    found = search_of(written)
    axes = drawn(found, "parallel").axes[0]
    settings = [line for line in axes.lines if len(line.get_xdata()) in (4, 5) and line.get_zorder() >= 2]
    assert len(settings) == 28
    assert sum(len(line.get_xdata()) == 4 for line in settings) == 2  # diverged and failed reach no score
    (winner,) = [line for line in settings if line.get_linewidth() > 2]
    best = max(t.value for s in found.searched for t in s.trials if t.value is not None)
    assert winner.get_ydata()[-1] == pytest.approx(1) == pytest.approx(found.stages[1].best / best)


def test_ranges_are_bars_from_end_to_end(written):
    found = search_of(written)
    axes = drawn(found, "ranges").axes[0]
    bars = [list(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 6]
    assert bars == [found.stages[i].ranges["optimizer.learning_rate"] for i in (0, 1)]


def test_the_page_has_a_section_with_charts_reasons_and_trials(written):
    made = build(*collect(written))
    read = Reader(page(made))
    for words in ("Sweep search", "validation/accuracy by parameter", "parallel coordinates", "ranges by stage",
                  "expected best validation/accuracy by budget", "Trials of search", "best 6 of 20",
                  "failed: <b>batch</b> too large",
                  "searched 4 values for validation/accuracy in 28 trials over 2 stages"):  # fmt: skip
        assert words in read.text, words
    assert len(read.ids) == len(set(read.ids))
    (sweep,) = json.loads(formats.json(made))["sweeps"]
    assert len(sweep["stages"][0]["trials"]) == 20


def test_a_loss_that_exploded_does_not_hide_the_others(root):
    """It is drawn at the edge of the axis, and the caption says so."""
    trials_of(root / "search", lambda r: r.update(value=-1e18) if r["number"] == 7 and r["stage"] == 0 else None)
    found = search_of(root)
    axes = drawn(found, "slices").axes[0]
    low, high = axes.get_ylim()
    assert high - low < 1
    ys = [y for line in axes.lines if line.get_linestyle() == "None" for y in line.get_ydata()]
    assert len(ys) == 28
    assert low <= min(ys) <= max(ys) <= high
    assert "Scores beyond the axis are drawn at its edge." in charts_of_search(found)[0].caption


def test_of_many_trials_the_best_are_always_drawn(written, monkeypatch):
    monkeypatch.setattr(drawing, "MOST_TRIALS", 7)
    found = search_of(written)
    axes = drawn(found, "slices").axes[0]
    ys = [y for line in axes.lines if line.get_linestyle() == "None" for y in line.get_ydata()]
    assert len(ys) < 20
    assert max(ys) == found.stages[1].best
    assert "some are not drawn; the best always are" in charts_of_search(found)[0].caption


def test_the_same_input_gives_the_same_bytes(written):
    first, second = ([rendered(chart, "svg") for chart in charts_of_search(search_of(written))] for _ in range(2))
    assert first == second
    assert len(first) == 4


def test_two_sweeps_have_charts_of_their_own(root):
    shutil.copytree(root / "search", root / "other")
    made = build(*collect(root))
    names = [chart.name for chart in charts(made)]
    assert {"slices", "slices-2", "budget-2"} <= set(names)
    assert len(names) == len(set(names))
    read = Reader(page(made))
    assert len(read.ids) == len(set(read.ids))


def test_of_many_sweeps_the_first_have_charts_and_the_page_says_so(root, monkeypatch):
    monkeypatch.setattr("regexp.report.charts.MOST_SEARCHES", 1)
    shutil.copytree(root / "search", root / "other")
    read = Reader(page(build(*collect(root))))
    assert [name for name in read.ids if name.startswith("chart-slices")] == ["chart-slices"]
    assert read.text.count("sweeps have charts") == 1


def test_a_sweep_in_progress_shows_what_has_ended(root):
    (root / "search" / "summary.json").unlink()
    edit(root / "search" / "manifest.json", lambda m: m.update(status="running"))
    made = build(*collect(root))
    assert [(line.row.name, line.row.unfinished) for line in made.lines] == [("search", 1)]
    assert [len(stage.trials) for stage in made.searches[0].stages] == [20, 8, 3]
    assert made.searches[0].winner is None
    assert len(charts_of_search(made.searches[0])) == 4


def test_without_confirmation_it_is_a_row_without_values(root):
    edit(root / "search" / "summary.json", lambda s: s.update(confirm=[]))
    made = build(*collect(root))
    assert [(line.row.name, line.summary) for line in made.lines] == [("search: not confirmed", None)]
    assert len(made.searches) == 1


def trials_of(path, change):
    """Change every trial's record in the database."""
    with closing(sqlite3.connect(path / "study.db")) as database:
        query = "SELECT trial_user_attribute_id, value_json FROM trial_user_attributes WHERE key = 'record'"
        for key, text in database.execute(query).fetchall():
            record = json.loads(json.loads(text))
            change(record)
            values = (json.dumps(json.dumps(record)), key)
            database.execute(
                "UPDATE trial_user_attributes SET value_json = ? WHERE trial_user_attribute_id = ?", values
            )
        database.commit()


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(value="0.9"), lambda r: r.update(setting=[1]), lambda r: r.update(stage=-1),
        lambda r: r.update(number=10**20), lambda r: r.update(epochs="2"), lambda r: r.update(status=3),
        lambda r: r["setting"].update(x=[1]), lambda r: r.clear(), lambda r: r.update(value=1e300),
        lambda r: r["setting"].update(x=10**400),
    ],
)  # fmt: skip
def test_damaged_trials_are_told_and_the_confirmed_scores_stay(root, change):
    trials_of(root / "search", change)
    made = build(*collect(root))
    assert [line.row.name for line in made.lines if line.summary] != []
    (found,) = made.searches
    assert found.stages == ()
    assert "cannot be read" in found.notes[0]
    assert "cannot be read" in Reader(page(made)).text


@pytest.mark.parametrize("content", [b"", b"no database" * 100, None])
def test_a_database_that_is_none(root, content):
    path = root / "search" / "study.db"
    path.unlink() if content is None else path.write_bytes(content)
    (found,) = build(*collect(root)).searches
    assert "study.db" in found.notes[0] or "cannot be read" in found.notes[0]
    assert charts_of_search(found) == []


def test_a_database_elsewhere_is_named(root):
    (root / "search" / "study.db").unlink()
    edit(root / "search" / "manifest.json", lambda m: m.update(storage="host/db"))
    assert search_of(root).notes == (
        "trials not shown: they are in the database host/db, which this report does not read",
    )


def test_values_that_no_axis_can_show(root):
    """A trial outside every range, or of a choice that is none: a number on a choice, a text on a scale."""
    bad = iter(20 * ["x", -1.0, 0, True, float("nan")])
    trials_of(
        root / "search", lambda r: r["setting"].update({"optimizer.learning_rate": next(bad), "model.activation": 7})
    )
    made = build(*collect(root))
    assert "7" in {row[7] for row in trial_table(made.searches[0]).rows}
    assert len(page(made)) > 1000
