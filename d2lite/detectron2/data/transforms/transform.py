import logging

import numpy as np
from fvcore.transforms.transform import Transform
from PIL import Image

from ..._lite import unsupported

_warned_of_integers: list[bool] = []


class ResizeTransform(Transform):
    """Resize uint8 images from (h, w) to (new_h, new_w) by PIL."""

    def __init__(self, h: int, w: int, new_h: int, new_w: int, interp: int | None = None) -> None:
        super().__init__()
        self.h, self.w, self.new_h, self.new_w = h, w, new_h, new_w
        self.interp = Image.BILINEAR if interp is None else interp

    def apply_image(self, img: np.ndarray, interp: int | None = None) -> np.ndarray:
        """(H, W) or (H, W, C) -> the same with the new size."""
        assert img.shape[:2] == (self.h, self.w), f"ResizeTransform: {img.shape[:2]} is not {(self.h, self.w)}"
        interp = self.interp if interp is None else interp
        if img.dtype != np.uint8:
            unsupported(f"ResizeTransform of {img.dtype} images")
        gray = img.ndim == 3 and img.shape[2] == 1
        pil = Image.fromarray(np.ascontiguousarray(img[:, :, 0] if gray else img))
        out = np.asarray(pil.resize((self.new_w, self.new_h), interp))
        return out[:, :, None] if gray else out

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Scale (N, 2) in place; integer arrays are truncated, as in Detectron2."""
        if np.issubdtype(coords.dtype, np.integer) and not _warned_of_integers:
            _warned_of_integers.append(True)
            logging.getLogger(__name__).warning("Resizing truncates integer boxes; give boxes as floats.")
        coords[:, 0] = coords[:, 0] * (self.new_w * 1.0 / self.w)
        coords[:, 1] = coords[:, 1] * (self.new_h * 1.0 / self.h)
        return coords

    def inverse(self) -> "ResizeTransform":
        return ResizeTransform(self.new_h, self.new_w, self.h, self.w, self.interp)
