"""Measure robust accuracy by attack size (FGSM, PGD), and show adversarial examples with the model's confidences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.diagnostics import programs
from regexp.diagnostics.calibration import probabilities
from regexp.diagnostics.subject import Subject
from regexp.runs.explanation import Explanation, Pictures, Plot, picture, series

ROWS = 500  # examples attacked
EPSILONS = (0.01, 0.03, 0.1, 0.3)  # for images, whose pixels range from 0 to 1
SHADES = " .:-=+*#%@"
SIDE = 28  # largest side of a picture, in pixels


def explain(subject: Subject) -> Explanation:
    """Attack unseen examples at the sizes in `evaluation.attacks`, for images by default at EPSILONS.

    Sizes are in raw units; attacked inputs stay within the range of the data.
    """
    if not subject.data.classes:
        return Explanation("This run is a regression; robust accuracy is about classes.")
    attacks = subject.experiment.evaluation.attacks
    if attacks is None and not subject.data.is_image:
        return Explanation(
            "The columns of a table have different units: set evaluation.attacks.epsilons to choose sizes."
        )
    rows = subject.unseen[:ROWS]
    if not len(rows):
        return Explanation("This run has neither test nor validation examples to attack.")
    sizes = np.asarray(sorted({0.0, *(attacks.epsilons if attacks else EPSILONS)}), np.float32)
    inputs, targets = (x.astype(np.float32) for x in subject.rows(rows))
    arguments = (subject.lane, subject.variables, inputs, targets, sizes)
    attacked = {"fgsm": subject.call(programs.fgsm, arguments), "pgd": subject.call(programs.pgd, arguments)}
    labels, pgd = targets.argmax(-1), f"PGD-{programs.pgd_steps(subject.experiment)}"
    accuracy = {name: np.mean(logits.argmax(-1) == labels, -1) for name, (_, logits) in attacked.items()}
    table = tuple((f"{e:g}", f"{a:.4f}", f"{b:.4f}") for e, a, b in zip(sizes, *accuracy.values(), strict=True))
    pictures = adversarial_examples(inputs, labels, sizes, *attacked["pgd"]) if subject.data.is_image else []
    return Explanation(
        f"Accuracy on {len(rows)} examples falls from {accuracy['pgd'][0]:.4f} to {accuracy['fgsm'][-1]:.4f} under "
        f"FGSM and {accuracy['pgd'][-1]:.4f} under {pgd} at epsilon {sizes[-1]:g}: upper bounds, a stronger "
        "attack may find more.",
        ("epsilon", "fgsm", pgd.lower()),
        table,
        in_text(subject, pictures[0]) if pictures else (),
        {"epsilons": sizes.tolist()} | {name: values.tolist() for name, values in accuracy.items()},
        (_plot(sizes, accuracy, pgd), *([_pictures(subject, pictures, pgd)] if pictures else [])),
    )


@dataclass(frozen=True)
class AdversarialExample:
    """A correctly classified example that an attack of a given size makes the model misclassify.

    before, after: (H, W, C) pixels
    logits: (K,) before and after
    """

    size: float
    before: np.ndarray
    after: np.ndarray
    logits: tuple[np.ndarray, np.ndarray]


def adversarial_examples(
    inputs: np.ndarray, labels: np.ndarray, sizes: np.ndarray, attacked: np.ndarray, logits: np.ndarray
) -> list[AdversarialExample]:
    """Return for each size the first example that it, but no smaller size, makes the model misclassify.

    sizes: (E,), rising from 0
    attacked: (E, n, H, W, C)
    logits: (E, n, K)
    """
    guesses = logits.argmax(-1)
    wrong = (guesses[0] == labels) & (guesses != labels)
    examples = []
    for level in range(1, len(sizes)):
        new = wrong[level] & ~wrong[:level].any(0)
        if new.any():
            k = int(np.argmax(new))
            before_and_after = (logits[0, k], logits[level, k])
            examples.append(AdversarialExample(float(sizes[level]), inputs[k], attacked[level, k], before_and_after))
    return examples


def in_text(subject: Subject, example: AdversarialExample) -> tuple[str, ...]:
    """Return input, perturbation and result side by side as text."""
    predictions = [_prediction(subject, logits) for logits in example.logits]
    drawn = (shaded(example.before), signed(example.after - example.before, example.size), shaded(example.after))
    head = f"input: {predictions[0]}; perturbation of at most {example.size:g} (+, -); result: {predictions[1]}"
    return (head, *("   ".join(parts) for parts in zip(*drawn, strict=True)))


def _pictures(subject: Subject, examples: list[AdversarialExample], pgd: str) -> Pictures:
    rows = []
    for example in examples:
        before, after = (_prediction(subject, logits) for logits in example.logits)
        change = 0.5 + (example.after - example.before) / (2 * example.size)
        added = picture(f"+ at most {example.size:g}", change)
        rows.append((picture(before, example.before), added, picture(after, example.after)))
    return Pictures(
        f"Adversarial examples of {pgd}",
        "Input, perturbation (grey: none; black and white: the full size) and result, with the model's confidences; "
        "for each size the first example that is misclassified at this size and not at a smaller one.",
        tuple(rows),
    )


def _plot(sizes: np.ndarray, accuracy: dict[str, np.ndarray], pgd: str) -> Plot:
    return Plot(
        "Robust accuracy",
        "Accuracy by size of the perturbation: upper bounds, a stronger attack may find more.",
        "epsilon",
        "accuracy",
        (series("FGSM", sizes, accuracy["fgsm"]), series(pgd, sizes, accuracy["pgd"])),
    )


def _prediction(subject: Subject, logits: np.ndarray) -> str:
    """Return the predicted class and its probability: `7 with 0.998`."""
    p = probabilities(logits)
    return f"{subject.data.classes[int(p.argmax())]} with {p.max():.3f}"


def shaded(image: np.ndarray) -> list[str]:
    """Return an image (H, W, C) in [0, 1] as lines of text.

    A pixel is two characters, because a character is about half as wide as high.
    """
    levels = np.clip(_small(image) * len(SHADES), 0, len(SHADES) - 1).astype(int)
    return ["".join(SHADES[level] * 2 for level in row) for row in levels]


def signed(change: np.ndarray, size: float) -> list[str]:
    """Return lines with + and - where a pixel changes by more than half the size, else a dot."""
    small = _small(change)
    return ["".join(("++" if x > size / 2 else "--" if x < -size / 2 else " .") for x in row) for row in small]


def _small(image: np.ndarray) -> Any:
    stride = -(-max(image.shape[:2]) // SIDE)
    return image.mean(-1)[::stride, ::stride]
