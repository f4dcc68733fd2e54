import pickle

from fvcore.common.checkpoint import Checkpointer

from .._lite import unsupported
from ..utils import comm
from ..utils.file_io import PathManager


def _match_suffixes(model_state: dict, loaded: dict) -> dict:
    """Rename loaded keys to the model keys that they equal or are a dotted suffix of; the longest wins."""
    chosen: dict[str, str] = {}
    for model_key, value in model_state.items():
        parts = model_key.split(".")
        suffixes = (".".join(parts[i:]) for i in range(len(parts)))
        key = next((suffix for suffix in suffixes if suffix in loaded), None)
        if key is not None and value.shape == loaded[key].shape:
            if key in chosen:
                raise ValueError(f"Cannot match one checkpoint key, '{key}', to '{chosen[key]}' and '{model_key}'.")
            chosen[key] = model_key
    return {chosen.get(key, key): value for key, value in loaded.items()}


class DetectionCheckpointer(Checkpointer):
    """fvcore's Checkpointer for .pth files and Detectron2's .pkl files.

    Names of the file are matched to those of the model by suffix if it asks for it with its key "matching_heuristics".
    """

    def __init__(self, model, save_dir: str = "", *, save_to_disk: bool | None = None, **checkpointables) -> None:
        save_to_disk = comm.is_main_process() if save_to_disk is None else save_to_disk
        super().__init__(model, save_dir, save_to_disk=save_to_disk, **checkpointables)
        self.path_manager = PathManager

    def _load_file(self, filename: str) -> dict:
        if not filename.endswith(".pkl"):
            loaded = super()._load_file(filename)
            return loaded if "model" in loaded else {"model": loaded}
        with PathManager.open(filename, "rb") as f:
            loaded = pickle.load(f, encoding="latin1")
        if not {"model", "__author__"} <= loaded.keys():
            unsupported(f"Loading '{filename}', a file with Caffe2's names,")
        return loaded

    def _load_model(self, checkpoint: dict):
        if checkpoint.get("matching_heuristics", False):
            checkpoint["model"] = _match_suffixes(self.model.state_dict(), checkpoint["model"])
        return super()._load_model(checkpoint)
