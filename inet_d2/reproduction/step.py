"""One step towards a table: a command, its folder, and whether it is done."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from inet_d2.engine.checkpoint_file import is_sound
from inet_d2.engine.setup import config_leaves, load_config

# Scripts, relative to the repository.
TRAIN, DETECT, TWO_STEP = "train_net.py", "tools/train_detector.py", "tools/two_step_search.py"
# Keys that do not change what a run finds, or that only say where things are.
FREE_KEYS = {
    "DATALOADER.NUM_WORKERS",
    "DETECTOR.WEIGHTS",
    "MODEL.DEVICE",
    "MODEL.WEIGHTS",
    "OUTPUT_DIR",
    "SOLVER.CHECKPOINT_PERIOD",
    "TEST.EVAL_PERIOD",
    "TEST.SEARCH.BOXES_FROM",
}


@dataclass(frozen=True)
class Step:
    """One call of train_net.py, or of the script of a baseline.

    Attributes:
        title: for the progress.
        kind: steps of one kind take about the same time; "evaluation" trains nothing.
        folder: OUTPUT_DIR; ``results.json`` in it, and of a training a sound ``model_final.pth``, say that the step is
            done.
        arguments: of the script.
        config_file: absolute path of its configuration.
        options: KEY VALUE pairs that decide on its results.
        script: relative to the repository.
    """

    title: str
    kind: str
    folder: Path
    arguments: list[str]
    config_file: Path
    options: list[str]
    script: str = TRAIN

    def state(self) -> str:
        """``done``, ``unfinished`` or ``new``; an unfinished evaluation or baseline counts as new.

        Raises:
            FileNotFoundError: there is no such configuration.
            ValueError: an option does not fit the configuration, or the folder holds a run with another configuration.
        """
        if other := self._other_settings():
            raise ValueError(
                f"{self.folder}: made with {', '.join(other)}; give another --output, or remove the folder"
            )
        trains = self.kind != "evaluation" and self.script == TRAIN
        # A run of before may have figures, but have been stopped before its weights were whole.
        if (self.folder / "results.json").exists() and (not trains or is_sound(self.folder / "model_final.pth")):
            return "done"
        started = trains and self.folder.is_dir() and any(self.folder.iterdir())
        return "unfinished" if started else "new"

    def _other_settings(self) -> list[str]:
        """What differs between the configuration that is asked for and the one that train_net.py left in the folder."""
        wanted = load_config(str(self.config_file), self.options)
        record = self.folder / "config.yaml"
        if not record.exists():
            return []
        # Both as a file has them, with lists for tuples.
        wanted, found = (dict(config_leaves(yaml.safe_load(text))) for text in (wanted.dump(), record.read_text()))
        return [
            f"{key} {found[key]} instead of {wanted[key]}"
            for key in wanted
            if key in found and key not in FREE_KEYS and found[key] != wanted[key]
        ]
