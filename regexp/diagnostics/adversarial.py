"""Robust accuracy against the attack's size (FGSM, PGD), and attacks as pictures with their confidences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.diagnostics import programs
from regexp.diagnostics.calibration import probabilities
from regexp.diagnostics.subject import Subject
from regexp.runs.explanation import Explanation, Pictures, Plot, picture, series

ROWS = 500
EPSILONS = (0.01, 0.03, 0.1, 0.3)  # of images, where 1 is black to white
SHADES = " .:-=+*#%@"
SIDE = 28  # pixels of a picture's side at most


def explain(subject: Subject) -> Explanation:
    """The sizes are the config's `evaluation.attacks`, else four for images; in raw units, within the data's range."""
    if not subject.data.classes:
        return Explanation("This run is a regression; robust accuracy is about classes.")
    attacks = subject.experiment.evaluation.attacks
    if attacks is None and not subject.data.is_image:
        return Explanation("A table's columns have units of their own: set evaluation.attacks.epsilons to attack it.")
    rows = subject.unseen[:ROWS]
    if not len(rows):
        return Explanation("This run has neither test nor validation examples to attack.")
    sizes = np.asarray(sorted({0.0, *(attacks.epsilons if attacks else EPSILONS)}), np.float32)
    inputs, targets = (x.astype(np.float32) for x in subject.rows(rows))
    arguments = (subject.lane, subject.variables, inputs, targets, sizes)
    found = {"fgsm": subject.call(programs.fgsm, arguments), "pgd": subject.call(programs.pgd, arguments)}
    labels, pgd = targets.argmax(-1), f"PGD-{programs.pgd_steps(subject.experiment)}"
    accuracy = {name: np.mean(logits.argmax(-1) == labels, -1) for name, (_, logits) in found.items()}
    table = tuple((f"{e:g}", f"{a:.4f}", f"{b:.4f}") for e, a, b in zip(sizes, *accuracy.values(), strict=True))
    pictures = turned(inputs, labels, sizes, *found["pgd"]) if subject.data.is_image else []
    return Explanation(
        f"Accuracy on {len(rows)} examples falls from {accuracy['pgd'][0]:.4f} to {accuracy['fgsm'][-1]:.4f} under "
        f"FGSM and {accuracy['pgd'][-1]:.4f} under {pgd} at epsilon {sizes[-1]:g}: upper bounds, a better attack may "
        "find more.",
        ("epsilon", "fgsm", pgd.lower()),
        table,
        in_text(subject, pictures[0]) if pictures else (),
        {"epsilons": sizes.tolist()} | {name: values.tolist() for name, values in accuracy.items()},
        (_plot(sizes, accuracy, pgd), *([_pictures(subject, pictures, pgd)] if pictures else [])),
    )


@dataclass(frozen=True)
class Turned:
    """An example that an attack of a size turns from its label: before and after (H, W, C), and the logits of each."""

    size: float
    before: np.ndarray
    after: np.ndarray
    logits: tuple[np.ndarray, np.ndarray]


def turned(
    inputs: np.ndarray, labels: np.ndarray, sizes: np.ndarray, attacked: np.ndarray, logits: np.ndarray
) -> list[Turned]:
    """For each size the first example that it turns and no smaller one; the first size is 0."""
    guesses = logits.argmax(-1)
    wrong = (guesses[0] == labels) & (guesses != labels)
    found = []
    for level in range(1, len(sizes)):
        new = wrong[level] & ~wrong[:level].any(0)
        if new.any():
            k = int(np.argmax(new))
            found.append(Turned(float(sizes[level]), inputs[k], attacked[level, k], (logits[0, k], logits[level, k])))
    return found


def in_text(subject: Subject, one: Turned) -> tuple[str, ...]:
    """Input, perturbation and result side by side."""
    said = [_said(subject, logits) for logits in one.logits]
    drawn = (shaded(one.before), signed(one.after - one.before, one.size), shaded(one.after))
    head = f"input: {said[0]}; perturbation of at most {one.size:g} (+, -); result: {said[1]}"
    return (head, *("   ".join(parts) for parts in zip(*drawn, strict=True)))


def _pictures(subject: Subject, found: list[Turned], pgd: str) -> Pictures:
    rows = []
    for one in found:
        before, after = (_said(subject, logits) for logits in one.logits)
        change = 0.5 + (one.after - one.before) / (2 * one.size)
        added = picture(f"+ at most {one.size:g}", change)
        rows.append((picture(before, one.before), added, picture(after, one.after)))
    return Pictures(
        f"Examples that {pgd} turns",
        "Input, perturbation (grey is none, black and white are its size) and result, with the model's confidences; of "
        "each size the first example that no smaller one turns.",
        tuple(rows),
    )


def _plot(sizes: np.ndarray, accuracy: dict[str, np.ndarray], pgd: str) -> Plot:
    return Plot(
        "Robust accuracy",
        "Accuracy against the size of the perturbation; upper bounds, a better attack may find more.",
        "epsilon",
        "accuracy",
        (series("FGSM", sizes, accuracy["fgsm"]), series(pgd, sizes, accuracy["pgd"])),
    )


def _said(subject: Subject, logits: np.ndarray) -> str:
    p = probabilities(logits)
    return f"{subject.data.classes[int(p.argmax())]} with {p.max():.3f}"


def shaded(image: np.ndarray) -> list[str]:
    """(H, W, C) in [0, 1] -> lines; two characters a pixel, of which text is about half as wide as high."""
    levels = np.clip(_small(image) * len(SHADES), 0, len(SHADES) - 1).astype(int)
    return ["".join(SHADES[level] * 2 for level in row) for row in levels]


def signed(change: np.ndarray, size: float) -> list[str]:
    """+ and - where a pixel changes by more than half the size, else a dot."""
    small = _small(change)
    return ["".join(("++" if x > size / 2 else "--" if x < -size / 2 else " .") for x in row) for row in small]


def _small(image: np.ndarray) -> Any:
    stride = -(-max(image.shape[:2]) // SIDE)
    return image.mean(-1)[::stride, ::stride]
