"""Multi-scale Retinex with colour restoration: takes the light out of a crop before its colours are counted."""

from collections.abc import Sequence

import cv2
import numpy as np


def retinex(crops: np.ndarray, sigmas: Sequence[float]) -> np.ndarray:
    """Even the light of crops.

    Each channel is compared with its blurred self, in logarithms; the mean over the scales, times the colour
    restoration, is stretched so that three standard deviations on both sides of the mean fill 0 to 255.

    Args:
        crops: (n, h, w, 3) uint8 RGB.
        sigmas: of the Gaussians, pixels, > 0.

    Returns:
        (n, h, w, 3) uint8. A crop of a single colour stays as it is.

    Source: Jobson, Rahman, Woodell 1997, in the place of LOMO's own Retinex, which is published as a binary only.
    """
    values = np.moveaxis(crops, 3, 1).astype(np.float32) + 1
    logs = np.log(values)
    details = len(sigmas) * logs
    for sigma in sigmas:
        rows, columns = (_blur_matrix(size, sigma) for size in crops.shape[1:3])
        details -= np.log(rows @ (values @ columns.T))
    # ln(125 x / (R + G + B)), the colour restoration.
    restoration = logs + np.log(np.float32(125)) - np.log(values.sum(axis=1, keepdims=True))
    details *= restoration / len(sigmas)
    mean = details.mean(axis=(1, 2, 3), keepdims=True)
    spread = details.std(axis=(1, 2, 3), keepdims=True)
    is_flat = (crops == crops[:, :1, :1]).all(axis=(1, 2, 3))
    stretched = (details - mean + 3 * spread) * (255 / (6 * np.maximum(spread, 1e-12)))
    result = np.moveaxis(np.clip(stretched, 0, 255).astype(np.uint8), 1, 3)
    result[is_flat] = crops[is_flat]
    return result


def _blur_matrix(size: int, sigma: float) -> np.ndarray:
    """(size, size) float32 by which a column of pixels is blurred as OpenCV blurs it, borders included."""
    return cv2.GaussianBlur(np.eye(size, dtype=np.float32), (1, 0), sigmaX=sigma, sigmaY=sigma)
