"""Writes a graph in one of three formats. Height, width and the number of boxes stay open in all of them."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from inet_d2.search.onnx_contract import METADATA_KEY

ONNX_OPSET = 17  # RoiAlign with pixel centres came with 16
LARGEST_SIDE = 8192  # of an image, pixels; torch.export wants to be told one
MOST_BOXES = 100_000


def check_size(kind: str, smallest_side: int, size: tuple[int, int]) -> None:
    """Refuse an image that a format cannot run on; asked before anything is written.

    Args:
        kind: one of ``FORMATS``.
        smallest_side: of the model.
        size: (height, width) of the image.

    Raises:
        ValueError: a side is outside of the limits that torch.export was told.
    """
    least = 2 * smallest_side
    if kind == "torch_export" and not least <= min(size) <= max(size) <= LARGEST_SIDE:
        raise ValueError(
            f"--format torch_export: expected images with sides of {least} to {LARGEST_SIDE} pixels at the model's "
            f"size, found {size[1]} x {size[0]}; leave that picture out, or the format"
        )


def write_graph(path: Path, kind: str, graph: nn.Module, description: str) -> None:
    """Export a graph.

    Args:
        path: file to be; its folder exists.
        kind: one of ``FORMATS``.
        graph: :class:`inet_d2.export.graphs.WholePicture` or ``GivenBoxes``, in evaluation mode.
        description: text that the file carries.

    Raises:
        ValueError: a package is missing that the format needs, or this torch has no such file for the model.
    """
    # Sides that differ, and no multiples of a stride; two boxes, since exporters take 0 and 1 for constants.
    side = 4 * graph.smallest_side
    image = torch.linspace(0, 255, 3 * (side + 3) * (side + 9)).reshape(1, 3, side + 3, side + 9)
    boxes = torch.tensor([[1.0, 2.0, side, side], [0.0, 0.0, side / 2, side]])
    inputs = {"image": image, "boxes": boxes}
    with torch.no_grad(), warnings.catch_warnings():
        # They say that constants may hide in a trace. The comparison with the model on other sizes finds those.
        warnings.simplefilter("ignore")
        FORMATS[kind][1](path, graph, tuple(inputs[name] for name in graph.input_names), description)


def _write_torchscript(path: Path, graph: nn.Module, inputs: tuple[Tensor, ...], description: str) -> None:
    trace = torch.jit.freeze(torch.jit.trace(graph, inputs, check_trace=False))
    torch.jit.save(trace, str(path), _extra_files={METADATA_KEY: description})


def _write_onnx(path: Path, graph: nn.Module, inputs: tuple[Tensor, ...], description: str) -> None:
    try:
        import onnx
    except ImportError as error:
        raise ValueError('--format onnx needs the package onnx, and there is none: pip install -e ".[onnx]"') from error
    axes = {name: {0: "people"} for name in (*graph.input_names, *graph.output_names)}
    torch.onnx.export(
        graph,
        inputs,
        str(path),
        input_names=list(graph.input_names),
        output_names=list(graph.output_names),
        dynamic_axes={**axes, "image": {2: "height", 3: "width"}},
        opset_version=ONNX_OPSET,
        dynamo=False,  # the exporter that torch 2.4 and 2.15 both have, and that needs no package but onnx
    )
    written = onnx.load(str(path))
    onnx.helper.set_model_props(written, {METADATA_KEY: description})
    onnx.save(written, str(path))


def _write_torch_export(path: Path, graph: nn.Module, inputs: tuple[Tensor, ...], description: str) -> None:
    # With channels last, torch.export cannot tell that strides fit every size.
    graph = graph.to(memory_format=torch.contiguous_format)
    side = {"min": 2 * graph.smallest_side, "max": LARGEST_SIDE}
    shapes = {
        "image": {2: torch.export.Dim("height", **side), 3: torch.export.Dim("width", **side)},
        "boxes": {0: torch.export.Dim("people", max=MOST_BOXES)},
    }
    try:
        program = torch.export.export(
            graph, inputs, dynamic_shapes=tuple(shapes[name] for name in graph.input_names), strict=False
        )
    except Exception as error:  # what it raises differs between versions, and is no public class
        reason = f"{type(error).__name__}: {error}".splitlines()[0]  # an assertion may say nothing
        raise ValueError(
            f"--format torch_export: torch {torch.__version__} cannot keep height and width of this model open; take "
            f"torch 2.15, or another format ({reason})"
        ) from error
    torch.export.save(program, str(path), extra_files={METADATA_KEY: description})
    graph.to(memory_format=torch.channels_last)


Writer = Callable[[Path, nn.Module, tuple[Tensor, ...], str], None]
FORMATS: dict[str, tuple[str, Writer]] = {
    "torchscript": (".ts", _write_torchscript),
    "onnx": (".onnx", _write_onnx),
    "torch_export": (".pt2", _write_torch_export),
}
"""Suffix of the file, and what writes it."""
