"""`conventions: lecture`: what is left open takes the textbook's form, what is written wins."""

from __future__ import annotations

import dataclasses

import pytest
from pydantic import TypeAdapter

from regexp.cli.results import conventions
from regexp.config import loads, to_yaml
from regexp.config.catalogues import CATALOGUES
from regexp.core.component import Component, field_types, in_lecture_form
from regexp.core.errors import ConfigError
from regexp.experiment import Experiment
from regexp.models.base import CATALOGUE as MODELS

ALL = {(base, name) for base, catalogue in CATALOGUES.items() for name in catalogue}
WITH_FORM = sorted(
    (name, field)
    for base, name in ALL
    for field, form in CATALOGUES[base][name].lecture.items()
    if {f.name: f.default for f in dataclasses.fields(CATALOGUES[base][name])}[field] != form
)


def test_these_fields_have_a_textbook_form_of_their_own():
    assert WITH_FORM == [
        ("adam", "style"),
        ("batch_norm", "statistics"),
        ("dropout", "mode"),
        ("stochastic_depth", "mode"),
    ]


def test_every_form_is_a_value_its_field_accepts():
    for base, name in ALL:
        cls = CATALOGUES[base][name]
        for field, form in cls.lecture.items():
            assert TypeAdapter(field_types(cls)[field]).validate_python(form, strict=True) == form


REGULARIZERS = "regularizers: {batch_norm: , dropout: {rate: 0.2}, label_smoothing: true}\n"


def forms(experiment):
    batch_norm, dropout, smoothing = experiment.regularizers
    return batch_norm.statistics, dropout.mode, smoothing.form, experiment.optimizer.style


def test_what_is_open_takes_the_textbooks_form():
    assert forms(loads(REGULARIZERS).experiment) == ("ema", "inverted", "others", "optax")
    lecture = ("population", "scaled", "others", "lecture")
    for more in ("", "optimizer: adam\n", "optimizer: {name: adam}\n", "optimizer: {name: adam, learning_rate: 0.1}\n"):
        assert forms(loads(f"conventions: lecture\n{REGULARIZERS}{more}").experiment) == lecture
        assert forms(loads(f"{REGULARIZERS}{more}conventions: lecture\n").experiment) == lecture
        assert forms(loads(REGULARIZERS + more, ["conventions=lecture"]).experiment) == lecture


def test_what_is_written_wins_even_where_it_is_the_default():
    text = (
        "conventions: lecture\noptimizer: {name: adam, style: optax}\n"
        "regularizers: {batch_norm: {statistics: ema}, dropout: {mode: inverted}, label_smoothing: {form: uniform}}\n"
    )
    assert forms(loads(text).experiment) == ("ema", "inverted", "uniform", "optax")
    assert forms(loads(text, ["regularizers.dropout=true"]).experiment)[1] == "scaled"
    assert forms(loads("conventions: library\n" + REGULARIZERS).experiment)[1] == "inverted"


def test_numbers_stay_what_they_are():
    plain, lecture = loads(REGULARIZERS).experiment, loads("conventions: lecture\n" + REGULARIZERS).experiment
    assert lecture.regularizers[1].rate == 0.2
    assert lecture.optimizer.learning_rate == plain.optimizer.learning_rate
    assert (lecture.dataset, lecture.training, lecture.model) == (plain.dataset, plain.training, plain.model)


def test_defaults_within_defaults_are_reached():
    """A part in a field of a part: the textbook's form is found at any depth, and never over a chosen value."""

    def named(name, **fields):
        bases = (Component,)
        made = dataclasses.make_dataclass(name, [(k, type(v), v) for k, v in fields.items()], bases=bases, frozen=True)
        made.lecture = {"form": "book"}
        return made

    inner = named("Inner", form="code", number=3)
    outer = named("Outer", form="code", parts=(inner(), inner(form="chosen")), part=inner())
    found = in_lecture_form(outer())
    assert found == outer(form="book", parts=(inner(form="book"), inner(form="chosen")), part=inner(form="book"))


@pytest.mark.parametrize("model", list(MODELS))
def test_the_resolved_config_reads_back_equal_and_keeps_what_was_written(model):
    text = f"conventions: lecture\nmodel: {{name: {model}, initializer: xavier}}\ndataset: mnist\n"
    experiment = loads(
        text + "regularizers: {dropout: {mode: inverted, input_rate: 0.1}, label_smoothing: }\n"
    ).experiment
    again = loads(to_yaml(experiment)).experiment
    assert again == experiment
    assert again.conventions == "lecture"
    assert to_yaml(again) == to_yaml(experiment)


@pytest.mark.parametrize(
    ("text", "settings", "start"),
    [
        ("conventions: lectur\n", [], "config:1:14 conventions must be one of library, lecture"),
        ("conventions: [lecture]\n", [], "config:1:14 conventions must be one of library, lecture"),
        ("model: mlp\n", ["conventions=lectur"], "--set:1:13 conventions must be one of library, lecture"),
    ],
)
def test_another_word_is_refused_at_its_place(text, settings, start):
    with pytest.raises(ConfigError) as caught:
        loads(text, settings)
    assert str(caught.value).startswith(start)
    if "[" not in text:
        assert 'did you mean "lecture"?' in str(caught.value)


def test_a_run_names_the_forms_in_force():
    text = REGULARIZERS + "model: {name: mlp, initializer: {name: xavier, form: glorot}}\n"
    assert conventions(loads(text).experiment) == (
        "xavier form glorot; xavier distribution normal; batch_norm statistics ema; dropout mode inverted; "
        "label_smoothing form others; adam style optax"
    )
    told = conventions(loads(text, ["conventions=lecture"]).experiment)
    assert "xavier form glorot" in told
    assert "batch_norm statistics population; dropout mode scaled" in told
    assert told.endswith("adam style lecture")
    assert conventions(Experiment()) == "adam style optax"
