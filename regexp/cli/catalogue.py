"""`regexp list` and `regexp show`: what there is, from the classes themselves."""

from __future__ import annotations

import dataclasses
import inspect
import json as json_module
from typing import Annotated, Any

import typer

from regexp.core.errors import UsageError

Kind = Annotated[
    str | None, typer.Argument(help="Only these: regularizers, models, optimizers, ...; or ensembles, ...")
]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
PartName = Annotated[str, typer.Argument(help="A name from regexp list.")]


def entries() -> list[dict[str, Any]]:
    """Every part: kind, name, where a regularizer acts, its summary, and its YAML keys with what they accept."""
    from regexp.cli.ranges import accepted
    from regexp.config.build import CATALOGUES
    from regexp.config.describe import describe
    from regexp.config.schema import field_line, summary
    from regexp.core.component import field_types
    from regexp.metrics import METRICS

    found: list[dict[str, Any]] = []
    for catalogue in CATALOGUES.values():
        for name in catalogue:
            cls = catalogue[name]
            defaults = {f.name: f.default for f in dataclasses.fields(cls)}
            keys = {
                key: {
                    "default": _default(defaults[key]),
                    "range": accepted(kind),
                    "accepts": describe(kind),
                    "meaning": field_line(cls, key),
                }
                for key, kind in field_types(cls).items()
            }
            group = cls.acts_on() if catalogue.kind == "regularizer" else ""
            entry = {"kind": catalogue.kind, "name": name, "acts_on": group, "summary": _first_line(cls), "keys": keys}
            found.append(entry | {"formula": summary(cls)})
    for metric in METRICS:
        found.append({"kind": "metric", "name": metric.name, "acts_on": "", "summary": metric.definition, "keys": {}})
    return found


def _first_line(cls: type) -> str:
    import sys

    return (inspect.getdoc(sys.modules[cls.__module__]) or "").partition("\n")[0]


def _default(value: Any) -> Any:
    from regexp.config.resolved import as_plain

    return "required" if value is dataclasses.MISSING else as_plain(value)


def list_parts(kind: Kind = None, json: Json = False) -> None:
    """List every regularizer, model, optimizer, schedule, initializer, preprocessor, dataset and metric."""
    found = entries()
    if kind is not None:
        found = _of_kind(kind, found)
    if json:
        typer.echo(json_module.dumps(found, indent=1))
        return
    _print_table(found)


def _of_kind(kind: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of a kind, in the singular or plural, or regularizers that act on a place."""
    from regexp.config.suggest import did_you_mean

    chosen = [entry for entry in found if kind in (entry["kind"], f"{entry['kind']}s") or kind == entry["acts_on"]]
    if not chosen:
        kinds = dict.fromkeys(f"{entry['kind']}s" for entry in found)
        places = dict.fromkeys(entry["acts_on"] for entry in found if entry["acts_on"])
        known = f"; there are {', '.join(kinds)}; of regularizers {', '.join(places)}"
        raise UsageError(f"no kind {kind!r}{did_you_mean(kind, [*kinds, *places]) or known}")
    return chosen


def _print_table(found: list[dict[str, Any]]) -> None:
    """A group for each kind, for each place where regularizers act; below a summary its keys and what they accept."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in found:
        where = f": {entry['acts_on']}" if entry["acts_on"] else ""
        groups.setdefault(f"{entry['kind']}s{where}", []).append(entry)
    for title, members in groups.items():
        table = Table.grid(padding=(0, 2))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column()
        for entry in members:
            table.add_row(Text(entry["name"]), Text.assemble(entry["summary"], (_keys(entry), "dim")))
        console.print(Text(title, "bold"), table, "", sep="\n")


def _keys(entry: dict[str, Any]) -> str:
    from regexp.config.resolved import flow_style

    keys = [f"{key} = {flow_style(value['default'])}, {value['range']}" for key, value in entry["keys"].items()]
    return "\n" + "; ".join(keys) if keys else ""


def show(name: PartName) -> None:
    """Show the card of one part: formula, fields with units and ranges, conventions, source."""
    from regexp.config.build import CATALOGUES
    from regexp.config.suggest import part_meant
    from regexp.metrics import METRICS

    matches = [(c.kind, c[name]) for c in CATALOGUES.values() if name in c]
    for metric in METRICS:
        if metric.name == name:
            typer.echo(f"{name} (metric) - {metric.definition}")
            return
    if not matches:
        hint = part_meant(name, dict.fromkeys(n for c in CATALOGUES.values() for n in c)) or "; regexp list names all"
        raise UsageError(f'nothing is named "{name}"{hint}')
    for kind, cls in matches:
        typer.echo(card(kind, name, cls))


def card(kind: str, name: str, cls: type) -> str:
    """A part's card as text."""
    from regexp.config.describe import describe
    from regexp.config.resolved import flow_style
    from regexp.core.component import field_types

    lines = [f"{name} ({kind}) - {_first_line(cls)}", "", inspect.getdoc(cls) or "", "", "In YAML:"]
    fields = {f.name: _default(f.default) for f in dataclasses.fields(cls)}
    shown = {key: "..." if value == "required" else value for key, value in fields.items() if value is not None}
    flow = flow_style(shown if kind == "regularizer" else {"name": name} | shown)
    lines.append(f"  {name}: {flow}" if kind == "regularizer" else f"  {flow}")
    lines += ["", "Keys:"]
    for key, annotation in field_types(cls).items():
        lines.append(f"  {key} = {flow_style(fields[key])}: {describe(annotation)}")
    return "\n".join(lines) + "\n"
