"""Turn a Report into tables. Cells still contain the user's raw text: every format escapes them itself."""

from __future__ import annotations

from dataclasses import dataclass

from regexp.report.ablation import Ablation, answer
from regexp.report.compare import Datasets, Line, Report
from regexp.report.rows import cell, shown
from regexp.report.searches import Search, Trial
from regexp.report.words import because, count, heading, interval, number, p_value, signed
from regexp.statistics.verdict import ALPHA, LEAST_PAIRS

INTERVALS = (
    f"intervals invert the same test (t below {LEAST_PAIRS} pairs) and are not corrected for multiple comparisons"
)
ENDED = ("done", "pruned", "diverged", "failed")  # the final statuses of a trial


@dataclass(frozen=True)
class Table:
    """A table with a title, and notes below.

    words: indices of the text columns, which are left-aligned
    optional: headings of columns that a narrow terminal omits, the least important first
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    words: frozenset[int] = frozenset({0})
    optional: tuple[str, ...] = ()


def left_out(report: Report) -> list[str]:
    """Return what is excluded from all means: `2 diverged seeds`, ..."""
    diverged = sum(line.row.diverged for line in report.lines)
    unfinished = sum(line.row.unfinished for line in report.lines)
    parts = [(diverged, "diverged seed"), (unfinished, "unfinished run"), (len(report.skipped), "skipped folder")]
    return [count(number_, what) for number_, what in parts if number_]


def tables(report: Report) -> list[Table]:
    """Return all tables of a report, in reading order."""
    report_tables = [settings_table(report)]
    if report.baseline is not None:
        report_tables.append(verdict_table(report))
    report_tables += map(ablation_table, report.ablations)
    report_tables += map(search_table, report.searches)
    return report_tables + other_tables(report)


def other_tables(report: Report) -> list[Table]:
    """Return the tables that are not about settings, one ablation or one sweep."""
    report_tables = []
    if any(line.models for line in report.lines):
        report_tables.append(model_table(report))
    if report.datasets is not None:
        report_tables.append(dataset_table(report.datasets, report))
    if any(search.best for search in report.searches):
        report_tables.append(budget_table(report))
    if report.skipped:
        rows = tuple((folder.name, folder.reason) for folder in report.skipped)
        report_tables.append(Table("Skipped folders", ("folder", "reason"), rows, words=frozenset({0, 1})))
    return report_tables


def measured(report: Report) -> str:
    """Return the metric, its direction, and the epoch at which it is reported."""
    direction = "smaller" if report.smaller_is_better else "larger"
    return f"{report.metric} ({direction} is better), at the selected epoch: {', '.join(report.chosen) or 'none'}"


def settings_table(report: Report) -> Table:
    """Return a row per setting: what distinguishes it, and its values over seeds."""
    lost = any(line.row.diverged or line.row.unfinished for line in report.lines)
    header = ["run", *map(heading, report.columns), "n", "mean", "std", "95% interval", "min", "max"]
    rows = []
    for line in report.lines:
        failures = [str(line.row.diverged), str(line.row.unfinished)] if lost else []
        rows.append((name(line), *(cell(line.row, key) for key in report.columns), *_numbers(line), *failures))
    notes = [measured(report), *_methods(report)]
    if lost:
        notes.append("diverged: seeds excluded from all means; unfinished: runs that failed, were stopped or still run")
    if report.assumed_baseline:
        notes.append(f"baseline: {report.baseline}, the setting without the method in which the two settings differ")
    if report.baseline is None and len(report.lines) > 1:
        notes.append("for verdicts, name a baseline: --baseline RUN")
    if report.keys:
        notes.append(f"one row per value of {', '.join(report.keys)}; a seed's value is the mean over its runs")
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
    names = {"t": "Student's t below 10 seeds", "BCa": "BCa bootstrap, never narrower than t, from 10 seeds"}
    descriptions = [words for method, words in names.items() if method in used]
    return [f"95% interval of the mean: {'; '.join(descriptions)}"] if descriptions else []


def name(line: Line) -> str:
    """Return the name of a row, with a mark for the baseline."""
    return f"{line.row.name} (baseline)" if line.is_baseline else line.row.name


def verdict_table(report: Report) -> Table:
    """Return a row per setting compared with the baseline on the same data."""
    rows = []
    for line in report.lines:
        v = line.verdict
        if v is None or v.comparison is None:
            if not line.is_baseline:
                reason = why(line) or "the baseline's setting has no run on this data"
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
    """Return the reason for a verdict, the number of seeds still needed, and the number of diverged seeds."""
    if line.verdict is None:
        return ""
    lost = f"; excludes {count(line.row.diverged, 'diverged seed')}" if line.row.diverged else ""
    return because(line.verdict) + lost


def better(report: Report, improvement: float) -> float:
    """Return the probability that the row beats the baseline, in the direction of the metric."""
    return 1 - improvement if report.smaller_is_better else improvement


def _verdict_notes(report: Report) -> list[str]:
    delta = f"; equivalent: within {report.delta:g}" if report.delta else ""
    return [
        f"difference: row - baseline; p: exact two-sided sign-flip test; Holm over all rows; alpha = {ALPHA:g}{delta}",
        INTERVALS,
        f"with fewer than {LEAST_PAIRS} pairs nothing is called better or worse: 5 pairs reach p = 0.0625 at best",
    ]


def model_table(report: Report) -> Table:
    """Return McNemar's tests of single runs against the baseline."""
    rows = tuple(
        (line.row.name, str(line.models.only_first), str(line.models.only_second), p_value(line.models.p))
        for line in report.lines
        if line.models
    )
    note = "this compares these two trained models on these test examples; it says nothing about the settings"
    header = ("run", "only this correct", "only baseline correct", "p")
    return Table("Two trained models (McNemar, exact)", header, rows, (note,))


FAMILIES = {
    "together": "all methods, minus none",
    "leave one out": "what the method adds to the others: all methods, minus all without it",
    "alone": "the effect of the method alone: the method, minus none",
    "interaction": "the effect of two methods together, minus the sum of their effects alone",
}


def ablation_table(ablation: Ablation) -> Table:
    """Return a row per contribution, and the summary in words as notes."""
    rows = []
    for contribution in ablation.contributions:
        c = contribution.verdict.comparison
        numbers = ("-", "-", "-") if c is None else (
            signed(c.difference), interval(c.interval.low, c.interval.high), str(c.pairs))  # fmt: skip
        time = ablation.step_time.get(contribution.what) if contribution.family == "leave one out" else None
        cost = "-" if time is None else f"{time:.2f}x"
        rows.append(
            (
                contribution.family,
                contribution.what,
                contribution.word,
                *numbers,
                p_value(contribution.verdict.p),
                cost,
                because(contribution.verdict),
            )
        )
    header = ("family", "method", "verdict", "difference", "95% interval", "pairs", "p (Holm)", "step time", "why")
    title = f"Ablation {ablation.name}: what each method contributes to {ablation.metric}"
    notes = (*answer(ablation), *_ablation_notes(ablation))
    return Table(title, header, tuple(rows), notes, frozenset({0, 1, 2, 8}), ("why", "step time", "pairs"))


def _ablation_notes(ablation: Ablation) -> list[str]:
    families = dict.fromkeys(contribution.family for contribution in ablation.contributions)
    direction = "smaller" if ablation.smaller_is_better else "larger"
    notes = [
        f"{ablation.metric}: {direction} is better; differences are paired by seed; p: exact sign-flip test",
        INTERVALS,
    ]
    notes += [f"{name}: {FAMILIES[name]}; Holm over {count(len(ablation.family(name)), 'row')}" for name in families]
    if ablation.step_time:
        notes.append("step time: a training step with all methods / one without this method")
    if ablation.retuned:
        notes.append(f"{ablation.retuned} was retuned for every arm, on validation")
        if ablation.at_edge:
            arms = ", ".join(ablation.at_edge)
            notes.append(f"best value at the edge of the range searched, so a better one may lie beyond: {arms}")
    else:
        notes.append("arms were not retuned: all use the values of the config (--retune learning_rate retunes them)")
    if ablation.missing:
        notes.append(f"arms without a value: {', '.join(ablation.missing)}")
    return notes


def search_table(search: Search) -> Table:
    """Return a row per stage of a sweep, with notes on why ranges changed and warnings."""
    header = ("stage", "trials", *ENDED, "epochs", "seeds", f"best {search.objective}")
    rows = []
    for stage in search.stages:
        ended = [sum(trial.status == word for trial in stage.trials) for word in ENDED]
        counts = map(str, (len(stage.trials), *ended, stage.epochs, stage.seeds))
        rows.append((stage.name, *counts, number(stage.best)))
    notes = [f"{stage.name}: {change}" for stage in search.stages for change in stage.changes]
    if rows:
        notes.append(
            "best: in a stage, the score of its best trial (selection bias: the best of N is optimistic); in the "
            "confirmation, the score of the winner on seeds that no stage used"
        )
    return Table(f"Sweep {search.name}", header, tuple(rows), (*notes, *search.notes))


def trial_table(search: Search) -> Table:
    """Return every trial with its setting: the last stage first, and within a stage the best first."""
    rows = []
    for stage in reversed(search.stages):
        order = search.ranked(stage)
        placed = {trial.number for trial in order}
        for trial in [*order, *(trial for trial in stage.trials if trial.number not in placed)]:
            ended = f"{trial.status}: {trial.reason}" if trial.reason else trial.status
            values = [_searched(trial, path) for path in search.scales]
            rows.append((f"{stage.name}, {trial.number}", ended, number(trial.value), str(trial.epochs), *values))
    header = ("trial", "ended", search.objective, "epochs", *map(heading, search.scales))
    return Table(f"Trials of {search.name}", header, tuple(rows), words=frozenset({0, 1}))


def _searched(trial: Trial, path: str) -> str:
    if not trial.setting:
        return "-"  # the config as written has no setting
    value = trial.searched(path)
    return "out" if value is None else shown(value)


def budget_table(report: Report) -> Table:
    """Return the expected best score of 1, 2, 4, ... trials."""
    searches = [search for search in report.searches if search.best]
    most = max(len(search.best) for search in searches)
    counts = sorted({*(2**power for power in range(most.bit_length())), most})
    rows = tuple(
        (search.name, search.objective, str(len(search.best)),
         *(number(search.best[k - 1]) if k <= len(search.best) else "-" for k in counts))
        for search in searches
    )  # fmt: skip
    notes = (
        "expected best validation score of that many random trials: the mean over all subsets of the completed ones "
        "(unbiased)",
        "selection bias: the best of N is optimistic; the winner's confirmed score is in the table above",
    )
    header = ("sweep", "objective", "trials", *(f"best of {k}" for k in counts))
    return Table("Expected best by budget", header, rows, notes, frozenset({0, 1}))


def dataset_table(comparison: Datasets, report: Report) -> Table:
    """Return methods x datasets with mean ranks, Wilcoxon's test against the baseline, and the interquartile mean."""
    rows = tuple(
        (method, *map(number, comparison.means[:, i]), f"{comparison.ranks[i]:.2f}", p_value(float(comparison.p[i])),
         number(a.value), interval(a.low, a.high))
        for i, (method, a) in enumerate(zip(comparison.methods, comparison.aggregates, strict=True))
    )  # fmt: skip
    header = ("method", *comparison.names, "mean rank", "p (Wilcoxon, Holm)", "IQM", "95% interval")
    notes = (
        f"mean {report.metric} over seeds; Wilcoxon over {len(comparison.names)} datasets against the baseline",
        "IQM: mean of the middle half of all seeds; its bootstrap resamples within each dataset",
    )
    return Table("Datasets", header, rows, notes)
