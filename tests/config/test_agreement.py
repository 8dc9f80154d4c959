"""Two readers of one config agree: libyaml and PyYAML's own scanner, the schema and the builder."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from regexp.config import document, json_schema, loads
from regexp.core.errors import ConfigError

SCHEMA = Draft202012Validator(json_schema())

GOOD = """
    model: mlp
    model: {name: mlp, hidden: []}
    model: {name: mlp, initializer: {name: normal, std: 1}}
    dataset: {name: digits, limit: 500}
    dataset: {name: digits, limit: {n: 500}}
    dataset: {name: digits, limit: null, preprocess: null}
    dataset: {name: digits, preprocess: [standardize, {name: pca, components: 20}]}
    dataset: {name: csv, path: a.csv, target: 3}
    dataset: {name: npz, path: a.npz}
    optimizer: {name: adam, learning_rate: 1, schedule: {name: cosine, length: null}}
    optimizer: {name: adam, schedule: linear}
    training: {batch_size: all, loss: null}
    training:
    run: {}
    regularizers:
    regularizers: {l2: true, dropout: false, l1: null}
    regularizers: {l2: {layers: {"hidden_*": 0.1}}}
    regularizers: [dropout, {name: l2, strength: 0.1}]
"""
BAD = """
    modle: mlp
    model: mpl
    model: null
    model: {hidden: [3]}
    model: {name: mlp, hidden: [0]}
    model: {name: mlp, initializer: null}
    dataset: csv
    dataset: {name: csv}
    dataset: {name: digits, limit: {}}
    dataset: {name: digits, preprocess: standardize}
    optimizer: {name: adam, lr: 1}
    optimizer: {name: adam, learning_rate: true}
    optimizer: {name: adam, learning_rate: null}
    optimizer: {name: sgd, beta1: 0.9}
    training: {epochs: null}
    training: {seeds: []}
    training: {precision: float16}
    regularizers: {dropuot: true}
    regularizers: {dropout: {rate: 1}}
    regularizers: {dropout: 0.5}
    regularizers: [dropout, dropout]
"""


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("text", lines(GOOD))
def test_both_accept(text):
    loads(text)
    SCHEMA.validate(yaml.safe_load(text))


@pytest.mark.parametrize("text", lines(BAD))
def test_both_refuse(text):
    with pytest.raises(ConfigError):
        loads(text)
    assert not SCHEMA.is_valid(yaml.safe_load(text))


def read_by(loader, text, monkeypatch):
    """(tree with its places, whether it was refused); the wording of a refusal is the loader's own."""
    monkeypatch.setattr(document, "_LOADER", loader)
    found = document.read(text, "config")
    return bool(found.problems) or repr(found.root)  # repr: nan is not equal to itself


SCALARS = st.sampled_from(["1", "1e-4", "on", "~", "'x'", '"é"', "true", ".5", "😀", "日本", ".nan", "a b", "12:30"])
KEYS = st.sampled_from(["a", "b", "é", "'q'", "name", "c d"])
FLOW = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(KEYS, inner, max_size=3).map(
            lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}"
        )
    ),
)


@pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="PyYAML without libyaml")
@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, FLOW, min_size=1, max_size=4))
def test_both_loaders_see_the_same_tree_at_the_same_places(sections):
    text = "".join(f"{key}: {value}  # ü\n" for key, value in sections.items())
    with pytest.MonkeyPatch.context() as patch:
        assert read_by(yaml.CSafeLoader, text, patch) == read_by(yaml.SafeLoader, text, patch)
