import numpy as np
import pytest
from scipy.io import savemat

from inet_d2.baselines.bow_tables import load_colour_names, load_columns


def test_tables_of_files(tmp_path):
    table = np.random.default_rng(0).random((32768, 11)).astype(np.float32)
    savemat(tmp_path / "w2c.mat", {"other": np.ones((3, 3)), "w2c": table})
    np.testing.assert_array_equal(load_colour_names(tmp_path / "w2c.mat"), table)
    with pytest.raises(ValueError, match=r"CODEBOOK: .*expected an array of 5 rows"):
        load_columns(tmp_path / "w2c.mat", 5, "CODEBOOK")
    with pytest.raises(FileNotFoundError, match=r"COLOUR_NAMES: .*does not exist"):
        load_colour_names(tmp_path / "none.mat")
    (tmp_path / "text.mat").write_text("no MATLAB file, surely, whatever its name may be" * 9)
    with pytest.raises(ValueError, match="expected a MATLAB file"):
        load_colour_names(tmp_path / "text.mat")
