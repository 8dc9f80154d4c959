"""Every part of every catalogue, with any values its fields accept, survives being written and read again."""

from __future__ import annotations

import types
import typing
from dataclasses import replace
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Le, Len, Lt
from hypothesis import given, settings
from hypothesis import strategies as st

from regexp.config import loads, to_yaml
from regexp.config.build import CATALOGUES
from regexp.config.check import check
from regexp.core.component import Component, field_types
from regexp.datasets.base import Dataset
from regexp.experiment import Experiment
from regexp.initializers.base import Initializer
from regexp.models.base import Model
from regexp.models.resnet import ResNet
from regexp.optimizers.base import Optimizer
from regexp.preprocessing.base import Preprocessor
from regexp.regularizers.base import Regularizer
from regexp.schedules.base import Schedule

PARTS = [(base, name) for base, catalogue in CATALOGUES.items() for name in catalogue]
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


def values(annotation):
    """A strategy for all that a field's annotation accepts."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return bounded(arguments[0], arguments[1:])
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(option) for option in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(TEXT, values(arguments[1]), max_size=2)
    if annotation in CATALOGUES:
        return st.sampled_from(list(CATALOGUES[annotation])).flatmap(lambda name: part(annotation, name))
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return component(annotation)
    return {
        bool: st.booleans(), str: TEXT, type(None): st.none(), int: st.integers(-(10**6), 10**6),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }[annotation]  # fmt: skip


def bounded(base, marks):
    if typing.get_origin(base) is tuple:
        smallest = next((mark.min_length for mark in marks if isinstance(mark, Len)), 0)
        return st.lists(values(typing.get_args(base)[0]), min_size=smallest, max_size=3).map(tuple)
    low = next((m.ge if isinstance(m, Ge) else m.gt for m in marks if isinstance(m, Ge | Gt)), None)
    high = next((m.le if isinstance(m, Le) else m.lt for m in marks if isinstance(m, Le | Lt)), None)
    if base is int:
        return st.integers(low, high)
    return st.floats(
        low, high, allow_nan=False, allow_infinity=False,
        exclude_min=any(isinstance(m, Gt) for m in marks), exclude_max=any(isinstance(m, Lt) for m in marks),
    )  # fmt: skip


def component(cls):
    return st.fixed_dictionaries({k: values(a) for k, a in field_types(cls).items()}).map(lambda f: cls(**f))


def part(base, name):
    return component(CATALOGUES[base][name])


def survived(strategy, experiment_with):
    """How many drawn parts make a valid experiment; each of those comes back equal, and with the same bytes."""
    count = 0

    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(strategy)
    def survives(made):
        nonlocal count
        experiment = experiment_with(made)
        if all(remark.is_warning for remark in check(experiment)):
            again = loads(to_yaml(experiment)).experiment
            assert again == experiment
            assert to_yaml(again) == to_yaml(experiment)
            count += 1

    survives()
    return count


@pytest.mark.parametrize(("base", "name"), PARTS, ids=[name for _, name in PARTS])
def test_a_part(base, name):
    assert survived(part(base, name), lambda made: WITH[base](Experiment(), made)) > 0


@pytest.mark.parametrize("field", ["training", "evaluation", "run"])
def test_a_section(field):
    def experiment_with(made):
        made = replace(made, monitor="train/loss", seeds=tuple(set(made.seeds))) if field == "training" else made
        return replace(Experiment(), **{field: made})

    assert survived(component(field_types(Experiment)[field]), experiment_with) > 0


WITH = {
    Dataset: lambda plain, made: replace(plain, dataset=made),
    Model: lambda plain, made: replace(plain, model=made),
    Regularizer: lambda plain, made: replace(plain, model=ResNet(), regularizers=(made,)),  # with every kind of site
    Optimizer: lambda plain, made: replace(plain, optimizer=made),
    Schedule: lambda plain, made: replace(plain, optimizer=replace(plain.optimizer, schedule=made)),
    Initializer: lambda plain, made: replace(plain, model=replace(plain.model, initializer=made)),
    Preprocessor: lambda plain, made: replace(plain, dataset=replace(plain.dataset, preprocess=(made,))),
}
