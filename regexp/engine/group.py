"""A group: the trials that one program trains, their arrays on the devices, and the steps they have made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from regexp.core.errors import RunError
from regexp.core.lazy import jax
from regexp.datasets.base import Data, Split
from regexp.engine import cache
from regexp.engine import epoch as programs
from regexp.engine.batches import batch_size, epoch_order
from regexp.engine.device import check_memory
from regexp.engine.epoch import Segments, State
from regexp.engine.evaluate import metrics_by_part, rows_of
from regexp.engine.lanes import Layout, Program, choose_layout, compile_over_lanes, stack
from regexp.engine.prepare import member_of, prepare_shared, spec_of
from regexp.engine.probe import probed, wanted
from regexp.engine.saved import needed, nested, nested_names
from regexp.engine.statistics import recomputed
from regexp.engine.step import Lane, Shared, Spec, Variables
from regexp.experiment import Experiment, Trial, monitor, selects_best

Tree = Any

# Batches in one chunk: 2048 of the smallest steps (25 us a lane) fill 50 ms, fewer with more lanes: the row numbers of
# all, used or not, go to the devices with each chunk. And row numbers: 4 MB a lane.
MOST_STEPS, LEAST_STEPS, MOST_ROWS = 2048, 256, 2**20


class Group:
    """Lanes of one structure in training.

    position  steps made so far
    began     (lanes,) the position at which each lane made its first, 0 but where it took another's place
    updates   steps of the whole run, where they are not its epochs'
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        lanes: Sequence[Lane],
        data: Data,
        splits: Sequence[Split],
        updates: int | None = None,
    ):
        experiment = trials[0].experiment
        self.trials, self.data, self.splits = list(trials), data, list(splits)
        self.spec = spec_of(experiment, data)
        self.batch_size = batch_size(experiment, len(splits[0].train))
        self.steps_per_epoch = len(splits[0].train) // self.batch_size
        self.capacity = max(
            1, min(MOST_STEPS, max(LEAST_STEPS, 8 * MOST_STEPS // len(trials)), MOST_ROWS // self.batch_size)
        )
        most = [min(t.experiment.training.epochs, int(lane.epochs)) for t, lane in zip(trials, lanes, strict=True)]
        self.total_steps = max(most) * self.steps_per_epoch if updates is None else updates
        self.position = 0
        self.began = [0] * len(trials)
        self.alone = all(trial.member == 0 for trial in trials)
        self._place(lanes)

    def _place(self, lanes: Sequence[Lane]) -> None:
        parameters = _parameter_shapes(self.trials[0].experiment, self.spec, lanes[0])
        self.layers = tuple(parameters["model"])
        arrays = jax.tree.leaves(parameters)
        self.parameters = sum(x.size for x in arrays)
        check_memory((len(lanes) + 1) * self.parameters)
        convolutional = any(x.ndim >= 3 for x in arrays)
        self.layout: Layout = choose_layout(len(lanes), self.parameters, convolutional)
        self._prepared = list(lanes)
        self._put_lanes()
        self.shared = self.layout.put(prepare_shared(self.data), over_lanes=False)

    def _put_lanes(self) -> None:
        began = (np.asarray(step, np.int32) for step in self.began)
        lanes = [lane._replace(began=step) for lane, step in zip(self._prepared, began, strict=True)]
        self.experiments = self._lanes(stack([t.experiment for t in self.trials]))
        self.lane = self._lanes(stack(lanes))

    def _lanes(self, tree: Tree) -> Tree:
        return self.layout.put(self.layout.pad(tree), over_lanes=True)

    # -- programs -----------------------------------------------------------------------------------------------------

    def compile(self) -> None:
        """Make the program that trains, and the first state."""
        lanes = (self.experiments, self.lane)
        self._start = compile_over_lanes(_start, self.layout, (), lanes, (self.spec,), once=True)
        self.state: State = self._start.call(*lanes)
        order, segments = self._order(0, 0), self._segments(0, 0)
        self._chunk = compile_over_lanes(
            _chunk,
            self.layout,
            (self.shared, segments),
            (*lanes, self.state, order),
            (self.spec,),
            donate=2,
        )

    def _test_rows(self) -> Tree:
        return self._lanes(np.stack([split.test for split in self.splits]).astype(np.int32))

    # -- training -----------------------------------------------------------------------------------------------------

    def rate_at(self, step: int) -> float:
        """The schedule's share of the learning rate at a step."""
        experiment = self.trials[0].experiment
        whole = experiment.training.epochs * self.steps_per_epoch
        return float(experiment.optimizer.schedule.rate(step, self.steps_per_epoch, whole))

    @property
    def done(self) -> bool:
        """Whether every lane has stopped or the run's epochs are over."""
        return self.position >= self.total_steps or bool(np.all(self.stopped))

    @property
    def stopped(self) -> np.ndarray:
        """(lanes,) by their last epoch, a method or divergence."""
        return np.asarray(self.state.stopped)[: len(self.trials)]

    @property
    def at_epoch_end(self) -> bool:
        """Whether the last step was an epoch's last, of all lanes."""
        return self.position % self.steps_per_epoch == 0

    def advance(self, steps: int) -> list[dict[str, Any]]:
        """Train all lanes for about `steps` steps; returns a row for each lane and epoch that ended."""
        steps = self._whole(steps)
        first = self.position
        segments, order = self._segments(first, steps), self._order(first, steps)
        self.state, rows = self._chunk.call(self.shared, segments, self.experiments, self.lane, self.state, order)
        self.position += steps
        return self._rows(first, segments, jax.device_get(rows))

    def _whole(self, steps: int) -> int:
        """At most the capacity and the run's end; whole epochs where at least one fits."""
        steps = max(1, min(steps, self.capacity))
        to_epoch_end = self.steps_per_epoch - self.position % self.steps_per_epoch
        if steps >= to_epoch_end:
            steps = to_epoch_end + (steps - to_epoch_end) // self.steps_per_epoch * self.steps_per_epoch
        return min(steps, self.total_steps - self.position)

    def _segments(self, first: int, steps: int) -> Segments:
        size = self.capacity // self.steps_per_epoch + 2
        start, count = np.zeros(size, np.int32), np.zeros(size, np.int32)
        used, position = 0, first
        while position < first + steps:
            length = min(self.steps_per_epoch - position % self.steps_per_epoch, first + steps - position)
            start[used], count[used] = position, length
            used, position = used + 1, position + length
        ends = (count > 0) & ((start + count) % self.steps_per_epoch == 0)
        segments = Segments(start, start - first, count, ends, np.asarray(used, np.int32))
        return self.layout.put(segments, over_lanes=False)

    def _order(self, first: int, steps: int) -> Tree:
        known: dict[tuple[int, int, int], np.ndarray] = {}
        whose = [(trial.seed, trial.member, began) for trial, began in zip(self.trials, self.began, strict=True)]
        for one, trial, split in zip(whose, self.trials, self.splits, strict=True):
            if one not in known:
                seed = (trial.seed, member_of(trial))
                known[one] = self._seed_order(seed, split.train, first - one[2], steps)
        return self._lanes(np.stack([known[one] for one in whose]))

    def _seed_order(self, seed: tuple[int, int], rows: np.ndarray, first: int, steps: int) -> np.ndarray:
        order = np.zeros((self.capacity, self.batch_size), np.int32)
        filled = 0
        while filled < steps:
            epoch, begin = divmod(first + filled, self.steps_per_epoch)
            batches = epoch_order(seed, epoch, rows, self.batch_size)[begin:][: steps - filled]
            order[filled : filled + len(batches)] = batches
            filled += len(batches)
        return order

    def _rows(self, first: int, segments: Segments, rows: dict[str, np.ndarray]) -> list[dict[str, Any]]:
        finished, starts = np.asarray(self.state.epoch).tolist(), np.asarray(segments.start).tolist()
        found = []
        for index in np.flatnonzero(np.asarray(segments.ends_epoch)).tolist():
            for lane, trial in enumerate(self.trials):
                epoch = (starts[index] - self.began[lane]) // self.steps_per_epoch + 1
                if epoch <= finished[lane]:  # later rows of a stopped lane mean nothing
                    values = {name: float(value[lane, index]) for name, value in rows.items()}
                    if not self._is_evaluated(lane, epoch):
                        values = {name: value for name, value in values.items() if name.startswith("loss/")}
                    who = {"seed": trial.seed} if self.alone else {"seed": trial.seed, "member": trial.member}
                    found.append({"epoch": epoch, **who, **values})
        return found

    def _is_evaluated(self, lane: int, epoch: int) -> bool:
        return bool(programs.is_evaluated(self.trials[lane].experiment, self._prepared[lane], epoch))

    # -- results ------------------------------------------------------------------------------------------------------

    def evaluate(
        self, variables: Variables, lanes: Sequence[int] | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return metrics {name: (lanes,)} on whole train, validation and test, and test outputs (lanes, n, outputs).

        lanes: those to measure; by default all
        """
        program, arguments = self._evaluation(variables)
        outputs = np.asarray(program.call(self.shared, *arguments))
        chosen = range(len(self.trials)) if lanes is None else lanes
        metrics = [self._metrics(lane, outputs[lane]) for lane in chosen]
        test = len(self.splits[0].test)
        by_name = {name: np.asarray([values[name] for values in metrics]) for name in metrics[0]}
        return by_name, outputs[list(chosen), outputs.shape[1] - test :]

    def _metrics(self, lane: int, outputs: np.ndarray) -> dict[str, float]:
        constants = self._prepared[lane]
        experiment, split = self.trials[lane].experiment, self.splits[lane]
        return metrics_by_part(
            experiment, self.data, split, outputs, np.asarray(constants.target_mean), np.asarray(constants.target_scale)
        )

    def predict(self, variables: Variables, rows: np.ndarray) -> np.ndarray:
        """Outputs (lanes, n, outputs) in the target's units for rows (lanes, n) of the dataset."""
        lanes = (self.experiments, self.lane, variables, self._lanes(rows.astype(np.int32)))
        program = compile_over_lanes(_predict, self.layout, (self.shared,), lanes, (self.spec,))
        outputs = np.asarray(program.call(self.shared, *lanes))[: len(self.trials)]
        scale, mean = (np.asarray(x)[: len(outputs), None] for x in (self.lane.target_scale, self.lane.target_mean))
        return outputs * scale + mean

    def probed(self, variables: Variables) -> dict[str, np.ndarray]:
        """Monte Carlo and attack metrics {name: (lanes,)} of the test split, where the config asks for them."""
        evaluation = self.trials[0].experiment.evaluation
        if not wanted(self.trials[0].experiment) or not len(self.splits[0].test):
            return {}  # a program without results has no devices: read from the cache it cannot be called
        lanes = (self.experiments, self.lane, variables, self._test_rows())
        program = compile_over_lanes(_probed, self.layout, (self.shared,), lanes, (self.spec,))
        found: dict[str, np.ndarray] = {}
        for name, values in program.call(self.shared, *lanes).items():
            kind, metric = name.split("/")
            if values.ndim == 1:
                found[name] = np.asarray(values)
            else:
                found |= {f"{kind}-{e:g}/{metric}": np.asarray(values[:, i])
                          for i, e in enumerate(evaluation.attacks.epsilons if evaluation.attacks else ())}  # fmt: skip
        return {name: values[: len(self.trials)] for name, values in found.items()}

    @property
    def has_statistics(self) -> bool:
        """Whether a method keeps running statistics."""
        return bool(jax.tree.leaves(self.state.variables.state))

    def recomputed(self, variables: Variables) -> Variables:
        """`variables` with statistics over all training minibatches."""
        used = self.steps_per_epoch * self.batch_size
        batches = [s.train[:used].reshape(self.steps_per_epoch, self.batch_size) for s in self.splits]
        lanes = (self.experiments, self.lane, variables, self._lanes(np.stack(batches).astype(np.int32)))
        program = compile_over_lanes(_recomputed, self.layout, (self.shared,), lanes, (self.spec,))
        found: Variables = program.call(self.shared, *lanes)
        return found

    def compile_evaluation(self) -> None:
        """Make the program of `evaluate` now, so that a failure comes before the training."""
        self._evaluation(self.state.variables)

    def _evaluation(self, variables: Variables) -> tuple[Program, tuple[Tree, ...]]:
        rows = self._lanes(np.stack([rows_of(split) for split in self.splits]))
        lanes = (self.experiments, self.lane, variables, rows)
        return compile_over_lanes(_predict, self.layout, (self.shared,), lanes, (self.spec,)), lanes

    def selected(self) -> list[Variables]:
        """The variables to measure: of the best epoch, where one is selected, else of the last; several of an ensemble
        that one lane trains."""
        experiment = self.trials[0].experiment
        made, whole = self.position // self.steps_per_epoch, experiment.training.epochs
        models = jax.vmap(lambda one, state: programs.models(one, state, made, whole))(self.experiments, self.state)
        return models or [self.state.best.variables if select(experiment)["epoch"] == "best" else self.latest()]

    def latest(self) -> Variables:
        """The variables of the last epoch, averaged where a method does so."""
        return jax.vmap(programs.evaluated)(self.experiments, self.state)

    def outcome(self, lane: int) -> dict[str, Any]:
        """How one lane ended: status, epochs made, the epoch selected, the reason it stopped."""
        epochs, best = int(self.state.epoch[lane]), int(self.state.best.epoch[lane])
        diverged = int(self.state.diverged_at[lane])
        chosen = select(self.trials[0].experiment)["epoch"]
        reason = "epochs over"
        if diverged >= 0:
            reason = f"the loss is not finite at step {diverged}"
        elif epochs < self.trials[lane].experiment.training.epochs:
            reason = "stopped early"
        return {
            "seed": self.trials[lane].seed,
            **({} if self.alone else {"member": self.trials[lane].member}),
            "status": "diverged" if diverged >= 0 else "done",
            "epochs": epochs,
            "selected_epoch": best if chosen == "best" else epochs,
            "reason": reason,
            "diverged_at": diverged if diverged >= 0 else None,
        }

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, np.ndarray]:
        """The state of all lanes as named host arrays."""
        return self._named(self.state)

    def saved(self, variables: Variables) -> dict[str, np.ndarray]:
        """What a prediction needs of all lanes: variables and what preprocessing was fitted, named."""
        return nested_names(self._host({"variables": variables._asdict(), "lane": needed(self.lane)}))

    def load_variables(self, arrays: dict[str, np.ndarray]) -> Variables:
        """The variables of a saved selection, on the devices."""
        return self._lanes(Variables(**nested(arrays)["variables"]))

    def restore(self, arrays: dict[str, np.ndarray], position: int) -> None:
        """Go on from a snapshot. Raises RunError where it is of another structure."""
        paths, structure = jax.tree_util.tree_flatten_with_path(self.state)
        names = [jax.tree_util.keystr(path) for path, _ in paths]
        if sorted(names) != sorted(arrays):
            raise RunError("the checkpoint belongs to another experiment")
        self.state = self._lanes(jax.tree.unflatten(structure, [arrays[name] for name in names]))
        self.position = position

    def enter(
        self, places: Sequence[int], trials: Sequence[Trial], lanes: Sequence[Lane], splits: Sequence[Split],
        states: Sequence[dict[str, np.ndarray]] = (), made: int = 0,
    ) -> None:  # fmt: skip
        """Others of this structure take the places of lanes that are over, here at the end of an epoch.

        states: of each, where it goes on after `made` steps; () at the beginning
        """
        for place, trial, lane, split in zip(places, trials, lanes, splits, strict=True):
            self.trials[place], self._prepared[place], self.splits[place] = trial, lane, split
            self.began[place] = self.position - made
            self.total_steps = max(self.total_steps, self.began[place] + self.steps_of(trial))
        self._put_lanes()
        started = None if states else self._start.call(self.experiments, self.lane)
        if started is not None and len(places) == len(self.trials):
            self.state = started
            return
        own, taken = self._named(self.state), list(places)
        if started is None:
            fresh = {name: np.stack([state[name] for state in states]) for name in own}
        else:
            fresh = {name: array[taken] for name, array in self._named(started).items()}
        for name, array in own.items():
            own[name] = array.copy()
            own[name][taken] = fresh[name]
        self.restore(own, self.position)

    def steps_of(self, trial: Trial) -> int:
        """Steps of its epochs, were it not to stop."""
        return trial.experiment.training.epochs * self.steps_per_epoch

    def _host(self, tree: Tree) -> Tree:
        return jax.tree.map(lambda x: np.asarray(x)[: len(self.trials)], tree)

    def _named(self, tree: Tree) -> dict[str, np.ndarray]:
        paths, _ = jax.tree_util.tree_flatten_with_path(self._host(tree))
        return {jax.tree_util.keystr(path): x for path, x in paths}


_shapes: dict[Any, Tree] = {}


def _parameter_shapes(experiment: Experiment, spec: Spec, lane: Lane) -> Tree:
    """Traced once for each structure: 13 ms of the 27 ms that a block of 12 lanes of a tiny MLP took in a sweep."""
    leaves, structure = jax.tree.flatten((experiment, lane))
    key = (spec, structure, tuple((np.shape(leaf), np.result_type(leaf)) for leaf in leaves))
    if key not in _shapes:
        _shapes[key] = cache.value(lambda: _parameters(experiment, spec, lane), _parameters, spec, (experiment, lane))
    return _shapes[key]


def _parameters(experiment: Experiment, spec: Spec, lane: Lane) -> Tree:
    return jax.eval_shape(lambda e, x: programs.start(e, spec, x), experiment, lane).variables.parameters


def predict_alone(
    experiment: Experiment, spec: Spec, fitted: Tree, variables: Variables, inputs: np.ndarray
) -> np.ndarray:
    """Outputs (n, outputs) of one lane in evaluation mode for inputs that belong to no split."""
    empty, ones = np.zeros(0, np.int32), np.ones(spec.outputs, np.float32)
    never = np.asarray(0, np.int32)
    lane = Lane(np.zeros(2, np.uint32), empty, empty, empty, fitted, ones, ones, ones, ones, never, never, {})
    none = np.zeros(len(inputs), np.int32) if spec.task == "classification" else np.zeros((len(inputs), spec.outputs))
    shared = Shared(inputs.reshape(len(inputs), -1), none)
    rows = np.arange(len(inputs), dtype=np.int32)
    layout = Layout(1, tuple(jax.devices()[:1]), "map")
    lanes = jax.tree.map(lambda x: np.asarray(x)[None], (lane, variables, rows))
    lanes = layout.put((stack([experiment]), *lanes), over_lanes=True)
    shared = layout.put(shared, over_lanes=False)
    program = compile_over_lanes(_predict, layout, (shared,), lanes, (spec,))
    return np.asarray(program.call(shared, *lanes))[0]


def _predict(spec: Any, shared: Any, experiment: Any, lane: Any, variables: Any, rows: Any) -> Any:
    return programs.predict(experiment, spec, shared, lane, variables, rows)


def select(experiment: Experiment) -> dict[str, str]:
    """Which epoch's variables a run evaluates: {"epoch": "best" or "last", "monitor": ...}."""
    return {"epoch": "best" if selects_best(experiment) else "last", "monitor": monitor(experiment)}


def _start(spec: Any, experiment: Any, lane: Any) -> Any:
    return programs.start(experiment, spec, lane)


def _chunk(spec: Any, shared: Any, segments: Any, experiment: Any, lane: Any, state: Any, order: Any) -> Any:
    return programs.chunk(experiment, spec, shared, lane, state, order, segments)


def _probed(spec: Any, shared: Any, experiment: Any, lane: Any, variables: Any, rows: Any) -> Any:
    return probed(experiment, spec, shared, lane, variables, rows)


def _recomputed(spec: Any, shared: Any, experiment: Any, lane: Any, variables: Any, batches: Any) -> Any:
    return recomputed(experiment, spec, shared, lane, variables, batches)
