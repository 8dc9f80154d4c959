"""What no one writes by hand: floods, odd characters, random bytes. Each is a config or a ConfigError, and soon."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regexp.config import document, load, loads
from regexp.core.errors import ConfigError

ANY = st.characters(codec=None, exclude_categories=())  # lone surrogates, too: what argv makes of bytes


def refused(text, sets=()):
    with pytest.raises(ConfigError) as caught:
        loads(text, sets)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "place"),
    [("model: \0mlp", (1, 8)), ("model: mlp\n# \x1b[31m", (2, 3)), ("model: \ud800", (1, 8)), ("a: \x0b\n", (1, 4))],
)
def test_a_character_that_is_no_text_is_located(text, place):
    (problem,) = refused(text)
    assert (problem.line, problem.column) == place
    assert "U+" in problem.message


def test_a_setting_that_is_no_text():
    (problem,) = refused("model: mlp\n", ["training.epochs=\udcff"])
    assert (problem.file, problem.column) == ("--set", 17)
    assert problem.source.isprintable()


FLOODS = {
    "aliases in one line": "a: &a x\nb: [" + "*a," * 200_000 + "]\n",
    "unknown keys": "".join(f"k{i}: 1\n" for i in range(80_000)),
    "the same key": "model: mlp\n" * 80_000,
    "unknown methods": "regularizers:\n" + "".join(f"  dropou{i}: 1\n" for i in range(50_000)),
}


@pytest.mark.parametrize("text", FLOODS.values(), ids=FLOODS)
def test_a_flood_is_cut(text):
    """Each problem once copied its line: the first of these took hours."""
    problems = refused(text)
    assert len(problems) == document.MOST_PROBLEMS + 1
    assert problems[-1].message == "and more problems; the first 100 are shown"
    assert max(len(problem.source) for problem in problems) <= 160


def test_too_large_is_told_before_not_text(tmp_path):
    file = tmp_path / "large.yaml"
    file.write_bytes(b"#" + "é".encode() * 600_000)  # the reader's limit falls inside a character
    with pytest.raises(ConfigError, match="larger than 1,000,000 bytes"):
        load(file)


def test_settings_are_told_apart_and_in_order():
    problems = refused("model: mlp\n", ["training.epochs=0", "model.hiden=[1]"])
    assert [(p.file, p.line, p.source) for p in problems] == [
        ("--set", 1, "training.epochs=0"),
        ("--set", 2, "model.hiden=[1]"),
    ]


def test_a_setting_of_several_lines_keeps_its_caret_in_the_line():
    (problem,) = refused("model: mlp\n", ["a=[1,\n2,\n*x]"])[-1:]
    assert problem.source == "a=[1, 2, *x]"
    assert 1 <= problem.column <= len(problem.source) + 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(ANY, max_size=40).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_config_or_a_config_error(tmp_path, raw):
    file = tmp_path / "any.yaml"
    file.write_bytes(raw)
    with contextlib.suppress(ConfigError):
        load(file)


@settings(max_examples=200, deadline=None)
@given(st.text(ANY, max_size=30) | st.text("molde.=[]{}:, \n\t*&!'\"13", max_size=30).map("model.".__add__))
def test_any_setting_is_a_config_or_a_config_error(setting):
    try:
        loads("model: mlp\n", [setting])
    except ConfigError as error:
        for problem in error.problems:
            assert problem.column >= 1
            assert (problem.message + problem.source).isprintable()
