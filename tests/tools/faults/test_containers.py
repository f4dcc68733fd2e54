import io
from contextlib import suppress

import numpy as np
import pytest
import yaml
from scipy.io import loadmat, savemat

from faults.containers import add_yaml_line, change_mat, change_zip


def changes(change, content, read):
    """What those of 40 changed files hold that can be read."""
    results = []
    for seed in range(40):
        with suppress(Exception):  # what a library makes of wrong content is its own affair
            results.append(read(io.BytesIO(change(content, np.random.default_rng(seed)))).tolist())
    return results


@pytest.mark.parametrize("kind", ["zip", "mat"])
def test_checksums_are_right_and_content_is_not(kind):
    file, array = io.BytesIO(), np.arange(400.0)
    if kind == "zip":
        np.savez(file, a=array)
        results = changes(change_zip, file.getvalue(), lambda changed: np.load(changed)["a"])
    else:
        savemat(file, {"a": array}, do_compression=True)
        results = changes(change_mat, file.getvalue(), lambda changed: loadmat(changed)["a"].ravel())
    assert len(results) > 10  # with a wrong checksum none could
    assert sum(result != array.tolist() for result in results) > 5


def test_yaml_lines_stand_between_others(tmp_path):
    content = b"A:\n  B: 1\nC: 2\n"
    added = [add_yaml_line(content, np.random.default_rng(s), file="f", made="m").decode() for s in range(200)]
    assert any("mknod ['m']" in text for text in added)
    assert any("_BASE_: f" in text for text in added)
    kept = [text for text in added if "  B: 1\n" in text]
    assert 50 < len(kept) < 150
    assert all("A:\n  B: 1\n" in text for text in kept)
    assert any(yaml.safe_load(text)["C"] == 2 for text in kept if "SEED: .nan" in text)
