"""A Report -> tables of words and numbers, still of the user's own text: every format makes its cells inert itself."""

from __future__ import annotations

from dataclasses import dataclass

from regexp.report.ablation import Ablation, answer
from regexp.report.compare import Datasets, Line, Report
from regexp.report.rows import cell, shown
from regexp.report.searches import Search, Trial
from regexp.report.words import because, count, heading, interval, number, p_value, signed
from regexp.statistics.verdict import ALPHA, LEAST_PAIRS

INTERVALS = f"intervals are the same test turned round (t below {LEAST_PAIRS} pairs), uncorrected"
ENDED = ("done", "pruned", "diverged", "failed")  # how a trial may


@dataclass(frozen=True)
class Table:
    """A title, a header, rows of cells and notes below.

    words: the columns that are text, to the left
    optional: headings of columns that a narrow terminal leaves out, the least important first
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    words: frozenset[int] = frozenset({0})
    optional: tuple[str, ...] = ()


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
    found += [ablation(one) for one in report.ablations]
    found += [search(one) for one in report.searches]
    return found + others(report)


def others(report: Report) -> list[Table]:
    """What is neither of settings nor of an ablation or a sweep alone."""
    found = []
    if any(line.models for line in report.lines):
        found.append(models(report))
    if report.datasets is not None:
        found.append(datasets(report.datasets, report))
    if any(one.best for one in report.searches):
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
    if report.assumed_baseline:
        notes.append(f"baseline: {report.baseline}, the setting without the method in which the two differ")
    if report.baseline is None and len(report.lines) > 1:
        notes.append("for verdicts name a baseline: --baseline RUN")
    if report.keys:
        notes.append(f"rows are the values of {', '.join(report.keys)}; a seed's value is the mean over its runs")
    header += ["diverged", "unfinished"] if lost else []
    words = frozenset(range(1 + len(report.columns)))
    return Table("Settings", tuple(header), tuple(rows), tuple(notes), words, ("max", "min", "std", "unfinished"))


def _numbers(line: Line) -> list[str]:
    s = line.summary
    if s is None:
        return ["0", "-", "-", "-", "-", "-"]
    ends = interval(s.interval.low, s.interval.high)
    return [str(s.n), number(s.mean), number(s.std), ends, number(s.least), number(s.greatest)]


def _methods(report: Report) -> list[str]:
    used = {line.summary.interval.method for line in report.lines if line.summary}
    names = {"t": "Student's t below 10 seeds", "BCa": "BCa bootstrap, at neither end inside t, from 10 seeds"}
    said = [words for method, words in names.items() if method in used]
    return [f"95% interval of the mean: {'; '.join(said)}"] if said else []


def name(line: Line) -> str:
    """The row's name; the baseline is marked."""
    return f"{line.row.name} (baseline)" if line.is_baseline else line.row.name


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
        numbers = (signed(c.difference), ends, p_value(v.p), p_value(c.p), wins, str(c.pairs), number(c.correlation))
        rows.append((line.row.name, v.word, *numbers, why(line)))
    numeric = ("difference", "95% interval", "p (Holm)", "p", "P(better)", "pairs", "correlation")
    title = f"Against {report.baseline}, paired by seed"
    return Table(
        title,
        ("run", "verdict", *numeric, "why"),
        tuple(rows),
        tuple(_verdict_notes(report)),
        frozenset({0, 1, 9}),
        ("correlation", "p", "why", "P(better)", "pairs"),
    )


def why(line: Line) -> str:
    """What the verdict rests on, the seeds still needed, and the seeds that no comparison saw."""
    if line.verdict is None:
        return ""
    lost = f"; without {count(line.row.diverged, 'diverged seed')}" if line.row.diverged else ""
    return because(line.verdict) + lost


def better(report: Report, improvement: float) -> float:
    """The probability that the row beats the baseline, in the metric's own direction."""
    return 1 - improvement if report.smaller_is_better else improvement


def _verdict_notes(report: Report) -> list[str]:
    delta = f"; equivalent: within {report.delta:g}" if report.delta else ""
    return [
        f"difference: row - baseline; p: exact sign flips, two-sided; Holm over all rows; verdicts at {ALPHA:g}{delta}",
        INTERVALS,
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


FAMILIES = {
    "together": "all methods against none",
    "leave one out": "what the method brings to the others: all, minus all without it",
    "alone": "what it brings by itself: it alone, minus none",
    "interaction": "how far two together are from the sum of what each brings alone",
}


def ablation(found: Ablation) -> Table:
    """What it comes to in words, and a row for each contribution."""
    rows = []
    for one in found.contributions:
        c = one.verdict.comparison
        numbers = ("-", "-", "-") if c is None else (
            signed(c.difference), interval(c.interval.low, c.interval.high), str(c.pairs))  # fmt: skip
        time = found.step_time.get(one.what) if one.family == "leave one out" else None
        cost = "-" if time is None else f"{time:.2f}x"
        rows.append((one.family, one.what, one.word, *numbers, p_value(one.verdict.p), cost, because(one.verdict)))
    header = ("family", "method", "verdict", "difference", "95% interval", "pairs", "p (Holm)", "step time", "why")
    title = f"Ablation {found.name}: what each method contributes to {found.metric}"
    notes = (*answer(found), *_ablation_notes(found))
    return Table(title, header, tuple(rows), notes, frozenset({0, 1, 2, 8}), ("why", "step time", "pairs"))


def _ablation_notes(found: Ablation) -> list[str]:
    families = dict.fromkeys(one.family for one in found.contributions)
    direction = "smaller" if found.smaller_is_better else "larger"
    notes = [
        f"{found.metric}: {direction} is better; differences are paired by seed, p by exact sign flips",
        INTERVALS,
    ]
    notes += [f"{name}: {FAMILIES[name]}; Holm over {count(len(found.family(name)), 'row')}" for name in families]
    if found.step_time:
        notes.append("step time: of a training step with all methods, over one without this one")
    if found.retuned:
        notes.append(f"{found.retuned} was searched again for every arm, on validation")
        if found.at_edge:
            arms = ", ".join(found.at_edge)
            notes.append(f"at the edge of the range searched, so a better value may lie beyond: {arms}")
    else:
        notes.append("arms were not retuned: each has the config's own numbers (--retune learning_rate searches anew)")
    if found.missing:
        notes.append(f"without a value: {', '.join(found.missing)}")
    return notes


def search(found: Search) -> Table:
    """A line per stage of a sweep; below, why its ranges changed and what to be careful about."""
    header = ("stage", "trials", *ENDED, "epochs", "seeds", f"best {found.objective}")
    rows = []
    for stage in found.stages:
        ended = [sum(trial.status == word for trial in stage.trials) for word in ENDED]
        counts = map(str, (len(stage.trials), *ended, stage.epochs, stage.seeds))
        rows.append((stage.name, *counts, number(stage.best)))
    notes = [f"{stage.name}: {change}" for stage in found.stages for change in stage.changes]
    if rows:
        notes.append(
            "best: of a stage that of its best trial, inflated by the choosing; of the confirmation the winner's, on "
            "seeds that no stage has used"
        )
    return Table(f"Sweep {found.name}", header, tuple(rows), (*notes, *found.notes))


def trials(found: Search) -> Table:
    """Every trial with its setting, the last stage first and of a stage the best first."""
    rows = []
    for stage in reversed(found.stages):
        order = found.ranked(stage)
        placed = {trial.number for trial in order}
        for trial in [*order, *(trial for trial in stage.trials if trial.number not in placed)]:
            ended = f"{trial.status}: {trial.reason}" if trial.reason else trial.status
            values = [_searched(trial, path) for path in found.scales]
            rows.append((f"{stage.name}, {trial.number}", ended, number(trial.value), str(trial.epochs), *values))
    header = ("trial", "ended", found.objective, "epochs", *map(heading, found.scales))
    return Table(f"Trials of {found.name}", header, tuple(rows), words=frozenset({0, 1}))


def _searched(trial: Trial, path: str) -> str:
    if not trial.setting:
        return "-"  # the file as written
    value = trial.searched(path)
    return "out" if value is None else shown(value)


def budgets(report: Report) -> Table:
    """What a search of 1, 2, 4, ... trials is expected to find."""
    found = [one for one in report.searches if one.best]
    most = max(len(one.best) for one in found)
    counts = sorted({*(2**power for power in range(most.bit_length())), most})
    rows = tuple(
        (one.name, one.objective, str(len(one.best)),
         *(number(one.best[k - 1]) if k <= len(one.best) else "-" for k in counts))
        for one in found
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
