"""Any re-identification model that embeds crops, as an ONNX file."""

from collections.abc import Sequence

import numpy as np

from inet_d2.search.onnx_contract import EmbedderContract, read_contract
from inet_d2.search.onnx_session import open_session, run_session

CROPS_AT_ONCE = 16


class CropEmbedder:
    """A model of crops with its yaml beside it, see :class:`EmbedderContract`.

    Args:
        path: ``.onnx`` file.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no such model.
    """

    def __init__(self, path: str) -> None:
        self._contract = read_contract(path, EmbedderContract)
        self._session = open_session(path)

    def embed(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Embed (n, 4) boxes XYXY of an (H, W, 3) uint8 RGB picture; (n, D) float32, unit length."""
        inputs = [self._contract.make_input(_crop(picture, box)) for box in boxes]
        parts = [inputs[i : i + CROPS_AT_ONCE] for i in range(0, len(inputs), CROPS_AT_ONCE)]
        if not parts:
            return np.zeros((0, self._size()), np.float32)
        rows = np.concatenate([self._rows(part) for part in parts]).astype(np.float32)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    def _rows(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """(n, D), also of a model whose batch is fixed to one crop."""
        expected = self._session.get_inputs()[0]
        batches = inputs if expected.shape[0] == 1 else [np.concatenate(inputs)]
        outputs = [next(iter(run_session(self._session, {expected.name: batch}).values())) for batch in batches]
        return np.concatenate([rows.reshape(len(batch), -1) for rows, batch in zip(outputs, batches, strict=True)])

    def _size(self) -> int:
        blank = np.zeros((self._contract.height, self._contract.width, 3), np.uint8)
        return self._rows([self._contract.make_input(blank)]).shape[1]


def _crop(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    x1, y1 = (int(np.clip(np.floor(v), 0, m - 1)) for v, m in ((box[0], width), (box[1], height)))
    x2, y2 = int(np.clip(np.ceil(box[2]), x1 + 1, width)), int(np.clip(np.ceil(box[3]), y1 + 1, height))
    return picture[y1:y2, x1:x2]
