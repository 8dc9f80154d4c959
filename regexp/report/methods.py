"""Write the methods paragraph of a report: what varied, which tests and corrections were used."""

from __future__ import annotations

from regexp.report.compare import Report
from regexp.report.tables import FAMILIES, left_out, measured
from regexp.report.words import count, heading
from regexp.statistics.intervals import BOOTSTRAP_FROM, RESAMPLES
from regexp.statistics.paired import ENUMERATED, FLIPS
from regexp.statistics.verdict import ALPHA, LEAST_PAIRS


def paragraph(report: Report) -> str:
    """Return the paragraph: a draft for a paper, to be proofread."""
    parts = [_varied(report), _scored(report), *_compared(report), *_ablated(report), *_searched(report)]
    return " ".join([*parts, _left_out(report)])


def _varied(report: Report) -> str:
    seeds = sorted({line.summary.n for line in report.lines if line.summary})
    seed_count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}" if seeds else "no"
    data = sorted({line.row.data[0] for line in report.lines})
    what = ", ".join(map(heading, report.columns)) or "the seed only"
    return (
        f"{count(len(report.lines), 'setting')}, trained on {', '.join(data) or 'no data'} with {seed_count} seeds "
        "each. A seed determines the split, the initial weights, the batch order and all random draws, so settings are "
        f"paired by seed. Settings differ in: {what}."
    )


def _scored(report: Report) -> str:
    methods = {line.summary.interval.method for line in report.lines if line.summary}
    words = {
        "t": f"Student's t below {BOOTSTRAP_FROM} seeds",
        "BCa": f"a BCa bootstrap ({RESAMPLES} resamples, widened for the sample size, never "
        f"narrower than Student's t) from {BOOTSTRAP_FROM} seeds",
    }
    used = " and ".join(text for method, text in words.items() if method in methods)
    intervals = f" 95% confidence intervals of means: {used}." if used else ""
    return f"The metric is {measured(report)}.{intervals}"


def _compared(report: Report) -> list[str]:
    if report.baseline is None:
        return []
    delta = (
        f"Settings are called equivalent if two one-sided t tests with Holm's correction reject a difference of "
        f"{report.delta:g} or more. "
        if report.delta
        else ""
    )
    return [
        f"Each setting was compared with {report.baseline} on shared seeds by the two-sided sign-flip test of the mean "
        f"difference, exact up to {ENUMERATED} pairs and with {FLIPS} sampled sign patterns above; intervals of "
        f"differences invert that test. p values are Holm-corrected over all settings compared, at {ALPHA:g}. {delta}"
        f"With fewer than {LEAST_PAIRS} pairs no setting is called better or worse: 5 pairs reach p = 0.0625 at best."
    ]


def _ablated(report: Report) -> list[str]:
    return [
        f"In the ablation {ablation.name} all arms use the same seeds; each contrast ({', '.join(FAMILIES)}) was "
        "computed on every seed and its mean tested by sign flips, with Holm's correction within a family. "
        + (f"{ablation.retuned} was retuned for every arm." if ablation.retuned else "Arms were not retuned.")
        for ablation in report.ablations
    ]


def _searched(report: Report) -> list[str]:
    return [
        f"The sweep {search.name} searched {count(len(search.scales), 'value')} for {search.objective} in "
        f"{count(sum(len(stage.trials) for stage in search.searched), 'trial')} over "
        f"{count(len(search.searched), 'stage')}; its settings are reported on seeds that no stage used."
        for search in report.searches
        if search.stages
    ]


def _left_out(report: Report) -> str:
    lost = left_out(report)
    return f"Excluded: {', '.join(lost)}." if lost else "No seed diverged and every run finished."
