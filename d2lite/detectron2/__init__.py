"""The part of Detectron2 that the person-search extension runs on, in pure Python.

`__version__` is the Detectron2 version whose behaviour is provided; only this engine has `__d2lite__`.
"""

from . import _lite

__version__, __d2lite__ = "0.6", "0.6+lite"
__getattr__ = _lite.missing_names(__name__)
