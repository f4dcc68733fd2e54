import functools
import inspect
import logging
from collections.abc import Callable

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
        version = loaded.get("VERSION")
        if version is None:
            old = "WEIGHT" in loaded.get("MODEL", {}) or "AUG_ON" in loaded.get("TEST", {})
            version = 1 if old else 2
            logging.getLogger(__name__).warning(
                "Config '%s' has no VERSION: assuming %d.", cfg_filename, version
            )
        assert version <= self.VERSION, f"Cannot merge a v{version} config into a v{self.VERSION} config."
        if version < self.VERSION:
            unsupported(f"Upgrading the v{version} config '{cfg_filename}'")
        self.merge_from_other_cfg(loaded)


global_cfg = CfgNode()


def get_cfg() -> CfgNode:
    """A fresh copy of the default configuration."""
    from .defaults import _C

    return _C.clone()


def set_global_cfg(cfg: CfgNode) -> None:
    """Let `global_cfg`, the same object for all importers, hold the keys of `cfg`."""
    global_cfg.clear()
    global_cfg.update(cfg)


def _called_with_cfg(args: tuple, kwargs: dict) -> bool:
    return any(isinstance(value, _CfgNode) for value in (*args[:1], kwargs.get("cfg")))


def _args_from_config(from_config: Callable, args: tuple, kwargs: dict) -> dict:
    """Call `from_config`; arguments that it does not take are added to (and win over) its result."""
    parameters = inspect.signature(from_config).parameters
    if next(iter(parameters), None) != "cfg":
        raise TypeError(f"{from_config.__qualname__} must take 'cfg' as the first argument!")
    extra = {}
    if not {p.kind for p in parameters.values()} & {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    }:
        extra = {k: kwargs.pop(k) for k in list(kwargs) if k not in parameters}
    return {**from_config(*args, **kwargs), **extra}


def configurable(init_func: Callable | None = None, *, from_config: Callable | None = None) -> Callable:
    """Let a class or a function be called with a configuration instead of its explicit arguments.

    A class decorates `__init__` and has a classmethod `from_config(cls, cfg, ...)` that returns the arguments as
    a dict; a function takes `@configurable(from_config=...)`. Calls without a configuration are plain calls.
    """
    if init_func is None:
        return functools.partial(_configurable_function, from_config) if from_config else configurable
    if not inspect.isfunction(init_func) or init_func.__name__ != "__init__" or from_config is not None:
        raise TypeError("@configurable without from_config= can only be used on __init__.")

    @functools.wraps(init_func)
    def init(self, *args, **kwargs):
        method, name = getattr(type(self), "from_config", None), type(self).__name__
        if method is None:
            raise AttributeError(f"{name} with @configurable must have a 'from_config' classmethod.")
        if not inspect.ismethod(method):
            raise TypeError(f"{name} with @configurable: 'from_config' must be a classmethod.")
        if _called_with_cfg(args, kwargs):
            init_func(self, **_args_from_config(method, args, kwargs))
        else:
            init_func(self, *args, **kwargs)

    return init


def _configurable_function(from_config: Callable, function: Callable) -> Callable:
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        if _called_with_cfg(args, kwargs):
            return function(**_args_from_config(from_config, args, kwargs))
        return function(*args, **kwargs)

    wrapped.from_config = from_config
    return wrapped
