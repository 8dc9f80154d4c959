"""What may have been meant by a word that is not known."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from regexp.component import Catalogue, field_types
from regexp.config.catalogues import CATALOGUES
from regexp.config.document import shown
from regexp.experiment import Experiment
from regexp.regularizers.base import CATALOGUE as METHODS

LEAST_ALIKE = 0.7  # difflib's ratio; layer_norm and max_norm have 0.67 and nothing in common
MOST_MEANT = 4  # parts that a word may stand for; of more the message lists all


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """` - did you mean "relu"?`, or nothing; `lr` is learning_rate by its initials."""
    words = list(words)
    spelt = [name for name in difflib.get_close_matches(word[:100], words, 1) if len(word) > 2 and _is_slip(word, name)]
    close = [name for name in words if len(word) > 1 and _initials(name) == word.lower()] or spelt
    return f' - did you mean "{close[0]}"?' if close else ""


def _is_slip(word: str, name: str) -> bool:
    """Whether one may be the other mistyped: much alike, or the same letters."""
    alike = difflib.SequenceMatcher(None, word[:100], name).ratio() >= LEAST_ALIKE
    return alike or sorted(word) == sorted(name)


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.split("_"))


def unknown_name(name: str, catalogue: Catalogue[Any]) -> str:
    """The message about a name that is in no file of the catalogue."""
    meant = part_meant(name, {part: catalogue[part] for part in catalogue})
    return f'unknown {catalogue.kind} "{shown(name)}"' + (meant or f"; there are {', '.join(catalogue)}")


def part_meant(word: str, parts: Mapping[str, type]) -> str:
    """` - did you mean "l1" or "elastic_net"?` for `lasso`: by the names, by the words of the cards, by spelling."""
    word = word[:100].lower().replace("-", "_")
    by_name = [name for name in parts if word == name] or [name for name in parts if _begins(name, word)]
    found = by_name or [name for name, cls in parts.items() if word in _words(cls)]
    if 0 < len(found) <= MOST_MEANT:
        return f" - did you mean {' or '.join(map(_quoted, found))}?"
    return did_you_mean(word, parts)


def _begins(name: str, word: str) -> bool:
    """Whether a word of the name begins with `word`: `norm` for max_norm, but not `vat` for activation_noise."""
    return len(word) > 2 and (name.startswith(word) or any(part.startswith(word) for part in name.split("_")))


def _words(cls: type) -> set[str]:
    """Those of a part's card."""
    card = f"{sys.modules[cls.__module__].__doc__} {cls.__doc__}"
    return set(re.findall(r"\w{3,}", card.lower()))


def _quoted(name: str) -> str:
    return f'"{name}"'


def unknown_key(key: str, where: str, known: Iterable[str]) -> str:
    """The message about a key that `where` does not take; a key of another section is told apart from a slip."""
    known = list(known)
    message = f'unknown key "{shown(key)}"' + (f" in {where}" if where else "")
    return message + _remedy(key, where, known)


def _remedy(key: str, where: str, known: list[str]) -> str:
    elsewhere = not where.startswith("regularizers")
    if elsewhere and key in METHODS:
        return f" - {key} is a regularizer: put it under regularizers"
    near = known + [name for name in METHODS if elsewhere and name not in known]
    owners = list(_owners(key, where)) if elsewhere else []  # a method's keys are its own
    meant = did_you_mean(key, known if owners else near)
    if meant and not any(f'"{name}"' in meant for name in known):
        return f"{meant} (a regularizer: put it under regularizers)"
    if meant:
        return meant
    if owners:
        return f" - {key} is a key of {' and of '.join(owners)}: put it there"
    return f"; it takes {', '.join(known)}" if known else "; it takes no keys"


def _owners(key: str, where: str) -> Iterator[str]:
    """The other sections that have this key, in some part of them."""
    for section, annotation in field_types(Experiment).items():
        catalogue = CATALOGUES.get(annotation)
        parts = [annotation] if isinstance(annotation, type) else []
        classes = [catalogue[name] for name in catalogue] if catalogue else parts
        if section not in ("regularizers", where) and any(key in field_types(cls) for cls in classes):
            yield section
