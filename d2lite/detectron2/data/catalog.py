from collections import UserDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class _Catalog(UserDict):
    def list(self) -> list[str]:
        return list(self)

    def remove(self, name: str) -> None:
        self.pop(name)


class _DatasetCatalog(_Catalog):
    """Functions that return the records (list[dict]) of a data set, by its name; `get` calls them."""

    def register(self, name: str, func: Callable[[], list[dict]]) -> None:
        assert name not in self, f"DatasetCatalog: a data set named '{name}' exists already"
        self[name] = func

    def get(self, name: str) -> list[dict]:
        if name not in self:
            raise KeyError(f"DatasetCatalog: expected one of {', '.join(self)}; found '{name}'")
        return self[name]()


class Metadata(SimpleNamespace):
    """Facts about a data set as attributes, each of which can be set once."""

    def __setattr__(self, key: str, val: Any) -> None:
        old = self.__dict__.setdefault(key, val)
        assert old == val, f"Attribute '{key}' of '{self.name}' is {old!r} and cannot become {val!r}!"

    def set(self, **kwargs: Any) -> "Metadata":
        for key, val in kwargs.items():
            setattr(self, key, val)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        return getattr(self, key, default)


class _MetadataCatalog(_Catalog):
    def get(self, name: str) -> Metadata:
        """The Metadata of a data set, created when it is asked for."""
        return self.setdefault(name, Metadata(name=name))


DatasetCatalog, MetadataCatalog = _DatasetCatalog(), _MetadataCatalog()
