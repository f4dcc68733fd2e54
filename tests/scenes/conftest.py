import numpy as np
import pytest
from scipy.io import loadmat

from inet_d2.scenes import make_scenes


@pytest.fixture(scope="session")
def scenes_root(tmp_path_factory):
    """One tiny data set for all tests of this folder; nobody writes to it."""
    return make_scenes(tmp_path_factory.mktemp("scenes"), "tiny", seed=3, progress=False)


@pytest.fixture(scope="session")
def scenes_mats(scenes_root):
    """Every annotation file as loadmat gives it, by variable name."""
    annotation = scenes_root / "annotation"
    mats = {}
    for path in annotation.rglob("*.mat"):
        mats.update({k: v for k, v in loadmat(path).items() if not k.startswith("__")})
    return mats


@pytest.fixture(scope="session")
def scenes_boxes(scenes_mats):
    """Frame name -> (n, 4) int64 boxes x, y, w, h."""
    return {
        str(record["imname"][0]): np.concatenate([b["idlocate"] for b in record["box"].ravel()]).astype(np.int64)
        for record in scenes_mats["Img"].ravel()
    }
