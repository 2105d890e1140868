"""PNG, JPEG, BMP, TIFF and WebP -> gray pixels in 0..1."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from model.decoding import DecodedFilm, check_size, gray_from_channels
from model.errors import ImageError
from model.headers import TiffTags, check_png_chunks, exif_orientation, jpeg_frame_header, webp_size

_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_LOOKED_AT = 128
_COLOR = 40
_AS_STORED = ("L", "LA", "RGB", "RGBA")
_TO_RGB = ("P", "RGBX", "CMYK", "YCbCr")
_WIDTH, _HEIGHT = 256, 257
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT, _SIGNED = 258, 262, 339, 2
_USUAL_NARROW_BITS = 12


def decode_raster(data: bytes, *, name: str) -> DecodedFilm:
    """Decode the first frame of a picture file.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        "PNG", "JPEG", "BMP", "TIFF" or "WEBP", as told by its bytes.

    Returns
    -------
    DecodedFilm
        Upright according to the EXIF orientation; `original_size` is that before the rotation. Integers
        are divided by the largest value of their bit depth; 16-bit gray that stays within 12 bits or fewer is
        divided by the largest value of those, with a note. Floats within 0..1 are kept; other floats and
        signed or 32-bit integers are scaled from their own minimum to their own maximum, with a note.

    Raises
    ------
    ImageError
        If the picture is damaged, cut off, too large or too small, holds NaN or infinity, or has a color
        space that is not supported.
    """
    try:
        return _decode(data, name)
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise ImageError(
            f"This {name} file is damaged or cut off and cannot be decoded; export or download it again."
        ) from error


def _decode(data: bytes, name: str) -> DecodedFilm:
    tags = TiffTags(data) if name == "TIFF" else None
    if name == "JPEG":
        jpeg_frame_header(data)
    elif name == "PNG":
        check_png_chunks(data)
    elif name == "WEBP":
        check_size(*webp_size(data))
    if tags and tags.holds_floats_beyond_pillow:
        return _decode_float_tiff(data, tags)
    # The plugin is called by its name because `Image.open` would look at the size before we can.
    image = _PLUGINS[name](BytesIO(data))
    width, height = image.size
    check_size(height, width)
    image.load()
    frames = int(getattr(image, "n_frames", 1)) if tags is None else 1
    notes = _count_note(tags.pages, "pages") if tags else _count_note(frames, "frames")
    gray, more = _gray(image, data, tags)
    upright = _upright(gray, exif_orientation(image.info.get("exif", b"")) if tags is None else 1)
    # Pillow itself turns a TIFF upright; the tags keep the size it was stored with.
    stored = (tags.firsts[_HEIGHT], tags.firsts[_WIDTH]) if tags else (height, width)
    return DecodedFilm(pixels=upright, original_size=stored, notes=notes + more, colored=_colored(image))


def _decode_float_tiff(data: bytes, tags: TiffTags) -> DecodedFilm:
    """Decode 64-bit and color floats, which Pillow does not read; OpenCV turns them upright itself."""
    height, width = tags.firsts[_HEIGHT], tags.firsts[_WIDTH]
    check_size(height, width)
    values = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or not np.issubdtype(values.dtype, np.floating):
        raise ValueError("not a TIFF of floats")
    if values.ndim == 3:
        values = values[..., :3] @ np.array([0.114, 0.587, 0.299])
    gray, notes = _gray_of_measurements(values, tags)
    return DecodedFilm(pixels=gray, original_size=(height, width), notes=_count_note(tags.pages, "pages") + notes)


def _count_note(count: int, unit: str) -> tuple[str, ...]:
    return (f"This file holds {count:,} {unit}; the first one is shown.",) if count > 1 else ()


def _gray(
    image: ImageFile.ImageFile, data: bytes, tags: TiffTags | None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    if image.mode == "1":
        return np.asarray(image).astype(np.float32), ()
    if image.mode.startswith("I;16"):
        return _gray_of_16_bits(np.asarray(image).astype(np.uint16), image, tags)
    if image.mode in ("I", "F"):
        return _gray_of_measurements(np.asarray(image), tags)
    if image.mode == "L" and tags and tags.firsts.get(_SAMPLE_FORMAT) == _SIGNED:
        return _gray_of_measurements(np.asarray(image).view(np.int8), tags)
    wide = _color_of_16_bits(image, data, tags)
    if wide is not None:
        return _over_black(wide, 65535.0)
    return _over_black(_channels_of_8_bits(image), 255.0)


def _channels_of_8_bits(image: ImageFile.ImageFile) -> NDArray[np.uint8]:
    transparent = image.has_transparency_data
    if image.mode == "L" and transparent:
        return np.asarray(image.convert("LA"))
    if image.mode == "PA" or (image.mode in ("P", "RGB") and transparent):
        return np.asarray(image.convert("RGBA"))
    if image.mode in _TO_RGB:
        return np.asarray(image.convert("RGB"))
    if image.mode not in _AS_STORED:
        raise ImageError(
            "This picture uses a color space that cannot be read here, but gray or RGB is expected; export it as gray."
        )
    channels = np.asarray(image)
    if image.format == "BMP" and image.mode == "RGBA" and not channels[..., 3].any():
        return channels[..., :3]
    return channels


def _over_black(channels: NDArray[Any], full_scale: float) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    gray = gray_from_channels(channels, full_scale=full_scale)
    has_alpha = channels.ndim == 3 and channels.shape[2] in (2, 4)
    if has_alpha and float(channels[..., -1].min()) < full_scale:
        return gray, ("Its transparent parts are shown black.",)
    return gray, ()


def _colored(image: ImageFile.ImageFile) -> float:
    """Which share of a picture is clearly colored: red, green and blue far apart."""
    if image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16"):
        return 0.0
    few = image.resize((_LOOKED_AT, _LOOKED_AT), Image.Resampling.NEAREST).convert("RGB")
    return float((np.ptp(np.asarray(few).astype(np.int16), axis=2) > _COLOR).mean())


def _color_of_16_bits(image: ImageFile.ImageFile, data: bytes, tags: TiffTags | None) -> NDArray[Any] | None:
    """RGB(A) at full depth, which Pillow would cut to 8 bits; None where there is no more depth."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        deep = image.mode in ("RGB", "RGBA") and image.tag_v2.get(_BITS_PER_SAMPLE, (8,))[0] == 16
    else:
        deep = image.format == "PNG" and data[24] == 16
    if not deep:
        return None
    decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3 or decoded.shape[2] not in (3, 4):
        return None
    if decoded.shape[:2] != (image.height, image.width):
        return None
    order = [2, 1, 0, 3][: decoded.shape[2]]
    return np.ascontiguousarray(decoded[..., order])


def _gray_of_16_bits(
    values: NDArray[np.uint16], image: ImageFile.ImageFile, tags: TiffTags | None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    bits = 16
    if tags and tags.firsts.get(_BITS_PER_SAMPLE, 16) == 12:
        bits = 12
    elif (used := max(8, int(values.max()).bit_length())) <= _USUAL_NARROW_BITS:
        bits = used
        notes = (f"Its 16-bit values stay below {2**bits:,}, so they were read as {bits}-bit values.",)
    transparent = image.info.get("transparency")
    gray = gray_from_channels(values, full_scale=2**bits - 1)
    if tags and tags.firsts.get(_PHOTOMETRIC) == 0:
        gray = np.subtract(np.float32(1), gray, out=gray)
    if isinstance(transparent, int):
        gray[values == transparent] = 0
        notes += ("Its transparent parts are shown black.",)
    return np.clip(gray, 0, 1, out=gray), notes


def _gray_of_measurements(values: NDArray[Any], tags: TiffTags | None) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Floats and signed or 32-bit integers, which have no full scale of their own."""
    whole = np.issubdtype(values.dtype, np.integer)
    if whole and tags and values.dtype == np.int32 and tags.firsts.get(_SAMPLE_FORMAT, 1) != _SIGNED:
        values = values.view(np.uint32)
    low, high = float(values.min()), float(values.max())
    # NaN and infinity survive both minimum and maximum, so two numbers tell for all pixels.
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(
            "This picture holds values that are not numbers (NaN or infinity), but brightness is expected; "
            "export it as 8- or 16-bit gray."
        )
    notes: tuple[str, ...] = ()
    if whole or low < 0 or high > 1:
        span = (high - low) or 1.0
        gray = ((values.astype(np.float64) - low) / span).astype(np.float32)
        notes = ("Its values have no fixed scale, so they were stretched from their own darkest to brightest.",)
    else:
        gray = values.astype(np.float32)
    if tags and tags.firsts.get(_PHOTOMETRIC) == 0:
        gray = np.subtract(np.float32(1), gray, out=gray)
    return gray, notes


def _upright(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Undo the EXIF orientation (CIPA DC-008, tag 0x0112: where row 0 and column 0 lie)."""
    turned = {
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.T,
        6: pixels.T[:, ::-1],
        7: pixels.T[::-1, ::-1],
        8: pixels.T[::-1],
    }
    return turned.get(orientation, pixels)
