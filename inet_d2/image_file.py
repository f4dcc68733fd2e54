"""Reading image files the same way everywhere: upright, three channels of 8 bits, errors that name the file."""

import logging
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

from inet_d2.files import check_output

IMAGE_FORMATS: Final = ("BGR", "RGB")
PICTURE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Endings of pictures that are written."""
_SIDEWAYS: Final = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
_WORDS: Final = 65535 / 255
_logger = logging.getLogger(__name__)


def check_image_format(image_format: str) -> None:
    """Refuse a channel order that images cannot be read in.

    Args:
        image_format: value of ``INPUT.FORMAT``.

    Raises:
        ValueError: it is none of ``IMAGE_FORMATS``.
    """
    if image_format not in IMAGE_FORMATS:
        raise ValueError(f'INPUT.FORMAT: expected one of {", ".join(IMAGE_FORMATS)}, found "{image_format}"')


def read_image(path: str | os.PathLike, image_format: str) -> np.ndarray:
    """Read an image file.

    Args:
        path: the file.
        image_format: one of ``IMAGE_FORMATS``.

    Returns:
        (H, W, 3) uint8, see :func:`upright_rgb`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no image that can be decoded; the message names the file.
    """
    check_image_format(image_format)
    pixels = np.asarray(decode_image(path)[0])
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if image_format == "BGR" else pixels.copy()


def decode_image(
    path: str | os.PathLike, *, at_least: tuple[int, int] | None = None
) -> tuple[Image.Image, tuple[int, int]]:
    """Decode an image file, without a copy of its pixels.

    Args:
        path: the file.
        at_least: (width, height) of the upright image that is enough. A JPEG is then decoded at a half, a quarter or an
            eighth of its size, as long as that is no smaller: faster, and other pixels than decoding all and shrinking.

    Returns:
        The upright image in mode "RGB", see :func:`upright_rgb`, and the (width, height) of the whole of it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no image that can be decoded; the message names the file.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"image {path} is missing; complete the copy of the data set, or set DETECTRON2_DATASETS to the "
            "folder that holds it"
        )
    try:
        with Image.open(path) as image:
            whole = _upright_size(image)
            is_smaller = at_least and image.draft(None, at_least[::-1] if _is_sideways(image) else at_least)
            upright = _upright(image)
            return upright, whole if is_smaller else upright.size
    except Exception as error:  # damaged bytes may fail anywhere in a decoder
        raise ValueError(f"image {path} cannot be decoded ({error}); replace the file by a sound copy") from error


def check_picture_output(path: str | os.PathLike, option: str, inputs: Iterable[str | os.PathLike] = ()) -> None:
    """Refuse a place for a picture that cannot be written; asked before the work.

    Args:
        path: file to be.
        option: what named it; begins the message.
        inputs: see :func:`inet_d2.files.check_output`.

    Raises:
        ValueError: the name does not end as one of ``PICTURE_SUFFIXES``, or see :func:`inet_d2.files.check_output`.
    """
    if Path(path).suffix.lower() not in PICTURE_SUFFIXES:
        known = " ".join(PICTURE_SUFFIXES)
        raise ValueError(f"{option}: expected the name of an image file such as answer.png ({known}), found {path}")
    check_output(path, option, inputs)


def upright_rgb(image: Image.Image) -> np.ndarray:
    """Decode an opened image.

    Args:
        image: of any mode but 32-bit floats. Of 16 bits per channel the upper 8 are kept (value / 257, rounded), with
            one warning; Pillow's own conversion would make nearly all of them white.

    Returns:
        (H, W, 3) uint8 RGB, turned as the EXIF orientation says.

    Raises:
        ValueError: values outside of 0 to 65535, whose white nobody knows.
    """
    return np.array(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    """Mode "RGB"; the image itself where it is that already and upright."""
    image.load()  # a PNG may say how it lies after its pixels
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode == "RGB":
        return image
    if image.mode != "F" and not image.mode.startswith("I"):
        return image.convert("RGB")
    grey = np.asarray(image)
    if image.mode == "F" or (grey.size and not 0 <= grey.min() <= grey.max() <= 65535):
        raise ValueError(
            f"expected 8 or 16 bits per channel, found values of type {grey.dtype} from {grey.min():g} to "
            f"{grey.max():g}; convert the image"
        )
    _tell_of_deep_images()
    return Image.fromarray(np.rint(grey / _WORDS).astype(np.uint8)).convert("RGB")


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Read width and height out of an image's header.

    Args:
        path: the file.

    Returns:
        Width and height as :func:`read_image` gives the image: of the upright one.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no image; the message names the file.
    """
    try:
        with Image.open(Path(path)) as image:
            return _upright_size(image)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} is missing") from error
    except Exception as error:  # as above
        raise ValueError(f"{path} cannot be read ({error})") from error


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height, without decoding."""
    return image.size[::-1] if _is_sideways(image) else image.size


def _is_sideways(image: Image.Image) -> bool:
    return image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS


@cache
def _tell_of_deep_images() -> None:
    """Once in a process."""
    _logger.warning("images of 16 bits per channel are read as 8 bits (value / 257)")
