"""What a suggestion says of words that people type: the right name, or nothing where no part is meant."""

from __future__ import annotations

import re

import pytest

from regexp.config import loads
from regexp.config.catalogues import CATALOGUES
from regexp.config.suggest import KEY_SYNONYMS, PART_SYNONYMS, unknown_name
from regexp.core.errors import ConfigError
from regexp.regularizers.base import CATALOGUE as METHODS

BY_KIND = {catalogue.kind: catalogue for catalogue in CATALOGUES.values()}

# kind: {word: the names suggested, none where what the word names is not in the catalogue}
TYPED = {
    "regularizer": {
        # spelling
        "droput": "dropout", "dropuot": "dropout", "drop_out": "dropout", "Dropout": "dropout", "drop-out": "dropout",
        "batchnorm": "batch_norm", "BatchNorm": "batch_norm", "bn": "batch_norm", "maxnorm": "max_norm",
        "weigth_decay": "weight_decay", "weightdecay": "weight_decay", "elasticnet": "elastic_net",
        "earlystopping": "early_stopping", "label_smooting": "label_smoothing", "mix_up": "mixup", "cut_mix": "cutmix",
        # a part of the name, or more than it
        "early_stop": "early_stopping", "flip": "horizontal_flip vertical_flip", "crop": "random_crop",
        "gaussian": "gaussian_noise", "decay": "weight_decay", "elastic": "elastic_net", "smoothing": "label_smoothing",
        "ensemble": "deep_ensemble snapshot_ensemble", "dropout2d": "dropout", "l2_regularization": "l2",
        # other words for it
        "lasso": "l1 elastic_net", "ridge": "l2 elastic_net", "tikhonov": "l2", "wd": "weight_decay",
        "swa": "weight_averaging", "ema": "weight_averaging", "drop_path": "stochastic_depth",
        "random_erasing": "cutout", "grad_clip": "gradient_clipping", "adversarial_training": "fgsm",
        # what is not there has no suggestion, however like a name or a word of a card it is
        "layer_norm": "", "layernorm": "", "group_norm": "", "instance_norm": "", "rms_norm": "", "spectral_norm": "",
        "vat": "", "virtual_adversarial_training": "", "target": "", "attention": "", "momentum": "", "entropy": "",
        "kernel": "", "cosine": "", "warmup": "", "epochs": "", "transformer": "", "restart": "",
        "gradient_penalty": "",
        "dropblock": "", "zoneout": "", "maxout": "", "pruning": "", "focal_loss": "", "l3": "", "x": "", "pgd": "",
        "distillation": "", "group_lasso": "", "unit_norm": "", "r_drop": "", "lookahead": "",
    },
    "optimizer": {
        "sdg": "sgd", "SGD": "sgd", "adamm": "adam", "rmsprob": "rmsprop", "rms": "rmsprop", "adam_w": "adamw",
        "nadam": "", "adamax": "", "lamb": "", "lars": "", "lbfgs": "", "radam": "",
    },
    "model": {
        "mpl": "mlp", "resnet18": "resnet", "convnet": "cnn", "logistic_regression": "linear",
        "dnn": "", "lenet": "", "densenet": "", "transformer": "", "lstm": "", "vgg": "",
    },
    "schedule": {"cosin": "cosine", "cosine_annealing": "cosine", "plateau": "", "one_cycle": "", "polynomial": ""},
    "dataset": {"minst": "mnist", "digit": "digits", "fashion": "fashion_mnist", "ImageFolder": "image_folder",
                "iris": "", "cifar10": "", "parquet": "", "titanic": ""},
    "initializer": {"glorot": "xavier", "kaiming": "he", "he_normal": "he", "orthogonal": "", "lecun": ""},
}  # fmt: skip


def suggested(message: str) -> list[str]:
    _, _, question = message.partition("did you mean ")
    return re.findall(r'"([^"]+)"', question)


@pytest.mark.parametrize(
    ("kind", "word", "names"), [(kind, word, names) for kind, typed in TYPED.items() for word, names in typed.items()]
)
def test_a_name_is_suggested_or_nothing_is(kind, word, names):
    message = unknown_name(word, BY_KIND[kind])
    assert suggested(message) == names.split()
    if not names:
        assert message.endswith(f"; there are {', '.join(BY_KIND[kind])}")


KEYS = [
    ("early_stopping", "target: 3", "; it takes monitor, patience, min_delta, restore_best, refit, unit"),
    ("early_stopping", "epochs: 3", "; it takes monitor,"),
    ("early_stopping", "batch_size: 3", "; it takes monitor,"),
    ("early_stopping", "metric: 3", 'did you mean "monitor"?'),
    ("early_stopping", "monitr: 3", 'did you mean "monitor"?'),
    ("early_stopping", "restore_best_weights: true", 'did you mean "restore_best"?'),
    ("dropout", "p: 0.3", "; it takes rate,"),
    ("dropout", "keep_prob: 0.3", "; it takes rate,"),
    ("dropout", "rte: 0.3", 'did you mean "rate"?'),
    ("dropout", "label: 0.3", "; it takes rate,"),
]


@pytest.mark.parametrize(("method", "entry", "end"), KEYS)
def test_a_key_of_a_method_is_never_sent_to_another_section(method, entry, end):
    with pytest.raises(ConfigError) as caught:
        loads(f"regularizers: {{{method}: {{{entry}}}}}")
    message = caught.value.problems[0].message
    assert end in message
    assert "is a key of" not in message


SECTIONS = [
    ("optimizer: {name: adam, lr: 1}", 'did you mean "learning_rate"?'),
    ("optimizer: {name: adam, betas: 1}", 'did you mean "beta1" or "beta2"?'),
    ("optimizer: {name: adam, epochs: 1}", "epochs is a key of training: put it there"),
    ("optimizer: {name: adam, weight_decay: 1}", "weight_decay is a regularizer: put it under regularizers"),
    ("training: {lr: 1}", 'did you mean "learning_rate"? (a key of optimizer: put it there)'),
    ("training: {num_epochs: 1}", 'did you mean "epochs"?'),
    ("training: {loss_function: x}", 'did you mean "loss"?'),
    ("training: {shuffle: true}", "; it takes epochs,"),
    ("dataset: {name: wine, label: x}", "; it takes validation,"),
    ("dataset: {name: wine, split: 0.1}", "; it takes validation,"),
    ("dataset: {name: wine, test_size: 0.1}", 'did you mean "test"?'),
    ("dataset: {name: wine, seed: 1}", 'did you mean "seeds"? (a key of training: put it there)'),
    ("dropout: {rate: 0.1}", "dropout is a regularizer: put it under regularizers"),
    ("regularization: {}", 'did you mean "regularizers"?'),
    ("network: mlp", 'did you mean "model"?'),
]


@pytest.mark.parametrize(("text", "remedy"), SECTIONS)
def test_a_key_of_a_section_is_a_slip_or_belongs_elsewhere_or_is_listed(text, remedy):
    with pytest.raises(ConfigError) as caught:
        loads(text)
    assert remedy in caught.value.problems[0].message


def test_synonyms_are_of_parts_and_keys_that_are_there():
    parts = {name for catalogue in CATALOGUES.values() for name in catalogue}
    assert {name for names in PART_SYNONYMS.values() for name in names} <= parts
    assert not PART_SYNONYMS.keys() & parts
    assert all(word == word.lower().replace("_", "") for word in (*PART_SYNONYMS, *KEY_SYNONYMS))


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_is_found_without_its_underscores_and_with_a_letter_twice(name):
    assert suggested(unknown_name(name.replace("_", "").upper(), METHODS)) == [name]
    if len(name) >= 5:
        assert suggested(unknown_name(name[:4] + name[3] + name[4:], METHODS)) == [name]
