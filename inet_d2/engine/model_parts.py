"""What a model is built from: names in registries and the pictures it takes, refused with a sentence where unknown."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import detectron2.modeling
from detectron2.config import CfgNode
from detectron2.utils.registry import Registry

import inet_d2.modeling
from inet_d2.engine.setup import config_leaves
from inet_d2.image_file import check_image_format


@contextmanager
def explained_parts(cfg: CfgNode) -> Iterator[None]:
    """Build a model inside of this block; a name that no registry has is an error of the configuration.

    Args:
        cfg: of the model.

    Raises:
        ValueError: MODEL.PIXEL_MEAN, MODEL.PIXEL_STD or INPUT.FORMAT is not for pictures of three colours, or a name
            is not registered; the message says what is.
    """
    for key in ("PIXEL_MEAN", "PIXEL_STD"):
        if len(cfg.MODEL[key]) != 3:
            raise ValueError(f"MODEL.{key}: expected 3 numbers, one for each colour, found {list(cfg.MODEL[key])}.")
    check_image_format(cfg.INPUT.FORMAT)
    try:
        yield
    except KeyError as error:
        missing = re.search(r"No object named '(.*)' found in '(\w+)' registry", str(error))
        if missing is None:
            raise
        name, registry = missing.groups()
        keys = [key for key, value in config_leaves(cfg.MODEL, "MODEL.") if value == name]
        known = _names_in(registry)
        choice = f"choose from {', '.join(known)}, or register" if known else "register"
        raise ValueError(
            f"{' or '.join(keys) or registry}: {name!r} is not registered; {choice} yours in a module that EXTENSIONS "
            "names."
        ) from error


def _names_in(title: str) -> list[str]:
    """What is registered under the title of a registry of Detectron2's or ours; nothing for others."""
    parts = (*vars(detectron2.modeling).values(), *vars(inet_d2.modeling).values())
    registries = [part for part in parts if isinstance(part, Registry) and part._name == title]
    return sorted(name for name, _ in registries[0]) if registries else []
