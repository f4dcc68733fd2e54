"""What becomes of each entry of a file, and carrying it out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

OUTSIDE = "no part of our detectors"


@dataclass
class Conversion:
    """What becomes of a file.

    Attributes:
        kind: whose file it is, for people.
        expected: the KEY VALUE pairs that its weights expect, or a sentence.
        names: our name of each used entry, by its own name.
        unused: why each of the others is not used, by its own name.
        rows: which rows of a used entry are taken, in which order, by its own name; all of them where it has none.
        folded: whether the batch norms have their statistics folded into weight and bias, as files of Caffe2 have.
        whole: whether the weights are of no use unless the model takes every one of ``names``.
    """

    kind: str
    expected: str
    names: dict[str, str]
    unused: dict[str, str]
    rows: dict[str, Sequence[int]] = field(default_factory=dict)
    folded: bool = False
    whole: bool = False


def rename(entries: Mapping[str, Tensor], conversion: Conversion) -> dict[str, Tensor]:
    """The used entries under their new names.

    Args:
        entries: tensors by the name in the file.
        conversion: made of these entries.

    Returns:
        float32 tensors (counters stay whole numbers) by our names.
    """
    weights = {}
    for source, target in conversion.names.items():
        value = entries[source]
        value = value[list(conversion.rows[source])] if source in conversion.rows else value
        weights[target] = value.float() if value.is_floating_point() else value
    if conversion.folded:
        # A norm that changes nothing but by its weight and bias.
        for name in [name for name in weights if name.endswith("norm.weight")]:
            shape, norm = weights[name].shape, name.removesuffix("weight")
            weights.setdefault(f"{norm}running_mean", torch.zeros(shape))
            weights.setdefault(f"{norm}running_var", torch.full(shape, 1 - 1e-5))
    return weights


def fit(entries: Mapping[str, Tensor], conversion: Conversion, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Move what the model lacks, or has in another shape, to the unused entries.

    Args:
        entries: tensors by the name in the file.
        conversion: changed in place.
        shapes: of the model's entries, by name.

    Raises:
        ValueError: the conversion is ``whole``, and an entry does not fit.
    """
    for source, target in list(conversion.names.items()):
        shape = tuple(entries[source].shape)
        if source in conversion.rows:
            shape = (len(conversion.rows[source]), *shape[1:])
        if shape != shapes.get(target):
            has = f"has {shapes[target]} in {target}" if target in shapes else f"has no {target}"
            reason = f"it is {shape}, and the model {has}"
            if conversion.whole:
                raise ValueError(
                    f"a checkpoint of {conversion.kind} needs a model that takes all of it, but {source} does not fit: "
                    f"{reason}; use {conversion.expected}"
                )
            del conversion.names[source]
            conversion.unused[source] = reason


def fill_copies(weights: dict[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Start a second fifth stage from the first one, where the model has two and the file one.

    Args:
        weights: by our names; changed in place.
        shapes: of the model's entries, by name.

    Source: SeqNet starts both copies of layer4 from the same ImageNet weights.
    """
    for name in list(weights):
        copy = name.replace("roi_heads.res5.", "roi_heads.reid_res5.")
        if copy != name and copy in shapes:
            weights.setdefault(copy, weights[name])
