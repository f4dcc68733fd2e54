import importlib.util

import numpy as np
import pytest

from inet_d2.data.datasets import load_annotations, load_protocol
from inet_d2.evaluation import SearchPredictions
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


@pytest.fixture
def predictions(tiny_datasets):
    """Annotated boxes with noisy identities."""
    generator = np.random.default_rng(0)
    records = load_annotations("cuhk_sysu_test")
    protocol = load_protocol("cuhk_sysu_test", 50)
    people = [a for record in records for a in record["annotations"]]
    identities = generator.standard_normal((protocol.num_queries + 1, 8))
    return SearchPredictions(
        gallery_names=np.array([r["image_id"] for r in records]),
        gallery_counts=[len(r["annotations"]) for r in records],
        gallery_boxes=np.array([a["bbox"] for a in people]),
        gallery_scores=generator.uniform(0.4, 1, len(people)),
        gallery_embeddings=identities[[a["person_id"] for a in people]] + generator.standard_normal((len(people), 8)),
        query_names=protocol.query_names,
        query_boxes=protocol.query_boxes,
        query_embeddings=identities[:-1],
    )
