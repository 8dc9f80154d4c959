"""A Report -> tables of words and numbers, still of the user's own text: every format makes its cells inert itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

from regexp.report.compare import Datasets, Line, Report
from regexp.report.rows import cell
from regexp.statistics.verdict import ALPHA, LEAST_PAIRS


@dataclass(frozen=True)
class Table:
    """A title, a header, rows of cells and notes below. words: the columns that are text, to the left."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    words: frozenset[int] = frozenset({0})


def number(value: float | None) -> str:
    """`0.9812`, `54.1200`, `3.2e-05`; `-` for none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.2e}"


def interval(low: float, high: float) -> str:
    """`[0.9700, 0.9900]`."""
    return f"[{number(low)}, {number(high)}]" if math.isfinite(low) else "-"


def p_value(p: float) -> str:
    """Three digits."""
    return "-" if math.isnan(p) else f"{p:.3g}"


def count(number_: int, what: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{number_} {what}" if number_ == 1 else f"{number_} {what}s"


def left_out(report: Report) -> list[str]:
    """What no mean holds."""
    diverged = sum(line.row.diverged for line in report.lines)
    unfinished = sum(line.row.unfinished for line in report.lines)
    parts = [(diverged, "diverged seed"), (unfinished, "unfinished run"), (len(report.skipped), "skipped folder")]
    return [count(number_, what) for number_, what in parts if number_]


def tables(report: Report) -> list[Table]:
    """What a person reads, in order."""
    found = [settings(report)]
    if report.baseline is not None:
        found.append(verdicts(report))
    if any(line.models for line in report.lines):
        found.append(models(report))
    if report.datasets is not None:
        found.append(datasets(report.datasets, report))
    if report.searches:
        found.append(budgets(report))
    if report.skipped:
        rows = tuple((one.name, one.reason) for one in report.skipped)
        found.append(Table("Skipped folders", ("folder", "reason"), rows, words=frozenset({0, 1})))
    return found


def measured(report: Report) -> str:
    """Which metric, which direction, at which epoch."""
    direction = "smaller" if report.smaller_is_better else "larger"
    return f"{report.metric} ({direction} is better), at the epoch chosen by: {', '.join(report.chosen) or 'none'}"


def settings(report: Report) -> Table:
    """A line per setting: what it is, and its values over seeds."""
    lost = any(line.row.diverged or line.row.unfinished for line in report.lines)
    header = ["run", *map(heading, report.columns), "n", "mean", "std", "95% interval", "min", "max"]
    rows = []
    for line in report.lines:
        failures = [str(line.row.diverged), str(line.row.unfinished)] if lost else []
        rows.append((name(line), *(cell(line.row, key) for key in report.columns), *_numbers(line), *failures))
    notes = [measured(report), *_methods(report)]
    if lost:
        notes.append("diverged: seeds, in no mean; unfinished: runs that failed, were stopped or are running")
    if report.baseline is None and len(report.lines) > 1:
        notes.append("for verdicts name a baseline: --baseline RUN")
    if report.keys:
        notes.append(f"rows are the values of {', '.join(report.keys)}; a seed's value is the mean over its runs")
    header += ["diverged", "unfinished"] if lost else []
    return Table("Settings", tuple(header), tuple(rows), tuple(notes), frozenset(range(1 + len(report.columns))))


def _numbers(line: Line) -> list[str]:
    s = line.summary
    if s is None:
        return ["0", "-", "-", "-", "-", "-"]
    ends = interval(s.interval.low, s.interval.high)
    return [str(s.n), number(s.mean), number(s.std), ends, number(s.least), number(s.greatest)]


def _methods(report: Report) -> list[str]:
    used = {line.summary.interval.method for line in report.lines if line.summary}
    names = {"t": "Student's t below 10 seeds", "BCa": "BCa bootstrap from 10 seeds"}
    said = [words for method, words in names.items() if method in used]
    return [f"95% interval of the mean: {'; '.join(said)}"] if said else []


def name(line: Line) -> str:
    """The row's name; the baseline is marked."""
    return f"{line.row.name} (baseline)" if line.is_baseline else line.row.name


def heading(key: str) -> str:
    """`regularizers.dropout.rate` -> `dropout.rate`, `dataset.name` -> `dataset`: the rest says what it is."""
    key = key.removesuffix(".name")
    return key.partition(".")[2] if key.startswith(("regularizers.", "training.", "dataset.", "evaluation.")) else key


def verdicts(report: Report) -> Table:
    """A line per row against the baseline on the same data."""
    rows = []
    for line in report.lines:
        v = line.verdict
        if v is None or v.comparison is None:
            if not line.is_baseline:
                reason = why(line) or "no run of the baseline's setting on this data"
                rows.append((line.row.name, "no pairs", *("-",) * 7, reason))
            continue
        c = v.comparison
        ends = interval(c.interval.low, c.interval.high)
        wins = number(better(report, c.improvement))
        numbers = (number(c.difference), ends, p_value(v.p), p_value(c.p), wins, str(c.pairs), number(c.correlation))
        rows.append((line.row.name, v.word, *numbers, why(line)))
    numeric = ("difference", "95% interval", "p (Holm)", "p", "P(better)", "pairs", "correlation")
    title = f"Against {report.baseline}, paired by seed"
    return Table(
        title, ("run", "verdict", *numeric, "why"), tuple(rows), tuple(_verdict_notes(report)), frozenset({0, 1, 9})
    )


def why(line: Line) -> str:
    """What the verdict rests on, the seeds still needed, and the seeds that no comparison saw."""
    if line.verdict is None:
        return ""
    parts = [line.verdict.reason]
    if line.verdict.more_seeds is not None:
        parts.append(f"about {count(line.verdict.more_seeds, 'more seed')} needed")
    if line.row.diverged:
        parts.append(f"without {count(line.row.diverged, 'diverged seed')}")
    return "; ".join(parts)


def better(report: Report, improvement: float) -> float:
    """The probability that the row beats the baseline, in the metric's own direction."""
    return 1 - improvement if report.smaller_is_better else improvement


def _verdict_notes(report: Report) -> list[str]:
    delta = f"; equivalent: within {report.delta:g}" if report.delta else ""
    return [
        f"difference: row - baseline; p: exact sign flips, two-sided; Holm over all rows; verdicts at {ALPHA:g}{delta}",
        "intervals are the same test turned round (t below 6 pairs), uncorrected",
        f"fewer than {LEAST_PAIRS} pairs are never better or worse: 5 pairs reach p = 0.0625 at best",
    ]


def models(report: Report) -> Table:
    """McNemar on single runs."""
    rows = tuple(
        (line.row.name, str(line.models.only_first), str(line.models.only_second), p_value(line.models.p))
        for line in report.lines
        if line.models
    )
    note = "a statement about these two trained models on these test examples, not about the settings"
    header = ("run", "only this one right", "only the baseline right", "p")
    return Table("Two trained models (McNemar, exact)", header, rows, (note,))


def budgets(report: Report) -> Table:
    """What a search of 1, 2, 4, ... trials is expected to find."""
    most = max(len(one.best) for one in report.searches)
    counts = sorted({*(2**power for power in range(most.bit_length())), most})
    rows = tuple(
        (one.name, one.objective, str(len(one.best)),
         *(number(one.best[k - 1]) if k <= len(one.best) else "-" for k in counts))
        for one in report.searches
    )  # fmt: skip
    notes = (
        "best validation score of so many random trials, the mean over all subsets of those that worked (unbiased)",
        "it was chosen by, so it is inflated: a winner's own score is the confirmed one above",
    )
    header = ("sweep", "objective", "trials", *(f"best of {k}" for k in counts))
    return Table("Expected best by budget", header, rows, notes, frozenset({0, 1}))


def datasets(found: Datasets, report: Report) -> Table:
    """Methods x data sets, mean ranks, Wilcoxon against the baseline, interquartile mean."""
    rows = tuple(
        (method, *map(number, found.means[:, i]), f"{found.ranks[i]:.2f}", p_value(float(found.p[i])), number(a.value),
         interval(a.low, a.high))
        for i, (method, a) in enumerate(zip(found.methods, found.aggregates, strict=True))
    )  # fmt: skip
    header = ("method", *found.names, "mean rank", "p (Wilcoxon, Holm)", "IQM", "95% interval")
    notes = (
        f"mean {report.metric} over seeds; Wilcoxon over {len(found.names)} data sets against the baseline",
        "IQM: mean of the middle half of all seeds; its bootstrap draws within each data set",
    )
    return Table("Data sets", header, rows, notes)
