"""The methods paragraph: what varied, which tests, which corrections, from what the report holds."""

from __future__ import annotations

from regexp.report.compare import Report
from regexp.report.tables import FAMILIES, left_out, measured
from regexp.report.words import count, heading
from regexp.statistics.intervals import BOOTSTRAP_FROM, RESAMPLES
from regexp.statistics.paired import ENUMERATED, FLIPS
from regexp.statistics.verdict import ALPHA, LEAST_PAIRS


def paragraph(report: Report) -> str:
    """Ready for a paper, after reading it."""
    parts = [_varied(report), _scored(report), *_compared(report), *_ablated(report), *_searched(report)]
    return " ".join([*parts, _left_out(report)])


def _varied(report: Report) -> str:
    seeds = sorted({line.summary.n for line in report.lines if line.summary})
    each = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}" if seeds else "no"
    data = sorted({line.row.data[0] for line in report.lines})
    what = ", ".join(map(heading, report.columns)) or "nothing but the seed"
    return (
        f"{count(len(report.lines), 'setting')}, trained on {', '.join(data) or 'no data'} with {each} seeds each. "
        "A seed fixes the split, the initial weights, the batch order and all random draws, so settings are paired by "
        f"seed. Between settings varied: {what}."
    )


def _scored(report: Report) -> str:
    methods = {line.summary.interval.method for line in report.lines if line.summary}
    words = {
        "t": f"Student's t below {BOOTSTRAP_FROM} seeds",
        "BCa": f"a BCa bootstrap ({RESAMPLES} resamples, widened for the sample size, at neither end inside "
        f"Student's t) from {BOOTSTRAP_FROM} seeds",
    }
    used = " and ".join(text for method, text in words.items() if method in methods)
    intervals = f" Means have 95% intervals by {used}." if used else ""
    return f"Reported is {measured(report)}.{intervals}"


def _compared(report: Report) -> list[str]:
    if report.baseline is None:
        return []
    delta = (
        f"Settings are called equivalent where two one-sided t tests, corrected by Holm, reject a difference of "
        f"{report.delta:g} or more. "
        if report.delta
        else ""
    )
    return [
        f"Each setting was compared with {report.baseline} on shared seeds by the two-sided sign-flip test of the mean "
        f"difference, exact up to {ENUMERATED} pairs and with {FLIPS} sampled patterns above; intervals of differences "
        f"invert that test. p values are corrected by Holm over all settings compared, at {ALPHA:g}. {delta}"
        f"With fewer than {LEAST_PAIRS} pairs no setting is called better or worse: 5 pairs reach p = 0.0625 at best."
    ]


def _ablated(report: Report) -> list[str]:
    return [
        f"In the ablation {one.name} the arms share seeds; each contrast ({', '.join(FAMILIES)}) was computed on every "
        "seed and its mean tested by sign flips, corrected by Holm within a family. "
        + (f"{one.retuned} was searched again for every arm." if one.retuned else "Arms were not retuned.")
        for one in report.ablations
    ]


def _searched(report: Report) -> list[str]:
    return [
        f"The sweep {one.name} searched {count(len(one.scales), 'value')} for {one.objective} in "
        f"{count(sum(len(stage.trials) for stage in one.searched), 'trial')} over {count(len(one.searched), 'stage')}; "
        "its settings are reported on seeds that no stage has used."
        for one in report.searches
        if one.stages
    ]


def _left_out(report: Report) -> str:
    lost = left_out(report)
    return f"Left out: {', '.join(lost)}." if lost else "No seed diverged and every run finished."
