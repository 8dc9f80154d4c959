"""Robust accuracy against the attack's size (FGSM, PGD), and one attack as a picture with its confidences."""

from __future__ import annotations

from typing import Any

import numpy as np

from regexp.diagnostics import programs
from regexp.diagnostics.base import Explanation
from regexp.diagnostics.calibration import probabilities
from regexp.diagnostics.subject import Subject

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
    rows = (subject.split.test if len(subject.split.test) else subject.split.validation)[:ROWS]
    if not len(rows):
        return Explanation("This run has neither test nor validation examples to attack.")
    sizes = np.asarray((0.0, *(attacks.epsilons if attacks else EPSILONS)), np.float32)
    inputs, targets = (x.astype(np.float32) for x in subject.rows(rows))
    arguments = (subject.lane, subject.variables, inputs, targets, sizes)
    found = {"fgsm": subject.call(programs.fgsm, arguments), "pgd": subject.call(programs.pgd, arguments)}
    labels = targets.argmax(-1)
    accuracy = {name: np.mean(logits.argmax(-1) == labels, -1) for name, (_, logits) in found.items()}
    table = tuple((f"{e:g}", f"{a:.4f}", f"{b:.4f}") for e, a, b in zip(sizes, *accuracy.values(), strict=True))
    return Explanation(
        f"Accuracy on {len(rows)} examples falls from {accuracy['pgd'][0]:.4f} to {accuracy['fgsm'][-1]:.4f} under "
        f"FGSM and {accuracy['pgd'][-1]:.4f} under PGD-{programs.PGD_STEPS} at epsilon {sizes[-1]:g}: upper bounds, a "
        "better attack may find more.",
        ("epsilon", "fgsm", f"pgd-{programs.PGD_STEPS}"),
        table,
        picture(subject, inputs, labels, sizes, *found["pgd"]) if subject.data.is_image else (),
        {"epsilons": sizes.tolist()} | {name: values.tolist() for name, values in accuracy.items()},
    )


def picture(
    subject: Subject,
    inputs: np.ndarray,
    labels: np.ndarray,
    sizes: np.ndarray,
    attacked: np.ndarray,
    logits: np.ndarray,
) -> tuple[str, ...]:
    """Input, perturbation and result of the first example that the smallest possible attack turns; () without one."""
    guesses = logits.argmax(-1)
    turned = (guesses[0] == labels) & (guesses != labels)
    if not turned.any():
        return ()
    level = int(np.argmax(turned.any(1)))
    which = int(np.argmax(turned[level]))
    before, after = inputs[which], attacked[level, which]
    said = [_said(subject, logits[k, which]) for k in (0, level)]
    drawn = (shaded(before), signed(after - before, float(sizes[level])), shaded(after))
    head = f"input: {said[0]}; perturbation of at most {sizes[level]:g} (+, -); result: {said[1]}"
    return (head, *("   ".join(parts) for parts in zip(*drawn, strict=True)))


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
