"""Runs exported files on the CPU: torch for its own two formats, ONNX Runtime and OpenVINO for ONNX."""

import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inet_d2.search.onnx_session import open_session

Run = Callable[..., list[np.ndarray]]
"""Takes the graph's inputs in their order, float32 arrays, and gives its outputs."""


def runtimes_of(path: Path) -> list[str]:
    """Names of the runtimes that are installed for a file, by its suffix."""
    return [name for name in _BY_SUFFIX[path.suffix] if find_spec(_RUNTIMES[name][0])]


def open_graph(path: Path, runtime: str) -> Run:
    """Load a file.

    Args:
        path: as :func:`inet_d2.export.formats.write_graph` wrote it.
        runtime: one of :func:`runtimes_of`.
    """
    return _RUNTIMES[runtime][1](str(path))


def _torchscript(path: str) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have its newer format
        return _on_tensors(torch.jit.load(path, map_location="cpu"))


def _torch_export(path: str) -> Run:
    return _on_tensors(torch.export.load(path).module())


def _on_tensors(module: Any) -> Run:
    def run(*inputs: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            outputs = module(*map(torch.from_numpy, inputs))
        return [x.numpy() for x in ((outputs,) if isinstance(outputs, torch.Tensor) else outputs)]

    return run


def _onnxruntime(path: str) -> Run:
    session = open_session(path, providers=["CPUExecutionProvider"], num_threads=torch.get_num_threads())
    names = [x.name for x in session.get_inputs()]
    return lambda *inputs: session.run(None, dict(zip(names, inputs, strict=True)))


def _openvino(path: str) -> Run:
    import openvino

    # Without the hint it computes in bfloat16 where the processor has it, and embeddings move by a hundredth.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    return lambda *inputs: list(compiled(list(inputs)).values())


_RUNTIMES: Mapping[str, tuple[str, Callable[[str], Run]]] = {
    "torchscript": ("torch", _torchscript),
    "torch_export": ("torch", _torch_export),
    "onnxruntime": ("onnxruntime", _onnxruntime),
    "openvino": ("openvino", _openvino),
}
_BY_SUFFIX = {".ts": ["torchscript"], ".pt2": ["torch_export"], ".onnx": ["onnxruntime", "openvino"]}
