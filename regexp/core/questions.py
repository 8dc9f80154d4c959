"""Ordered lists of modules that answer one question each: the checks before training, the diagnostics after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Generic, TypeVar

from regexp.core.errors import UsageError

Answer = TypeVar("Answer")


class Questions(Generic[Answer]):
    """The modules `names` of `package`, each of which answers its question in a function called `function`.

    kind: the word for such a module in messages
    """

    def __init__(self, kind: str, package: str, function: str, *names: str):
        self.kind, self.package, self.function, self.names = kind, package, function, names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def chosen(self, names: Sequence[str]) -> list[str]:
        """Return the selected names in the catalogue's order; all if `names` is empty.

        Raises UsageError for an unknown name.
        """
        if unknown := [name for name in names if name not in self.names]:
            raise UsageError(f'there is no {self.kind} "{unknown[0]}"; there are {", ".join(self.names)}')
        return [name for name in self.names if not names or name in names]

    def answer(self, name: str, about: Any) -> Answer:
        """Return the answer of one module about a subject: a bench or a run."""
        answer: Answer = getattr(import_module(f"{self.package}.{name}"), self.function)(about)
        return answer
