"""What the config's `evaluation` asks of a trained model beside its metrics: Monte Carlo predictions, attacks. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regexp.core.lazy import jax, jnp, lax
from regexp.core.prng import stream
from regexp.engine.epoch import EVALUATION_BLOCK
from regexp.engine.step import Lane, Shared, Spec, Variables, forward, gather, stream_keys
from regexp.experiment import Experiment
from regexp.losses import LOSSES
from regexp.metrics import measure
from regexp.regularizers.adversarial.attack import ascend

Array = Any
LEAST = 1e-30  # of a probability, inside logarithms


def wanted(experiment: Experiment) -> bool:
    """Whether the config asks for anything here."""
    return experiment.evaluation.mc_samples > 0 or experiment.evaluation.attacks is not None


def probed(
    experiment: Experiment, spec: Spec, shared: Shared, lane: Lane, variables: Variables, rows: Array
) -> dict[str, Array]:
    """{"mc/accuracy": (), ..., "fgsm/accuracy": (E,), "pgd/accuracy": (E,), ...} of some rows; {} of none."""
    if not rows.shape[0]:
        return {}
    targets = shared.targets.at[rows].get(mode="promise_in_bounds")

    def metrics(outputs: Array) -> dict[str, Array]:
        bins = experiment.evaluation.ece_bins
        return measure(spec.task, spec.loss, outputs, targets, lane.target_mean, lane.target_scale, bins)

    found: dict[str, Array] = {}
    if experiment.evaluation.mc_samples:
        samples = monte_carlo(experiment, spec, shared, lane, variables, rows)
        measured = metrics(samples.pop("outputs"))
        if spec.task == "classification":
            del measured["loss"]  # of logits; of averaged probabilities nll is the loss
        found |= {f"mc/{name}": value for name, value in measured.items()}
        found |= {f"mc/{name}": jnp.mean(value) for name, value in samples.items()}
    attacks = experiment.evaluation.attacks
    if attacks is not None:
        epsilons = jnp.stack([jnp.asarray(e, jnp.float32) for e in attacks.epsilons])
        for name, steps in (("fgsm", 1), ("pgd", attacks.steps)):
            one = _attacked(experiment, spec, shared, lane, variables, rows, steps)
            values = lax.map(lambda e, one=one: metrics(one(e)), epsilons)
            found |= {f"{name}/{metric}": value for metric, value in values.items()}
    return found


def monte_carlo(
    experiment: Experiment, spec: Spec, shared: Shared, lane: Lane, variables: Variables, rows: Array
) -> dict[str, Array]:
    """Averages over mc_samples passes with noise drawn and running statistics (Gal, Ghahramani 2016), for each row.

    outputs             (n, K) log of the mean probability, or (n, outputs) mean prediction
    entropy             (n,) of the mean probability, in nats; classification
    mutual_information  (n,) entropy less the passes' mean entropy
    spread              (n,) standard deviation over the passes, mean over outputs; regression
    """
    count = experiment.evaluation.mc_samples
    streams = stream_keys(experiment, stream(lane.key, "mc"))

    def block(part: tuple[Array, Array]) -> dict[str, Array]:
        number, own = part
        inputs, _ = gather(spec, shared, lane, own)

        def predicted(mode: str, keys: dict[str, Array] | None) -> Array:
            outputs = forward(experiment, spec, lane, variables, inputs, mode, keys).outputs
            return jax.nn.softmax(outputs) if spec.task == "classification" else outputs

        usual = predicted("eval", None)

        def add(total: tuple[Array, Array, Array], sample: Array) -> tuple[tuple[Array, Array, Array], None]:
            keys = {n: jax.random.fold_in(jax.random.fold_in(k, sample), number) for n, k in streams.items()}
            value = predicted("mc", keys)
            aside = value - usual  # sums of what differs: sums of all would round a small spread away
            new = (aside, jnp.square(aside), _entropy(value))
            return tuple(a + b for a, b in zip(total, new, strict=True)), None

        zeros = (jnp.zeros_like(usual), jnp.zeros_like(usual), jnp.zeros(own.shape))
        aside, squares, within = (x / count for x in lax.scan(add, zeros, jnp.arange(count))[0])
        mean = usual + aside
        if spec.task == "classification":
            entropy = _entropy(mean)
            return {"outputs": jnp.log(jnp.maximum(mean, LEAST)), "entropy": entropy,
                    "mutual_information": jnp.maximum(entropy - within, 0)}  # fmt: skip
        deviation = jnp.sqrt(jnp.maximum(squares - jnp.square(aside), 0))
        return {"outputs": mean, "spread": jnp.mean(deviation * lane.target_scale, -1)}

    return _in_blocks(block, rows)


def _attacked(
    experiment: Experiment, spec: Spec, shared: Shared, lane: Lane, variables: Variables, rows: Array, steps: int
) -> Callable[[Array], Array]:
    """epsilon -> outputs (n, K) for inputs attacked within it, in raw units."""

    def one(epsilon: Array) -> Array:
        def block(part: tuple[Array, Array]) -> dict[str, Array]:
            inputs, targets = gather(spec, shared, lane, part[1])

            def loss(x: Array) -> Array:
                outputs = forward(experiment, spec, lane, variables, x, "eval").outputs
                return jnp.sum(LOSSES[spec.loss](outputs, targets))

            x = ascend(loss, inputs, inputs, lane.low, lane.high, epsilon, steps)
            return {"outputs": forward(experiment, spec, lane, variables, x, "eval").outputs}

        return _in_blocks(block, rows)["outputs"]

    return one


def _in_blocks(block: Callable[[tuple[Array, Array]], dict[str, Array]], rows: Array) -> dict[str, Array]:
    size = min(EVALUATION_BLOCK, rows.shape[0])
    count = -(-rows.shape[0] // size)
    padded = jnp.pad(rows, (0, count * size - rows.shape[0])).reshape(count, size)
    found = lax.map(block, (jnp.arange(count), padded))
    return {name: x.reshape(count * size, *x.shape[2:])[: rows.shape[0]] for name, x in found.items()}


def _entropy(p: Array) -> Array:
    return -jnp.sum(p * jnp.log(jnp.maximum(p, LEAST)), -1)
