"""`regexp` and `python -m regexp`."""

from __future__ import annotations

from regexp.cli.interrupts import CODE, end_at_once, ignore_last


def main() -> None:
    """Run the command line; Ctrl-C ends it quietly from here on, while it is still being imported, too."""
    end_at_once()
    ignore_last()
    from regexp.cli.app import main as run

    try:
        run()
    except KeyboardInterrupt:  # between two lines of `run`
        raise SystemExit(CODE) from None
    finally:
        end_at_once()


if __name__ == "__main__":
    main()
