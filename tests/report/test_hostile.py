"""Whatever stands in a run's folder comes out as text, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from regexp import inert
from regexp.config.resolved import _flow
from regexp.report import formats
from regexp.report.collect import collect
from regexp.report.compare import Report, build
from regexp.report.tables import tables
from tests.report.folders import edit, folder
from tests.report.payloads import PAYLOADS

STYLE = re.compile(r"\x1b\[[0-9;]*m")  # the only sequence that Rich itself writes


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Report:
    """One run for each payload, which stands wherever a text can; half of the folders are damaged too."""
    root = tmp_path_factory.mktemp("hostile")
    folder(root, "base", [0.5] * 6)
    for number, payload in enumerate(PAYLOADS):
        path = folder(root, f"run{number}", [0.5 + 0.01 * number] * 6)
        config = (path / "config.yaml").read_text().replace("loss: null", f"loss: {_flow(payload)}")
        config = config.replace("regularizers: {}", f"regularizers: {{{json.dumps(f'a{payload}')}: {{rate: 1}}}}")
        (path / "config.yaml").write_text(config)
        edit(path / "manifest.json", lambda m, p=payload: m.update(reason=p, command=["regexp", p], device=p))
        edit(path / "summary.json", lambda s, p=payload: s["selection"].update(monitor=p))
        edit(path / "summary.json", lambda s, p=payload: s["metrics"].update({p: s["metrics"]["test/accuracy"]}))
        path.rename(root / (payload.replace("/", "\u2215") + str(number)))
        (root / f"damaged{number}{payload.replace('/', '')}").mkdir()
    return build(*collect(root), metric="test/accuracy", baseline="base")


def unseen(text: str) -> set[str]:
    return {c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}


def test_there_are_forty_and_all_are_read(hostile):
    assert len(set(PAYLOADS)) == 40
    assert len(hostile.lines) == 41
    assert len(hostile.skipped) == 40


def test_text_is_one_line_per_row(hostile):
    text = formats.text(tables(hostile))
    assert unseen(text) == set()
    assert sum(line.split("  ")[0].startswith("damaged") for line in text.splitlines()) == 40
    assert "[red]red[/red]" in text


def test_rich_obeys_no_markup(hostile):
    console = Console(file=io.StringIO(), force_terminal=True, width=4_000, color_system="standard")
    formats.terminal(tables(hostile), console)
    text = console.file.getvalue()
    assert unseen(STYLE.sub("", text)) == set()
    for literal in ("[red]red[/red]", "[link=https:", ":smiley:"):
        assert literal in text


def test_markdown_has_tables_and_nothing_else(hostile):
    text = formats.markdown(hostile)
    assert unseen(text) == set()
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").parse(text)
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    assert kinds == {
        "heading",
        "inline",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "bullet_list",
        "list_item",
        "paragraph",
    }
    inline = {child.type for token in tokens if token.type == "inline" for child in token.children or []}
    assert inline <= {"text", "text_special"}
    assert sum(token.type == "tr_open" for token in tokens) == (1 + 41) + (1 + 40) + (1 + 40)
    assert "www." not in text
    assert "://" not in text


def test_csv_has_no_formula(hostile):
    text = formats.csv(hostile)
    assert unseen(text) == set()
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == 42
    assert len({len(row) for row in rows}) == 1
    number = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?")
    assert not [
        c
        for row in rows
        for c in row
        if c.lstrip()[:1] in set("=+-@＝＋－＠\t") and c.strip() and not number.fullmatch(c)
    ]


def test_json_is_ascii(hostile):
    text = formats.json(hostile)
    assert text.isascii()
    assert unseen(text) == set()
    assert len(json.loads(text)["rows"]) == 41


@pytest.mark.parametrize("payload", PAYLOADS)
def test_latex_has_only_our_commands(payload):
    text = inert.latex(payload)
    assert unseen(text) == set()
    names = "backslash|asciitilde|asciicircum|less|greater|bar|asciigrave|quotedbl"
    ours = rf"\\text({names})\{{\}}|\\[{{}}$&#_%]|\{{[\[\]*]\}}|-\{{\}}-"
    assert not set(re.sub(ours, "", text)) & set("\\{}$&#^_~%[]*`|<>")


def test_latex_has_as_many_columns_as_the_header(hostile):
    text = formats.latex(hostile)
    assert unseen(text) == set()
    for body in re.findall(r"\\toprule\n(.*?)\\bottomrule", text, re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1


def test_plain_keeps_what_people_write():
    assert inert.plain("größe 大きさ 🙂 naïve") == "größe 大きさ 🙂 naïve"
    assert len(inert.plain("x" * 10_000)) == inert.LONGEST
    assert inert.csv("-0.5") == "-0.5"
