"""What is read is what was written; the resolved text, the schema and the builder agree."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from regexp.config import json_schema, loads, to_yaml
from regexp.config.document import read
from regexp.core.errors import ConfigError
from regexp.optimizers.adam import Adam
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.parameters.l2 import L2

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))
SCHEMA = jsonschema.Draft202012Validator(json_schema())


def value(text: str):
    """One scalar as the reader sees it."""
    return read(f"a: {text}", "").root.value["a"].plain()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-4", 1e-4), ("1.0e-4", 1e-4), (".5", 0.5), ("5.", 5.0), ("-3", -3), ("+3", 3), ("0o17", 15), ("0x1F", 31),
        ("010", 10), ("1_000", "1_000"), ("on", "on"), ("yes", "yes"), ("No", "No"), ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"), ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("'3'", "3"), ('"1e-4"', "1e-4"), (".inf", float("inf")), ("-.Inf", float("-inf")), ("e5", "e5"),
        ("[1, 2]", (1, 2)), ("{b: 1}", {"b": 1}),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text, expected):
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_regularizers_are_on_off_and_in_order():
    text = "regularizers:\n  dropout:\n  l1: false\n  l2: true\n  fgsm: {epsilon: 0.2}\n"
    assert [m.name for m in loads(text).experiment.regularizers] == ["dropout", "l2", "fgsm"]


def test_settings_change_add_and_remove():
    text = "model: mlp\nregularizers:\n  dropout: {rate: 0.1}\n  l2:\n"
    made = loads(text, ["model.hidden=[8]", "regularizers.dropout=false", "regularizers.l2.strength=1e-3",
                        "optimizer={name: sgd}", "optimizer.learning_rate=0.5"]).experiment  # fmt: skip
    assert made.model.hidden == (8,)
    assert made.regularizers == (L2(strength=1e-3),)
    assert (made.optimizer.name, made.optimizer.learning_rate) == ("sgd", 0.5)


def test_warnings_are_no_errors():
    loaded = loads("regularizers: {l2: {strength: 1e-3}, weight_decay: {strength: 1e-3}}\n")
    assert "both shrink the weights" in str(loaded.warnings[0])


@pytest.mark.parametrize("file", CONFIGS, ids=lambda f: f.stem)
def test_shipped_configs_load_resolve_and_fit_the_schema(file):
    loaded = loads(file.read_text(encoding="utf-8"))
    made = loaded.experiment
    assert loads(to_yaml(made)).experiment == made
    SCHEMA.validate(yaml.safe_load(to_yaml(made)))
    header = tuple(f"# regexp {command} " for command in ("train", "check", "ablate", "sweep"))
    assert file.read_text(encoding="utf-8").startswith(header), "the header gives the command"


@pytest.mark.parametrize("file", CONFIGS, ids=lambda f: f.stem)
def test_shipped_configs_do_not_warn_of_themselves(file):
    assert loads(file.read_text(encoding="utf-8")).warnings == ()


finite = st.floats(0, 1e6, allow_nan=False)
rates = st.floats(0, 1, exclude_max=True)


@settings(max_examples=60, deadline=None)
@given(rates, finite, finite, st.text(max_size=20), st.none() | rates)
def test_resolved_text_gives_the_same_experiment(rate, strength, learning_rate, path, input_rate):
    base = loads("dataset: {name: csv, path: a.csv}\n").experiment
    from dataclasses import replace

    made = replace(
        base,
        dataset=replace(base.dataset, path=path),
        regularizers=(Dropout(rate=rate, input_rate=input_rate, layers={"hidden_*": rate}), L2(strength=strength)),
        optimizer=Adam(learning_rate=learning_rate),
    )
    assert loads(to_yaml(made)).experiment == made


@pytest.mark.parametrize("file", sorted((Path(__file__).parent / "bad").glob("*.yaml")), ids=lambda f: f.stem)
def test_what_the_schema_refuses_the_builder_refuses(file):
    try:
        plain = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        pytest.skip("not plain YAML")
    if isinstance(plain, dict) and not SCHEMA.is_valid(plain):
        with pytest.raises(ConfigError):
            loads(file.read_text(encoding="utf-8"))
