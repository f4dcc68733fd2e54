"""The embedder of an index, made again from what the index says about it."""

import tempfile
from pathlib import Path
from typing import Any

from inet_d2.engine import load_config
from inet_d2.search.embedder import Embedder, build_model_embedder
from inet_d2.search.onnx_embedder import OnnxEmbedder
from inet_d2.search.store import Store


def embedder_of(store: Store, *, weights: str | None = None) -> Embedder:
    """Make the model that an index was made with.

    Args:
        store: the index.
        weights: where the checkpoint is now; default where it was.

    Returns:
        The embedder.

    Raises:
        ValueError: the index names no model, or what is there now is another one.
        FileNotFoundError: the model's files are gone.
    """
    description = store.read_meta("model")
    if not description:
        raise ValueError(
            "the index names no model, since nothing was indexed; run: inet-search index SOURCE --to INDEX"
        )
    return embedder_from(description, weights=weights)


def embedder_from(description: dict[str, Any], *, weights: str | None = None) -> Embedder:
    """Make the embedder of a description, and refuse it where its fingerprint is another now."""
    if description["kind"] == "onnx":
        if weights:
            raise ValueError(
                f"--weights: expected none, for the index was made with {description['detector']} and "
                f"{description['embedder']}, found {weights}; leave it out"
            )
        return OnnxEmbedder(description["detector"], description["embedder"], fingerprint=description["fingerprint"])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "index.yaml")
        config.write_text(description["config"])
        cfg = load_config(str(config))
    return build_model_embedder(
        cfg,
        weights=weights or description["weights"],
        precision=description["precision"],
        fingerprint=description["fingerprint"],
    )
