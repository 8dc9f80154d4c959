"""Convert any picture that Pillow opens to 8-bit RGB or grey: each mode is scaled by its range, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

WIDE = ("I;16", "I;16L", "I;16B", "I;16N")
CONVERTED = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
LARGEST_16_BIT = 65535


def is_transparent(image: Image) -> bool:
    """Return whether a picture has an alpha channel or a transparent colour."""
    return image.mode in WITH_ALPHA or ("transparency" in image.info and image.mode in CONVERTED)


def eight_bit(image: Image, colour: bool) -> Image:
    """Convert a picture to RGB (`colour`) or L, with transparency composited on white.

    16-bit grey v becomes v/257 rounded, as in libpng; floats in [0, 1] become 255 v.

    Raises ValueError for a mode whose range is unknown.
    """
    from PIL import Image

    mode = "RGB" if colour else "L"
    if image.mode in WIDE or (image.mode == "I" and image.format == "PNG"):
        return Image.fromarray(_from_16_bit(np.asarray(image))).convert(mode)
    if image.mode == "F":
        return Image.fromarray(_from_floats(np.asarray(image))).convert(mode)
    if is_transparent(image):
        if image.mode == "La":
            image = image.convert("LA")  # the only mode to which Pillow converts premultiplied grey
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert(mode)
    if image.mode not in CONVERTED:
        raise ValueError(f"the mode {image.mode} has no known range; save the picture as 8-bit RGB or grey")
    return image.convert(mode)


def _from_16_bit(values: np.ndarray) -> np.ndarray:
    if values.min(initial=0) < 0 or values.max(initial=0) > LARGEST_16_BIT:
        raise ValueError(f"its values {values.min()} to {values.max()} are not in the range of 16 bits")
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _from_floats(values: np.ndarray) -> np.ndarray:
    if not (np.isfinite(values).all() and values.min(initial=0) >= 0 and values.max(initial=0) <= 1):
        raise ValueError(
            f"the mode F has values from {np.nanmin(values):g} to {np.nanmax(values):g}; floats must lie in [0, 1]"
        )
    return np.rint(255 * values.astype(np.float64)).astype(np.uint8)
