"""A table stays one table at any width, and no line is wider than the terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from regexp.report import formats
from regexp.report.collect import collect
from regexp.report.compare import build
from regexp.report.layout import fit, wrap
from regexp.report.tables import tables
from tests.report.ablated import ablated
from tests.report.folders import folder

WIDTHS = [40, 60, 80, 120, 200]


def printed(report, width: int) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, _environ={})
    formats.terminal(tables(report), console)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """An ablation, its arms against `none`, and settings with long names and values, some in a wide script."""
    root = tmp_path_factory.mktemp("runs")
    ablated(root)
    other = tmp_path_factory.mktemp("others")
    folder(other, "a-run-with-a-name-that-is-longer-than-half-a-line-of-a-terminal", [0.9, 0.91, 0.92, 0.9, 0.91, 0.9])
    folder(other, "中文" * 20, [0.8] * 6, "{dropout: {rate: 0.123456789}, l2: {strength: 0.1}, mixup: {alpha: 0.3}}")
    return (
        build(*collect(root)),
        build(*collect(root), baseline="digits-ablation/none"),
        build(*collect(other), baseline="中文" * 20),
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal_and_no_table_is_cut_in_two(reports, width):
    for report in reports:
        text = printed(report, width)
        assert max(map(cell_len, text.splitlines())) <= width
        for heading in ("family", "verdict"):
            heads = [line for line in text.splitlines() if line.startswith(heading) and "  " in line.strip()]
            assert len(heads) <= len(report.ablations)
        assert text.count("Settings") == 1


@pytest.mark.parametrize("width", [80, 200])
def test_what_is_left_out_is_named_and_the_answer_stays(reports, width):
    text = printed(reports[0], width)
    assert "All 4 methods together help" in text
    (header,) = [line for line in text.splitlines() if line.startswith("family")]
    for heading in ("method", "verdict", "difference", "95% interval"):
        assert heading in header
    left_out = re.findall(r"columns hidden at this width: ([^;]+);", text.replace("\n", " "))
    assert bool(left_out) == (width == 80)
    if width == 80:
        assert "pairs, step time, why" in left_out


@pytest.mark.parametrize("width", WIDTHS)
def test_every_row_keeps_its_numbers_whole(reports, width):
    text = printed(reports[1], width)
    for line in reports[1].lines:
        if line.verdict is not None and line.verdict.comparison is not None and width >= 80:
            assert f"{line.verdict.comparison.difference:+.4f}".replace("+0.0000", "0.0000") in text


def test_where_there_is_room_a_table_is_as_it_was():
    cells = [("run", "n", "mean"), ("a", "10", "0.5"), ("bb", "9", "0.25")]
    assert fit(cells, {0}, 100).rows == (("run   n  mean",), ("a    10   0.5",), ("bb    9  0.25",))


def test_columns_go_in_the_order_of_their_importance():
    cells = [("run", "first", "second", "third"), ("x", "1" * 10, "2" * 10, "3" * 10)]
    assert fit(cells, {0}, 39).left_out == ()
    assert fit(cells, {0}, 38, ("second",)).left_out == ("second",)
    assert fit(cells, {0}, 38).left_out == ("third",)
    assert fit(cells, {0}, 20, ("second",)).left_out == ("second", "third")
    text = [("run", "strengths", "gap"), ("x", "l2 0.1, dropout 0.3, label_smoothing 0.1", "0.0801")]
    assert fit(text, {0}, 30, wrapped={1}).left_out == ()
    assert fit(cells, {0}, 5).left_out == ("second", "third")  # two columns stay


@pytest.mark.parametrize("width", [1, 2, 5, 8, 30])
def test_wrapping_loses_no_character(width):
    for text in ("", "one two three", "a_very_long_name_without-a-space/inside", "x" * 50, "中文 中文中文中文", "a  b"):
        lines = wrap(text, width)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(cell_len(line) <= max(width, 2) for line in lines)  # a wide character needs two cells


def test_words_are_broken_after_punctuation_before_they_are_broken_anywhere():
    assert wrap("label_smoothing", 10) == ["label_", "smoothing"]
    assert wrap("leave one out", 9) == ["leave one", "out"]
    assert wrap("abcdefghij", 4) == ["abcd", "efgh", "ij"]
