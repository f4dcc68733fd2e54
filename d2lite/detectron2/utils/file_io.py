"""The one PathManager of the engine: local files and http(s) addresses, which it downloads once."""

from iopath.common.file_io import HTTPURLHandler, PathHandler  # noqa: F401
from iopath.common.file_io import PathManager as _PathManager

PathManager = _PathManager()
PathManager.register_handler(HTTPURLHandler())
