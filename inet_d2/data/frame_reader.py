"""From the file of a record to pixels of the network's size: reading, resizing and what follows."""

from typing import Any

import numpy as np
import torch
from detectron2.data import transforms as T
from fvcore.transforms.transform import NoOpTransform

from inet_d2.data.resize import WholePixelResize
from inet_d2.image_file import check_image_format, decode_image, image_size, read_image


def read_frame(record: dict[str, Any], image_format: str) -> np.ndarray:
    """Read the image of a record and check its size; fill in a missing ``height`` and ``width``.

    Args:
        record: dataset record with ``file_name``; changed in place where it has no size.
        image_format: value of ``INPUT.FORMAT``, "BGR" or "RGB".

    Returns:
        (H, W, 3) uint8.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no image that can be decoded, or its size is not the record's.
    """
    image = read_image(record["file_name"], image_format)
    _check_size(record, image.shape[1::-1])
    return image


def _check_size(record: dict[str, Any], found: tuple[int, int]) -> None:
    width, height = found
    expected = record.setdefault("width", width), record.setdefault("height", height)
    if expected != (width, height):
        raise ValueError(
            f"{record['file_name']}: expected {expected[0]} x {expected[1]} pixels, as its record says, found "
            f"{width} x {height}; correct width and height (those of the upright image) or replace the file"
        )


def to_input_tensor(image: np.ndarray) -> torch.Tensor:
    """Turn an (H, W, 3) image of any memory layout into a contiguous (3, H, W) tensor of the same type."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


class FrameReader:
    """Reads the frames of records through augmentations.

    Where the first of these is a :class:`WholePixelResize`, the decoder's own picture is resized: the same pixels as
    from an array of the whole frame, which is then never made.

    Args:
        augmentations: applied in order.
        image_format: value of ``INPUT.FORMAT``, "BGR" or "RGB".
        scaled_decoding: decode a JPEG at a half, a quarter or an eighth of its size where no more is needed; see
            :func:`inet_d2.image_file.decode_image`.

    Raises:
        ValueError: another format, or scaled decoding of frames that are not first resized in the decoder's memory.
    """

    def __init__(
        self, augmentations: list[T.Augmentation], image_format: str, *, scaled_decoding: bool = False
    ) -> None:
        check_image_format(image_format)
        self._image_format, self._scaled_decoding = image_format, scaled_decoding
        first = augmentations[0] if augmentations else None
        self._resize = first if isinstance(first, WholePixelResize) else None
        if scaled_decoding and self._resize is None:
            raise ValueError(
                "INPUT.SCALED_DECODING: expected False where frames are not resized first to whole grey levels "
                f"(INPUT.RESIZE detectron2 or fast), found True before {type(first).__name__}, which needs the whole "
                "frame; set it to False, or INPUT.RESIZE to fast"
            )
        self._others = T.AugmentationList(augmentations[self._resize is not None :])

    def __call__(self, record: dict[str, Any]) -> tuple[np.ndarray, T.TransformList]:
        """Read a frame.

        Args:
            record: dataset record with ``file_name``; changed in place where it has no size.

        Returns:
            (h, w, 3) uint8, or float32 by ``INPUT.RESIZE "torchvision"``, of any memory layout and perhaps not to be
            written to; and what was done to the frame.

        Raises:
            FileNotFoundError: no such file.
            ValueError: see :func:`read_frame`.
        """
        if self._resize is None:
            pixels, first = read_frame(record, self._image_format), NoOpTransform()
        else:
            pixels, first = self._read_resized(record, self._resize)
        aug_input = T.AugInput(pixels)
        others = self._others(aug_input)
        return aug_input.image, T.TransformList([first, others])

    def _read_resized(self, record: dict[str, Any], resize: WholePixelResize) -> tuple[np.ndarray, T.Transform]:
        path = record["file_name"]
        is_sized = "width" in record and "height" in record
        width, height = (record["width"], record["height"]) if is_sized else image_size(path)
        transform = resize.get_transform(np.broadcast_to(np.uint8(0), (height, width, 3)))  # which looks at its shape
        size = None if isinstance(transform, NoOpTransform) else (transform.new_w, transform.new_h)
        picture, found = decode_image(path, at_least=size if self._scaled_decoding else None)
        _check_size(record, found)
        pixels = resize.resized(picture, size) if size else np.asarray(picture)
        return pixels[:, :, ::-1] if self._image_format == "BGR" else pixels, transform
