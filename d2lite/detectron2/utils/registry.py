import pydoc

from fvcore.common.registry import Registry  # noqa: F401


def locate(name: str) -> object:
    """The object with this dotted path, e.g. "torch.nn.Conv2d"."""
    found = pydoc.locate(name)
    if found is None:
        raise ImportError(f"Cannot dynamically locate object {name}!")
    return found
