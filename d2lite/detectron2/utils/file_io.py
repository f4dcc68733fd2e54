"""The one PathManager of the engine: local files, http(s), and Detectron2's `detectron2://` file server."""

from iopath.common.file_io import HTTPURLHandler, PathHandler
from iopath.common.file_io import PathManager as _PathManager

PathManager = _PathManager()


class _ServerHandler(PathHandler):
    def _get_supported_prefixes(self) -> list[str]:
        return ["detectron2://"]

    def _get_local_path(self, path: str, **kwargs) -> str:
        url = path.replace("detectron2://", "https://dl.fbaipublicfiles.com/detectron2/", 1)
        return PathManager.get_local_path(url, **kwargs)

    def _open(self, path: str, mode: str = "r", **kwargs):
        return PathManager.open(self._get_local_path(path), mode, **kwargs)


PathManager.register_handler(HTTPURLHandler())
PathManager.register_handler(_ServerHandler())
