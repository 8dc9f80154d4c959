"""Suggest names for an unknown word. The rules are strict: no suggestion is better than a wrong one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from regexp.config.catalogues import CATALOGUES
from regexp.config.document import shown
from regexp.core.component import Catalogue, field_types
from regexp.experiment import Experiment
from regexp.regularizers.base import CATALOGUE as METHODS

MOST_MEANT = 4  # suggestions; if more names fit, the message lists all names instead
ALIKE = 0.82  # difflib's ratio from which a word is a typo: batchnorm of batch_norm is one, adamax of adam is not
LEAST_PART = 3  # letters that a word needs to match a part of a name

# Synonyms of a part's name, without underscores. Similar but different methods, such as layer_norm, are not synonyms.
PART_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "lasso": ("l1", "elastic_net"),
    "ridge": ("l2", "elastic_net"),
    "tikhonov": ("l2",),
    "l1l2": ("elastic_net",),
    "wd": ("weight_decay",),
    "droppath": ("stochastic_depth",),
    "randomerasing": ("cutout",),
    "hflip": ("horizontal_flip",),
    "vflip": ("vertical_flip",),
    "rotation": ("rotate",),
    "translation": ("translate",),
    "shift": ("translate",),
    "scale": ("zoom", "stretch"),
    "inputnoise": ("gaussian_noise",),
    "ema": ("weight_averaging",),
    "swa": ("weight_averaging",),
    "polyak": ("weight_averaging",),
    "clip": ("gradient_clipping",),
    "gradclip": ("gradient_clipping",),
    "gradclipping": ("gradient_clipping",),
    "clipgradnorm": ("gradient_clipping",),
    "patience": ("early_stopping",),
    "adversarial": ("fgsm",),
    "adversarialtraining": ("fgsm",),
    "sharpnessawareminimization": ("sam",),
    "pseudolabel": ("semi_supervised",),
    "pseudolabels": ("semi_supervised",),
    "bootstrapaggregating": ("bagging",),
    "normalize": ("standardize", "minmax"),
    "zscore": ("standardize",),
    "glorot": ("xavier",),
    "kaiming": ("he",),
    "henormal": ("he",),
    "heuniform": ("he",),
    "convnet": ("cnn",),
    "feedforward": ("mlp",),
    "logistic": ("linear",),
    "logisticregression": ("linear",),
    "linearregression": ("linear",),
    "images": ("image_folder",),
    "gradientdescent": ("gd",),
}
KEY_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "lr": ("learning_rate",),
    "betas": ("beta1", "beta2"),
    "metric": ("monitor", "objective"),
    "seed": ("seeds",),
    "units": ("hidden",),
    "label": ("target",),
    "labels": ("target",),
    "file": ("path",),
    "transforms": ("preprocess",),
    "normalize": ("preprocess",),
    "regularization": ("regularizers",),
    "network": ("model",),
}


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return ` - did you mean "relu"?`, or "" if no word fits by spelling, initials (`lr`) or a part of it (`flip`)."""
    return _question(_meant(word, list(words), {}))


def _question(names: list[str]) -> str:
    return f" - did you mean {' or '.join(map(_quoted, names))}?" if 0 < len(names) <= MOST_MEANT else ""


def _meant(word: str, names: list[str], synonyms: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the names that a word may stand for, by the first rule that finds any."""
    word = word[:100].lower().replace("-", "_").replace(" ", "_")
    squashed = word.replace("_", "")
    # From the most to the least certain rule: the first match ends the search.
    rules: tuple[list[str], ...] = (
        [name for name in names if name.lower().replace("_", "") == squashed],
        [name for name in synonyms.get(squashed, ()) if name in names],
        [name for name in names if len(word) > 1 and "_" in name and _initials(name) == word],
        _misspelt(squashed, names),
        [name for name in names if len(word) >= LEAST_PART and f"_{word}" in f"_{name}"],
        [name for name in names if _extends(word, name)],
    )
    return next((matches for matches in rules if matches), [])


def _misspelt(word: str, names: list[str]) -> list[str]:
    """Return the closest of the names that `word` misspells by omitted, added, swapped or wrong letters.

    A misspelling keeps the first letter or omits it (float16 for bfloat16).

    word: in lower case, without underscores
    """
    likeness: dict[str, float] = {}
    for name in names if len(word) >= LEAST_PART else []:
        squashed = name.lower().replace("_", "")
        if word[0] == squashed[:1] or squashed[1:] == word:
            swapped = sorted(word) == sorted(squashed)
            likeness[name] = max(difflib.SequenceMatcher(None, word, squashed).ratio(), ALIKE if swapped else 0.0)
    best = max(likeness.values(), default=0.0)
    return [name for name, ratio in likeness.items() if ratio == best >= ALIKE]


def _extends(word: str, name: str) -> bool:
    """Return whether the word extends a name before or after it: num_epochs, l2_regularization, resnet18, dropout2d."""
    return bool(re.fullmatch(rf"(\w+_)?{re.escape(name.lower())}(_\w+|\d\w*)?", word)) and len(name) > 1


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.split("_"))


def unknown_name(name: str, catalogue: Catalogue[Any]) -> str:
    """Return the message about a name that is not in the catalogue."""
    meant = part_meant(name, catalogue)
    return f'unknown {catalogue.kind} "{shown(name)}"' + (meant or f"; there are {', '.join(catalogue)}")


def part_meant(word: str, parts: Iterable[str]) -> str:
    """Return ` - did you mean "l1" or "elastic_net"?` for `lasso`, by the names of parts and their synonyms."""
    return _question(_meant(word, list(parts), PART_SYNONYMS))


def _quoted(name: str) -> str:
    return f'"{name}"'


def unknown_key(key: str, where: str, accepted: Iterable[str]) -> str:
    """Return the message about a key that the section at `where` does not accept, with a suggestion.

    accepted: the keys of the section
    """
    message = f'unknown key "{shown(key)}"' + (f" in {where}" if where else "")
    return message + _remedy(key, where, list(accepted))


def _remedy(key: str, where: str, accepted: list[str]) -> str:
    if meant := _question(_meant(key, accepted, KEY_SYNONYMS)):
        return meant
    if not where.startswith("regularizers"):  # an unknown key of a method is no key of another section
        if key in METHODS:
            return f" - {key} is a regularizer: put it under regularizers"
        if owners := list(_owners(key, where)):
            return f" - {key} is a key of {' and of '.join(owners)}: put it there"
        squashed = key[:100].lower().replace("-", "").replace("_", "")
        if meant := _question(_misspelt(squashed, list(METHODS))):
            return f"{meant} (a regularizer: put it under regularizers)"
        for synonym in KEY_SYNONYMS.get(squashed, ()):
            if owners := list(_owners(synonym, where)):
                return f' - did you mean "{synonym}"? (a key of {" and of ".join(owners)}: put it there)'
    return f"; it takes {', '.join(accepted)}" if accepted else "; it takes no keys"


def _owners(key: str, where: str) -> Iterator[str]:
    """Yield the other sections in which some part has this key."""
    for section, annotation in field_types(Experiment).items():
        catalogue = CATALOGUES.get(annotation)
        parts = [annotation] if isinstance(annotation, type) else []
        classes = [catalogue[name] for name in catalogue] if catalogue else parts
        if section not in ("regularizers", where) and any(key in field_types(cls) for cls in classes):
            yield section
