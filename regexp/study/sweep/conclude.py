"""What a sweep says at its end: the winner, its confirmed score, what mattered, what to be careful about."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from regexp.config.search.section import Sweep
from regexp.config.search.space import Parameter, Space
from regexp.metrics import bounds
from regexp.statistics import Interval, difference_interval, mean_interval
from regexp.statistics.intervals import UNBOUNDED, Bounds
from regexp.study.sweep.records import Record
from regexp.study.sweep.samplers import distribution

FEW_FOR_IMPORTANCE, FEW_ACTIVE = 8, 4  # trials of a stage, and those with a method in
FEW_PER_PARAMETER = 5
MOST_REASONS = 3


def ranked(records: Sequence[Record], smaller: bool) -> list[Record]:
    """Those that worked, the best first; of equal ones the earlier."""
    sign = 1 if smaller else -1
    good = [r for r in records if r.worked and r.value is not None]
    return sorted(good, key=lambda r: (sign * (r.value or 0.0), r.number))


def measured(records: Sequence[Record], smaller: bool) -> list[Record]:
    """Those that worked, then those that halving ended: of these who was trained longest, the best first."""
    sign = 1 if smaller else -1
    pruned = [r for r in records if r.status == "pruned" and r.value is not None]
    return ranked(records, smaller) + sorted(pruned, key=lambda r: (-r.epochs, sign * (r.value or 0.0), r.number))


def interval(
    values: Sequence[float], limits: Bounds = UNBOUNDED, of: Callable[[np.ndarray], Interval] = mean_interval
) -> dict[str, Any]:
    """Mean and its 95% interval within the limits, the report's; no interval for one value."""
    numbers = np.asarray(values, np.float64)
    found = of(numbers).within(limits)
    low, high = (found.low, found.high) if found.method != "none" else (None, None)
    return {"mean": float(numbers.mean()), "low": low, "high": high, "n": len(numbers)}


def conclude(
    sweep: Sweep, space: Space, records: Sequence[Record], spaces: Sequence[Space], smaller: bool
) -> dict[str, Any]:
    """Everything summary.json holds but times. spaces: of each stage."""
    last, confirmed = len(sweep.stages) - 1, [r for r in records if r.stage == len(sweep.stages)]
    final = confirmed if sweep.confirm else [r for r in records if r.stage == last]
    best = ranked([r for r in final if r.setting], smaller)
    counts = {s: sum(r.status == s for r in records) for s in ("done", "pruned", "diverged", "failed")}
    found: dict[str, Any] = {
        "status": "done" if best else "failed",
        "objective": sweep.objective,
        "trials": counts,
        "winner": None,
    }
    base = next((r for r in confirmed if r.number == 0 and r.worked), None)
    if best:
        winner = best[0]
        chosen = next(r for r in records if r.stage == last and r.setting == winner.setting)
        found["winner"] = {
            "setting": space.active_part(winner.setting),
            "stage_score": interval([s[sweep.objective] for s in chosen.scores], bounds(sweep.objective)),
            "confirmed": _intervals(winner) if sweep.confirm else None,
            "against_base": [] if base is None else compared(sweep, winner, base),
        }
        found["importance"] = importance([r for r in records if r.stage == 0], space, smaller)
    found["confirm"] = [asdict(replace(r, setting=space.active_part(r.setting))) for r in confirmed]
    found["warnings"] = cautions(sweep, spaces, best[0] if best else None, records)
    return found


def _intervals(record: Record) -> dict[str, Any]:
    return {name: interval([scores[name] for scores in record.scores], bounds(name)) for name in record.scores[0]}


def compared(sweep: Sweep, winner: Record, base: Record) -> list[dict[str, Any]]:
    """Winner against base by the objective's own metric on the test split, then by accuracy or RMSE beside it."""
    names = [f"test/{sweep.objective.partition('/')[2]}", "test/accuracy", "test/rmse"]
    known = [name for name in dict.fromkeys(names) if name in winner.scores[0] and name in base.scores[0]]
    return [_paired(winner, base, name) for name in known]


def _paired(winner: Record, base: Record, name: str) -> dict[str, Any]:
    """Winner less base by one metric of the test split, seed by seed."""
    pairs = [(a[name], b[name]) for a, b in zip(winner.scores, base.scores, strict=True)]
    low, high = bounds(name)
    mine, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    return {"metric": name, "winner": mine, "base": theirs,
            "winner_mean": interval(mine, (low, high)), "base_mean": interval(theirs, (low, high)),
            "difference": interval([a - b for a, b in pairs], (low - high, high - low), difference_interval),
            }  # fmt: skip


def importance(records: Sequence[Record], space: Space, smaller: bool) -> dict[str, float]:
    """Each parameter's share in what makes the best of the first stage, by Optuna's PED-ANOVA; {} for few trials.

    Of each parameter the trials in which its method is in are asked, since elsewhere its value changes nothing.
    PED-ANOVA asks for the order alone: with halving, values of several lengths, it is told the places.
    """
    if len(measured(records, smaller)) < FEW_FOR_IMPORTANCE or len(space) < 2:
        return {}
    shares: dict[str, float] = {}
    for parameter in space:
        active = [r for r in records if space.active(parameter, r.setting)]
        shares |= _shares(measured(active, smaller), [parameter], smaller)
    total = sum(shares.values())
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return {path: share / total for path, share in ordered} if total > 0 else {}


def _shares(good: Sequence[Record], parameters: Sequence[Parameter], smaller: bool) -> dict[str, float]:
    """Not yet divided by their sum; {} for few trials."""
    if len(good) < FEW_ACTIVE:
        return {}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings(), _without("sklearn.ensemble"):
        warnings.simplefilter("ignore")
        halved = any(not r.worked for r in good)
        study = optuna.create_study(direction="minimize" if smaller or halved else "maximize")
        kinds = {p.path: distribution(p) for p in parameters}
        for place, r in enumerate(good):
            value, params = place if halved else r.value, {path: r.setting[path] for path in kinds}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, value=value))
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
    return {path: float(share) for path, share in shares.items()}


@contextmanager
def _without(package: str) -> Iterator[None]:
    """As if it were not installed: beside PED-ANOVA Optuna loads fANOVA, whose scikit-learn is slow to import."""
    before = {} if package not in sys.modules else {package: sys.modules[package]}
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]
        sys.modules.update(before)


def cautions(sweep: Sweep, spaces: Sequence[Space], winner: Record | None, records: Sequence[Record]) -> list[str]:
    """Warnings about what was found."""
    said = []
    if winner is None:
        said.append("no setting worked on every seed; there is no winner")
    else:
        for parameter in spaces[-1]:
            if spaces[-1].active(parameter, winner.setting) and _at_edge(parameter, winner.setting[parameter.path]):
                said.append(f"the winner's {parameter.path} is at an edge of {parameter}; the optimum may lie outside")
    if sweep.confirm is None:
        said.append("nothing was confirmed: the score has selection bias, the best of N is optimistic")
    if sweep.stages[-1].seeds < 2:
        said.append("the last stage has one seed for each setting: its ranking is partly luck (stages: seeds)")
    if sweep.stages[0].trials < FEW_PER_PARAMETER * len(spaces[0]):
        said.append(f"{sweep.stages[0].trials} trials for {len(spaces[0])} parameters cover the space thinly")
    reasons = Counter(r.reason for r in records if r.status == "failed")
    said += [f"{n} failed: {reason}" for reason, n in reasons.most_common(MOST_REASONS)]
    lost = sum(r.status in ("diverged", "failed") for r in records)
    if 2 * lost > len(records):
        said.append(f"{lost} of {len(records)} trials diverged or failed: the ranges may be too wide")
    return said


def _at_edge(parameter: Parameter, value: Any) -> bool:
    if not parameter.is_range or (parameter.scale == "int" and parameter.high - parameter.low < 4):
        return False
    low, high = parameter.to_scale(parameter.low), parameter.to_scale(parameter.high)
    place = (parameter.to_scale(value) - low) / (high - low) if high > low else 0.5
    return not 0.02 < place < 0.98
