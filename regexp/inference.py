"""From a saved run to predictions: the selected variables of every seed, no training code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.config import load
from regexp.datasets.base import Data
from regexp.datasets.splits import split
from regexp.errors import DataError, RunError, UsageError
from regexp.experiment import Experiment, trials
from regexp.lazy import jax
from regexp.runs import Run
from regexp.scores import Models, score
from regexp.summary import statistics
from regexp.training.group import Group, predict_alone
from regexp.training.prepare import as_stored, members_split, prepare_lane, refit_parts
from regexp.training.saved import nested
from regexp.training.stage import below
from regexp.training.step import Spec, Variables

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Predictions:
    """Of all seeds, averaged.

    classes: names, () for regression
    values: (n, K) mean probabilities, or (n, outputs) mean predictions in the target's units
    spread: (n,) standard deviation over seeds of the winning probability, or of the first output; 0 for one seed
    names: of the rows, where they have any
    warning: which damaged checkpoint was passed over, if one was
    """

    classes: tuple[str, ...]
    values: np.ndarray
    spread: np.ndarray
    names: list[str] | None = None
    warning: str | None = None


def read_experiment(run: Run) -> Experiment:
    """The resolved config of a run. Raises RunError where it cannot be read or is none."""
    try:
        return load(run.path / "config.yaml").experiment
    except UsageError as error:  # a ConfigError, too: the folder is damaged, the command line is not
        raise RunError(str(error)) from None


@dataclass(frozen=True)
class Evaluation:
    """metrics: {"test/accuracy": {"mean", "std", "values"}, ...}; diverged: seeds that count in none of them.

    warning: which damaged checkpoint was passed over, if one was
    """

    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    metrics: dict[str, Any]
    warning: str | None = None


def evaluate(run: Run, data: Data) -> Evaluation:
    """All metrics of every seed on whole train, validation and test, from the saved best checkpoint."""
    experiment = read_experiment(run)
    arrays, meta, warning = run.load_checkpoint("best")
    base = {seed: split(experiment.dataset, data, seed) for seed in experiment.training.seeds}
    every = trials(experiment)
    splits = [members_split(trial, base[trial.seed]) for trial in every]
    if meta["refit"]:
        every, splits = refit_parts(every, base)
        base = dict(zip(base, splits, strict=True))
    index_of = {(trial.seed, trial.member): index for index, trial in enumerate(every)}
    models = []
    for number, who in enumerate(meta["models"]):
        indices = [index_of[pair] for pair in zip(who["seeds"], who["members"], strict=True)]
        lanes = [prepare_lane(every[i], data, splits[i], base[every[i].seed]) for i in indices]
        group = Group([every[i] for i in indices], lanes, data, [splits[i] for i in indices])
        models.append(Models(group, indices, group.load_variables(below(arrays, f"{number}/"))))
    lost = sorted({seed for seed, _ in diverged(run)})
    table = statistics(
        score(experiment, data, every, splits, models, base).metrics, [seed not in lost for seed in base]
    )
    return Evaluation(tuple(base), tuple(lost), table, warning)


def diverged(run: Run) -> set[tuple[int, int]]:
    """(seed, member) of the lanes that the summary calls diverged; of a run without one, none is known."""
    try:
        lanes = run.read_json("summary.json").get("lanes", [])
    except RunError:
        return set()
    return {(lane["seed"], lane.get("member", 0)) for lane in lanes if lane["status"] == "diverged"}


def is_finished(run: Run) -> bool:
    """Whether the run came to its end, as its manifest says."""
    try:
        return run.read_json("manifest.json").get("status") not in ("running", "interrupted", "failed")
    except RunError:
        return True


def predict(run: Run, path: str) -> Predictions:
    """Predictions for the inputs in a file of the form trained on. Raises DataError where it is another form."""
    experiment = read_experiment(run)
    arrays, meta, warning = run.load_checkpoint("best")
    inputs = experiment.dataset.read_inputs(path, meta["codec"])
    if list(inputs.shape[1:]) != meta["shape"]:
        raise DataError(f"{path}: inputs have shape {inputs.shape[1:]}, the run was trained on {tuple(meta['shape'])}")
    input_offset, target_offset = (np.asarray(meta[name]) for name in ("input_offset", "target_offset"))
    stored = as_stored(inputs - input_offset) if input_offset.ndim else as_stored(inputs)
    by_seed: dict[int, list[np.ndarray]] = {}
    for number, who in enumerate(meta["models"]):
        found = _outputs(experiment, meta, below(arrays, f"{number}/"), stored)
        for seed, own in zip(who["seeds"], found, strict=True):
            by_seed.setdefault(seed, []).append(own)
    classes = tuple(meta["classes"])
    outputs = np.stack([_together(experiment, classes, np.stack(own)) for own in by_seed.values()])
    mean = outputs.mean(0)
    values = mean if classes else mean + target_offset
    winner = np.argmax(mean, -1) if classes else np.zeros(len(mean), int)
    chosen = outputs[:, np.arange(len(mean)), winner]
    spread = chosen.std(0, ddof=1) if len(chosen) > 1 else np.zeros(len(mean))
    return Predictions(classes, values, spread, experiment.dataset.row_names(path), warning)


def _outputs(experiment: Experiment, meta: dict[str, Any], arrays: Arrays, inputs: np.ndarray) -> np.ndarray:
    """(lanes, n, outputs): probabilities, or numbers in the target's units."""
    saved = nested(arrays)
    lane, variables = saved["lane"], Variables(**saved["variables"])
    fitted = [lane["fitted"][str(i)] for i in range(len(lane["fitted"]))]
    steps = experiment.dataset.steps(meta["codec"])
    task = "classification" if meta["classes"] else "regression"
    spec = Spec(inputs.shape[1:], meta["outputs"], task, "", steps)
    one = trials(experiment)[0].experiment
    rows = []
    for number in range(len(lane["target_mean"])):
        own_fitted, own = jax.tree.map(lambda x, n=number: x[n], (fitted, variables))
        outputs = predict_alone(one, spec, own_fitted, own, inputs)
        scale, mean = lane["target_scale"][number], lane["target_mean"][number]
        rows.append(np.asarray(jax.nn.softmax(outputs)) if meta["classes"] else outputs * scale + mean)
    return np.stack(rows)


def _together(experiment: Experiment, classes: tuple[str, ...], members: np.ndarray) -> np.ndarray:
    """(members, n, outputs) -> (n, outputs): the mean, or the share of votes."""
    if classes and any(getattr(method, "combine", "") == "vote" for method in experiment.regularizers):
        members = np.eye(members.shape[-1])[members.argmax(-1)]
    mean: np.ndarray = members.mean(0)
    return mean


def described(data: Data) -> dict[str, Any]:
    """What `predict` needs to know of the data, for the checkpoint's meta."""
    return {
        "shape": list(data.inputs.shape[1:]),
        "outputs": data.outputs,
        "classes": list(data.classes),
        "codec": data.codec,
        "input_offset": data.input_offset.tolist(),
        "target_offset": data.target_offset.tolist(),
    }
