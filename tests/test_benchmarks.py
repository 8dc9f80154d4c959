"""The benchmark of the methods: complete, on models that they suit, beside arithmetic counted by hand. No timing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.cases import arrays
from benchmarks.peers import ours
from benchmarks.regularizers import BENCHES, NAMES, NEEDS, benches, parts, products, step
from regexp.regularizers.base import CATALOGUE


def test_every_method_has_its_arithmetic():
    assert set(NEEDS) == set(NAMES) == {*CATALOGUE, "augmentation"}
    assert all(need.times(case) >= 1 for name, need in NEEDS.items() for case in benches(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_method_suits_the_models_it_is_measured_on(name):
    assert benches(name)
    for case in benches(name):
        experiment = ours.experiment(case, parts(name))
        assert [m.conflicts(experiment) for m in experiment.regularizers] == [[] for _ in parts(name)]


def test_colour_has_colours():
    assert arrays(BENCHES["colour"])[0].shape[1:] == (32, 32, 3)


def test_products_counted_by_hand():
    assert products(BENCHES["mlp"]) == [784 * 256, 256 * 256, 256 * 10]
    assert step(BENCHES["mlp"]) == 2 * (200704 + 65536 + 2560) + 65536 + 2560
    assert products(replace(BENCHES["colour"], filters=(2,), hidden=(5,))) == [32 * 32 * 27 * 2, 512 * 5, 50]


def test_the_peers_are_methods_of_the_catalogue():
    pytest.importorskip("torch", reason="the peers are written in PyTorch")
    from benchmarks.peers.torch_methods import METHODS

    assert set(METHODS) <= set(NAMES)
