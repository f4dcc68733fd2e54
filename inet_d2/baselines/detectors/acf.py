"""ACF: aggregate channel features under boosted trees (Dollar et al., PAMI 2014)."""

import numpy as np

from inet_d2.baselines.detectors.channels import compute_channels, pad_channels, to_luv
from inet_d2.baselines.detectors.detector import PERSON_DETECTOR_REGISTRY, PersonDetector


@PERSON_DETECTOR_REGISTRY.register()
class ACF(PersonDetector):
    """5,120 features a window: ten channels of 32 x 16 cells. Every scale is computed, none is approximated."""

    def channels(self, image: np.ndarray) -> np.ndarray:
        """(h, w, 3) uint8 RGB to (h / 4, w / 4, 10) float32."""
        return compute_channels(to_luv(image.astype(np.float32) / 255), shrink=self.window.shrink)

    def padded(self, channels: np.ndarray) -> np.ndarray:
        """Colours go on beyond the frame, gradients are 0 there."""
        return pad_channels(channels, *self.window.padding)
