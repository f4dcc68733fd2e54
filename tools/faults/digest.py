"""A hash of what a reader gives, by which two results are compared to the last bit."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch


def digest(content: Any) -> str:
    """Hash containers, data classes, arrays, tensors, numbers and texts, with their types and shapes."""
    state = hashlib.sha256()
    _update(state, content)
    return state.hexdigest()


def _update(state: "hashlib._Hash", content: Any) -> None:
    if isinstance(content, torch.Tensor):
        content = content.detach().cpu().numpy()
    if isinstance(content, np.ndarray) and content.dtype != object:
        state.update(f"array {content.dtype} {content.shape}".encode() + np.ascontiguousarray(content).tobytes())
        return
    if is_dataclass(content) and not isinstance(content, type):
        content = {field.name: getattr(content, field.name) for field in fields(content)}
    if isinstance(content, Mapping):
        content = [item for pair in content.items() for item in pair]
    if isinstance(content, (list, tuple, np.ndarray)):
        state.update(f"sequence {len(content)}".encode())
        for item in content:
            _update(state, item)
        return
    state.update(f"{type(content).__name__} {content!r} ".encode())
