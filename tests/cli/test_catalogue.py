"""`regexp list` and `regexp show`."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Le, Len, Lt
from typer.testing import CliRunner

from regexp.cli import app as app_module
from regexp.cli.ranges import accepted
from regexp.config import loads
from regexp.config.build import CATALOGUES
from regexp.core.component import Catalogue, Count, Finite, Fraction, Natural, NonNegative, Positive, Rate
from regexp.core.errors import ConfigError
from regexp.initializers.base import Initializer
from tests.cli.command import inside


def parts():
    return [(c.kind, name) for c in CATALOGUES.values() for name in c]


def test_list_names_everything():
    found = CliRunner().invoke(app_module.app, ["list", "--json"])
    entries = json.loads(found.stdout)
    assert {(e["kind"], e["name"]) for e in entries if e["kind"] != "metric"} == set(parts())
    assert all(e["summary"] for e in entries)


@pytest.mark.parametrize(("kind", "name"), parts())
def test_every_card_describes_every_field(kind, name):
    catalogue: Catalogue = next(c for c in CATALOGUES.values() if c.kind == kind)
    text = CliRunner().invoke(app_module.app, ["show", name]).stdout
    assert f"{name} ({kind})" in text
    from regexp.config.schema import field_line

    for field in dataclasses.fields(catalogue[name]):
        assert field_line(catalogue[name], field.name), f"{kind} {name}: {field.name} is not described"


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Rate, "[0, 1)"),
        (Fraction, "[0, 1]"),
        (NonNegative, "[0, inf)"),
        (Positive, "(0, inf)"),
        (Finite, "number"),
        (Annotated[float, Gt(0), Le(2)], "(0, 2]"),
        (Annotated[float, Lt(3)], "(-inf, 3)"),
        (Count, "integer >= 1"),
        (Natural, "integer >= 0"),
        (Annotated[int, Ge(1), Le(9)], "integer >= 1, <= 9"),
        (Count | None, "integer >= 1 or null"),
        (Annotated[tuple[Count, ...], Len(1)], "list of integer >= 1"),
        (dict[str, NonNegative] | None, "layer: [0, inf) or null"),
        (Literal["relu", "tanh"], "relu|tanh"),
        (Initializer, "initializer"),
        (bool, "true|false"),
    ],
)
def test_ranges_are_short(annotation, text):
    assert accepted(annotation) == text


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("lasso", '"l1" or "elastic_net"'),
        ("swa", '"weight_averaging"'),
        ("flip", '"horizontal_flip" or "vertical_flip"'),
        ("early-stopping", '"early_stopping"'),
        ("L2", '"l2"'),
        ("dropuot", '"dropout"'),
    ],
)
def test_another_word_for_a_method_finds_it(word, meant, capsys):
    """By a part of its name, another word for it, or its spelling; the same in a config."""
    assert inside("show", word) == 2
    assert capsys.readouterr().err.strip().endswith(f"- did you mean {meant}?")
    with pytest.raises(ConfigError, match=f"did you mean {meant}"):
        loads(f"regularizers: {{{word}: }}")


def test_list_takes_a_kind_or_a_place(capsys):
    for words in ("ensembles", "dataset", "datasets"):
        assert inside("list", words) == 0
    assert capsys.readouterr().out.count("china_flower") == 2
    assert inside("list", "regularisers") == 2
    assert 'did you mean "regularizers"?' in capsys.readouterr().err
    assert inside("list", "xyz") == 2
    assert "there are datasets, models, regularizers" in capsys.readouterr().err


def test_list_groups_by_place_and_gives_defaults_and_ranges():
    text = CliRunner().invoke(app_module.app, ["list", "regularizers"], env={"COLUMNS": "200"}).stdout
    assert "regularizers: activations\n" in text
    assert "rate = 0.5, [0, 1);" in text
    assert "form = others, others|uniform" in text
