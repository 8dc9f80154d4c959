"""Compare dropout at test time: weight scaling, single masks, and averages over 1, 2, 4, ... masks."""

from __future__ import annotations

import numpy as np

from regexp.diagnostics import programs
from regexp.diagnostics.calibration import probabilities
from regexp.diagnostics.subject import Subject
from regexp.runs.explanation import Explanation, Plot, series

MASKS, ROWS = 64, 1000
LEAST = 1e-30  # floor of a probability inside a logarithm


def explain(subject: Subject) -> Explanation:
    """Report negative log likelihood and accuracy (regression: squared error) of test examples.

    An average over masks is as good as weight scaling if its loss is higher by at most one standard error of the
    differences over examples.
    """
    if not any(method.name == "dropout" for method in subject.experiment.regularizers):
        return Explanation("This run has no dropout, so there are no masks to compare.")
    rows = subject.unseen
    if not len(rows):
        return Explanation("This run has neither test nor validation examples to compare on.")
    inputs, targets = (x.astype(np.float32) for x in subject.rows(rows[:ROWS]))
    lane, variables = subject.lane, subject.variables
    scaled, masked = subject.call(programs.masked, (lane, variables, inputs, np.arange(MASKS, dtype=np.int32)))
    classes = bool(subject.data.classes)
    scaled_predictions, mask_predictions = (
        probabilities(x) if classes else x.astype(np.float64) for x in (scaled, masked)
    )
    averages = {t: mask_predictions[:t].mean(0) for t in _lengths(MASKS)}
    singles = [losses(single, targets, classes) for single in mask_predictions]
    reference = losses(scaled_predictions, targets, classes)
    table = {"weight scaling": _numbers(scaled_predictions, targets, classes)}
    table |= {f"{t} masks averaged": _numbers(p, targets, classes) for t, p in averages.items() if t > 1}
    alone = np.asarray([_numbers(single, targets, classes) for single in mask_predictions])
    average_losses = {t: losses(p, targets, classes) for t, p in averages.items()}
    meets = meeting(average_losses, reference)
    name = "negative log likelihood" if classes else "squared error"
    mean = float(np.mean(singles))
    curve = {t: float(np.mean(average_losses[t])) for t in averages}
    where = f"the average over {meets} masks is as good" if meets else f"no average over up to {MASKS} masks is as good"
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
    """Return the smallest number of masks that is at most one standard error worse than weight scaling, or None.

    averaged: {masks: losses (n,)}
    scaled: (n,) losses of weight scaling
    """
    excess = {t: mask_losses - scaled for t, mask_losses in averaged.items()}
    return next((t for t, d in excess.items() if d.mean() <= np.std(d, ddof=1) / np.sqrt(len(d))), None)


def losses(predicted: np.ndarray, targets: np.ndarray, classes: bool) -> np.ndarray:
    """Return the loss of each example, (n,): negative log likelihood of probabilities, or squared error."""
    if classes:
        likelihoods: np.ndarray = -np.log(np.maximum(np.sum(predicted * targets, -1), LEAST))
        return likelihoods
    return np.asarray(np.mean(np.square(predicted - targets), -1))


def _numbers(predicted: np.ndarray, targets: np.ndarray, classes: bool) -> list[float]:
    loss = float(np.mean(losses(predicted, targets, classes)))
    return [loss, float(np.mean(predicted.argmax(-1) == targets.argmax(-1)))] if classes else [loss]


def _lengths(most: int) -> list[int]:
    """Return 1, 2, 4, ... up to `most`."""
    return [2**k for k in range(most.bit_length())]


def _chart(averages: dict[int, float], scaled: float, width: int = 50) -> tuple[str, ...]:
    """Return a bar per number of masks; | marks weight scaling."""
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
        f"Mean over test examples; dots are {len(alone)} single masks.",
        "masks averaged",
        name,
        (
            series("average over masks", counts, list(averages.values())),
            series("weight scaling", counts, [scaled] * len(counts)),
            series("one mask", np.ones(len(alone)), alone, "points"),
        ),
        "x",
    )
