"""The two ONNX files of a model of this project, as ``tools/export_model.py`` writes them."""

import numpy as np
import yaml

from inet_d2.data.resize import RESIZERS
from inet_d2.search.onnx_contract import METADATA_KEY, ExportContract, read_contract
from inet_d2.search.onnx_session import open_session, run_session
from inet_d2.search.picture_input import PictureInput


class _ExportedModel:
    """What both files have.

    Args:
        path: ``.onnx`` file.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no such model.
    """

    kind: str

    def __init__(self, path: str) -> None:
        self.contract = read_contract(path, ExportContract)
        if self.contract.kind != self.kind:
            raise ValueError(
                f"{path}: expected a model of kind {self.kind}, as its yaml calls it, found {self.contract.kind}; of "
                "an exported model, detector.onnx is for --detector and embedder.onnx for --embedder"
            )
        resize = RESIZERS[self.contract.resize]([self.contract.min_size], self.contract.max_size, "choice")
        self._input = PictureInput([resize], self.contract.order)
        self._session = open_session(path)
        self._check_yaml(path)

    def _check_yaml(self, path: str) -> None:
        """Refuse a yaml that was written with another file: sizes and colours could be another model's."""
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, "")
        own, beside = yaml.safe_load(text), self.contract
        found = [own.get(name) if isinstance(own, dict) else None for name in ("kind", "fingerprint")]
        if found != [beside.kind, beside.fingerprint]:
            raise ValueError(
                f"{path}: expected a model of kind {beside.kind} and fingerprint {beside.fingerprint}, as the yaml "
                f"beside it says, found {found[0]} and {found[1]} in the file; the two were not exported together: "
                "export the model again, in this format"
            )


class ExportedDetector(_ExportedModel):
    """Finds and embeds people."""

    kind = "whole_picture"

    def make_input(self, picture: np.ndarray) -> np.ndarray:
        """(1, 3, h, w) float32 of an (H, W, 3) uint8 RGB picture."""
        return self._input.make(picture)[0].float().numpy()[None]

    def find(self, size: tuple[int, int], made: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find and embed people.

        Args:
            size: (height, width) of the picture.
            made: its input.

        Returns:
            (n, 4) boxes XYXY in the picture's pixels, (n,) scores and (n, D) embeddings, which are of unit length, or
            as long as the score where the model's configuration says so.
        """
        found = run_session(self._session, {"image": made})
        boxes, scores, embeddings = (found[name] for name in ("boxes", "scores", "embeddings"))
        (height, width), (made_height, made_width) = size, made.shape[-2:]
        scale = np.array([width / made_width, height / made_height] * 2, np.float32)
        boxes = (boxes * scale).clip(0, np.array([width, height] * 2, np.float32))
        keep = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        if self.contract.confidence_weight:
            embeddings = embeddings * scores[:, None]
        return boxes[keep], scores[keep], embeddings[keep]


class ExportedEmbedder(_ExportedModel):
    """Embeds given boxes."""

    kind = "given_boxes"

    def embed(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Embed (n, 4) boxes XYXY of an (H, W, 3) uint8 RGB picture; (n, D) float32, unit length."""
        image, moved = self._input.make_with_boxes(picture, boxes)
        inputs = {"image": image.float().numpy()[None], "boxes": moved.numpy()}
        return run_session(self._session, inputs)["embeddings"]
