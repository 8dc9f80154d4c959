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
LARGE = 2**24  # pixels; of larger pictures one is decoded at a time, so that memory holds one
ONE_LARGE = threading.Lock()
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


@component
class ImageFolder(Dataset):
    """Images from folders, one for each class: path/cat/1.jpg, path/dog/a/2.png, ...

    Each is turned as its camera says, scaled (bilinear, antialiased) until its shorter side has `size` pixels, and cut
    to the square in its middle. 16-bit values are divided by 257, transparent pixels laid on white, of several frames
    the first is taken. Links to files and folders are followed. Files that are no images by their name are left out;
    hidden ones, too.

    path: the folder, relative to the working folder
    test_path: a second folder with the same classes, whose images are the test split
    size: H = W in pixels
    colour: true: three channels; false: one, the luminance
    max_pixels: a file with more pixels than this is refused before it is decoded
    memory_share: share of this machine's memory that the scaled images may take, (0, 1]
    validation: share of the training data held out for selection, [0, 1)
    test: share of all data held out for the test where there is no test_path, [0, 1)
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
        """Three or one."""
        return 3 if self.colour else 1

    def load(self) -> Data:
        classes = _classes(self.path, "path")
        found = [self._class_files(self.path, name, "path") for name in classes]
        test = None
        if self.test_path is not None:
            odd = sorted(set(_classes(self.test_path, "test_path")) - set(classes))
            if odd:
                raise DataError(f"{self.test_path}: class {odd[0]} is not in {self.path}", "dataset.test_path")
            more = [self._class_files(self.test_path, name, "test_path") for name in classes]
            begin = sum(map(len, found))
            test = np.arange(begin, begin + sum(map(len, more)), dtype=np.int32)
            found += more
        numbers = np.arange(len(found), dtype=np.int32) % len(classes)
        inputs, notes = self._images([file for files in found for file in files])
        return Data(
            inputs=inputs,
            targets=np.repeat(numbers, [len(own) for own in found]),
            classes=classes,
            test=test,
            source=self.path,
            notes=(*self._other_files(), *notes),
        )

    def read_inputs(self, path: str, codec: dict[str, Any], notes: list[str] | None = None) -> np.ndarray:
        return self._images(_input_files(path))[0]

    def row_names(self, path: str) -> list[str] | None:
        top = Path(path)
        return [str(file.relative_to(top)) if top.is_dir() else file.name for file in _input_files(path)]

    def _class_files(self, path: str, name: str, field: str) -> list[Path]:
        files = _files(Path(path, name))
        if not files:
            raise DataError(f"{Path(path, name)}: has no image ({', '.join(ENDINGS)})", f"dataset.{field}")
        return files

    def _other_files(self) -> list[str]:
        """A note where the folder holds files that are no images by their name."""
        others = sum(file.suffix.lower() not in ENDINGS for file in _walk(Path(self.path)))
        return [f"{self.path}: {others:,} files are no images by their name"] if others else []

    def _images(self, files: Sequence[Path]) -> tuple[np.ndarray, list[str]]:
        """((n, size, size, channels) uint8, notes). Raises DataError with all files that are no images."""
        shape = (len(files), self.size, self.size, self.channels)
        check_size(f"{self.path}: images of shape {shape}", prod(shape), self.memory_share)
        images = np.empty(shape, np.uint8)
        failures: list[str] = []
        counts: Counter[str] = Counter()
        with ThreadPoolExecutor() as threads:  # Pillow decodes without Python's lock
            for place, result in enumerate(threads.map(self._image, files)):
                if isinstance(result, str):
                    failures.append(result)
                else:
                    images[place], remarks = result
                    counts.update(remarks)
        if failures:
            more = f"\n... and {len(failures) - MOST_NAMED:,} more" if len(failures) > MOST_NAMED else ""
            raise DataError("\n".join(failures[:MOST_NAMED]) + more, "dataset.path")
        return images, [f"{self.path}: {count:,} images {remark}" for remark, count in counts.items()]

    def _image(self, file: Path) -> tuple[np.ndarray, list[str]] | str:
        """(the scaled image, remarks), or why it cannot be read."""
        from PIL import Image, ImageOps

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of metadata, and of sizes, which max_pixels limits
                with Image.open(file) as picture:
                    pixels = picture.width * picture.height
                    if pixels > self.max_pixels:
                        return (
                            f"{file}: {picture.width:,} x {picture.height:,} pixels are above dataset.max_pixels "
                            f"{self.max_pixels:,}"
                        )
                    with ONE_LARGE if pixels > LARGE else nullcontext():
                        transparent, frames = is_transparent(picture), getattr(picture, "n_frames", 1)
                        return self._scaled(eight_bit(ImageOps.exif_transpose(picture), self.colour)), [
                            *(["have transparent pixels, which are laid on white"] if transparent else []),
                            *(["have several frames, of which the first is taken"] if frames > 1 else []),
                        ]
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            return f"{file}: no image that can be read: {error}"

    def _scaled(self, upright: Image.Image) -> np.ndarray:
        """(size, size, channels): the shorter side scaled to `size`, the middle cut out."""
        from PIL import Image

        scale = self.size / min(upright.size)
        wide, high = (max(self.size, round(side * scale)) for side in upright.size)
        left, top = (wide - self.size) // 2, (high - self.size) // 2
        scaled = upright.resize((wide, high), Image.Resampling.BILINEAR)
        cut = np.asarray(scaled.crop((left, top, left + self.size, top + self.size)))
        return cut.reshape(self.size, self.size, self.channels)


def _classes(path: str, field: str) -> tuple[str, ...]:
    top = Path(path)
    if not top.is_dir():
        what = "is not a folder" if top.exists() else "there is no such folder"
        raise DataError(f"{path}: {what}", f"dataset.{field}")
    names = sorted(one.name for one in top.iterdir() if one.is_dir() and not one.name.startswith("."))
    if field == "path" and len(names) < 2:
        raise DataError(f"{path}: has {len(names)} folders, not one for each of two or more classes", "dataset.path")
    return tuple(names)


def _files(folder: Path) -> list[Path]:
    """The images at any depth, by name."""
    return sorted(file for file in _walk(folder) if file.suffix.lower() in ENDINGS)


def _walk(folder: Path) -> Iterator[Path]:
    """The files at any depth that are not hidden, behind links too; a folder that links lead back to is read once."""
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
        raise DataError(f"{path}: has no image ({', '.join(ENDINGS)})")
    return files
