"""Images of your own, one folder for each class."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from regexp.component import Count, component
from regexp.datasets.base import Data, Dataset
from regexp.errors import DataError

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


@component
class ImageFolder(Dataset):
    """Images from folders, one for each class: path/cat/1.jpg, path/dog/a/2.png, ...

    Each is turned as its camera says, scaled (bilinear, antialiased) until its shorter side has `size` pixels, and cut
    to the square in its middle. Files that are no images by their name are left out; hidden ones, too.

    path: the folder, relative to the working folder
    test_path: a second folder with the same classes, whose images are the test split
    size: H = W in pixels
    colour: true: three channels; false: one, the luminance
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
        others = self._others()
        return Data(
            inputs=self._images([file for own in found for file in own]),
            targets=np.repeat(numbers, [len(own) for own in found]),
            classes=classes,
            test=test,
            source=self.path,
            notes=(f"{self.path}: {others:,} files are no images by their name",) if others else (),
        )

    def read_inputs(self, path: str, codec: dict[str, Any]) -> np.ndarray:
        return self._images(_input_files(path))

    def row_names(self, path: str) -> list[str] | None:
        top = Path(path)
        return [str(file.relative_to(top)) if top.is_dir() else file.name for file in _input_files(path)]

    def _class_files(self, path: str, name: str, field: str) -> list[Path]:
        files = _files(Path(path, name))
        if not files:
            raise DataError(f"{Path(path, name)}: has no image ({', '.join(ENDINGS)})", f"dataset.{field}")
        return files

    def _others(self) -> int:
        everything = [file for file in Path(self.path).rglob("*") if file.is_file() and not _is_hidden(file, self.path)]
        return sum(file.suffix.lower() not in ENDINGS for file in everything)

    def _images(self, files: Sequence[Path]) -> np.ndarray:
        """(n, size, size, channels) uint8. Pillow decodes without Python's lock."""
        try:
            found = np.empty((len(files), self.size, self.size, self.channels), np.uint8)
        except MemoryError as error:
            raise DataError(f"{self.path}: {error}", "dataset.size") from None
        with ThreadPoolExecutor() as threads:
            for place, image in enumerate(threads.map(self._image, files)):
                found[place] = image
        return found

    def _image(self, file: Path) -> np.ndarray:
        from PIL import Image, ImageOps

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of metadata that nobody reads
                with Image.open(file) as opened:
                    upright = ImageOps.exif_transpose(opened).convert("RGB" if self.colour else "L")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(f"{file}: no image that can be read: {error}", "dataset.path") from None
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
    found = (file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
    return sorted(file for file in found if not _is_hidden(file, folder))


def _is_hidden(file: Path, top: str | Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(top).parts)


def _input_files(path: str) -> list[Path]:
    files = _files(Path(path)) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise DataError(f"{path}: has no image ({', '.join(ENDINGS)})")
    return files
