"""Where the repository's files are, for tests that run from any folder."""

from pathlib import Path

ROOT = Path(__file__).parent.parent


def config_path(name: str) -> str:
    """Path of one of our configurations, such as ``demo/inet.yaml``."""
    return str(ROOT / "configs" / name)
