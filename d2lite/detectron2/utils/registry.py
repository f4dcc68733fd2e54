from pydoc import locate  # noqa: F401

from fvcore.common.registry import Registry  # noqa: F401
