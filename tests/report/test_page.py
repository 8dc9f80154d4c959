"""The page: whole, alone, inert, the same every time; and in a real browser where one is installed."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from regexp.report.charts import MOST_LINES, charts
from regexp.report.collect import collect
from regexp.report.compare import Report, build, drawn
from regexp.report.curves import curve, read
from regexp.report.figures import inline, rendered
from regexp.report.page import page
from tests.cli.command import inside
from tests.report.ablated import ablated
from tests.report.browser import browser
from tests.report.folders import edit, folder
from tests.report.payloads import PAYLOADS
from tests.report.reader import Reader
from tests.report.searched import searched
from tests.report.test_report import BASE, BETTER


def predictions(strength: float, seeds: int = 8) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 4, (seeds, 50))
    outputs = generator.normal(size=(seeds, 50, 4)) + strength * np.eye(4)[targets]
    return {"rows": np.tile(np.arange(50), (seeds, 1)), "targets": targets, "outputs": outputs}


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Report:
    root = tmp_path_factory.mktemp("page")
    folder(root, "base", BASE, predictions=predictions(1))
    folder(root, "l2", BETTER, "{l2: {strength: 0.1}}", predictions=predictions(2))
    folder(root, "dropout", [*BASE[:7], None], "{dropout: {rate: 0.2}}", predictions=predictions(1))
    (root / "broken").mkdir()
    return build(*collect(root), baseline="base")


@pytest.fixture(scope="module")
def html(plain) -> str:
    return page(plain)


def test_charts_always_show_the_baseline_and_the_ends_of_an_ablation(tmp_path):
    """The baseline and both ends are the worst of 15 settings, and a chart has seven lines."""
    for number in range(12):
        folder(tmp_path, f"good{number:02}", [0.9 + number / 1000] * 8, rate=1e-3 * (1 + number))
    folder(tmp_path, "base", [0.1] * 8, rate=0.5)
    folder(tmp_path / "lab-ablation", "all", [0.2] * 8, "{l2: {strength: 0.1}, dropout: {rate: 0.2}}")
    folder(tmp_path / "lab-ablation", "none", [0.3] * 8, "{dropout: {rate: 0}}")
    made = build(*collect(tmp_path), baseline="base")
    shown = [line.row.name for line in drawn(made.lines, MOST_LINES)]
    assert len(shown) == MOST_LINES
    assert {"base", "lab-ablation/all", "lab-ablation/none", "good11"} <= set(shown)
    assert drawn(made.lines, 1)[0].is_baseline
    (loss,) = (chart for chart in charts(made) if chart.name == "curves-loss")
    for name in ("base", "lab-ablation/all", "lab-ablation/none"):
        assert name in rendered(loss, "svg").decode()


def test_every_part_is_there(html):
    text = Reader(html).text
    for words in ("Against base", "better", "Holm", "Learning curves: loss", "Learning curves: accuracy", "Penalties",
                  "Generalisation gap", "Reliability", "Confusion", "Config differences",
                  "regexp train l2.yaml", "Methods", "sign-flip", "Skipped folders", "broken",
                  "1 diverged seed, 1 skipped folder"):  # fmt: skip
        assert words in text, words


def test_the_page_is_alone(html):
    """No address but anchors and SVG's own references; no event handler; one script, named by its hash."""
    read = Reader(html)
    assert {value[:1] for name, value in read.attributes if name in {"href", "xlink:href"}} == {"#"}
    assert not {name for name, _ in read.attributes} & {"src", "srcset", "action", "data", "poster", "background"}
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    policies = [
        value for name, value in read.attributes if name == "content" and value.startswith("default-src 'none';")
    ]
    assert len(policies) == 1
    assert not re.search(r"url\((?!#)|@import|https?://", html)


def test_ids_are_unique_and_references_lead_somewhere(html):
    read = Reader(html)
    assert len(read.ids) == len(set(read.ids))
    anchors = {value[1:] for name, value in read.attributes if name in {"href", "xlink:href"}}
    assert anchors | set(re.findall(r"url\(#([^)]+)\)", html)) <= set(read.ids)


def test_the_same_report_gives_the_same_bytes(plain, html):
    assert page(plain) == html
    first = charts(plain)[0]
    assert rendered(first, "png") == rendered(first, "png")


def test_hostile_text_stays_text(tmp_path):
    folder(tmp_path, "base", BASE, predictions=predictions(1))
    folder(tmp_path, "other", BETTER, "{l2: {strength: 99}}", predictions=predictions(1))
    (tmp_path / "damaged").mkdir()
    tame = Reader(page(build(*collect(tmp_path), baseline="base")))
    for number, payload in enumerate(PAYLOADS):
        path = folder(tmp_path, f"run{number}", BETTER, f"{{l2: {{strength: {number + 1}}}}}",
                      predictions=predictions(1) if number < 8 else None)  # fmt: skip
        edit(path / "manifest.json", lambda m, p=payload: m.update(reason=p, command=["regexp", p], device={p: [p]}))
        metrics = path / "metrics.jsonl"
        metrics.write_text(metrics.read_text().replace("loss/l2", f"loss/{payload}".replace("\\", "").replace('"', "")))
        path.rename(tmp_path / (payload.replace("/", "\u2215") + str(number)))
        (tmp_path / f"damaged{number}{payload.replace('/', '')}").mkdir()
    made = build(*collect(tmp_path), baseline="base")
    read = Reader(page(made))
    assert read.tags <= tame.tags
    assert {name for name, _ in read.attributes} <= {name for name, _ in tame.attributes}
    assert "<script>alert(1)<" in read.text
    assert not set(read.text) & set("\x1b\x9b\x07\x08\u202e\u200b\u2028")


def test_hostile_names_in_charts(tmp_path):
    """Dollars are no formula, a name that begins with an underscore is not hidden, two like names are two."""
    names = ["$\\frac{1}$", "_hidden", "x" * 40 + "1", "x" * 40 + "2", "大きさ🙂"]
    for number, name in enumerate(names):
        folder(tmp_path, name.replace("\\", "") + "b", BETTER, f"{{l2: {{strength: {number + 1}}}}}")
    made = build(*collect(tmp_path))
    svg = "".join(inline(chart) for chart in charts(made))
    for shown in ("$frac{1}$b", " _hiddenb", "x" * 13 + "..." + "x" * 12 + "1b", "x" * 13 + "..." + "x" * 12 + "2b"):
        assert f">{shown}<" in svg


def test_a_chart_shows_what_was_measured(plain):
    found = {chart.name: chart for chart in charts(plain)}
    assert set(found) == {"differences", "values", "curves-loss", "curves-metric", "penalties", "gap", "reliability",
                          "confusion"}  # fmt: skip
    assert ">better<" in inline(found["differences"])


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_damaged_metrics_and_predictions_leave_the_rest(tmp_path, content):
    path = folder(tmp_path, "base", BASE, predictions=predictions(1))
    bad = ["[1]", '{"epoch": "x", "seed": 0}', '{"epoch": 1, "seed": 0, "train/loss": "x"}', "no",
           '{"epoch": 1' + 30 * "0" + ', "seed": 0, "train/loss": 0.5}']  # fmt: skip
    (path / "metrics.jsonl").write_text("\n".join(bad))
    (path / "predictions.npz").write_bytes(content)
    made = build(*collect(tmp_path))
    assert [chart.name for chart in charts(made)] == ["values"]
    assert "base" in page(made)


def test_curves_keep_members_apart_and_leave_out_the_refit(tmp_path):
    path = folder(tmp_path, "base", BASE[:1])
    rows = [{"epoch": 1, "seed": 0, "member": m, "train/loss": 1.0 + m} for m in (0, 1)]
    rows.append({"stage": "refit", "epoch": 1, "seed": 0, "train/loss": 9.0})
    (path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (records, _) = collect(tmp_path)
    table = read(records)["train/loss"]
    assert table == {1: {(0, 0): 1.0, (0, 1): 2.0}}
    one = curve(table)
    assert (one.mean, one.least, one.greatest) == ([1.5], [1.0], [2.0])


def test_without_baseline_and_without_values(tmp_path):
    folder(tmp_path, "none", [None, None])
    text = Reader(page(build(*collect(tmp_path)))).text
    assert "No verdicts" in text
    assert "2 diverged seeds" in text


def test_the_command_writes_page_and_figures(tmp_path, capsys):
    folder(tmp_path / "runs", "base", BASE)
    html, figures = tmp_path / "report.html", tmp_path / "figures"
    assert inside("report", "--runs-dir", tmp_path / "runs", "--html", html, "--figures", figures) == 0
    assert html.read_text().startswith("<!doctype html>")
    assert {path.name for path in figures.iterdir()} >= {"values.png", "values.svg", "curves-loss.png"}
    assert (figures / "values.png").read_bytes()[:4] == b"\x89PNG"
    assert inside("report", "--runs-dir", tmp_path / "runs", "--html", tmp_path / "no" / "x.html") == 1
    assert "no" in capsys.readouterr().err


def test_in_a_browser(html, tmp_path):
    (tmp_path / "report.html").write_text(html)
    rows = "[...document.querySelectorAll('#settings tbody tr')].filter(r => !r.hidden)"
    column = f"{rows}.map(r => r.cells[0].textContent)"
    with browser() as tab:
        tab.open(tmp_path / "report.html")
        assert tab.run(f"return {column}") == ["base (baseline)", "l2", "dropout"]
        assert tab.run("return document.getElementById('count').textContent") == "3 of 3 settings"
        # sort by keyboard: Enter on the heading "mean", up and down
        tab.run("[...document.querySelectorAll('#settings button')].find(b => b.textContent == 'mean').focus()")
        tab.press("Enter")
        assert tab.run(f"return {column}")[-1] == "l2"
        tab.press("Enter")
        assert tab.run(f"return {column}")[0] == "l2"
        sorts = "return [...document.querySelectorAll('#settings th[aria-sort]')].map(h => h.ariaSort)"
        assert sorted(set(tab.run(sorts))) == ["descending", "none"]
        tab.run("filter.value = 'L2 better'; filter.dispatchEvent(new Event('input'))")
        assert tab.run(f"return {column}") == ["l2"]
        # a phone's width: the page itself does not scroll sideways
        tab.devtools("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
        assert tab.run("return document.documentElement.scrollWidth") <= 360
        assert tab.log() == []
        assert tab.requests() == [(tmp_path / "report.html").as_uri()]


def test_a_sweep_and_an_ablation_in_a_browser(tmp_path):
    searched(tmp_path / "runs")
    ablated(tmp_path / "runs", pairs=False)
    (tmp_path / "report.html").write_text(page(build(*collect(tmp_path / "runs"))))
    with browser() as tab:
        tab.open(tmp_path / "report.html")
        links = tab.run("return [...document.querySelectorAll('nav a')].map(a => a.textContent)")
        assert links[0] == "Ablation digits-ablation"
        assert "Sweep search" in links
        drawn = "[...document.querySelectorAll('figure svg')]"
        assert tab.run(f"return {drawn}.length > 5 && {drawn}.every(s => s.getBoundingClientRect().height > 80)")
        # every trial unfolds by keyboard
        details = "[...document.querySelectorAll('details')].find(d => d.textContent.startsWith('Trials of search'))"
        tab.run(f"{details}.querySelector('summary').focus()")
        tab.press("Enter")
        assert tab.run(f"return {details}.open && {details}.querySelectorAll('tbody tr').length") == 31
        # A4 across, less its margins: no table is wider
        tab.devtools("Emulation.setEmulatedMedia", media="print")
        tab.devtools("Emulation.setDeviceMetricsOverride", width=1040, height=740, deviceScaleFactor=1, mobile=False)
        assert tab.run("return document.documentElement.scrollWidth") <= 1040
        tab.devtools("Emulation.setEmulatedMedia", media="screen")
        tab.devtools("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
        assert tab.run("return document.documentElement.scrollWidth") <= 360
        assert tab.log() == []
        assert tab.requests() == [(tmp_path / "report.html").as_uri()]


def test_hostile_names_in_a_browser(tmp_path):
    for number, payload in enumerate(PAYLOADS):
        path = folder(tmp_path, f"run{number}", BETTER, f"{{l2: {{strength: {number + 1}}}}}")
        path.rename(tmp_path / (payload.replace("/", "\u2215") + str(number)))
    (tmp_path / "report.html").write_text(page(build(*collect(tmp_path))))
    with browser() as tab:
        tab.open(tmp_path / "report.html")
        assert tab.run("return document.querySelectorAll('script, iframe, img').length") == 1
        assert tab.run("return document.getElementById('count').textContent") == "40 of 40 settings"
        assert tab.log() == []


def test_several_data_sets_have_charts_of_their_own(tmp_path):
    for dataset in ("digits", "wine"):
        folder(tmp_path, f"{dataset}-none", BASE, dataset=dataset, predictions=predictions(1))
        folder(tmp_path, f"{dataset}-l2", BETTER, "{l2: {strength: 0.1}}", dataset=dataset)
    made = build(*collect(tmp_path), baseline="wine-none")
    read = Reader(page(made))
    assert len(read.ids) == len(set(read.ids))
    for words in ("Confusion on wine", "Confusion on digits", "Datasets", "mean rank"):
        assert words in read.text
    assert [line.row.name for line in made.lines][:1] == ["wine-none"]
