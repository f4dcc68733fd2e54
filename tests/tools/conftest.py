import importlib.util

import pytest

from places import ROOT


@pytest.fixture(scope="session")
def tool():
    """Load a script of tools/ as a module: tool("score_search").main([...]) -> exit status."""

    def load(name):
        path = ROOT / "tools" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"tool_{name}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
