"""What the report says and draws of an ablation, from the folders that `regexp ablate` leaves."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from regexp.report import formats
from regexp.report.ablation import answer
from regexp.report.charts import charts, write
from regexp.report.charts.ablations import charts_of_ablation
from regexp.report.collect import collect
from regexp.report.compare import build
from regexp.report.figures import rendered
from regexp.report.methods import paragraph
from regexp.report.page import page
from regexp.report.tables import ablation_table, tables
from tests.report.ablated import ablated
from tests.report.folders import edit
from tests.report.reader import Reader

NAMES = ("contributions", "interactions", "cost")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return ablated(tmp_path_factory.mktemp("ablation")).parent


@pytest.fixture
def root(written, tmp_path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "runs"))


def ablation_of(root, **options):
    (found,) = build(*collect(root), **options).ablations
    return found


def test_each_method_has_its_verdict(written):
    found = {(one.family, one.what): one.word for one in ablation_of(written).contributions}
    for family in ("leave one out", "alone"):
        assert {what: word for (own, what), word in found.items() if own == family} == {
            "l2": "helps", "dropout": "helps", "label_smoothing": "hurts", "gaussian_noise": "undecided"
        }  # fmt: skip
    assert found["together", "all"] == "helps"
    assert len([family for family, _ in found if family == "interaction"]) == 6


def test_differences_are_those_of_the_arms(written):
    found = {(one.family, one.what): one.verdict.comparison for one in ablation_of(written).contributions}
    assert found["leave one out", "l2"].difference == pytest.approx(0.03 + 0.02)
    assert found["alone", "l2"].difference == pytest.approx(0.03)
    assert found["together", "all"].difference == pytest.approx(0.03 + 0.01 - 0.02 + 0.02)
    assert found["interaction", "l2 x dropout"].difference == pytest.approx(0.02)
    assert found["interaction", "l2 x gaussian_noise"].difference == pytest.approx(0, abs=1e-12)


def test_the_answer_says_whether_how_much_and_how_sure(written):
    first, *families = answer(ablation_of(written))
    assert first.startswith(
        "All 4 methods together help: test/accuracy 0.9409 with them, 0.9009 without them, difference +0."
    )
    assert first.endswith("p = 0.00781 over 8 seeds.")
    helps = "helps: l2 (+0.0500), dropout (+0.0300)"
    lead = "Added to the others (all methods, against all without it)"
    assert families[0].startswith(f"{lead}, {helps}; hurts: label_smoothing (-0.0200); undecided: gaussian_noise")


def test_smaller_is_better_turns_the_words_round(written):
    found = {(one.family, one.what): one.word for one in ablation_of(written, metric="test/loss").contributions}
    assert found["alone", "l2"] == "helps"  # the loss of these folders is 1 - accuracy
    assert found["alone", "label_smoothing"] == "hurts"


def test_within_delta_it_is_equivalent(written):
    found = {(one.family, one.what): one.word for one in ablation_of(written, delta=0.012).contributions}
    assert found["alone", "dropout"] == "equivalent"
    assert found["interaction", "l2 x label_smoothing"] == "adds up"


def test_retuned_or_not_the_table_says_so(root):
    notes = ablation_table(ablation_of(root)).notes
    assert any(note.startswith("arms were not retuned") for note in notes)
    edit(root / "digits-ablation" / "manifest.json", lambda m: m.update(retune="learning_rate"))
    notes = ablation_table(ablation_of(root)).notes
    assert "learning_rate was retuned for every arm, on validation" in notes
    assert not any("not retuned" in note for note in notes)


def test_the_chart_shows_differences_and_words(written):
    found = ablation_of(written)
    figure = Figure()
    charts_of_ablation(found)[0].draw(figure)
    left, right = figure.axes
    diamonds = {line.get_ydata()[0]: line.get_xdata()[0] for line in left.lines if line.get_marker() == "D"}
    values = [one.verdict.comparison.difference for one in found.family("leave one out")]
    assert diamonds == dict(enumerate(values))
    names = [label.get_text() for label in left.get_yticklabels()]
    assert names == ["l2", "dropout", "label_smoothing", "gaussian_noise", "all methods"]
    words = [text.get_text() for text in right.texts]
    assert words == ["helps", "helps", "hurts", "undecided", "helps"]


def test_interactions_are_a_triangle(written):
    found = ablation_of(written)
    chart = {chart.name: chart for chart in charts_of_ablation(found)}["interactions"]
    figure = Figure()
    chart.draw(figure)
    (axes,) = figure.axes
    assert len(axes.texts) == 6
    assert axes.texts[0].get_text() == "+0.0200 ▲"
    assert np.ma.count(axes.collections[0].get_array()) == 6


def test_without_pairs_and_without_costs(tmp_path):
    path = ablated(tmp_path, pairs=False)
    edit(path / "manifest.json", lambda m: m.pop("step_time"))
    found = ablation_of(tmp_path)
    assert [chart.name for chart in charts_of_ablation(found)] == ["contributions"]
    assert {row[7] for row in ablation_table(found).rows} == {"-"}


def test_every_format_has_it_and_the_page_leads_with_it(written):
    made = build(*collect(written), baseline="digits-ablation/none")
    assert "All 4 methods together help" in formats.text(tables(made))
    assert r"helps & +0.0500" in formats.latex(made)
    (one,) = json.loads(formats.json(made))["ablations"]
    assert one["contributions"][1]["difference"] == pytest.approx(0.05)
    few = replace(made, lines=made.lines[:2])
    text = Reader(page(few)).text
    assert 0 < text.index("All 4 methods together help") < text.index("Against digits-ablation/none")
    assert {"contributions", "interactions", "cost"} <= {chart.name for chart in charts(made)}


def test_the_same_input_gives_the_same_bytes(written):
    first, second = (charts(build(*collect(written))) for _ in range(2))
    drawn = [[rendered(chart, "svg") for chart in found if chart.name in NAMES] for found in (first, second)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == len(NAMES)


def test_the_methods_paragraph_tells_how_arms_were_compared(written):
    said = paragraph(build(*collect(written)))
    assert "In the ablation digits-ablation all arms use the same seeds" in said
    assert "with Holm's correction within a family. Arms were not retuned." in said


def test_figures_are_files(written, tmp_path):
    made = replace(build(*collect(written)), lines=())
    assert {path.name for path in write(made, tmp_path)} == {f"{n}.{kind}" for n in NAMES for kind in ("png", "svg")}
    assert (tmp_path / "cost.png").read_bytes()[:4] == b"\x89PNG"


def test_five_seeds_decide_nothing(tmp_path):
    found = ablation_of(ablated(tmp_path, seeds=5).parent)
    assert {one.word for one in found.contributions} <= {"undecided", "adds up"}
    assert "may help or hurt (undecided)" in answer(found)[0]


def test_an_arm_that_is_missing_or_diverged_leaves_the_rest(root):
    shutil.rmtree(root / "digits-ablation" / "only-l2")
    edit(root / "digits-ablation" / "without-dropout" / "manifest.json", lambda m: m.update(status="failed"))
    found = ablation_of(root)
    words = {(one.family, one.what): one.word for one in found.contributions}
    assert words["alone", "l2"] == words["leave one out", "dropout"] == "no pairs"
    assert words["alone", "dropout"] == "helps"
    assert set(found.missing) == {"only-l2", "without-dropout"}
    assert "arms without a value: without-dropout, only-l2" in ablation_table(found).notes
    assert len(charts_of_ablation(found)) == 3


def test_a_manifest_that_names_few_arms_leaves_what_can_be_said(root):
    arms = {"all": ["l2", "dropout"], "without-l2": ["dropout"]}
    edit(root / "digits-ablation" / "manifest.json", lambda m: m.update(methods=["l2", "dropout"], arms=arms))
    found = ablation_of(root)
    assert [(one.family, one.what) for one in found.contributions] == [("leave one out", "l2")]
    figure = Figure()
    charts_of_ablation(found)[0].draw(figure)
    assert "Unknown whether" not in " ".join(answer(found))


@pytest.mark.parametrize(
    "change",
    [lambda m: m.update(methods=3), lambda m: m.update(methods=[["l2"]]), lambda m: m.update(arms=[]),
     lambda m: m.update(step_time={"l2": "x"}), lambda m: m.clear(), lambda m: m.update(methods=["l2"] * 10**5)],
)  # fmt: skip
def test_where_the_manifest_is_damaged_the_arms_are_rows(root, change):
    edit(root / "digits-ablation" / "manifest.json", change)
    made = build(*collect(root))
    assert made.ablations == ()
    assert len(made.lines) == 16


def test_the_arms_have_no_second_verdicts_and_the_one_without_methods_leads(written):
    """Of `all` against `none` the ablation says "helps", Holm over 13 arms "undecided": one page has one answer."""
    made = build(*collect(written), first="digits-ablation/none")
    assert made.lines[0].row.name == "digits-ablation/none"
    assert {line.verdict for line in made.lines} == {None}
    text = Reader(page(made)).text
    assert "each arm is a row of the table below" in text
    assert "name a baseline" not in text
