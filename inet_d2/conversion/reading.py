"""Reading published weight files without running what is in them."""

from pathlib import Path
from pickle import PickleError, Unpickler, UnpicklingError
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

_NUMPY_NAMES = frozenset({"_reconstruct", "scalar", "ndarray", "dtype", "_frombuffer"})
_PLAIN = frozenset({("collections", "OrderedDict"), ("_codecs", "encode")})
_TORCH = frozenset({("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter")})


class ArrayUnpickler(Unpickler):
    """Reads pickled numpy arrays and nothing that could run code."""

    def find_class(self, module: str, name: str) -> object:
        """The few functions that make up an array, an OrderedDict and Python 2's bytes."""
        if (module.split(".")[0] == "numpy" and name in _NUMPY_NAMES) or (module, name) in _PLAIN:
            return super().find_class(module, name)
        if (module, name) == ("__builtin__", "bytes"):
            return _no_bytes
        raise UnpicklingError(f"it contains {module}.{name}")


def _no_bytes() -> bytes:
    """How torch.save writes the content of an empty array; bytes itself would take a number and fill memory."""
    return b""


class TensorUnpickler(Unpickler):
    """Reads what torch.save of Python 2 wrote: tensors in dictionaries, and nothing that could run code.

    torch's own restricted reader knows fewer opcodes than Python 2 wrote (its long integers), so that it refuses
    these files whole.
    """

    def find_class(self, module: str, name: str) -> object:
        """The functions that make up a tensor, and the types of its storage."""
        is_storage = module == "torch" and name.endswith("Storage")
        if is_storage or (module, name) in _PLAIN | _TORCH:
            return super().find_class(module, name)
        raise UnpicklingError(f"it contains {module}.{name}")


def pickle_with(unpickler: type[Unpickler]) -> SimpleNamespace:
    """What torch.load takes in the place of the module pickle: its interface, reading with another class."""
    return SimpleNamespace(
        PickleError=PickleError,
        UnpicklingError=UnpicklingError,
        Unpickler=unpickler,
        load=lambda file, **options: unpickler(file, **options).load(),
        __name__="restricted_pickle",
    )


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read the named arrays of a file.

    Args:
        path: a .pkl of numpy arrays, or anything that torch.save wrote, also under Python 2.

    Returns:
        Tensors by name, and the author that a published .pkl names ("" if it names none).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, or holds something else than named arrays.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a file of weights, found none; download it first")
    try:
        content = _read(path)
    except Exception as error:  # damaged bytes may fail anywhere in pickle and torch
        reason = str(error).partition("\n")[0] if isinstance(error, PickleError) else type(error).__name__
        raise ValueError(f"{path}: expected named arrays, found a file that cannot be read ({reason:.120})") from error
    author = content.get("__author__", "") if isinstance(content, dict) else ""
    for key in ("model", "state_dict", "blobs"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected named arrays, found a {type(content).__name__}")
    values = {str(name): v for name, v in content.items() if isinstance(v, np.ndarray | Tensor)}
    try:
        return {name.removeprefix("module."): torch.as_tensor(value) for name, value in values.items()}, str(author)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected arrays of numbers, found others ({error})") from error


def _read(path: Path) -> object:
    with path.open("rb") as file:
        if path.suffix == ".pkl":
            return ArrayUnpickler(file, encoding="latin1").load()
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except UnpicklingError as refusal:
            if "instruction" not in str(refusal) and "operand" not in str(refusal):
                raise
            file.seek(0)
            restricted = pickle_with(TensorUnpickler)
            return torch.load(file, map_location="cpu", weights_only=False, pickle_module=restricted, encoding="latin1")
