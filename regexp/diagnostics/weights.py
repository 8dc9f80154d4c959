"""The weights' histogram by layer, exact and near zeros, and the priors that penalties stand for."""

from __future__ import annotations

from typing import Any

import numpy as np

from regexp.diagnostics.subject import Subject
from regexp.explanation import Explanation, Plot, series
from regexp.regularizers.base import kernels

NEAR = 0.01  # of the layer's root mean square
BINS, REACH, WIDTH = 21, 3.0, 50  # of the chart: bins, root mean squares on each side, characters


def explain(subject: Subject) -> Explanation:
    """Excess kurtosis tells the shapes apart: a Gaussian has 0, a Laplace distribution 3."""
    layers = {name: np.ravel(np.asarray(w, np.float64)) for name, w in kernels(weights_of(subject)).items()}
    values = {name: describe(w) for name, w in layers.items()}
    values["all"] = describe(np.concatenate(list(layers.values())))
    rows = tuple(
        (name, f"{v['weights']}", f"{v['rms']:.4g}", f"{v['zero']:.1%}", f"{v['near']:.1%}", f"{v['kurtosis']:.2f}")
        for name, v in values.items()
    )
    whole, largest = values["all"], max(layers, key=lambda name: layers[name].size)
    penalties = ", ".join(priors(subject)) or "no penalty in this run"
    sentence = (
        f"{whole['zero']:.1%} of {whole['weights']} weights are exactly zero and {whole['near']:.1%} lie within "
        f"{NEAR:.0%} of the root mean square; excess kurtosis {whole['kurtosis']:.2f} (Gaussian 0, Laplace 3); "
        f"{penalties}."
    )
    columns = ("layer", "weights", "rms", "zero", f"below {NEAR:g} rms", "kurtosis")
    shown = tuple(_plot(name, w) for name, w in layers.items() if np.any(w))
    return Explanation(sentence, columns, rows, histogram(largest, layers[largest]), values, shown)


def weights_of(subject: Subject) -> Any:
    """The model's weights as a forward pass uses them."""
    from regexp.training.step import weights

    return weights(subject.experiment, subject.variables.parameters)


def describe(w: np.ndarray) -> dict[str, Any]:
    """weights, rms, zero and near (shares; near includes the zeros), kurtosis (excess, about the mean)."""
    rms = float(np.sqrt(np.mean(w**2)))
    centred = w - w.mean()
    variance = float(np.mean(centred**2))
    kurtosis = float(np.mean(centred**4) / variance**2 - 3) if variance > 0 else 0.0
    near = float(np.mean(np.abs(w) <= NEAR * rms))
    return {"weights": w.size, "rms": rms, "zero": float(np.mean(w == 0)), "near": near, "kurtosis": kurtosis}


def priors(subject: Subject) -> list[str]:
    """`l2 stands for a Gaussian of std 0.03`: the penalty is the negative log of a density, up to the noise of targets.

    n times the mean cross entropy is a negative log likelihood; n times the mean squared error is one times 2 s^2, s^2
    the variance of the targets about the model, in the loss's units.
    """
    scale = 1 / len(subject.split.train)
    if subject.spec.loss == "squared_error":
        scale *= 2 * residual(subject)
    found = []
    for method in subject.experiment.regularizers:
        if method.name in ("l1", "l2") and method.strength > 0:  # type: ignore[attr-defined]
            spread = scale / method.strength  # type: ignore[attr-defined]
            kind = f"Gaussian of std {np.sqrt(spread):.3g}" if method.name == "l2" else f"Laplace of scale {spread:.3g}"
            found.append(f"{method.name} stands for a {kind}")
    return found


def residual(subject: Subject) -> float:
    """The mean squared error of the analysed examples."""
    from regexp.diagnostics import programs
    from regexp.diagnostics.quadratic import flat

    arguments = (*subject.double, *subject.analysed, flat(subject))
    return float(subject.call(programs.data_loss, arguments, x64=True))


def histogram(layer: str, w: np.ndarray) -> tuple[str, ...]:
    """Bars of counts; g and l: a Gaussian and a Laplace distribution of the same root mean square."""
    rms = np.sqrt(np.mean(w**2))
    if rms == 0:
        return (f"{layer}: all weights are zero",)
    middle, counts, gauss, laplace = shares(w, BINS)
    top = max(counts.max(), laplace.max())
    lines = [f"{layer}: share of weights; g Gaussian, l Laplace of the same root mean square"]
    for m, count, g, l in zip(middle, counts, gauss, laplace, strict=True):  # noqa: E741
        bar = list("#" * round(count / top * WIDTH) + " " * WIDTH)[: WIDTH + 1]
        bar[round(g / top * WIDTH)], bar[round(l / top * WIDTH)] = "g", "l"
        lines.append(f"{m:>10.3g} |{''.join(bar).rstrip()}")
    return tuple(lines)


def shares(w: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(bins,) each: middles, the weights' shares, those of a Gaussian and of a Laplace distribution of their rms."""
    rms = np.sqrt(np.mean(w**2))
    edges = np.linspace(-REACH, REACH, bins + 1) * rms
    middle, wide = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    gauss = wide * np.exp(-0.5 * (middle / rms) ** 2) / (rms * np.sqrt(2 * np.pi))
    scale = rms / np.sqrt(2)
    laplace = wide * np.exp(-np.abs(middle) / scale) / (2 * scale)
    return middle, np.histogram(w, edges)[0] / len(w), gauss, laplace


def _plot(layer: str, w: np.ndarray) -> Plot:
    middle, counts, gauss, laplace = shares(w, 3 * BINS)
    return Plot(
        f"Weights of {layer}",
        "Share of the weights in each bin; a Gaussian and a Laplace distribution of the same root mean square.",
        "weight",
        "share",
        (
            series("weights", middle, counts, "bars"),
            series("Gaussian", middle, gauss),
            series("Laplace", middle, laplace),
        ),
    )
