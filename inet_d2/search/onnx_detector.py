"""Any detector of people as an ONNX file."""

import numpy as np

from inet_d2.search.detector_outputs import read_detections
from inet_d2.search.onnx_contract import DetectorContract, read_contract
from inet_d2.search.onnx_session import open_session, run_session

MIN_SCORE = 0.05  # lower detections are never asked for


class OnnxDetector:
    """A detector with its yaml beside it, see :class:`DetectorContract`.

    Args:
        path: ``.onnx`` file.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no such model.
    """

    def __init__(self, path: str) -> None:
        self._contract = read_contract(path, DetectorContract)
        self._session = open_session(path)

    def make_input(self, picture: np.ndarray) -> np.ndarray:
        """(1, 3, h, w) float32 of an (H, W, 3) uint8 RGB picture."""
        return self._contract.make_input(picture)

    def find(self, size: tuple[int, int], made: np.ndarray) -> tuple[np.ndarray, np.ndarray, None]:
        """Find people.

        Args:
            size: (height, width) of the picture.
            made: its input.

        Returns:
            (n, 4) boxes XYXY in the picture's pixels, (n,) scores, and no embeddings.
        """
        (height, width), name = size, self._session.get_inputs()[0].name
        boxes, scores = read_detections(run_session(self._session, {name: made}), self._contract, MIN_SCORE)
        across, down = self._contract.scales(width, height)
        boxes = (boxes / [across, down, across, down]).clip(0, [width, height, width, height]).astype(np.float32)
        keep = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
        return boxes[keep], scores[keep], None
