"""Patches of two photographs, in colour, 32 x 32."""

from __future__ import annotations

import numpy as np

from regexp.core.component import component
from regexp.datasets.base import Data, Dataset

SIDE = 32


@component
class ChinaFlower(Dataset):
    """520 patches of two photographs as 32 x 32 colour images: a Chinese temple or a flower; ships with scikit-learn.

    Each photograph of 427 x 640 pixels is cut into 13 x 20 squares; the last eleven rows of pixels are not used.
    Patches of one photograph are similar, so a test on them says little about other photographs.

    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many

    Source: scikit-learn, load_sample_image; photographs by danielbuechele and vultilion on Flickr, CC BY 2.0.
    """

    task = "classification"
    is_image = True
    channels = 3
    examples = 520

    def load(self) -> Data:
        from sklearn.datasets import load_sample_image

        classes = ("china", "flower")
        patches = [cut_squares(load_sample_image(f"{name}.jpg")) for name in classes]
        return Data(
            inputs=np.concatenate(patches),
            targets=np.repeat(np.arange(2, dtype=np.int32), [len(squares) for squares in patches]),
            classes=classes,
            source="scikit-learn load_sample_image",
        )


def cut_squares(picture: np.ndarray) -> np.ndarray:
    """Cut a picture (H, W, C) into squares (n, SIDE, SIDE, C), row by row."""
    rows, columns = (side // SIDE for side in picture.shape[:2])
    cut = picture[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, -1)
    return cut.swapaxes(1, 2).reshape(rows * columns, SIDE, SIDE, -1)
