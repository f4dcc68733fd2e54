"""Checkpoints that are whole or not there, and the choice of the one to go on from."""

import logging
import re
import sys
from pathlib import Path
from typing import Any

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.utils import comm
from torch import nn

from inet_d2.conversion.reading import read_weights
from inet_d2.engine.checkpoint_file import read_checkpoint
from inet_d2.engine.identity_state import ENTRY, leave_out, parts_of
from inet_d2.engine.run_stopped import RunStoppedError
from inet_d2.files import written_aside

_logger = logging.getLogger(__name__)

TAG, FINAL = "last_checkpoint", "model_final.pth"
_NUMBERED = re.compile(r"model_(\d{7,})\.pth")


class RunCheckpointer(DetectionCheckpointer):
    """Detectron2's checkpointer with files that survive a kill at any moment.

    A file is written aside, synced and renamed; so is ``last_checkpoint``. Its parts carry checksums. Nothing that is
    not finite is saved. :meth:`get_checkpoint_file` gives the newest sound file. Nothing that is loaded runs code.

    Args:
        model: see Detectron2.
        save_dir: OUTPUT_DIR.
        num_kept: numbered checkpoints to keep, the newest ones; 0 keeps all.
        identities: fingerprint of the training set's identities; "" where nothing is trained.
        **checkpointables: see Detectron2; a checkpoint without one of them is none to go on from.
    """

    def __init__(
        self, model: nn.Module, save_dir: str = "", *, num_kept: int = 0, identities: str = "", **checkpointables: Any
    ) -> None:
        super().__init__(model, save_dir, **checkpointables)
        self.num_kept = num_kept
        self.identities = identities
        self._starts_from = ""

    def start_from(self, path: str) -> None:
        """Load weights that a new run starts from; "" for none.

        The state of the identity losses comes along if the file says that it is of the same identities; otherwise the
        log says what is left behind.
        """
        self._starts_from = path
        try:
            self.load(path, checkpointables=[])
        finally:
            self._starts_from = ""

    def _load_model(self, checkpoint: dict[str, Any]) -> Any:
        """See Detectron2; shapes of the identity losses' state may differ, since only training works with it."""
        of = checkpoint.get(ENTRY, "")
        is_same = not self._starts_from or (of != "" and of == self.identities)
        left = leave_out(checkpoint["model"], self.model.state_dict(), is_same=is_same)
        if left and not is_same:
            _logger.warning(
                "%s %s; left behind, to start anew: %s.",
                self._starts_from,
                "was trained on other identities" if of else "does not say which identities it was trained on",
                parts_of(left),
            )
        incompatible = super()._load_model(checkpoint)
        if incompatible is not None:
            incompatible.missing_keys[:] = [name for name in incompatible.missing_keys if name not in left]
        return incompatible

    def save(self, name: str, **kwargs: Any) -> None:
        """Save everything as ``<save_dir>/<name>.pth`` and tag it as the last checkpoint; only in the main process.

        Raises:
            RunStoppedError: the file cannot be written, or the model is not finite; older checkpoints are intact.
        """
        if not self.save_dir or not self.save_to_disk:
            return
        content = {"model": self.model.state_dict()}
        content.update({key: part.state_dict() for key, part in self.checkpointables.items()})
        if self.identities:
            content[ENTRY] = self.identities
        content.update(kwargs)
        path = Path(self.save_dir, f"{name}.pth")
        if wrong := non_finite_entries(content["model"]):
            raise RunStoppedError(
                f"{path.name} is not saved, because the model is no longer finite ({', '.join(wrong[:4])}); lower "
                "SOLVER.BASE_LR or clip gradients (SOLVER.CLIP_GRADIENTS), and go on with --resume."
            )
        _logger.info("Saving checkpoint to %s", path)
        try:
            with written_aside(path) as aside:
                torch.save(content, aside)
            self.tag_last_checkpoint(path.name)
        except (OSError, RuntimeError) as error:  # the latter is what torch raises for a full disk
            reason = str(error).strip().partition("\n")[0][:160]
            raise RunStoppedError(
                f"{path}: the checkpoint cannot be written ({reason}); earlier ones are intact. Make room and go on "
                "with --resume."
            ) from error
        self._remove_old()

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Name the last checkpoint in ``last_checkpoint``."""
        with written_aside(Path(self.save_dir, TAG)) as aside:
            aside.write_text(last_filename_basename)

    def has_checkpoint(self) -> bool:
        """Whether a run left anything to go on from, sound or not; the same in every process."""
        folder = Path(self.save_dir)
        if not self.save_dir:
            return False
        return comm.all_gather((folder / TAG).exists() or bool(self._numbered()) or (folder / FINAL).exists())[0]

    def _load_file(self, filename: str) -> dict[str, Any]:
        """Let the engine read what readers that run no code could read; its own would run what stands in a pickle.

        Raises:
            ValueError: the file holds more than tensors, arrays, numbers and containers, or is damaged.
        """
        if filename.endswith(".pkl"):
            read_weights(Path(filename))
        else:
            read_checkpoint(filename, in_memory=False)
        return super()._load_file(filename)

    def get_checkpoint_file(self) -> str:
        """Path of the newest sound checkpoint, the same in every process; warns about newer ones that are not.

        Raises:
            ValueError: there is none.
        """
        found: str | ValueError | None = None
        if comm.is_main_process():
            try:
                found = str(self._newest_sound())
            except ValueError as error:
                found = error
        found = comm.all_gather(found)[0]
        if isinstance(found, ValueError):
            raise found
        return found

    def _newest_sound(self) -> Path:
        reasons = []
        for path in self._candidates(reasons):
            if reason := self._fault(path):
                reasons.append(reason)
                continue
            for reason in reasons:
                _logger.warning("%s. Going on from %s.", reason.rstrip("."), path.name)
            return path
        raise ValueError(
            f"OUTPUT_DIR: expected a sound checkpoint in {self.save_dir}, found none ({'; '.join(reasons)}); leave "
            "--resume out to start anew."
        )

    def _candidates(self, reasons: list[str]) -> list[Path]:
        """All checkpoints of the folder, the newest first; what is known to be wrong goes to ``reasons``."""
        folder = Path(self.save_dir)
        order = {path: iteration for iteration, path in self._numbered().items()}
        others = [folder / FINAL] if (folder / FINAL).exists() else []
        tag = folder / TAG
        tagged = tag.read_text(errors="replace").strip() if tag.exists() else ""
        if tagged and (Path(tagged).name != tagged or not tagged.endswith(".pth")):
            reasons.append(f"{tag} names {tagged[:80]!r}, which is no .pth file of this folder")
        elif tagged and not (folder / tagged).exists():
            reasons.append(f"{folder / tagged}, the last checkpoint, is missing")
        elif tagged and folder / tagged not in order:
            others.append(folder / tagged)
        for path in dict.fromkeys(others):
            order[path] = _iteration(path)
        return sorted(order, key=lambda path: (order[path], path.name == tagged, path.name), reverse=True)

    def _fault(self, path: Path) -> str:
        """Why a checkpoint is none to go on from; "" if it is one."""
        try:
            content = read_checkpoint(path, in_memory=False)
        except (OSError, ValueError) as error:
            return str(error)
        missing = [key for key in self.checkpointables if key not in content]
        return f"{path} holds weights alone, without {', '.join(missing)}" if missing else ""

    def _numbered(self) -> dict[int, Path]:
        matches = ((_NUMBERED.fullmatch(path.name), path) for path in Path(self.save_dir).glob("model_*.pth"))
        return {int(match[1]): path for match, path in matches if match}

    def _remove_old(self) -> None:
        numbered = self._numbered()
        for iteration in sorted(numbered)[: -self.num_kept] if self.num_kept else []:
            numbered[iteration].unlink(missing_ok=True)


def non_finite_entries(state: dict[str, torch.Tensor]) -> list[str]:
    """Names of the floating-point entries that hold NaN or infinity."""
    return [
        name for name, value in state.items() if value.is_floating_point() and not bool(torch.isfinite(value).all())
    ]


def _iteration(path: Path) -> int:
    """The iteration a checkpoint is of: -1 for weights alone; a damaged file comes first, so that it is reported."""
    try:
        iteration = read_checkpoint(path, in_memory=False).get("iteration", -1)
    except (OSError, ValueError):
        return sys.maxsize
    return iteration if isinstance(iteration, int) else -1
