from collections.abc import Callable
from operator import attrgetter
from typing import Any

import torch


class Instances:
    """The objects of one image of (height, width): fields of equal length, read and written as attributes."""

    def __init__(self, image_size: tuple[int, int], **kwargs: Any) -> None:
        self._image_size = image_size
        self._fields: dict[str, Any] = {}
        for name, value in kwargs.items():
            self.set(name, value)

    image_size = property(attrgetter("_image_size"))

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self.set(name, value)

    def __getattr__(self, name: str) -> Any:
        if name == "_fields" or name not in self._fields:
            raise AttributeError(f"Instances: there is no '{name}' among its fields")
        return self._fields[name]

    def set(self, name: str, value: Any) -> None:
        count = len(value)
        if self._fields:
            assert count == len(self), f"Instances.{name}: expected {len(self)} rows, found {count}"
        self._fields[name] = value

    def has(self, name: str) -> bool:
        return name in self._fields

    def get(self, name: str) -> Any:
        return self._fields[name]

    def remove(self, name: str) -> None:
        del self._fields[name]

    def get_fields(self) -> dict[str, Any]:
        """The fields themselves, not a copy."""
        return self._fields

    def _map(self, change: Callable) -> "Instances":
        return Instances(self._image_size, **{name: change(value) for name, value in self._fields.items()})

    def to(self, *args: Any, **kwargs: Any) -> "Instances":
        return self._map(lambda value: value.to(*args, **kwargs) if hasattr(value, "to") else value)

    def __getitem__(self, item: Any) -> "Instances":
        if type(item) is int:
            if not -len(self) <= item < len(self):
                raise IndexError(f"Instances: row {item} of {len(self)}")
            item = slice(item, None, len(self))
        return self._map(lambda value: value[item])

    def __len__(self) -> int:
        for value in self._fields.values():
            return len(value)
        raise NotImplementedError("Instances without fields have no length")

    def __iter__(self) -> Any:
        raise NotImplementedError("Instances cannot be walked through; index them, or walk through one of their fields")

    def __repr__(self) -> str:
        return f"Instances(image_size={self._image_size}, fields={self._fields})"

    @staticmethod
    def cat(instance_lists: list["Instances"]) -> "Instances":
        """Concatenate the fields (tensors, Boxes) that the first item has; one item is returned as it is."""
        first = instance_lists[0]
        if len(instance_lists) == 1:
            return first
        assert {x.image_size for x in instance_lists} == {first.image_size}, "Instances.cat: image sizes differ"
        result = Instances(first.image_size)
        for name, value in first.get_fields().items():
            join = torch.cat if isinstance(value, torch.Tensor) else type(value).cat
            result.set(name, join([item.get(name) for item in instance_lists]))
        return result
