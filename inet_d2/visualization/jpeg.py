"""Pictures as JPEG, and inside of an HTML page."""

import base64
import io

import numpy as np
from PIL import Image

JPEG_QUALITY = 85


def encode_jpeg(picture: np.ndarray, size: tuple[int, int] | None = None) -> bytes:
    """JPEG of an (H, W, 3) uint8 RGB picture without any metadata, scaled down to fit a size."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    if size:
        image.thumbnail(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def data_uri(picture: np.ndarray, size: tuple[int, int] | None = None) -> str:
    """The same as an address that an ``img`` of a page can hold."""
    return f"data:image/jpeg;base64,{base64.b64encode(encode_jpeg(picture, size)).decode()}"
