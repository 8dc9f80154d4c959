"""What diagnostics left in run folders: read with care, shown as text and drawings, alone and in the report's page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from regexp.core.errors import RunError
from regexp.report.collect import collect
from regexp.report.compare import build
from regexp.report.explanations import charts, explanations, page, read
from regexp.report.figures import inline, save
from regexp.report.page import page as report_page
from regexp.runs.explanation import (
    FILE,
    Explanation,
    Picture,
    Pictures,
    Plot,
    Series,
    from_json,
    picture,
    series,
    to_json,
)
from tests.report.browser import browser
from tests.report.folders import folder
from tests.report.payloads import PAYLOADS
from tests.report.test_page import Reader
from tests.report.test_report import BASE

LINES = Plot(
    "A path", "What it is.", "step", "loss",
    (series("one", [1, 2, 3], [3.0, np.nan, 1.0], band=([2, 2, 0], [4, 4, 2])),
     series("two", [1, 3], [1, 2], "points")),
    "xy",
)  # fmt: skip
BARS = Plot("Parts", "", "", "loss", (series("a", [0, 1], [1, 2], "bars"), series("b", [0, 1], [2, 1], "bars")),
            ticks=("squared", "0-1"))  # fmt: skip
IMAGE = np.linspace(0, 1, 12).reshape(3, 4, 1)
PICTURES = Pictures("Attacks", "Before and after.", ((picture("3 with 0.9", IMAGE), picture("8 with 0.6", 1 - IMAGE)),))
WHOLE = Explanation(
    "It fell by 2.", ("step", "loss"), (("1", "3.0"),), ("###",), {"x": 1.5}, (LINES, BARS, PICTURES), 4
)


def explained(root: Path, name: str = "base", what: Explanation = WHOLE, rate: float = 1e-3) -> Path:
    path = folder(root, name, BASE, rate=rate)
    (path / FILE).write_text(json.dumps({"weights": to_json(what)}))
    return path


def test_json_and_back():
    assert from_json(json.loads(json.dumps(to_json(WHOLE)))) == WHOLE
    assert LINES.series[0].y == (3.0, None, 1.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Series("x", (1.0, 2.0), (1.0,)),
        lambda: Series("x", (1.0,), (1.0,), low=(1.0, 2.0)),
        lambda: Picture("x", (((1,), (2,)), ((3,),))),
        lambda: Picture("x", (((1, 2),),)),
        lambda: Pictures("x", "", ()),
        lambda: Pictures("x", "", (PICTURES.rows[0], PICTURES.rows[0][:1])),
        lambda: Explanation("x", ("a",), (("1", "2"),)),
        lambda: from_json({"sentence": 3}),
        lambda: from_json([1]),
    ],
)
def test_what_does_not_belong_together_is_refused(make):
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's and ours
        make()


@pytest.mark.parametrize("text", ["", "[]", "nonsense", '{"weights": 1}', '{"../x": {"sentence": "y"}}', "{" * 9])
def test_a_damaged_file_is_told_and_leaves_the_rest(tmp_path, text):
    path = explained(tmp_path)
    (path / FILE).write_text(text)
    with pytest.raises(RunError, match="damaged"):
        read(path, "base")
    text = Reader(report_page(build(*collect(tmp_path)))).text
    assert "damaged" in text
    assert "All settings" in text


def test_the_report_shows_it(tmp_path):
    explained(tmp_path)
    folder(tmp_path, "other", BASE)
    read_ = Reader(report_page(build(*collect(tmp_path))))
    for words in ("Explanations", "weights", "base, seed 4", "It fell by 2.", "A path: base", "squared", "3 with 0.9"):
        assert words in read_.text, words
    assert len(read_.ids) == len(set(read_.ids))
    assert {value[:1] for name, value in read_.attributes if name in {"href", "xlink:href"}} == {"#"}


def test_a_report_without_explanations_has_no_such_section(tmp_path):
    folder(tmp_path, "base", BASE)
    assert explanations(collect(tmp_path)[0]) == []
    explained(tmp_path, "other", Explanation("This run has no dropout."))
    assert explanations(collect(tmp_path)[0]) == []


def test_a_report_explains_twelve_runs(tmp_path):
    for number in range(13):
        explained(tmp_path, f"run{number:02}", Explanation(f"Sentence {number}.", ("a",), (("1",),)))
    ((_, _, body),) = explanations(collect(tmp_path)[0])
    assert body.count("Sentence") == 12
    assert "1 more" in body


def test_a_report_explains_the_baseline_and_an_ablations_ends_whatever_their_place(tmp_path):
    for number in range(14):
        explained(tmp_path, f"run{number:02}", Explanation(f"Sentence {number}.", ("a",), (("1",),)), 0.1 + number)
    for rate, arm in enumerate(("all", "none")):
        explained(tmp_path / "lab-ablation", arm, Explanation(f"Sentence of {arm}.", ("a",), (("1",),)), 0.01 + rate)
    records, _ = collect(tmp_path)
    text = report_page(build(records, baseline="run13"))
    for sentence in ("Sentence 13.", "Sentence of all.", "Sentence of none."):
        assert sentence in text
    assert "4 more runs have explanations in their folders" in text


def test_a_page_of_its_own(tmp_path):
    found = [*read(explained(tmp_path), "base"), *read(explained(tmp_path, "b"), "b")]
    text = page(found)
    read_ = Reader(text)
    assert read_.tags >= {"table", "svg", "figure"}
    assert "script" not in read_.tags
    assert "script-src" not in text
    assert text.count("<table>") == 1  # one for both runs
    assert len(read_.ids) == len(set(read_.ids))
    assert page(found) == text


def test_tables_of_other_forms_stand_apart(tmp_path):
    other = Explanation("x", ("only",), (("1",),))
    found = [*read(explained(tmp_path), "base"), *read(explained(tmp_path, "b", other), "b")]
    assert page(found).count("<table>") == 2


def test_charts_become_files(tmp_path):
    found = charts(read(explained(tmp_path / "runs"), "base"))
    assert [chart.name for chart in found] == ["weights-1", "weights-2", "weights-3"]
    paths = save(found, tmp_path / "figures")
    assert {path.name for path in paths} == {f"weights-{k}.{kind}" for k in (1, 2, 3) for kind in ("png", "svg")}
    assert (tmp_path / "figures" / "weights-1.png").read_bytes().startswith(b"\x89PNG")


def test_ticks_of_logarithmic_axes_are_plain_numbers(tmp_path):
    rates = Plot("t", "", "x", "y", (series("s", [1e-4, 1e-2, 1, 100], [1.5, 1.6, 1.7, 2.5]),), "xy")
    (chart,) = charts(read(explained(tmp_path, what=Explanation("x", shown=(rates,))), "base"))
    svg = inline(chart)
    assert "mathdefault" not in svg
    assert all(f">{number}<" in svg for number in ("0.01", "1", "100", "2"))


def patches(tmp_path: Path, image: np.ndarray) -> list[Any]:
    what = Explanation("x", shown=(Pictures("p", "", ((picture("c", image),),)),))
    (chart,) = charts(read(explained(tmp_path, f"of {image.size}", what), "run"))
    assert "<image" not in inline(chart)
    chart.draw(figure := Figure())
    return list(figure.axes[0].patches)


def test_a_picture_is_a_path_for_each_colour(tmp_path):
    assert len(patches(tmp_path, np.random.default_rng(0).random((32, 32, 3)))) <= 6**3
    black, white = patches(tmp_path, np.asarray([[[0.0], [1.0], [1.0]], [[1.0], [0.0], [0.0]]]))
    assert (black.get_facecolor(), white.get_facecolor()) == ((0, 0, 0, 1), (1, 1, 1, 1))
    assert white.get_path().contains_points([(1.5, 0.5), (2.5, 0.5), (0.5, 1.5), (0.5, 0.5)]).tolist() == [1, 1, 1, 0]


def test_numbers_that_no_axis_holds(tmp_path):
    huge = tuple(map(float, ("1e308", "-1e308", "0", "1")))
    for log in ("", "x", "y", "xy"):
        what = Explanation("x", shown=(Plot("t", "", "x", "y", (Series("s", huge, huge), Series("_b", (), ())), log),))
        (chart,) = charts(read(explained(tmp_path, f"run{log}", what), "run"))
        assert inline(chart).endswith("</svg>")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> str:
    """The page of runs that hold every payload wherever a word can stand."""
    root = tmp_path_factory.mktemp("hostile")
    for number, word in enumerate(PAYLOADS):
        lines = (Series(word, (1.0,), (1.0,)), Series(word, (0.0,), (1.0,), "bars"))
        shown = (Plot(word, word, word, word, lines, "", (word,)), Pictures(word, word, ((picture(word, IMAGE),),)))
        explained(root, f"run{number}", Explanation(word, (word,), ((word,),), (word,), {word: word}, shown))
    return page([one for record in collect(root)[0] for one in read(record.path, record.name)])


def test_hostile_words_stay_words(hostile):
    read_ = Reader(hostile)
    assert "script" not in read_.tags
    assert not [name for name, _ in read_.attributes if name.startswith("on")]
    assert not set(read_.text) & set("\x1b\x9b\x07\x08\u202e\u200b\u2028")


def test_hostile_words_in_a_browser(hostile, tmp_path):
    (tmp_path / "page.html").write_text(hostile)
    with browser() as tab:
        tab.open(tmp_path / "page.html")
        assert tab.run("return document.querySelectorAll('script, iframe, img, image').length") == 0
        assert tab.run("return document.querySelectorAll('svg').length") == 80
        assert tab.log() == []
