"""Folders of images, as cameras, editors and operating systems leave them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from regexp.core.errors import DataError
from regexp.datasets.image_folder import ImageFolder
from tests.cli.command import regexp

GENERATOR = np.random.default_rng(0)


def noise(high, wide, channels=3):
    return GENERATOR.integers(0, 256, (high, wide, channels), np.uint8).squeeze()


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return pixels


@pytest.fixture
def folder(tmp_path):
    """Two classes of three images, and what else lies about in folders."""
    for name, shift in (("cat", 0), ("dog", 150)):
        for k in range(3):
            save(tmp_path / "photos" / name / f"{k}.png", (noise(8, 8) // 3 + shift).astype(np.uint8))
    (tmp_path / "photos" / "cat" / "notes.txt").write_text("my cat")
    (tmp_path / "photos" / ".thumbnails").mkdir()
    (tmp_path / "photos" / "dog" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "photos" / "readme.md").write_text("photos")
    return tmp_path / "photos"


def test_images_of_the_right_size_are_as_they_are(folder):
    pixels = save(folder / "dog" / "sub" / "a.png", noise(8, 8))
    data = ImageFolder(path=str(folder), size=8).load()
    assert data.classes == ("cat", "dog")
    assert data.targets.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert data.inputs.dtype == np.uint8
    np.testing.assert_array_equal(data.inputs[-1], pixels)  # folders within a class belong to it
    assert data.notes == (f"{folder}: ignored 2 files without an image's extension",)


def test_it_scales_the_shorter_side_and_cuts_the_middle(folder):
    """Means of equal blocks are exact; columns left and right of the middle square are gone."""
    middle = np.kron(noise(4, 4), np.ones((16, 16, 1), np.uint8))
    save(folder / "dog" / "wide.png", np.concatenate([noise(64, 40), middle, noise(64, 40)], 1))
    data = ImageFolder(path=str(folder), size=4).load()
    centres = middle[8::16, 8::16]
    found = data.inputs[-1].astype(int)
    assert found.shape == (4, 4, 3)
    assert np.corrcoef(found.ravel(), centres.ravel())[0, 1] > 0.7  # the filter reaches into the neighbours
    flat = np.full((30, 50, 3), 77, np.uint8)
    save(folder / "dog" / "x.png", flat)
    np.testing.assert_array_equal(ImageFolder(path=str(folder), size=7).load().inputs[-1], flat[:7, :7])


def test_torchvisions_transforms_give_the_same(folder):
    transforms = pytest.importorskip("torchvision.transforms", reason="torchvision is not installed")
    pixels = save(folder / "dog" / "z.png", noise(37, 90))
    whole = transforms.Compose([transforms.Resize(16), transforms.CenterCrop(16)])
    expected = np.asarray(whole(Image.fromarray(pixels)))
    found = ImageFolder(path=str(folder), size=16).load().inputs[-1]
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_every_kind_of_pixel_comes_to_the_same_form(folder):
    """Grey, palette, transparent, 16 bit, one bit; turned by the camera."""
    grey = save(folder / "dog" / "a_grey.png", noise(8, 8, 1))
    save(folder / "dog" / "b_alpha.png", noise(8, 8, 4))
    Image.fromarray(noise(8, 8)).convert("P").save(folder / "dog" / "c_palette.gif", transparency=0)
    Image.fromarray(grey > 100).save(folder / "dog" / "d_bit.tiff")
    turned = Image.fromarray(np.kron([[10, 200], [10, 200]], np.ones((8, 8))).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    turned.save(folder / "dog" / "e_turned.jpg", exif=exif, quality=100)
    data = ImageFolder(path=str(folder), size=8).load()
    assert data.inputs.shape == (11, 8, 8, 3)
    np.testing.assert_array_equal(data.inputs[6], np.repeat(grey[..., None], 3, -1))
    assert data.inputs[-1][:4].mean() < 20
    assert data.inputs[-1][4:].mean() > 190
    one = ImageFolder(path=str(folder), size=8, colour=False)
    assert (one.channels, one.load().inputs.shape) == (1, (11, 8, 8, 1))
    np.testing.assert_array_equal(one.load().inputs[6, ..., 0], grey)


def test_a_second_folder_is_the_test_split(folder, tmp_path):
    save(tmp_path / "new" / "dog" / "a.png", noise(8, 8))
    with pytest.raises(DataError, match="cat: contains no image") as caught:
        ImageFolder(path=str(folder), test_path=str(tmp_path / "new")).load()
    assert caught.value.key == "dataset.test_path"
    save(tmp_path / "new" / "cat" / "a.png", noise(8, 8))
    data = ImageFolder(path=str(folder), test_path=str(tmp_path / "new")).load()
    assert data.test.tolist() == [6, 7]
    assert data.targets.tolist() == [0, 0, 0, 1, 1, 1, 0, 1]
    save(tmp_path / "new" / "cow" / "a.png", noise(8, 8))
    with pytest.raises(DataError, match="class cow is not in"):
        ImageFolder(path=str(folder), test_path=str(tmp_path / "new")).load()


@pytest.mark.parametrize(
    ("name", "content"),
    [("cut.png", None), ("text.jpg", b"not an image"), ("empty.gif", b""), ("bomb.bmp", b"BM" + b"\xff" * 60)],
)
def test_a_damaged_image_is_named(folder, name, content):
    path = folder / "cat" / name
    if content is None:
        save(path, noise(64, 64))
        content = path.read_bytes()[:500]
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: not a readable image"):
        ImageFolder(path=str(folder)).load()


def test_a_folder_without_classes_is_refused(folder, tmp_path):
    for path, said in (
        (tmp_path / "none", "there is no such folder"),
        (folder / "cat" / "0.png", "is not a folder"),
        (folder / "cat", "has 0 folders"),
    ):
        with pytest.raises(DataError, match=said) as caught:
            ImageFolder(path=str(path)).load()
        assert caught.value.key == "dataset.path"


@pytest.mark.slow
def test_from_photographs_to_predictions(folder, tmp_path):
    """Trained on bright against dark ones, each file is told its class."""
    (tmp_path / "lab.yaml").write_text(
        f"dataset: {{name: image_folder, path: {folder}, size: 8, validation: 0, test: 0.34}}\n"
        "model: {name: cnn, filters: [4], hidden: []}\n"
        "regularizers: {horizontal_flip: }\n"
        "optimizer: {name: adam, learning_rate: 0.03}\n"
        "training: {epochs: 60, batch_size: 4, seeds: [0]}\n"
    )
    runs = ("--runs-dir", tmp_path / "runs")
    done = regexp("train", tmp_path / "lab.yaml", "--quiet", *runs)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "runs" / "lab" / "summary.json").read_text())
    assert summary["metrics"]["test/accuracy"]["mean"] == 1
    save(tmp_path / "new" / "=1+1.png", np.full((20, 30, 3), 20, np.uint8))
    save(tmp_path / "new" / "deep" / "b.jpg", np.full((9, 8, 3), 210, np.uint8))
    done = regexp("predict", "lab", "--input", tmp_path / "new", "--output", tmp_path / "out.csv", *runs)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [(row["file"], row["prediction"]) for row in rows] == [("'=1+1.png", "cat"), ("deep/b.jpg", "dog")]
