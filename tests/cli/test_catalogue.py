"""`regexp list` and `regexp show`."""

from __future__ import annotations

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from regexp.cli import app as app_module
from regexp.component import Catalogue
from regexp.config.build import CATALOGUES


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
