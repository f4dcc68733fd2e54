"""What happens when somebody asks for a part of Detectron2 that this engine does not have."""

import importlib
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any, NoReturn


def unsupported(feature: str) -> NoReturn:
    """Raise the error that names real Detectron2, for `feature` (words that say what was asked for)."""
    raise NotImplementedError(
        f"{feature} is not part of d2lite, the reduced pure-Python engine. Install the full "
        "Detectron2 (https://github.com/facebookresearch/detectron2) to use it."
    )


def missing_names(module: str) -> Any:
    """A `__getattr__` for `module`: sub-modules are imported, unknown public names are unsupported."""

    def getattr_(name: str) -> Any:
        if name.startswith("_") or name == "torch":  # pickle, inspect and doctest ask for these and expect this error
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        if hasattr(sys.modules[module], "__path__"):
            return importlib.import_module(f"{module}.{name}")
        return unsupported(f"{module}.{name}")

    return getattr_


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = missing_names(module.__name__)
        super().exec_module(module)


class _Finder(PathFinder):
    """Finds the modules of this package: each gets a `__getattr__`, and public ones that do not exist are named."""

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith(f"{__package__}."):
            return None
        spec = super().find_spec(fullname, path, target)
        if spec is None and not fullname.rpartition(".")[2].startswith("_"):
            unsupported(fullname)
        if spec is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec


sys.meta_path.insert(0, _Finder)
