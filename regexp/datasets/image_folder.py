"""Images of your own, one folder for each class."""

from __future__ import annotations

import os
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from regexp.core.component import Count, Share, component, static
from regexp.core.errors import DataError
from regexp.datasets.base import Data, Dataset
from regexp.datasets.memory import check_size
from regexp.datasets.pixels import eight_bit, is_transparent

if TYPE_CHECKING:
    from PIL import Image

MOST_NAMED = 10  # files in one error
LARGE = 2**24  # pixels; larger pictures are decoded one at a time, so that memory holds only one of them
ONE_LARGE = threading.Lock()
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


@component
class ImageFolder(Dataset):
    """Images from folders, one for each class: path/cat/1.jpg, path/dog/a/2.png, ...

    Each image is rotated by its EXIF orientation, scaled (bilinear, antialiased) until its shorter side has `size`
    pixels, and cropped to the square in its center. 16-bit values are divided by 257, transparency is composited on
    white, and only the first of several frames is used. Links to files and folders are followed. Hidden files and files
    without an image's extension are ignored.

    path: the folder, relative to the working folder
    test_path: a second folder with the same classes, whose images are the test split
    size: H = W in pixels
    colour: true: three channels; false: one, the luminance
    max_pixels: the most pixels a file may have; a larger one is refused before it is decoded
    memory_share: share of this machine's memory that the scaled images may take, (0, 1]
    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test if there is no test_path, [0, 1)
    preprocess: steps in order, fitted on the training split only
    limit: n, or {n: 1000, by: class}: train on that many

    Convention: the layout of torchvision's ImageFolder, its Resize and CenterCrop.
    """

    task = "classification"
    is_image = True
    path: str
    test_path: str | None = None
    size: Count = 32
    colour: bool = True
    max_pixels: Count = static(default=100_000_000)
    memory_share: Share = static(default=0.1)

    @property
    def channels(self) -> int:  # type: ignore[override]
        """The number of channels, three or one."""
        return 3 if self.colour else 1

    def load(self) -> Data:
        classes = _classes(self.path, "path")
        files_by_class = [self._class_files(self.path, name, "path") for name in classes]
        test = None
        if self.test_path is not None:
            new = sorted(set(_classes(self.test_path, "test_path")) - set(classes))
            if new:
                raise DataError(f"{self.test_path}: class {new[0]} is not in {self.path}", "dataset.test_path")
            test_files = [self._class_files(self.test_path, name, "test_path") for name in classes]
            begin = sum(map(len, files_by_class))
            test = np.arange(begin, begin + sum(map(len, test_files)), dtype=np.int32)
            files_by_class += test_files
        numbers = np.arange(len(files_by_class), dtype=np.int32) % len(classes)  # the test classes follow in order
        inputs, notes = self._images([file for files in files_by_class for file in files])
        return Data(
            inputs=inputs,
            targets=np.repeat(numbers, [len(files) for files in files_by_class]),
            classes=classes,
            test=test,
            source=self.path,
            notes=(*self._ignored_files(), *notes),
        )

    def read_inputs(self, path: str, codec: dict[str, Any], notes: list[str] | None = None) -> np.ndarray:
        return self._images(_input_files(path))[0]

    def row_names(self, path: str) -> list[str] | None:
        top = Path(path)
        return [str(file.relative_to(top)) if top.is_dir() else file.name for file in _input_files(path)]

    def _class_files(self, path: str, name: str, field: str) -> list[Path]:
        files = _files(Path(path, name))
        if not files:
            raise DataError(f"{Path(path, name)}: contains no image ({', '.join(ENDINGS)})", f"dataset.{field}")
        return files

    def _ignored_files(self) -> list[str]:
        """Return a note, if the folder contains files without an image's extension."""
        count = sum(file.suffix.lower() not in ENDINGS for file in _walk(Path(self.path)))
        return [f"{self.path}: ignored {count:,} files without an image's extension"] if count else []

    def _images(self, files: Sequence[Path]) -> tuple[np.ndarray, list[str]]:
        """Return the images as (n, size, size, channels) uint8, and notes. Raises DataError that lists bad files."""
        shape = (len(files), self.size, self.size, self.channels)
        check_size(f"{self.path}: images of shape {shape}", prod(shape), self.memory_share)
        images = np.empty(shape, np.uint8)
        failures: list[str] = []
        counts: Counter[str] = Counter()
        with ThreadPoolExecutor() as threads:  # Pillow releases the interpreter lock while it decodes
            for place, outcome in enumerate(threads.map(self._image, files)):
                if isinstance(outcome, str):
                    failures.append(outcome)
                else:
                    images[place], remarks = outcome
                    counts.update(remarks)
        if failures:
            more = f"\n... and {len(failures) - MOST_NAMED:,} more" if len(failures) > MOST_NAMED else ""
            raise DataError("\n".join(failures[:MOST_NAMED]) + more, "dataset.path")
        return images, [f"{self.path}: {count:,} images {remark}" for remark, count in counts.items()]

    def _image(self, file: Path) -> tuple[np.ndarray, list[str]] | str:
        """Return the scaled image and remarks about it, or the reason why it cannot be read."""
        from PIL import Image, ImageOps

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about metadata, and about sizes, which max_pixels limits
                with Image.open(file) as picture:
                    pixels = picture.width * picture.height
                    if pixels > self.max_pixels:
                        return (
                            f"{file}: {picture.width:,} x {picture.height:,} pixels exceed dataset.max_pixels "
                            f"{self.max_pixels:,}"
                        )
                    with ONE_LARGE if pixels > LARGE else nullcontext():
                        transparent, frames = is_transparent(picture), getattr(picture, "n_frames", 1)
                        return self._scaled(eight_bit(ImageOps.exif_transpose(picture), self.colour)), [
                            *(["have transparent pixels, which are composited on white"] if transparent else []),
                            *(["have several frames, of which only the first is used"] if frames > 1 else []),
                        ]
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            return f"{file}: not a readable image: {error}"

    def _scaled(self, upright: Image.Image) -> np.ndarray:
        """Scale the shorter side to `size` and crop the center: (size, size, channels)."""
        from PIL import Image

        scale = self.size / min(upright.size)
        wide, high = (max(self.size, round(side * scale)) for side in upright.size)
        x, y = (wide - self.size) // 2, (high - self.size) // 2
        scaled = upright.resize((wide, high), Image.Resampling.BILINEAR)
        cropped = np.asarray(scaled.crop((x, y, x + self.size, y + self.size)))
        return cropped.reshape(self.size, self.size, self.channels)


def _classes(path: str, field: str) -> tuple[str, ...]:
    top = Path(path)
    if not top.is_dir():
        reason = "is not a folder" if top.exists() else "there is no such folder"
        raise DataError(f"{path}: {reason}", f"dataset.{field}")
    names = sorted(entry.name for entry in top.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if field == "path" and len(names) < 2:
        message = f"{path}: has {len(names)} folders; at least two are needed, one for each class"
        raise DataError(message, "dataset.path")
    return tuple(names)


def _files(folder: Path) -> list[Path]:
    """Return the images at any depth, sorted by path."""
    return sorted(file for file in _walk(folder) if file.suffix.lower() in ENDINGS)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the visible files at any depth, following links; a folder that links lead back to is read once."""
    visited: set[tuple[int, int]] = set()
    for path, names, files in os.walk(folder, followlinks=True):
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in visited:
            names.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield from (Path(path, name) for name in files if not name.startswith(".") and Path(path, name).is_file())


def _input_files(path: str) -> list[Path]:
    files = _files(Path(path)) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise DataError(f"{path}: contains no image ({', '.join(ENDINGS)})")
    return files
