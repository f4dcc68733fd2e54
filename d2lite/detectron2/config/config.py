import functools
import inspect
import os
from collections.abc import Callable

import yaml
from fvcore.common.config import CfgNode as _CfgNode

from .._lite import unsupported
from ..utils.file_io import PathManager


class CfgNode(_CfgNode):
    """fvcore's CfgNode (yacs with `_BASE_`) that also reads the key VERSION of a file."""

    def merge_from_file(self, cfg_filename: str, allow_unsafe: bool = True) -> None:
        assert PathManager.isfile(cfg_filename), f"{cfg_filename}: expected a configuration file, found none"
        loaded = type(self)(self.load_yaml_with_base(cfg_filename, allow_unsafe=allow_unsafe))
        version = loaded.get("VERSION", self.VERSION)
        assert version <= self.VERSION, f"{cfg_filename}: expected VERSION {self.VERSION} at most, found {version}"
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
    extra, takes_all = {}, {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    if not takes_all & {p.kind for p in parameters.values()}:
        extra = {k: kwargs.pop(k) for k in list(kwargs) if k not in parameters}
    return {**from_config(*args, **kwargs), **extra}


def configurable(init_func: Callable) -> Callable:
    """Let an `__init__` be called with a configuration instead of its explicit arguments.

    Its class has a classmethod `from_config(cls, cfg, ...)` that returns the arguments as a dict. Calls without a
    configuration are plain calls.
    """

    @functools.wraps(init_func)
    def wrapped(self, *args, **kwargs):
        from_config = getattr(type(self), "from_config", None)
        if not inspect.ismethod(from_config):
            error = AttributeError if from_config is None else TypeError
            raise error(f"{type(self).__name__}: @configurable needs a classmethod from_config(cls, cfg, ...)")
        if any(isinstance(value, _CfgNode) for value in (*args[:1], kwargs.get("cfg"))):
            args, kwargs = (), _arguments(from_config, args, kwargs)
        return init_func(self, *args, **kwargs)

    return wrapped
