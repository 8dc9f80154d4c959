"""What is measured: one line per case, the same model, batch, optimizer and regularizers for every peer."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Case:
    """A model and how it is trained: Adam 1e-3, dropout after each hidden layer, L2 on kernels.

    depth: of a residual network of width filters[0]; 0: a CNN where there are filters, else an MLP
    lanes: models trained; peers without lanes train them one after another
    steps: of one measurement
    targets: the ratios that are aimed at, peer -> at least (product: at most)
    """

    name: str
    data: str
    batch: int
    hidden: tuple[int, ...]
    filters: tuple[int, ...] = ()
    depth: int = 0
    lanes: int = 1
    steps: int = 200
    dropout: float = 0.2
    l2: float = 1e-4
    targets: tuple[tuple[str, float], ...] = ()


CASES = {
    case.name: case
    for case in (
        Case("mlp256", "fashion_mnist", 128, (256, 256), steps=300,
             targets=(("torch", 1.9), ("keras", 1.4), ("products", 1.5))),
        Case("mlp32", "fashion_mnist", 32, (32, 32), steps=1500,
             targets=(("torch", 5.5), ("keras", 2.1))),
        Case("cnn", "fashion_mnist", 128, (128,), (32, 64), steps=20, targets=(("torch", 1.1),)),
        Case("digits8", "digits", 64, (64, 64, 64), lanes=8, steps=1900, targets=(("torch", 15.0),)),
    )
}  # fmt: skip


def arrays(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Training images (n, H, W, C), uint8 or float32 in [0, 1], and labels (n,) int32, read without the project."""
    if case.data == "noise":  # 32 x 32 pixels in colour, which no data set at hand has; time does not depend on them
        generator = np.random.default_rng(0)
        images, classes = (2560, 32, 32, 3), 10
        return generator.integers(0, 256, images, np.uint8), np.arange(images[0], dtype=np.int32) % classes
    if case.data == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        return (x / 16).reshape(-1, 8, 8, 1).astype(np.float32)[:1222], y.astype(np.int32)[:1222]
    folder = Path(os.environ.get("REGEXP_DATA", "../shared/data")) / "fashion_mnist"
    images, labels = (folder / f"train-{part}-ubyte.gz" for part in ("images-idx3", "labels-idx1"))
    x = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    y = np.frombuffer(gzip.decompress(labels.read_bytes()), np.uint8, offset=8)
    return x, y.astype(np.int32)
