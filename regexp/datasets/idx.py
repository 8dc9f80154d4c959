"""Read and check IDX files, the format of MNIST; search for them on this machine, or fetch them from OpenML."""

from __future__ import annotations

import gzip
import os
import struct
import warnings
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from regexp.core.errors import DataError
from regexp.datasets.base import Data
from regexp.datasets.memory import check_size

MOST_COUNTED = 2**20  # surplus bytes read to report their number: a gzipped file may inflate to any size
PARTS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def read_idx(path: Path, memory_share: float = 0.1) -> np.ndarray:
    """Read one IDX file of unsigned bytes, gzipped or plain. Raises DataError that names the file and the problem.

    memory_share: share of this machine's memory that the array may take; checked by the header before inflating
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return _read_idx(path, stream, memory_share)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None


def _read_idx(path: Path, stream: BinaryIO | gzip.GzipFile, memory_share: float) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != b"\0\0\x08" or not 1 <= magic[3] <= 4:
        raise DataError(f"{path}: not an IDX file of unsigned bytes (wrong magic number)")
    header = stream.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise DataError(f"{path}: ends within its header")
    shape = struct.unpack(f">{magic[3]}I", header)
    size = prod(shape)
    check_size(f"{path}: {shape}", size, memory_share)
    content = stream.read(size)
    surplus = stream.read(MOST_COUNTED)
    if len(content) != size or surplus:
        more = " or more" * (len(surplus) == MOST_COUNTED)
        size_read = len(content) + len(surplus)
        raise DataError(f"{path}: its header says {shape}, {size} bytes, but the file holds {size_read}{more}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def load_idx(
    name: str, path: str | None, debian: str, openml: str, classes: tuple[str, ...], memory_share: float = 0.1
) -> Data:
    """Load a dataset of four IDX files from the first folder of `places` that has them, or from OpenML.

    name: the name of the folder below $REGEXP_DATA
    path: the folder from the config; None searches the others
    debian: the folder of Debian's package
    openml: the name of the dataset at OpenML
    """
    searched = places(name, path, debian)
    folder = next((p for p in searched if _file(p, PARTS["train"][0])), None)
    if folder is None and path is not None:
        raise DataError(f"dataset.path {path}: no {PARTS['train'][0]}.gz there", "dataset.path")
    if folder is None:
        return _fetch(openml, classes, searched)
    images, labels = [], []
    for part in PARTS.values():
        x, y = (read_idx(_required(folder, stem), memory_share) for stem in part)
        if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
            raise DataError(f"{folder}: {part[0]} is {x.shape} but {part[1]} is {y.shape}")
        if y.size and y.max() >= len(classes):
            raise DataError(f"{folder}: {part[1]} holds class {y.max()}, expected 0 to {len(classes) - 1}")
        images.append(x)
        labels.append(y)
    if images[0].shape[1:] != images[1].shape[1:]:
        raise DataError(f"{folder}: train and test images differ in size")
    return _assemble(images, labels, classes, str(folder))


def places(name: str, path: str | None, debian: str) -> list[Path]:
    """Return the folders to search: only the config's path if it is set, otherwise $REGEXP_DATA, then Debian's."""
    if path is not None:
        return [Path(path)]
    data = os.environ.get("REGEXP_DATA")
    if not data:
        return [Path(debian)]
    # MNIST and Fashion-MNIST have the same file names: only a folder with the name of the dataset may hold them.
    top = [Path(data)] if Path(data).name.replace("-", "_").lower() == name else []
    return [*top, Path(data) / name, Path(debian)]


def _file(folder: Path, stem: str) -> Path | None:
    names = (f"{stem}.gz", stem, f"{stem.replace('-idx', '.idx')}")
    return next((folder / n for n in names if (folder / n).is_file()), None)


def _required(folder: Path, stem: str) -> Path:
    file = _file(folder, stem)
    if file is None:
        raise DataError(f"{folder}: {stem}.gz is missing")
    return file


def _assemble(images: list[np.ndarray], labels: list[np.ndarray], classes: tuple[str, ...], source: str) -> Data:
    inputs = np.concatenate(images)[..., None]
    return Data(
        inputs=inputs,
        targets=np.concatenate(labels).astype(np.int32),
        classes=classes,
        test=np.arange(len(images[0]), len(inputs), dtype=np.int32),
        source=source,
    )


def _fetch(openml: str, classes: tuple[str, ...], searched: list[Path]) -> Data:
    from sklearn.datasets import fetch_openml

    try:
        with warnings.catch_warnings(action="ignore"):  # it warns about each attempt; the error below names the last
            inputs, targets = fetch_openml(openml, version=1, return_X_y=True, as_frame=False, parser="liac-arff")
    except Exception as error:
        folders = "\n".join(f"  {place}" for place in searched)
        raise DataError(
            f"no IDX files in\n{folders}\nand {openml} could not be fetched from OpenML ({type(error).__name__}). The "
            f"files are {', '.join(f'{stem}[.gz]' for part in PARTS.values() for stem in part)}: set dataset.path to "
            "their folder, or put them into a folder with the dataset's name and set REGEXP_DATA to the one above it."
        ) from None
    images = inputs.astype(np.uint8).reshape(-1, 28, 28)
    numbers = targets.astype(np.int64)
    return _assemble([images[:60000], images[60000:]], [numbers[:60000], numbers[60000:]], classes, "OpenML")
