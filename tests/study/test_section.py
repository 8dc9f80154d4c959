"""What the section accepts, and where it says that it does not."""

from __future__ import annotations

import pytest

from regexp.config import json_schema, load, loads
from regexp.core.errors import ConfigError
from tests.study.lab import BASE, SWEEP


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(ConfigError) as caught:
        loads(text)
    return [(p.line, p.message) for p in caught.value.problems]


def with_space(line: str) -> str:
    return BASE + f"sweep:\n  space:\n    {line}\n  stages:\n    - {{trials: 4, epochs: 2}}\n"


def test_the_experiment_is_the_same_with_and_without_the_section():
    with_it, without = loads(BASE + SWEEP), loads(BASE)
    assert with_it.experiment == without.experiment
    assert without.search is None
    assert [p.path for p in with_it.search.space][:2] == ["optimizer.learning_rate", "regularizers.l2.strength"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("optimizer.lerning_rate: {uniform: [0.1, 1]}", 'unknown key "lerning_rate" in optimizer - did you mean "lear'),
        ("optimiser.learning_rate: {uniform: [0.1, 1]}", '"optimiser" cannot be searched - did you mean "optimizer"?'),
        ("optimizer.learning_rate: {log_uniform: [0.0, 1]}", "log_uniform needs a low end above 0, got 0"),
        ("optimizer.beta1: {uniform: [0.9, 1.1]}", "optimizer.beta1 must be a number at least 0 and below 1, got 1.1"),
        ("optimizer.learning_rate: {uniform: [1, 0.1]}", "must be [low, high], low below high"),
        ("optimizer.learning_rate: {uniform: [0.1]}", "must be a list of 2 numbers or null, got [0.1]"),
        ("optimizer.learning_rate: {uniform: [0.1, 1], choice: [1, 2]}", "needs exactly one of log_uniform, uniform"),
        ("optimizer.learning_rate: {limits: [0.1, 1]}", "needs exactly one of log_uniform, uniform"),
        ("optimizer.learning_rate: {int_uniform: [1, 3]}", ": use uniform or log_uniform"),
        ("optimizer.learning_rate: {log_uniform: [0.1, 1], limits: [0.2, 1]}", "limits must contain the range 0.1..1"),
        ("optimizer.schedule: {uniform: [0, 1]}", "is not a number; it takes the name of a schedule or a mapping"),
        ("optimizer: {optional: true}", "only a regularizer can be optional"),
        ("regularizers.dropout.rate: {uniform: [0, 1.0]}", "must be a number at least 0 and below 1, got 1.0"),
        ("regularizers.dropot.rate: {uniform: [0, 0.5]}", 'unknown regularizer "dropot" - did you mean "dropout"?'),
        ("regularizers.dropout: {uniform: [0, 0.5]}", "is a part and has no single value: search one of its fields"),
        ("regularizers.early_stopping.patience: {uniform: [1, 9]}", "use int_uniform"),
        ("regularizers.cutout.fraction: {uniform: [0, 1]}", "transforms images; this dataset is a table"),
        ("regularizers.deep_ensemble: {optional: true}", "trains several models for each trial"),
        ("training.epochs: {int_uniform: [1, 9]}", "training.epochs cannot be searched: the stages set it"),
        ("dataset.validation: {uniform: [0.1, 0.2]}", '"dataset" cannot be searched'),
        ("model.hidden: {choice: [[4], [4, -1]]}", "model.hidden must be a list of whole numbers at least 1"),
        ("model.hidden: {choice: [[4], [4]]}", "a value appears twice"),
        ("model.hidden: {choice: [[4]]}", "a choice needs at least two values"),
        ("model.hidden: {uniform: [1, 2]}", "is not a number; it takes a list of whole numbers"),
        ("model.activation: {choice: [relu, tanhh]}", 'did you mean "tanh"?'),
    ],
)
def test_a_problem_of_the_space_is_told_in_its_line(line, message):
    ((number, said),) = problems(with_space(line))
    assert message in said
    assert number == 7


@pytest.mark.parametrize(
    ("section", "line", "message"),
    [
        ("sweep: 3", 5, "sweep must be a mapping of objective, space, stages, confirm"),
        ("sweep:\n  stages: [{trials: 4, epochs: 2}]", 5, "sweep needs a space"),
        ("sweep:\n  space: {optimizer.learning_rate: {uniform: [0.1, 1]}}", 5, "sweep needs stages"),
        (SWEEP.replace("objective:", "objectiv:"), 6, 'unknown key "objectiv" in sweep - did you mean "objective"?'),
        (SWEEP.replace("validation/acc", "test/acc"), 6, "a sweep selects on validation data"),
        (SWEEP.replace("validation/accuracy", "validation/rmse"), 6, "is not one of validation/loss, validation/acc"),
        (SWEEP.replace("epochs: 2}", "epochs: 2, keep: 0.5}"), 13, "keep is not allowed in the first stage"),
        (SWEEP.replace("keep: 0.34", "sampler: sobl"), 14, 'got "sobl" - did you mean "sobol"?'),
        (SWEEP.replace("keep: 0.34", "halving: 4"), 14, "halving by 4 needs 4 epochs or more"),
        (SWEEP.replace("trials: 12, ", ""), 13, "sweep.stages needs trials"),
        (SWEEP.replace("{top: 2", "{top: 0"), 15, "sweep.confirm.top must be a whole number at least 1"),
    ],
)
def test_a_problem_of_the_section_is_told_in_its_line(section, line, message):
    found = problems(BASE + section)
    assert [number for number, said in found if message in said] == [line]


def test_all_problems_are_told_at_once():
    text = BASE + SWEEP.replace("1.0e-1]", "high]").replace("dropout.rate", "dropout.rat").replace("top: 2", "tp: 2")
    assert [line for line, _ in problems(text)] == [8, 11, 15]


def test_a_sweep_needs_validation_data():
    text = (BASE + SWEEP).replace("name: wine,", "name: wine, validation: 0,")
    assert any("selects on validation data" in message for _, message in problems(text))


def test_the_section_as_kept_says_the_same(tmp_path):
    from regexp.study.sweep.text import description

    loaded = loads(BASE + SWEEP)
    (tmp_path / "kept.yaml").write_text(description(loaded))
    again = load(tmp_path / "kept.yaml")
    assert again.search.sweep == loaded.search.sweep
    assert again.search.space == loaded.search.space
    assert description(again) == description(loaded)


def test_the_schema_knows_the_section():
    import json

    import jsonschema
    import yaml

    config = yaml.safe_load(BASE + SWEEP)
    schema = json.loads(json.dumps(json_schema()))
    jsonschema.validate(config, schema)
    config["sweep"]["stages"][0]["samplr"] = "sobol"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(config, schema)
