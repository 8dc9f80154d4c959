"""What may have been meant by a word that is not known: a suggestion is right, or there is none."""

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

MOST_MEANT = 4  # suggestions; where more fit, the message lists all names instead
ALIKE = 0.82  # difflib's ratio from which a word is a slip: batchnorm and batch_norm are, adamax and adam are not
LEAST_PART = 3  # letters of a word that is taken for a part of a name

# Other words for a part, without underscores. What is like a part but not the same, as layer_norm, is not among them.
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
    """Return ` - did you mean "relu"?`, or nothing: by spelling, by initials (`lr`), by a part of a name (`flip`)."""
    return _question(_meant(word, list(words), {}))


def _question(names: list[str]) -> str:
    return f" - did you mean {' or '.join(map(_quoted, names))}?" if 0 < len(names) <= MOST_MEANT else ""


def _meant(word: str, names: list[str], synonyms: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the names that a word may stand for, by the first of these rules that finds any."""
    word = word[:100].lower().replace("-", "_").replace(" ", "_")
    squashed = word.replace("_", "")
    rules: tuple[list[str], ...] = (
        [name for name in names if name.lower().replace("_", "") == squashed],
        [name for name in synonyms.get(squashed, ()) if name in names],
        [name for name in names if len(word) > 1 and "_" in name and _initials(name) == word],
        _misspelt(squashed, names),
        [name for name in names if len(word) >= LEAST_PART and f"_{word}" in f"_{name}"],
        [name for name in names if _extends(word, name)],
    )
    return next((found for found in rules if found), [])


def _misspelt(word: str, names: list[str]) -> list[str]:
    """Return the names that `word` is a slip of, the closest alone: letters left out, added, exchanged or wrong.

    A slip keeps the first letter or forgets it (float16, bfloat16). The word is without underscores.
    """
    likeness: dict[str, float] = {}
    for name in names if len(word) >= LEAST_PART else []:
        other = name.lower().replace("_", "")
        if word[0] == other[:1] or other[1:] == word:
            swapped = sorted(word) == sorted(other)
            likeness[name] = max(difflib.SequenceMatcher(None, word, other).ratio(), ALIKE if swapped else 0.0)
    best = max(likeness.values(), default=0.0)
    return [name for name, ratio in likeness.items() if ratio == best >= ALIKE]


def _extends(word: str, name: str) -> bool:
    """Whether the word is a name with more before or after it: num_epochs, l2_regularization, resnet18, dropout2d."""
    return bool(re.fullmatch(rf"(\w+_)?{re.escape(name.lower())}(_\w+|\d\w*)?", word)) and len(name) > 1


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.split("_"))


def unknown_name(name: str, catalogue: Catalogue[Any]) -> str:
    """Return the message about a name that is in no file of the catalogue."""
    meant = part_meant(name, catalogue)
    return f'unknown {catalogue.kind} "{shown(name)}"' + (meant or f"; there are {', '.join(catalogue)}")


def part_meant(word: str, parts: Iterable[str]) -> str:
    """Return ` - did you mean "l1" or "elastic_net"?` for `lasso`: by the names, by what else a part is called."""
    return _question(_meant(word, list(parts), PART_SYNONYMS))


def _quoted(name: str) -> str:
    return f'"{name}"'


def unknown_key(key: str, where: str, known: Iterable[str]) -> str:
    """Return the message about a key that `where` does not take; a key of another section is told apart from a slip."""
    known = list(known)
    message = f'unknown key "{shown(key)}"' + (f" in {where}" if where else "")
    return message + _remedy(key, where, known)


def _remedy(key: str, where: str, known: list[str]) -> str:
    if meant := _question(_meant(key, known, KEY_SYNONYMS)):
        return meant
    if not where.startswith("regularizers"):  # a method's own keys are its own: none of them belongs elsewhere
        if key in METHODS:
            return f" - {key} is a regularizer: put it under regularizers"
        if owners := list(_owners(key, where)):
            return f" - {key} is a key of {' and of '.join(owners)}: put it there"
        squashed = key[:100].lower().replace("-", "").replace("_", "")
        if meant := _question(_misspelt(squashed, list(METHODS))):
            return f"{meant} (a regularizer: put it under regularizers)"
        for other in KEY_SYNONYMS.get(squashed, ()):
            if owners := list(_owners(other, where)):
                return f' - did you mean "{other}"? (a key of {" and of ".join(owners)}: put it there)'
    return f"; it takes {', '.join(known)}" if known else "; it takes no keys"


def _owners(key: str, where: str) -> Iterator[str]:
    """Yield the other sections of which some part has this key."""
    for section, annotation in field_types(Experiment).items():
        catalogue = CATALOGUES.get(annotation)
        parts = [annotation] if isinstance(annotation, type) else []
        classes = [catalogue[name] for name in catalogue] if catalogue else parts
        if section not in ("regularizers", where) and any(key in field_types(cls) for cls in classes):
            yield section
