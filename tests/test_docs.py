"""Documents that are made of the code are as the code is."""

from __future__ import annotations

from pathlib import Path

from regexp.cli.regularizers_page import PLACES, page
from regexp.regularizers.base import CATALOGUE

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_of_the_regularizers_is_fresh():
    assert (DOCS / "regularizers.md").read_text(encoding="utf-8") == page(), "run scripts/regularizers_page"


def test_every_method_has_its_place_on_it():
    assert {CATALOGUE[name].acts_on() for name in CATALOGUE} == set(PLACES)
    for name in CATALOGUE:
        assert f"### {name}\n" in page()
