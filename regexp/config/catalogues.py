"""The catalogue from which a field chooses its part, by the base class in the field's annotation."""

from __future__ import annotations

from typing import Any

from regexp.core.component import Catalogue
from regexp.datasets import base as datasets
from regexp.initializers import base as initializers
from regexp.models import base as models
from regexp.optimizers import base as optimizers
from regexp.preprocessing import base as preprocessing
from regexp.regularizers import base as regularizers
from regexp.schedules import base as schedules

CATALOGUES: dict[type, Catalogue[Any]] = {
    datasets.Dataset: datasets.CATALOGUE,
    models.Model: models.CATALOGUE,
    regularizers.Regularizer: regularizers.CATALOGUE,
    optimizers.Optimizer: optimizers.CATALOGUE,
    schedules.Schedule: schedules.CATALOGUE,
    initializers.Initializer: initializers.CATALOGUE,
    preprocessing.Preprocessor: preprocessing.CATALOGUE,
}
