"""Dropout at test time: weight scaling, averages over 1, 2, 4, ... masks, single masks; where they meet."""

from __future__ import annotations

import numpy as np

from regexp.diagnostics import programs
from regexp.diagnostics.calibration import probabilities
from regexp.diagnostics.subject import Subject
from regexp.runs.explanation import Explanation, Plot, series

MASKS, ROWS = 64, 1000
LEAST = 1e-30  # of a probability, inside logarithms


def explain(subject: Subject) -> Explanation:
    """Negative log likelihood and accuracy (regression: squared error) of test examples; they meet where the average
    over masks is no worse than weight scaling by more than one standard error of the examples' differences."""
    if not any(method.name == "dropout" for method in subject.experiment.regularizers):
        return Explanation("This run has no dropout, so there are no masks to compare.")
    rows = subject.unseen
    if not len(rows):
        return Explanation("This run has neither test nor validation examples to compare on.")
    inputs, targets = (x.astype(np.float32) for x in subject.rows(rows[:ROWS]))
    lane, variables = subject.lane, subject.variables
    scaled, masked = subject.call(programs.masked, (lane, variables, inputs, np.arange(MASKS, dtype=np.int32)))
    classes = bool(subject.data.classes)
    whole, each = (probabilities(x) if classes else x.astype(np.float64) for x in (scaled, masked))
    averages = {t: each[:t].mean(0) for t in _lengths(MASKS)}
    singles = [losses(one, targets, classes) for one in each]
    reference = losses(whole, targets, classes)
    table = {"weight scaling": _numbers(whole, targets, classes)}
    table |= {f"{t} masks averaged": _numbers(p, targets, classes) for t, p in averages.items() if t > 1}
    alone = np.asarray([_numbers(one, targets, classes) for one in each])
    found = {t: losses(p, targets, classes) for t, p in averages.items()}
    meets = meeting(found, reference)
    name = "negative log likelihood" if classes else "squared error"
    mean = float(np.mean(singles))
    curve = {t: float(np.mean(found[t])) for t in averages}
    where = (
        f"from {meets} masks on the average is as good" if meets else f"no average of up to {MASKS} masks is as good"
    )
    spread = alone.std(0, ddof=1)
    rows_ = [("one mask", *(f"{m:.4f} +- {s:.4f}" for m, s in zip(alone.mean(0), spread, strict=True)))]
    rows_ += [(label, *(f"{x:.4f}" for x in numbers)) for label, numbers in table.items()]
    return Explanation(
        f"One mask has a {name} of {mean:.4f} on {len(targets)} examples, weight scaling {np.mean(reference):.4f}; "
        f"{where}, to one standard error.",
        ("prediction", name, *(("accuracy",) if classes else ())),
        tuple(rows_),
        _chart(curve, float(np.mean(reference))),
        {"weight_scaling": table["weight scaling"], "single": alone.tolist(), "meets": meets,
         "averages": {str(t): _numbers(p, targets, classes) for t, p in averages.items()}},
        (_plot(name, curve, alone[:, 0], float(np.mean(reference))),),
    )  # fmt: skip


def meeting(averaged: dict[int, np.ndarray], scaled: np.ndarray) -> int | None:
    """The first number of masks whose losses (n,) are above the scaled network's by no more than one standard error."""
    found = {t: own - scaled for t, own in averaged.items()}
    return next((t for t, d in found.items() if d.mean() <= np.std(d, ddof=1) / np.sqrt(len(d))), None)


def losses(predicted: np.ndarray, targets: np.ndarray, classes: bool) -> np.ndarray:
    """(n,) negative log likelihood of probabilities, or squared error."""
    if classes:
        found: np.ndarray = -np.log(np.maximum(np.sum(predicted * targets, -1), LEAST))
        return found
    return np.asarray(np.mean(np.square(predicted - targets), -1))


def _numbers(predicted: np.ndarray, targets: np.ndarray, classes: bool) -> list[float]:
    loss = float(np.mean(losses(predicted, targets, classes)))
    return [loss, float(np.mean(predicted.argmax(-1) == targets.argmax(-1)))] if classes else [loss]


def _lengths(most: int) -> list[int]:
    """1, 2, 4, ... most."""
    return [2**k for k in range(most.bit_length())]


def _chart(averages: dict[int, float], scaled: float, width: int = 50) -> tuple[str, ...]:
    """A bar for each number of masks; | is weight scaling."""
    top = max(*averages.values(), scaled)
    lines = ["loss over masks averaged; | weight scaling"]
    for count, loss in averages.items():
        bar = list(("#" * round(loss / top * width)).ljust(width + 1))
        bar[round(scaled / top * width)] = "|"
        lines.append(f"{count:>4} {''.join(bar).rstrip()} {loss:.4f}")
    return tuple(lines)


def _plot(name: str, averages: dict[int, float], alone: np.ndarray, scaled: float) -> Plot:
    counts = list(averages)
    return Plot(
        "Dropout at test time",
        f"Mean over test examples; the dots are {len(alone)} single masks.",
        "masks averaged",
        name,
        (
            series("average over masks", counts, list(averages.values())),
            series("weight scaling", counts, [scaled] * len(counts)),
            series("one mask", np.ones(len(alone)), alone, "points"),
        ),
        "x",
    )
