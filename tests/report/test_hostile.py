"""Whatever stands in a run's folder comes out as text, in every format."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import re
import shutil
import sqlite3
import unicodedata
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from regexp.config.resolved import flow_style
from regexp.core import escaping
from regexp.report import formats
from regexp.report.collect import collect
from regexp.report.compare import Report, build
from regexp.report.page import page
from regexp.report.tables import tables
from tests.report.ablated import ablated
from tests.report.folders import edit, folder
from tests.report.payloads import PAYLOADS
from tests.report.reader import Reader
from tests.report.searched import searched

STYLE = re.compile(r"\x1b\[[0-9;]*m")  # the only sequence that Rich itself writes


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Report:
    """One run for each payload, which stands wherever a text can; half of the folders are damaged too."""
    root = tmp_path_factory.mktemp("hostile")
    folder(root, "base", [0.5] * 6)
    for number, payload in enumerate(PAYLOADS):
        path = folder(root, f"run{number}", [0.5 + 0.01 * number] * 6)
        config = (path / "config.yaml").read_text().replace("loss: null", f"loss: {flow_style(payload)}")
        config = config.replace("regularizers: {}", f"regularizers: {{{json.dumps(f'a{payload}')}: {{rate: 1}}}}")
        (path / "config.yaml").write_text(config)
        edit(path / "manifest.json", lambda m, p=payload: m.update(reason=p, command=["regexp", p], device=p))
        edit(path / "summary.json", lambda s, p=payload: s["selection"].update(monitor=p))
        edit(path / "summary.json", lambda s, p=payload: s["metrics"].update({p: s["metrics"]["test/accuracy"]}))
        path.rename(root / (payload.replace("/", "\u2215") + str(number)))
        (root / f"damaged{number}{payload.replace('/', '')}").mkdir()
    return build(*collect(root), metric="test/accuracy", baseline="base")


@pytest.fixture(scope="module")
def wild(tmp_path_factory) -> Report:
    """A sweep and an ablation in which every text is a payload; their folders are named so, too."""
    root = tmp_path_factory.mktemp("wild")
    for number, payload in enumerate(PAYLOADS):
        name = payload.replace("/", "\u2215")
        shutil.copytree(_wild_sweep(root), root / f"s{number}{name}", copy_function=os.link)
        shutil.copytree(_wild_ablation(root), root / f"a{number}{name}", copy_function=os.link)
    made = build(*collect(root, [path.name for path in root.iterdir() if path.name[0] in "sa"]), metric="test/accuracy")
    assert (len(made.searches), len(made.ablations)) == (40, 40)
    return made


@functools.cache
def _wild_sweep(root: Path) -> Path:
    path = searched(root, "template")
    config = (path / "config.yaml").read_text().replace("[relu, tanh]", json.dumps(PAYLOADS))
    config = config.replace("optimizer.learning_rate:", f"{json.dumps(PAYLOADS[0])}:").replace("random", "sobol")
    (path / "config.yaml").write_text(config)
    edit(path / "summary.json", lambda s: s.update(warnings=list(PAYLOADS), importance=dict.fromkeys(PAYLOADS, 0.1)))
    with closing(sqlite3.connect(path / "study.db")) as database:
        texts = iter(PAYLOADS * 3)
        query = "SELECT trial_user_attribute_id, value_json FROM trial_user_attributes WHERE key = 'record'"
        for key, text in database.execute(query).fetchall():
            record = json.loads(json.loads(text))
            record["reason"] = next(texts)
            record["setting"] |= {"model.activation": record["reason"], PAYLOADS[0]: 0.1}
            values = (json.dumps(json.dumps(record)), key)
            database.execute(
                "UPDATE trial_user_attributes SET value_json = ? WHERE trial_user_attribute_id = ?", values
            )
        query = "SELECT study_user_attribute_id, value_json FROM study_user_attributes WHERE key LIKE '%ranges'"
        for key, text in database.execute(query).fetchall():
            note = json.loads(json.loads(text))
            note["changes"] = list(PAYLOADS)
            note["ranges"] |= {"model.activation": list(PAYLOADS), PAYLOADS[0]: [0.01, 1.0]}
            values = (json.dumps(json.dumps(note)), key)
            database.execute(
                "UPDATE study_user_attributes SET value_json = ? WHERE study_user_attribute_id = ?", values
            )
        database.commit()
    return path


@functools.cache
def _wild_ablation(root: Path) -> Path:
    methods = list(PAYLOADS[:4])
    path = ablated(root, "template-ablation")
    old = json.loads((path / "manifest.json").read_text())
    new = dict(zip(old["methods"], methods, strict=True))
    kept = ("all", "none", "only-l2", "without-l2")
    arms = {arm: [new[method] for method in old["arms"][arm]] for arm in kept}
    for arm in old["arms"].keys() - arms.keys():
        shutil.rmtree(path / arm)
    times = {new[method]: time for method, time in old["step_time"].items()}
    edit(path / "manifest.json", lambda m: m.update(methods=methods, arms=arms, step_time=times, retune=PAYLOADS[0]))
    return path


def test_a_hostile_sweep_and_ablation_are_text_in_every_format(wild):
    shown = tables(wild)
    assert unseen(formats.text(shown)) == set()
    assert unseen(formats.markdown(wild)) == set()
    assert unseen(formats.latex(wild)) == set()
    assert formats.json(wild).isascii()
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(formats.markdown(wild))
    inline = {child.type for token in tokens if token.type == "inline" for child in token.children or []}
    assert inline <= {"text", "text_special"}


def test_a_hostile_sweep_and_ablation_are_text_on_the_page_and_in_charts(wild, tmp_path):
    searched(tmp_path)
    ablated(tmp_path)
    tame = Reader(page(build(*collect(tmp_path))))
    few = replace(wild, searches=wild.searches[:1], ablations=wild.ablations[:1], lines=wild.lines[:1])
    read = Reader(page(few))
    assert {"chart-slices", "chart-parallel", "chart-ranges", "chart-contributions", "chart-cost"} <= set(read.ids)
    assert read.tags <= tame.tags
    assert {name for name, _ in read.attributes} <= {name for name, _ in tame.attributes}
    assert "<script>alert(1)</script>" in read.text
    assert not set(read.text) & set("\x1b\x9b\x07\x08\u202e\u200b\u2028")


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
    text = escaping.latex(payload)
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
    assert escaping.plain("größe 大きさ 🙂 naïve") == "größe 大きさ 🙂 naïve"
    assert len(escaping.plain("x" * 10_000)) == escaping.LONGEST
    assert escaping.csv("-0.5") == "-0.5"
