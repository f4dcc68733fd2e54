"""What happens when somebody asks for a part of Detectron2 that this engine does not have."""

import importlib
import sys
from collections.abc import Callable
from typing import Any, NoReturn


def unsupported(feature: str) -> NoReturn:
    """Raise the error that names real Detectron2, for `feature` (words that say what was asked for)."""
    raise NotImplementedError(
        f"{feature} is not part of d2lite, the reduced pure-Python engine. Install the full "
        "Detectron2 (https://github.com/facebookresearch/detectron2) to use it."
    )


def module_getattr(module: str) -> Callable[[str], Any]:
    """A `__getattr__` for `module`: sub-modules are imported, unknown public names are unsupported."""

    def getattr_(name: str) -> Any:
        if name.startswith("_"):  # pickle, inspect and doctest ask for such names and expect this error
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        if hasattr(sys.modules[module], "__path__"):
            return importlib.import_module(f"{module}.{name}")
        return unsupported(f"{module}.{name}")

    return getattr_


class _MissingModules:
    """The last finder on sys.meta_path: public modules of this package that no other finder knows."""

    @staticmethod
    def find_spec(fullname: str, path: object = None, target: object = None) -> None:
        package, _, name = fullname.rpartition(".")
        if package.split(".")[0] == __package__ and not name.startswith("_"):
            unsupported(fullname)


sys.meta_path.append(_MissingModules)
