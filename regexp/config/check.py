"""Checks of combinations of settings, each with the path of the key to change.

`check` needs only the config; `check_against_data` needs a few facts about the loaded data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from regexp.datasets.base import Data, Dataset, Limit, Split
from regexp.experiment import Experiment, Training, selects_best
from regexp.metrics import names


@dataclass(frozen=True)
class Remark:
    """A problem at a path in the config, such as `regularizers.l2`."""

    path: str
    message: str
    is_warning: bool = False


@dataclass(frozen=True)
class Facts:
    """The facts about the loaded data that the checks need.

    shape: the shape of one input
    train, validation: numbers of examples
    published_test: whether the dataset comes with a test split
    layers: the names of the model's layers on this data; () if the model has not been built
    test: the number of test examples; None if unknown
    """

    task: str
    is_image: bool
    shape: tuple[int, ...]
    train: int
    validation: int
    published_test: bool = False
    layers: tuple[str, ...] = ()
    test: int | None = None

    @staticmethod
    def of(data: Data, split: Split, layers: tuple[str, ...] = ()) -> Facts:
        """Return the facts about the data and the split of one seed."""
        sizes = len(split.train), len(split.validation)
        published = data.test is not None
        return Facts(data.task, data.is_image, data.inputs.shape[1:], *sizes, published, layers, len(split.test))


def check(experiment: Experiment) -> Iterator[Remark]:
    """Yield the problems that the config alone shows."""
    dataset = experiment.dataset
    yield from _against_kind(experiment, dataset.task, dataset.is_image)
    yield from _against_validation(experiment, dataset.validation > 0)
    if dataset.channels is not None:
        yield from _colours(experiment, dataset.channels)
    yield from _needs(experiment)
    yield from _penalties(experiment)
    yield from _lengths(experiment)
    for method in experiment.regularizers:
        for problem in method.conflicts(experiment):
            yield Remark(f"regularizers.{method.name}", problem.message, problem.severity == "warning")
    yield from _probes(experiment)
    yield from _sizes(experiment)
    yield from _shared(experiment)
    if len(set(experiment.training.seeds)) < len(experiment.training.seeds):
        yield Remark("training.seeds", "a seed appears twice in training.seeds")


def check_against_data(experiment: Experiment, facts: Facts) -> Iterator[Remark]:
    """Yield the problems that show only with the loaded data."""
    # Where the class of the dataset tells its kind, `check` has already reported this.
    if experiment.dataset.task is None or experiment.dataset.is_image is None:
        yield from _against_kind(experiment, facts.task, facts.is_image)
    batch = experiment.training.batch_size
    if batch != "all" and batch > facts.train and not experiment.optimizer.full_batch:
        yield Remark(
            "training.batch_size",
            f"training.batch_size {batch} is above the {facts.train} training examples",
        )
    yield from _steps(experiment, facts.train)
    if facts.published_test and experiment.dataset.test != Dataset.test:
        message = f"{experiment.dataset.name} has a published test split; dataset.test has no effect"
        yield Remark("dataset.test", message, is_warning=True)
    if facts.is_image:
        yield from _colours(experiment, facts.shape[-1])
    yield from _patterns(experiment, facts.layers)
    if facts.test == 0:
        yield from _without_test(experiment)
    for method in experiment.regularizers:
        if method.images_only and facts.is_image and getattr(method, "fill", "") == "reflect":
            side = min(facts.shape[:2])
            if getattr(method, "padding", 0) >= side:
                yield Remark(
                    f"regularizers.{method.name}.padding",
                    f"fill: reflect needs a padding below the side of the image, {side}",
                )


def _colours(experiment: Experiment, channels: int) -> Iterator[Remark]:
    if channels == 3:
        return
    for method in experiment.regularizers:
        for field in method.needs_colour:
            if getattr(method, field) != method.neutral[field]:
                count = f"{channels} channel{'s' if channels > 1 else ''}"
                yield Remark(
                    f"regularizers.{method.name}.{field}",
                    f"{method.name}.{field} needs colour, three channels; these images have {count}: set it to 0",
                )


def _patterns(experiment: Experiment, layers: tuple[str, ...]) -> Iterator[Remark]:
    for method in experiment.regularizers:
        for pattern in getattr(method, "layers", None) or {}:
            # A pattern may name a block, whose layers are BLOCK/NAME: a block has sites of its own.
            names = {*layers, *(layer.partition("/")[0] for layer in layers)}
            if layers and not any(fnmatchcase(name, pattern) for name in names):
                message = f'no layer matches "{pattern}"; there are {", ".join(layers)}'
                yield Remark(f"regularizers.{method.name}.layers", message)


def _against_kind(experiment: Experiment, task: str | None, is_image: bool | None) -> Iterator[Remark]:
    if is_image is False and experiment.model.images_only:
        yield Remark("model.name", f"the model {experiment.model.name} needs images; this dataset is a table")
    for method in experiment.regularizers:
        path = f"regularizers.{method.name}"
        if is_image is False and method.images_only:
            yield Remark(path, f"{method.name} transforms images; this dataset is a table")
        if task == "regression" and method.classification_only:
            yield Remark(path, f"{method.name} needs classes; this dataset is a regression")
    if task == "regression" and experiment.training.loss == "cross_entropy":
        yield Remark("training.loss", "cross_entropy needs classes; this dataset is a regression")
    if task is not None:
        yield from _monitors(experiment, task)


def _monitors(experiment: Experiment, task: str) -> Iterator[Remark]:
    places = {"training.monitor": experiment.training.monitor}
    for method in experiment.regularizers:
        if monitor := getattr(method, "monitor", None):
            places[f"regularizers.{method.name}.monitor"] = monitor
    metrics = [f"{part}/{name}" for part in ("validation", "train") for name in names(task)]
    for path, monitor in places.items():
        if monitor not in metrics:
            yield Remark(path, f'"{monitor}" is not measured; there are {", ".join(metrics)}')


def _against_validation(experiment: Experiment, has_validation: bool) -> Iterator[Remark]:
    training = experiment.training
    if training.select == "best" and not has_validation:
        yield Remark("training.select", "select: best needs validation data, but dataset.validation is 0")
    if training.monitor != Training.monitor and not selects_best(experiment):
        message = "training.monitor has no effect: the run is measured at its last epoch; set training.select: best"
        yield Remark("training.monitor", message, is_warning=True)
    for method in experiment.regularizers:
        if method.needs_validation and not has_validation:
            yield Remark(
                f"regularizers.{method.name}",
                f"{method.name} needs validation data, but dataset.validation is 0",
            )


def _needs(experiment: Experiment) -> Iterator[Remark]:
    alone = experiment.training.batch_size == 1 and not experiment.optimizer.full_batch
    for method in experiment.regularizers:
        path = f"regularizers.{method.name}"
        if method.needs_hidden and not experiment.model.has_hidden():
            yield Remark(path, f"{method.name} acts on hidden layers; the model {experiment.model.name} has none")
        if method.needs_others and alone:
            yield Remark(path, f"{method.name} needs batches of at least two examples; training.batch_size is 1")


def _penalties(experiment: Experiment) -> Iterator[Remark]:
    present = {method.name for method in experiment.regularizers}
    pairs = [("l2", "weight_decay")] if {"l2", "weight_decay"} <= present else []
    if getattr(experiment.optimizer, "decay", 0) and experiment.optimizer.name == "adamw":
        pairs += [(name, "optimizer.adamw") for name in ("l2", "elastic_net", "weight_decay") if name in present]
    for name, second in pairs:
        message = f"{name} and {second} both shrink the weights; you probably want only one"
        yield Remark(f"regularizers.{name}", message, is_warning=True)


def _sizes(experiment: Experiment) -> Iterator[Remark]:
    """Compare sizes with the number of training examples, for datasets that know it before they are loaded."""
    dataset, batch = experiment.dataset, experiment.training.batch_size
    train, limit = dataset.training_examples(), dataset.limit
    n = limit.n if isinstance(limit, Limit) else limit
    if isinstance(limit, Limit) and limit.by == "class" and dataset.task == "regression":
        yield Remark("dataset.limit", "a limit by class needs classes; this dataset is a regression")
    if train is None:
        return
    if n is not None and n > train:
        yield Remark("dataset.limit", f"dataset.limit {n} is above the {train} training examples")
    train = min(train, n or train)
    if batch != "all" and batch > train and not experiment.optimizer.full_batch:
        yield Remark("training.batch_size", f"training.batch_size {batch} is above the {train} training examples")


def _probes(experiment: Experiment) -> Iterator[Remark]:
    ensembles = [m.name for m in experiment.regularizers if m.is_ensemble]
    for field in _test_measurements(experiment) if ensembles else []:
        yield Remark(f"evaluation.{field}", f"{field} is measured on single models; {ensembles[0]} trains several")


def _test_measurements(experiment: Experiment) -> list[str]:
    """Return the fields of `evaluation` that switch on a measurement on the test split."""
    evaluation = experiment.evaluation
    is_on = {"mc_samples": evaluation.mc_samples > 0, "attacks": evaluation.attacks is not None}
    return [field for field in is_on if is_on[field]]


def _without_test(experiment: Experiment) -> Iterator[Remark]:
    """Refuse measurements that need the test split if there is none."""
    for field in _test_measurements(experiment):
        message = f"evaluation.{field} is measured on the test split, but there is none: set dataset.test above 0"
        yield Remark(f"evaluation.{field}", message)


def _shared(experiment: Experiment) -> Iterator[Remark]:
    """Check the groups of model.share; whether their layers exist shows only with the shape of the data."""
    shared = [layer for group in experiment.model.share for layer in group]
    for layer in sorted({layer for layer in shared if shared.count(layer) > 1}):
        yield Remark("model.share", f'the layer "{layer}" appears twice in model.share')
    if any(len(group) < 2 for group in experiment.model.share):
        yield Remark("model.share", "each group in model.share must name at least two layers")


def _lengths(experiment: Experiment) -> Iterator[Remark]:
    phase, length, unit = _duration(experiment)
    if length > {"epochs": experiment.training.epochs, "fraction": 1}.get(unit, length):
        yield Remark(
            "optimizer.schedule",
            f"the {phase} takes {length:g} {unit}, longer than the run of {experiment.training.epochs} epochs",
        )


def _steps(experiment: Experiment, train: int) -> Iterator[Remark]:
    """Check a schedule in steps, whose comparison with the run needs the number of training examples."""
    phase, length, unit = _duration(experiment)
    batch = experiment.training.batch_size
    full_batch = batch == "all" or experiment.optimizer.full_batch
    steps = experiment.training.epochs * (1 if full_batch else train // int(batch))
    if unit == "steps" and length > steps > 0:
        yield Remark("optimizer.schedule", f"the {phase} takes {length:g} steps, longer than the run of {steps} steps")


def _duration(experiment: Experiment) -> tuple[str, float, str]:
    """Return `schedule` or `warmup`, its length, and the unit of the length."""
    schedule = experiment.optimizer.schedule
    end = schedule.end()
    return ("schedule", *end) if end is not None else ("warmup", schedule.warmup, schedule.unit)
