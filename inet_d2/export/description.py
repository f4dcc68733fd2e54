"""The yaml that says what an exported model expects; ``inet-search`` reads it, and each file carries it."""

from dataclasses import asdict

import yaml
from detectron2.config import CfgNode

from inet_d2.search.onnx_contract import ExportContract

HEADER = {
    "whole_picture": "image (1, 3, H, W) -> boxes (n, 4) XYXY in its pixels, scores (n), embeddings (n, D)",
    "given_boxes": "image (1, 3, H, W), boxes (n, 4) XYXY in its pixels -> embeddings (n, D)",
}


def describe(cfg: CfgNode, kind: str, fingerprint: str) -> str:
    """Text of the yaml.

    Args:
        cfg: of the model.
        kind: "whole_picture" or "given_boxes".
        fingerprint: of weights and configuration.
    """
    contract = ExportContract(
        kind=kind,
        order=cfg.INPUT.FORMAT,
        resize=cfg.INPUT.RESIZE,
        min_size=cfg.INPUT.MIN_SIZE_TEST,
        max_size=cfg.INPUT.MAX_SIZE_TEST,
        confidence_weight=cfg.TEST.SEARCH.CONFIDENCE_WEIGHT,
        fingerprint=fingerprint,
    )
    text = yaml.safe_dump(asdict(contract), sort_keys=False)
    return f"# {HEADER[kind]}\n# All float32; the image has values 0-255, mean and deviation are inside.\n{text}"
