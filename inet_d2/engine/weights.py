"""Do these weights fit this model? Asked before any work starts, since Detectron2's checkpointer only warns."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import torch
from detectron2.utils.file_io import PathManager
from fvcore.common.checkpoint import Checkpointer
from torch import nn

from inet_d2.conversion.reading import read_weights
from inet_d2.engine.checkpoint_file import read_checkpoint
from inet_d2.engine.identity_state import PREFIX

_logger = logging.getLogger(__name__)

# How many batches a norm has seen: nothing works with it, and other people's files lack it.
COUNTER = ".num_batches_tracked"
# Layers of the embedding's own, and those that stand in for them where a checkpoint has none (IdentityBranch).
OWN_LAYERS = ("roi_heads.reid_head.fc.", "roi_heads.box_head.")


def find_weights(checkpointer: Checkpointer, weights: str, *, resume: bool, complete: bool) -> str:
    """Choose what to load, the last checkpoint or MODEL.WEIGHTS, and check that it fits the model.

    Args:
        checkpointer: of the model; it knows the folder of the checkpoints.
        weights: MODEL.WEIGHTS; "" for none.
        resume: take the last checkpoint where there is one.
        complete: as for :func:`check_weights`; a checkpoint of the run itself always has to be.

    Returns:
        What ``checkpointer.load`` is to be given; "" for nothing.

    Raises:
        OSError, ValueError: see :func:`check_weights`.
    """
    if resume and checkpointer.has_checkpoint():
        path = checkpointer.get_checkpoint_file()
        check_weights(checkpointer.model, path, complete=True, source="last checkpoint")
        return path
    check_weights(checkpointer.model, weights, complete=complete)
    if not weights:
        _warn_of_none(checkpointer, complete)
    return weights


def _warn_of_none(checkpointer: Checkpointer, complete: bool) -> None:
    """Say what random weights mean, where nobody may have meant them."""
    if complete:
        hint = ""
        if checkpointer.has_checkpoint():
            hint = f"; {checkpointer.save_dir} holds a checkpoint, which --resume takes"
        _logger.warning("MODEL.WEIGHTS is empty: the model has random weights%s.", hint)
        return
    model = checkpointer.model
    idle = tuple(f"{part}." for part in getattr(model, "idle_parts", ()))
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad and not name.startswith(idle)]
    if frozen:
        _logger.warning(
            "MODEL.WEIGHTS is empty, and %d parameters stay as they are, at random: %s. Name weights, or unfreeze them "
            "(MODEL.BACKBONE.FREEZE_AT 0).",
            len(frozen),
            _some(frozen),
        )


def check_weights(model: nn.Module, path: str, *, complete: bool, source: str = "MODEL.WEIGHTS") -> None:
    """Compare names and shapes in a checkpoint with those of a model, but for the state of the identity losses.

    Args:
        model: the model that is about to load it.
        path: a path or an address that the engine can fetch; "" is accepted. Names in ``.pkl``, ``.pyth`` and
            ``?matching_heuristics=True`` are matched by their ends, as the checkpointer does.
        complete: every parameter of the model must be in the file (evaluation, search), not only some (training).
        source: who named the path; begins the messages.

    Raises:
        FileNotFoundError: there is no such file, or the engine does not know such addresses.
        OSError: an address could not be fetched.
        ValueError: the file is no checkpoint, a shape differs, no name matches, or, with ``complete``, a parameter is
            missing; the message names the first few and the remedy.
    """
    if not path:
        return
    if not os.path.isfile(PathManager.get_local_path(path.partition("?")[0])):
        remedy = "give the path of a checkpoint (model_final.pth)"
        if "://" in path:
            remedy = "this engine cannot fetch it: download the file and give it to tools/convert_weights.py"
        raise FileNotFoundError(f"{source}: no file {path}; {remedy}.")
    found = _read_state_dict(path, source)
    expected = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith(PREFIX) and not name.endswith(COUNTER)
    }
    if path.endswith((".pkl", ".pyth")) or "?" in path:
        if not complete and any(name.endswith("_w") for name in found):
            return  # Caffe2's names, which the checkpointer translates
        found = _matched_by_their_ends(expected, found)
    common = expected.keys() & found.keys()
    if not common:
        raise ValueError(f"{source}: {path} has no parameter of {type(model).__name__}; it begins with {_some(found)}.")
    wrong = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in expected
        if name in common and found[name].shape != expected[name].shape
    ]
    if wrong:
        raise ValueError(
            f"{source}: {path} does not fit the configuration: {_some(wrong)}. Use the configuration that the "
            "weights were trained with."
        )
    missing = [name for name in expected if name not in common and name.replace(*OWN_LAYERS) not in found]
    if missing and complete:
        raise ValueError(f"{source}: {path} lacks {len(missing)} parameters of the model: {_some(missing)}.")
    _logger.info("%s has %d of the %d entries that the model works with.", path, len(common), len(expected))


def _matched_by_their_ends(
    expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The entries of a file under the model's names: of those that a name ends with, the longest, if its shape fits."""
    matched = dict(found)
    for name, value in expected.items():
        parts = name.split(".")
        ends = (".".join(parts[i:]) for i in range(len(parts)))
        end = next((end for end in ends if end in found), None)
        if end is not None and found[end].shape == value.shape:
            matched[name] = found[end]
    return matched


def _read_state_dict(path: str, source: str) -> dict[str, torch.Tensor]:
    local = PathManager.get_local_path(path.partition("?")[0])
    try:
        if path.endswith(".pkl"):
            return read_weights(Path(local))[0]
        checkpoint = read_checkpoint(local)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    if path.endswith(".pyth"):
        checkpoint = checkpoint.get("model_state", checkpoint)
    return {k: v for k, v in checkpoint.get("model", checkpoint).items() if isinstance(v, torch.Tensor)}


def _some(items: Iterable[str], most: int = 4) -> str:
    items = list(items)
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + rest
