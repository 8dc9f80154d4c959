"""Handwritten digits, 28 x 28."""

from __future__ import annotations

from regexp.core.component import Share, component, static
from regexp.datasets.base import Data, Dataset
from regexp.datasets.idx import load_idx

CLASSES = (*map(str, range(10)),)


@component
class MNIST(Dataset):
    """60,000 + 10,000 handwritten digits as 28 x 28 grey images, 10 classes.

    The last 10,000 are the published test split.

    path: folder of the four IDX files, gzipped or plain; default: $REGEXP_DATA/mnist,
        /usr/share/dataset-mnist, then OpenML
    memory_share: share of this machine's memory that each file's images may take, (0, 1]
    validation: share of the training data held out for selection, [0, 1)
    test: not used: the published split is the test split
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many

    Source: LeCun, Cortes, Burges, The MNIST database, 1998.
    """

    task = "classification"
    is_image = True
    channels = 1
    examples = 60000
    published_test = True
    path: str | None = None
    memory_share: Share = static(default=0.1)

    def load(self) -> Data:
        return load_idx("mnist", self.path, "/usr/share/dataset-mnist", "mnist_784", CLASSES, self.memory_share)
