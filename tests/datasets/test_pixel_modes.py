"""Every mode of Pillow comes to 8 bits by its own range, or is refused with the file and the mode."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from regexp.core.errors import DataError
from regexp.datasets.image_folder import ImageFolder
from regexp.datasets.pixels import eight_bit

SIDE = 8
GENERATOR = np.random.default_rng(0)
GREY = GENERATOR.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
COLOUR = GENERATOR.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
WIDE = GENERATOR.integers(0, 65536, (SIDE, SIDE)).astype(np.uint16)
ALPHA = GENERATOR.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def over_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """a c + (1 - a) 255, exact."""
    share = alpha[..., None] / 255
    return share * colours + (1 - share) * 255


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV"])
@pytest.mark.parametrize("colour", [True, False])
def test_opaque_8_bit_modes_are_pillows_own_conversion(mode, colour):
    picture = Image.fromarray(COLOUR).convert(mode)
    expected = np.asarray(picture.convert("RGB" if colour else "L"))
    np.testing.assert_array_equal(np.asarray(eight_bit(picture, colour)), expected)


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "La", "PA"])
def test_transparent_modes_lie_on_white(mode):
    opaque = Image.fromarray(COLOUR if mode.startswith("RGB") else GREY)
    picture = opaque.convert({"RGBA": "RGBA", "RGBa": "RGBA"}.get(mode, "LA"))
    picture.putalpha(Image.fromarray(ALPHA))
    if mode == "PA":
        palette = opaque.convert("P")
        picture = palette.convert("PA")
        picture.putalpha(Image.fromarray(ALPHA))
    elif mode != picture.mode:
        picture = picture.convert(mode)
    base = COLOUR if mode.startswith("RGB") else np.repeat(GREY[..., None], 3, -1)
    result = np.asarray(eight_bit(picture, colour=True)).astype(float)
    tolerance = 2 if mode in ("RGBa", "La") else 1  # premultiplied colours are rounded once more
    assert np.abs(result - over_white(base, ALPHA)).max() <= tolerance


@pytest.mark.parametrize("transparency", ["palette", "grey", "colour"])
def test_a_transparent_colour_lies_on_white(transparency, tmp_path):
    path = tmp_path / "t.png"
    if transparency == "palette":
        picture = Image.fromarray(np.where(GREY > 127, 1, 0).astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 200, 10, 10])
        picture.save(path, transparency=0)
        expected = np.where((GREY > 127)[..., None], [200, 10, 10], 255)
    elif transparency == "grey":
        Image.fromarray(GREY).save(path, transparency=int(GREY[0, 0]))
        expected = np.repeat(np.where(GREY[0, 0] == GREY, 255, GREY)[..., None], 3, -1)
    else:
        Image.fromarray(COLOUR).save(path, transparency=tuple(map(int, COLOUR[0, 0])))
        expected = COLOUR.copy()
        expected[0, 0] = 255
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(eight_bit(picture, colour=True)), expected)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_grey_is_divided_by_257(suffix, tmp_path):
    """libpng's rule, v/257 rounded to the nearest."""
    Image.fromarray(WIDE).save(tmp_path / f"w.{suffix}")
    with Image.open(tmp_path / f"w.{suffix}") as picture:
        result = np.asarray(eight_bit(picture, colour=False))
    np.testing.assert_array_equal(result, np.rint(WIDE / 257).astype(np.uint8))


def test_floats_in_the_unit_interval_are_scaled_and_others_refused():
    values = GENERATOR.random((SIDE, SIDE)).astype(np.float32)
    result = np.asarray(eight_bit(Image.fromarray(values), colour=False))
    np.testing.assert_array_equal(result, np.rint(255 * values.astype(float)))
    with pytest.raises(ValueError, match=r"mode F has values from .* to 2"):
        eight_bit(Image.fromarray(2 * np.ones((SIDE, SIDE), np.float32)), colour=False)


@pytest.mark.parametrize("mode", ["I", "LAB"])
def test_modes_without_a_known_range_are_refused_with_file_and_mode(mode, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new(mode, (SIDE, SIDE)).save(tmp_path / name / "a.tiff")
    with pytest.raises(DataError, match=rf"cat/a.tiff: not a readable image: the mode {mode} has no known range"):
        ImageFolder(path=str(tmp_path)).load()


def test_all_unreadable_images_are_named_at_once(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(8):
            (tmp_path / name / f"{number}.png").write_bytes(b"not a picture")
    with pytest.raises(DataError) as error:
        ImageFolder(path=str(tmp_path)).load()
    lines = str(error.value).splitlines()
    assert len(lines) == 11
    assert lines[0].startswith(f"{tmp_path}/cat/0.png: not a readable image")
    assert lines[-1] == "... and 6 more"


def test_links_are_followed_and_circles_end(tmp_path):
    classes, elsewhere = tmp_path / "classes", tmp_path / "elsewhere"
    for folder, count in ((classes / "cat", 2), (classes / "dog", 3), (elsewhere, 4)):
        folder.mkdir(parents=True)
        for number in range(count):
            Image.fromarray(COLOUR).save(folder / f"{number}.png")
    (classes / "dog" / "more").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(classes / "dog")
    (classes / "cat" / "2.png").symlink_to(elsewhere / "0.png")
    data = ImageFolder(path=str(classes), size=SIDE).load()
    assert np.bincount(data.targets).tolist() == [3, 7]


def test_notes_count_transparent_pictures_and_those_with_several_frames(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.dstack([COLOUR, ALPHA])).save(tmp_path / name / "a.png")
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(tmp_path / "dog" / "b.tiff", save_all=True, append_images=frames[1:])
    notes = ImageFolder(path=str(tmp_path), size=SIDE).load().notes
    assert f"{tmp_path}: 2 images have transparent pixels, which are composited on white" in notes
    assert f"{tmp_path}: 1 images have several frames, of which only the first is used" in notes
