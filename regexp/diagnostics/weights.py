"""Show the weights by layer: histogram, exact zeros and near zeros, and the priors that penalties correspond to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from regexp.diagnostics.subject import Subject
from regexp.regularizers.base import kernels
from regexp.runs.explanation import Explanation, Plot, series

NEAR = 0.01  # weights below this share of the layer's root mean square are near zero
BINS, REACH, WIDTH = 21, 3.0, 50  # text chart: bins, half width in root mean squares, characters


def explain(subject: Subject) -> Explanation:
    """Describe each layer's weights; excess kurtosis is 0 for a Gaussian and 3 for a Laplace distribution."""
    layers = {name: np.ravel(np.asarray(w, np.float64)) for name, w in kernels(weights_of(subject)).items()}
    values = {name: describe(w) for name, w in layers.items()}
    values["all"] = describe(np.concatenate(list(layers.values())))
    rows = tuple(
        (name, f"{v['weights']}", f"{v['rms']:.4g}", f"{v['zero']:.1%}", f"{v['near']:.1%}", f"{v['kurtosis']:.2f}")
        for name, v in values.items()
    )
    overall, largest = values["all"], max(layers, key=lambda name: layers[name].size)
    penalty_priors = priors(subject)
    penalties = ", ".join(map(str, penalty_priors)) or _without_prior(subject)
    sentence = (
        f"{overall['zero']:.1%} of {overall['weights']} weights are exactly zero and {overall['near']:.1%} lie within "
        f"{NEAR:.0%} of the root mean square; excess kurtosis {overall['kurtosis']:.2f} (Gaussian 0, Laplace 3); "
        f"{penalties}."
    )
    columns = ("layer", "weights", "rms", "zero", f"below {NEAR:g} rms", "kurtosis")
    shown = tuple(_plot(name, w, penalty_priors) for name, w in layers.items() if np.any(w))
    return Explanation(sentence, columns, rows, histogram(largest, layers[largest], penalty_priors), values, shown)


def weights_of(subject: Subject) -> Any:
    """Return the model's weights as a forward pass uses them."""
    from regexp.engine.step import weights

    return weights(subject.experiment, subject.variables.parameters)


def describe(w: np.ndarray) -> dict[str, Any]:
    """Return count, root mean square, shares of exact and near zeros (near includes exact), and excess kurtosis."""
    rms = float(np.sqrt(np.mean(w**2)))
    centred = w - w.mean()
    variance = float(np.mean(centred**2))
    kurtosis = float(np.mean(centred**4) / variance**2 - 3) if variance > 0 else 0.0
    near = float(np.mean(np.abs(w) <= NEAR * rms))
    return {"weights": w.size, "rms": rms, "zero": float(np.mean(w == 0)), "near": near, "kurtosis": kurtosis}


@dataclass(frozen=True)
class Prior:
    """The prior density whose negative logarithm is a penalty.

    shape: `Gaussian` or `Laplace`
    scale: the standard deviation of a Gaussian, the mean absolute value of a Laplace distribution
    """

    penalty: str
    shape: str
    scale: float

    def shares(self, edges: np.ndarray) -> np.ndarray:
        """Return the probability mass between neighbouring edges, (edges - 1,)."""
        return np.diff((stats.norm if self.shape == "Gaussian" else stats.laplace).cdf(edges, scale=self.scale))

    def __str__(self) -> str:
        measure = "std" if self.shape == "Gaussian" else "scale"
        return f"{self.penalty} corresponds to a {self.shape} prior with {measure} {self.scale:.3g}"


def priors(subject: Subject) -> list[Prior]:
    """Return the priors of L1 and L2.

    n times the mean cross entropy is a negative log likelihood. n times the mean squared error is 2 s^2 times one,
    where s^2 is the variance of the targets about the model, in the units of the loss.
    """
    noise = 2 * residual(subject) if subject.spec.loss == "squared_error" else 1.0
    densities = []
    for method in subject.experiment.regularizers:
        if method.name in ("l1", "l2") and method.strength > 0:  # type: ignore[attr-defined]
            spread = noise / len(subject.split.train) / method.strength  # type: ignore[attr-defined]
            gaussian = Prior("l2", "Gaussian", float(np.sqrt(spread)))
            densities.append(gaussian if method.name == "l2" else Prior("l1", "Laplace", float(spread)))
    return densities


def _without_prior(subject: Subject) -> str:
    """Return why no density is drawn: the run has no penalty, or one that is neither L1 nor L2 alone."""
    penalties = [method.name for method in subject.experiment.regularizers if method.acts_on() == "parameters"]
    if not penalties:
        return "no penalty in this run"
    return f"a prior is drawn for l1 and l2 only, and this run has {', '.join(penalties)}"


def residual(subject: Subject) -> float:
    """Return the mean squared error of the analysed examples."""
    from regexp.diagnostics import programs
    from regexp.diagnostics.quadratic import flat

    arguments = (*subject.double, *subject.analysed, flat(subject))
    return float(subject.call(programs.data_loss, arguments, x64=True))


def histogram(layer: str, w: np.ndarray, priors: Sequence[Prior] = ()) -> tuple[str, ...]:
    """Return a text histogram, with g and l for a Gaussian and a Laplace of the same root mean square, p for priors."""
    if not np.any(w):
        return (f"{layer}: all weights are zero",)
    middle, shares, curves = drawn(w, BINS, priors)
    top = max(shares.max(), *(curve.max() for curve in curves.values()))
    words = "".join(f", p {prior}" for prior in priors)
    lines = [f"{layer}: share of weights; g Gaussian, l Laplace of the same root mean square{words}"]
    for k, (m, share) in enumerate(zip(middle, shares, strict=True)):
        bar = list(("#" * round(share / top * WIDTH)).ljust(WIDTH + 1))
        for letter, curve in zip("gl" + "p" * len(priors), curves.values(), strict=True):
            bar[round(curve[k] / top * WIDTH)] = letter
        lines.append(f"{m:>10.3g} |{''.join(bar).rstrip()}")
    return tuple(lines)


def drawn(w: np.ndarray, bins: int, priors: Sequence[Prior]) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return the centres of the bins, the shares of weights in them, and {name: shares under a density}."""
    rms = float(np.sqrt(np.mean(w**2)))
    edges = np.linspace(-REACH, REACH, bins + 1) * rms
    middle = np.arange(1 - bins, bins, 2) * (REACH / bins * rms)
    fitted = {"Gaussian": Prior("", "Gaussian", rms), "Laplace": Prior("", "Laplace", rms / np.sqrt(2))}
    densities = fitted | {f"prior of {prior.penalty}": prior for prior in priors}
    shares = np.histogram(w, edges)[0] / len(w)
    return middle, shares, {name: density.shares(edges) for name, density in densities.items()}


def _plot(layer: str, w: np.ndarray, priors: Sequence[Prior]) -> Plot:
    middle, shares, curves = drawn(w, 3 * BINS, priors)
    return Plot(
        f"Weights of {layer}",
        "Share of the weights in each bin; a Gaussian and a Laplace distribution of the same root mean square, and the "
        "priors that the run's penalties correspond to.",
        "weight",
        "share",
        (series("weights", middle, shares, "bars"), *(series(name, middle, y) for name, y in curves.items())),
    )
