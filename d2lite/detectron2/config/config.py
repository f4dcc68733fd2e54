import functools
import inspect
import logging
import os
from collections.abc import Callable

import yaml
from fvcore.common.config import CfgNode as _CfgNode

from .._lite import unsupported
from ..utils.file_io import PathManager


class CfgNode(_CfgNode):
    """fvcore's CfgNode (yacs with `_BASE_`) that also reads the key VERSION of a file."""

    @classmethod
    def _open_cfg(cls, filename: str):
        return PathManager.open(filename, "r")

    def merge_from_file(self, cfg_filename: str, allow_unsafe: bool = True) -> None:
        assert PathManager.isfile(cfg_filename), f"Config file '{cfg_filename}' does not exist!"
        loaded = type(self)(self.load_yaml_with_base(cfg_filename, allow_unsafe=allow_unsafe))
        old = "WEIGHT" in loaded.get("MODEL", {}) or "AUG_ON" in loaded.get("TEST", {})
        version = loaded.get("VERSION", 1 if old else self.VERSION)
        if "VERSION" not in loaded:
            logging.getLogger(__name__).warning("'%s' has no VERSION: taken for %d.", cfg_filename, version)
        assert version <= self.VERSION, f"Cannot merge a v{version} config into a v{self.VERSION} config."
        if version < self.VERSION:
            unsupported(f"Upgrading the v{version} config '{cfg_filename}'")
        self.merge_from_other_cfg(loaded)


@functools.cache
def _defaults() -> CfgNode:
    with open(os.path.join(os.path.dirname(__file__), "defaults.yaml")) as f:
        return CfgNode(yaml.load(f, Loader=yaml.FullLoader))


def get_cfg() -> CfgNode:
    """A fresh copy of the default configuration."""
    return _defaults().clone()


def _arguments(from_config: Callable, args: tuple, kwargs: dict) -> dict:
    """Call `from_config`; arguments that it does not take are added to (and win over) its result."""
    parameters = inspect.signature(from_config).parameters
    if next(iter(parameters), None) != "cfg":
        raise TypeError(f"{from_config.__qualname__} must take 'cfg' as the first argument!")
    extra, takes_all = {}, {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    if not takes_all & {p.kind for p in parameters.values()}:
        extra = {k: kwargs.pop(k) for k in list(kwargs) if k not in parameters}
    return {**from_config(*args, **kwargs), **extra}


def configurable(init_func: Callable | None = None, *, from_config: Callable | None = None) -> Callable:
    """Let a class or a function be called with a configuration instead of its explicit arguments.

    A class decorates `__init__` and has a classmethod `from_config(cls, cfg, ...)` that returns the arguments
    as a dict; a function takes `@configurable(from_config=...)`. Calls without a configuration are plain calls.
    """
    if init_func is None:
        return functools.partial(configurable, from_config=from_config)
    if from_config is None and getattr(init_func, "__name__", "") != "__init__":
        raise TypeError("@configurable without from_config= can only be used on __init__.")

    @functools.wraps(init_func)
    def wrapped(*args, **kwargs):
        bound, builder = (), from_config
        if builder is None:  # a method: its class says how the arguments are made
            bound, args, cls = args[:1], args[1:], type(args[0])
            builder = getattr(cls, "from_config", None)
            if builder is None:
                raise AttributeError(f"{cls} with @configurable must have a 'from_config' classmethod.")
            if not inspect.ismethod(builder):
                raise TypeError(f"{cls} with @configurable: 'from_config' must be a classmethod.")
        if any(isinstance(value, _CfgNode) for value in (*args[:1], kwargs.get("cfg"))):
            args, kwargs = (), _arguments(builder, args, kwargs)
        return init_func(*bound, *args, **kwargs)

    wrapped.from_config = from_config
    return wrapped
