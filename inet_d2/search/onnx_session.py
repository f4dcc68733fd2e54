"""ONNX Runtime, with sentences for what a file or an input may lack."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def open_session(path: str, *, providers: Sequence[str] | None = None, num_threads: int = 0) -> Any:
    """Load a model.

    Args:
        path: ``.onnx`` file.
        providers: where it may run, by ONNX Runtime's names; by default wherever it can.
        num_threads: of an operation; 0 leaves it to ONNX Runtime.

    Raises:
        ValueError: there is no ONNX Runtime, or the file is no model that it can run.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError("ONNX models need ONNX Runtime, and there is none: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = num_threads
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers or onnxruntime.get_available_providers())
    except Exception as error:
        raise ValueError(f"{path} is no ONNX model that this ONNX Runtime can run ({error})") from error


def run_session(session: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs by name, of inputs by name.

    Raises:
        ValueError: the model does not take them.
    """
    names = [output.name for output in session.get_outputs()]
    try:
        return dict(zip(names, session.run(None, dict(inputs)), strict=True))
    except Exception as error:
        shapes = ", ".join(str(values.shape) for values in inputs.values())
        raise ValueError(
            f"the ONNX model does not take an input {shapes}; mend what its yaml says of inputs ({error})"
        ) from error
