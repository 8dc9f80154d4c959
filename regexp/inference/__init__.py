"""From a saved run to metrics and predictions: the selected variables of every seed, no training code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regexp.config import load
from regexp.core.errors import DataError, RunError, UsageError
from regexp.core.lazy import jax
from regexp.datasets.base import Data, Split
from regexp.datasets.loading import load_data
from regexp.datasets.splits import split
from regexp.engine.group import Group, predict_alone
from regexp.engine.prepare import as_stored, members_split, prepare_lane, refit_parts
from regexp.engine.saved import nested
from regexp.engine.scores import Models, score
from regexp.engine.stage import below
from regexp.engine.step import Lane, Spec, Variables
from regexp.experiment import Experiment, Trial, trials
from regexp.runs import Run
from regexp.runs.provenance import changed_data, check_config, recorded_data
from regexp.runs.summary import statistics

Arrays = dict[str, np.ndarray]


# -- the saved run ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SavedLanes:
    """The lanes of one entry of the best checkpoint, in the checkpoint's order.

    diverged  per lane, whether its training diverged
    trained   per lane, whether its weights are those of a completed epoch
    arrays    variables and what preprocessing was fitted, named as in training/saved.py, with a leading axis of lanes
    """

    seeds: list[int]
    members: list[int]
    diverged: list[bool]
    trained: list[bool]
    arrays: Arrays


@dataclass(frozen=True)
class SavedRun:
    """A run's best checkpoint with the config that it was trained with.

    warnings: what a user should be told of the checkpoint and the config
    """

    run: Run
    experiment: Experiment
    meta: Mapping[str, Any]
    entries: tuple[SavedLanes, ...]
    warnings: tuple[str, ...]

    @property
    def diverged(self) -> tuple[int, ...]:
        """The seeds of which a lane diverged; an ensemble has a lane for each member."""
        lanes = _diverged_in_summary(self.run)
        lanes |= {pair for entry in self.entries for pair in _marked(entry, entry.diverged)}
        return tuple(sorted({seed for seed, _ in lanes}))

    @property
    def untrained(self) -> tuple[int, ...]:
        """The other seeds of which a lane has not completed an epoch: of these the weights are the initial ones."""
        seeds = {seed for e in self.entries for seed, _ in _marked(e, [not trained for trained in e.trained])}
        return tuple(sorted(seeds - set(self.diverged)))

    @property
    def usable(self) -> list[int]:
        """The seeds that count, in the order of the config. Raises RunError where there is none."""
        diverged, untrained = self.diverged, self.untrained
        usable = [seed for seed in self.experiment.training.seeds if seed not in (*diverged, *untrained)]
        if usable:
            return usable
        if untrained:
            raise RunError(
                f"{self.run.name} is not finished, and no seed has completed an epoch: its weights are untrained; "
                f"continue it with: {self.run.resume_command()}"
            )
        raise RunError(
            f"every seed diverged in {self.run.path}, so it has no model to use; "
            "train again with a smaller optimizer.learning_rate"
        )


def open_saved(run: Run) -> SavedRun:
    """The best checkpoint of a run. Raises RunError where it is damaged, or config.yaml is not what was trained."""
    experiment = read_experiment(run)
    arrays, meta, damage = run.load_checkpoint("best")
    notice = check_config(run, meta)
    entries = []
    for number, lanes in enumerate(meta["models"]):
        count = len(lanes["seeds"])
        diverged, trained = lanes.get("diverged", [False] * count), lanes.get("trained", [True] * count)
        own = below(arrays, f"{number}/")
        entries.append(SavedLanes(lanes["seeds"], lanes["members"], diverged, trained, own))
    return SavedRun(run, experiment, meta, tuple(entries), tuple(filter(None, (damage, notice))))


def read_experiment(run: Run) -> Experiment:
    """The resolved config of a run. Raises RunError where it cannot be read or is none."""
    try:
        return load(run.path / "config.yaml").experiment
    except UsageError as error:  # a ConfigError, too: the folder is damaged, the command line is not
        raise RunError(str(error)) from None


def data_of(saved: SavedRun, data: Data, data_changed: bool) -> tuple[Data, str | None]:
    """(the data as the saved models read it, a warning where it differs from what the run was trained on).

    Raises RunError where it differs and `data_changed` is False, or where it does not fit the models.
    """
    run, meta = saved.run, saved.meta
    recorded = recorded_data(run, meta)
    if recorded is None:
        _check_fits(saved, data)
        return data, f"{run.path}: no hash of its data is recorded; the data may have changed since the training"
    difference = changed_data(run.name, recorded, data)
    if difference is None:
        return data, None
    if not data_changed:
        raise RunError(f"{difference}; --data-changed uses it all the same, with splits drawn anew")
    _check_fits(saved, data)
    warning = (
        f"{data.source} has changed since {run.name} was trained on it: the splits are drawn anew, "
        "so validation and test may contain examples that the run was trained on"
    )
    return _restored(data, meta), warning


def _restored(data: Data, meta: Mapping[str, Any]) -> Data:
    """The data relative to the offsets, and coded, as the models were trained on it."""
    (input_offset, target_offset), inputs, targets = _offsets(meta), data.inputs, data.targets
    if input_offset.ndim or data.input_offset.ndim:
        inputs = inputs.astype(np.float64) + data.input_offset - input_offset
    if target_offset.ndim or data.target_offset.ndim:
        targets = targets + data.target_offset - target_offset
    return replace(
        data, inputs=inputs, targets=targets, input_offset=input_offset, target_offset=target_offset,
        codec=meta["codec"],
    )  # fmt: skip


def _offsets(meta: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """What was subtracted from inputs and targets before the training: see `Data`."""
    return np.asarray(meta.get("input_offset", 0.0)), np.asarray(meta.get("target_offset", 0.0))


def _check_fits(saved: SavedRun, data: Data) -> None:
    """Raises RunError where changed data has another form than the models were trained for."""
    name, meta = saved.run.name, saved.meta
    for what, trained, given in (
        ("shape of an input", meta["shape"], list(data.inputs.shape[1:])),
        ("classes", meta["classes"], list(data.classes)),
        ("number of outputs", meta["outputs"], data.outputs),
        ("columns", meta["codec"].get("columns"), data.codec.get("columns")),
    ):
        if trained != given:
            raise RunError(f"{data.source} does not fit {name}: {what} {given}, trained with {trained}")
    if new := set(data.codec.get("missing_in", ())) - set(meta["codec"].get("missing_in", ())):
        columns = ", ".join(sorted(new))
        raise RunError(f"{data.source} does not fit {name}: values are missing in {columns}, as they were not before")


def saved_trials(saved: SavedRun, data: Data) -> tuple[list[Trial], list[Split], dict[int, Split]]:
    """(trials, the split of each, the split of each seed) of the training that the checkpoint holds."""
    experiment = saved.experiment
    base = {seed: split(experiment.dataset, data, seed) for seed in experiment.training.seeds}
    every = trials(experiment)
    splits = [members_split(trial, base[trial.seed]) for trial in every]
    if saved.meta["refit"]:
        every, splits = refit_parts(every, base)
        base = dict(zip(base, splits, strict=True))
    return every, splits, base


def saved_lane(entry: SavedLanes, place: int) -> dict[str, Any]:
    """What the checkpoint keeps of one lane beside its variables: fitted preprocessing and the target's scale."""
    lane: dict[str, Any] = jax.tree.map(lambda x: x[place], nested(entry.arrays)["lane"])
    return lane


def restored_lane(lane: Lane, saved: Mapping[str, Any]) -> Lane:
    """The lane with what was fitted in training (see `saved_lane`) in the place of what its own rows give."""
    fitted = [{name: saved["fitted"][str(number)][name] for name in step} for number, step in enumerate(lane.fitted)]
    return lane._replace(fitted=fitted, **{name: array for name, array in saved.items() if name != "fitted"})


def left_out(diverged: Sequence[int], untrained: Sequence[int]) -> Iterator[str]:
    """A sentence for each reason for which seeds do not count."""
    for seeds, reason in ((diverged, "diverged"), (untrained, "no epoch completed, so the weights are untrained")):
        if seeds:
            yield f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} left out: {reason}"


def is_finished(run: Run) -> bool:
    """Whether the run came to its end, as its manifest says."""
    try:
        return run.read_json("manifest.json").get("status") not in ("running", "interrupted", "failed")
    except RunError:
        return True


def _marked(entry: SavedLanes, marks: Sequence[bool]) -> Iterator[tuple[int, int]]:
    pairs = zip(entry.seeds, entry.members, marks, strict=True)
    return ((seed, member) for seed, member, marked in pairs if marked)


def _diverged_in_summary(run: Run) -> set[tuple[int, int]]:
    """(seed, member) of the lanes that the summary calls diverged; older checkpoints do not record them."""
    try:
        lanes = run.read_json("summary.json").get("lanes", [])
    except RunError:
        return set()
    return {(lane["seed"], lane.get("member", 0)) for lane in lanes if lane["status"] == "diverged"}


# -- evaluation -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """metrics: {"test/accuracy": {"mean", "std", "values"}, ...}; values are None for the seeds left out.

    diverged, untrained: the seeds left out
    warnings: what a user should be told of the checkpoint, the config and the data
    """

    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    untrained: tuple[int, ...]
    metrics: dict[str, Any]
    warnings: tuple[str, ...] = ()


def evaluate(run: Run, data: Data | None = None, data_changed: bool = False) -> Evaluation:
    """All metrics of every seed on whole train, validation and test, from the saved best checkpoint.

    data: what the config names, where it is loaded already
    data_changed: measure on data other than the run's, with splits drawn anew
    Raises RunError where the config or the data is not what was trained with, and where no seed counts.
    """
    saved = open_saved(run)
    usable, experiment = saved.usable, saved.experiment
    data = load_data(experiment.dataset) if data is None else data
    data, warning = data_of(saved, data, data_changed)
    every, splits, base = saved_trials(saved, data)
    index_of = {(trial.seed, trial.member): index for index, trial in enumerate(every)}
    models = []
    for entry in saved.entries:
        indices = [index_of[pair] for pair in zip(entry.seeds, entry.members, strict=True)]
        lanes = [
            restored_lane(prepare_lane(every[i], data, splits[i], base[every[i].seed]), saved_lane(entry, place))
            for place, i in enumerate(indices)
        ]
        group = Group([every[i] for i in indices], lanes, data, [splits[i] for i in indices])
        models.append(Models(group, indices, group.load_variables(entry.arrays)))
    metrics = score(experiment, data, every, splits, models, base).metrics
    table = statistics(metrics, [seed in usable for seed in base])
    warnings = (*saved.warnings, *filter(None, (warning,)))
    return Evaluation(tuple(base), saved.diverged, saved.untrained, table, warnings)


# -- prediction -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Predictions:
    """Of all seeds that count, averaged.

    classes: names, () for regression
    values: (n, K) mean probabilities, or (n, outputs) mean predictions in the target's units
    spread: (n,) standard deviation over seeds of the winning probability, or of the first output; 0 for one seed
    names: of the rows, where they have any
    seeds: those averaged; diverged, untrained: those left out
    warnings: what a user should be told of the checkpoint and the config
    """

    classes: tuple[str, ...]
    values: np.ndarray
    spread: np.ndarray
    names: list[str] | None
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    untrained: tuple[int, ...]
    warnings: tuple[str, ...]


def predict(run: Run, path: str) -> Predictions:
    """Predictions for the inputs in a file of the form trained on.

    Raises DataError where the file has another form, RunError where no seed counts or config.yaml was edited.
    """
    saved = open_saved(run)
    usable, experiment, meta = saved.usable, saved.experiment, saved.meta
    notes: list[str] = []
    inputs = experiment.dataset.read_inputs(path, meta["codec"], notes)
    if list(inputs.shape[1:]) != meta["shape"]:
        raise DataError(f"{path}: inputs have shape {inputs.shape[1:]}, the run was trained on {tuple(meta['shape'])}")
    if not len(inputs):
        raise DataError(f"{path}: has no rows to predict for")
    input_offset, target_offset = _offsets(meta)
    stored = as_stored(inputs - input_offset) if input_offset.ndim else as_stored(inputs)
    by_seed: dict[int, list[np.ndarray]] = {seed: [] for seed in usable}
    for entry in saved.entries:
        for place, seed in enumerate(entry.seeds):
            if seed in by_seed:
                by_seed[seed].append(_outputs(experiment, meta, entry.arrays, place, stored))
    classes = tuple(meta["classes"])
    outputs = np.stack([_together(experiment, classes, np.stack(members)) for members in by_seed.values()])
    mean = outputs.mean(0)
    values = mean if classes else mean + target_offset
    winner = np.argmax(mean, -1) if classes else np.zeros(len(mean), int)
    chosen = outputs[:, np.arange(len(mean)), winner]
    spread = chosen.std(0, ddof=1) if len(chosen) > 1 else np.zeros(len(mean))
    names = experiment.dataset.row_names(path)
    return Predictions(
        classes, values, spread, names, tuple(usable), saved.diverged, saved.untrained,
        (*saved.warnings, *notes),
    )  # fmt: skip


def _outputs(
    experiment: Experiment, meta: Mapping[str, Any], arrays: Arrays, place: int, inputs: np.ndarray
) -> np.ndarray:
    """(n, outputs) of one lane: probabilities, or numbers in the target's units."""
    saved = nested(arrays)
    lane, variables = saved["lane"], Variables(**saved["variables"])
    every_fitted = [lane["fitted"][str(i)] for i in range(len(lane["fitted"]))]
    steps = experiment.dataset.steps(meta["codec"])
    task = "classification" if meta["classes"] else "regression"
    spec = Spec(inputs.shape[1:], meta["outputs"], task, "", steps)
    fitted, variables = jax.tree.map(lambda x: x[place], (every_fitted, variables))
    outputs = predict_alone(trials(experiment)[0].experiment, spec, fitted, variables, inputs)
    if meta["classes"]:
        return np.asarray(jax.nn.softmax(outputs))
    return np.asarray(outputs * lane["target_scale"][place] + lane["target_mean"][place])


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
