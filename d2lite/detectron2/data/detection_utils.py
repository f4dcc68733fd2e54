"""Functions that data set mappers are made of."""

import numpy as np
import torch
from PIL import Image, ImageOps

from .._lite import unsupported
from ..utils.file_io import PathManager
from . import transforms as T


class SizeMismatchError(ValueError):
    """An image has another size than its record says."""


def read_image(file_name: str, format: str | None = None) -> np.ndarray:
    """(H, W, 3) uint8, upright by its EXIF tag. `format`: "BGR", "RGB", or "L", which gives (H, W, 1)."""
    if format not in ("BGR", "RGB", "L"):
        unsupported(f"read_image with the format {format}")
    with PathManager.open(file_name, "rb") as f:
        image = np.asarray(ImageOps.exif_transpose(Image.open(f)).convert("L" if format == "L" else "RGB"))
    return {"BGR": image[..., ::-1], "RGB": image, "L": image[..., None]}[format]


def convert_image_to_rgb(image, format: str) -> np.ndarray:
    """(H, W, 3) RGB of an array or tensor (H, W, 3) in the order "BGR" or "RGB", or (H, W, 1) of "L"."""
    if format not in ("BGR", "RGB", "L"):
        unsupported(f"convert_image_to_rgb with the format {format}")
    image = np.asarray(image.cpu() if isinstance(image, torch.Tensor) else image)
    return np.ascontiguousarray({"BGR": image[..., ::-1], "RGB": image, "L": image.repeat(3, axis=2)}[format])


def check_image_size(dataset_dict: dict, image: np.ndarray) -> None:
    """Compare "width" and "height" with the image, or set them."""
    expected = (dataset_dict.get("width"), dataset_dict.get("height"))
    found = (image.shape[1], image.shape[0])
    if None not in expected and expected != found:
        name = dataset_dict.get("file_name", "")
        raise SizeMismatchError(f"{name}: expected {expected} (width, height), found {found}")
    dataset_dict.setdefault("width", found[0])
    dataset_dict.setdefault("height", found[1])


def build_augmentation(cfg, is_train: bool) -> list[T.Augmentation]:
    """Resizing, and in training flipping, as INPUT says."""
    given, flip = cfg.INPUT, cfg.INPUT.RANDOM_FLIP
    if not is_train:
        return [T.ResizeShortestEdge(given.MIN_SIZE_TEST, given.MAX_SIZE_TEST, "choice")]
    augs = [T.ResizeShortestEdge(given.MIN_SIZE_TRAIN, given.MAX_SIZE_TRAIN, given.MIN_SIZE_TRAIN_SAMPLING)]
    if flip != "none":
        augs.append(T.RandomFlip(horizontal=flip == "horizontal", vertical=flip == "vertical"))
    return augs
