"""`regexp` and `python -m regexp`."""

from __future__ import annotations

from regexp.cli.app import main

if __name__ == "__main__":
    main()
