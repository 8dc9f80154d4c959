"""The commands and what happens when one fails: a message and an exit code, a traceback only with --debug.

0 done    1 failed    2 bad config or usage    3 a check failed    130, 143 stopped by SIGINT, SIGTERM after saving
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys

import typer

from regexp.cli import ablate, catalogue, check, configure, diagnose, export, inspect, report, sweep, train
from regexp.cli.interrupts import CODE, raise_again
from regexp.core.errors import RegexpError

STORY = """The laboratory for regularization: a YAML file is a question, a run is its answer.

regexp init lab.yaml      a commented config to start from
regexp check lab.yaml     is it fit to be trained? a verdict on data, model, gradients, learning rate
regexp train lab.yaml     train, evaluate, write runs/lab
regexp sweep lab.yaml     search the values that its sweep section names
regexp ablate lab.yaml    which of its regularizers help, by how much
regexp list               every method, model, optimizer and dataset
regexp show dropout       what one does, its formula and its fields
regexp report             what helps, by how much and how surely
"""
DEBUG = "--debug, after any command, shows the traceback of a failure."

app = typer.Typer(help=STORY, epilog=DEBUG, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("train")(train.train)
app.command("sweep")(sweep.sweep)
app.command("ablate")(ablate.ablate)
app.command("validate")(configure.validate)
app.command("init")(configure.init)
app.command("schema")(configure.schema)
app.command("check")(check.check)
app.command("list")(catalogue.list_parts)
app.command("show")(catalogue.show)
app.command("evaluate")(inspect.evaluate)
app.command("diagnose")(diagnose.diagnose)
app.command("predict")(inspect.predict)
app.command("report")(report.report)
app.command("export")(export.export)


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        from regexp import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run a command; never a traceback unless asked for."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # XLA's remarks on what comes from the cache
    gc.set_threshold(500_000, 50, 50)  # what is imported and traced stays: no need to look through it while it grows
    atexit.register(gc.freeze)  # nor on the way out
    _print_anything()
    debug = "--debug" in sys.argv[1:]
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        raise_again()
        app(args=arguments, prog_name="regexp")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(_fail("stopped", CODE))
    except Exception as error:
        if debug:
            raise
        sys.exit(_fail(*_explained(error)))


def _print_anything() -> None:
    """Where the terminal's encoding lacks a character, a `?` is better than a run lost to its closing table."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _explained(error: Exception) -> tuple[str, int]:
    """(message, exit code) of a failure."""
    if isinstance(error, RegexpError):
        return str(error), error.exit_code
    first = str(error).partition("\n")[0]
    if isinstance(error, MemoryError) or first.startswith("RESOURCE_EXHAUSTED"):
        return "out of memory: lower training.batch_size, the number of training.seeds or the model's size", 1
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or first}; --debug shows where", 1
    return f"{type(error).__name__}: {first} - this is a bug; run again with --debug", 1


def _fail(message: str, code: int) -> int:
    from regexp.core.escaping import safe

    print(safe(message), file=sys.stderr)
    return code
