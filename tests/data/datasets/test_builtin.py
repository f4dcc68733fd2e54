import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from inet_d2.data.datasets import builtin


def test_names_and_metadata():
    for name in ("cuhk_sysu_train", "cuhk_sysu_test", "prw_train", "prw_test"):
        assert name in DatasetCatalog.list()
        assert MetadataCatalog.get(name).thing_classes == ["person"]


def test_registering_twice_is_harmless():
    builtin.register_builtin_datasets()


def test_root_is_read_when_the_data_is_asked_for(small_cuhk, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(small_cuhk.root.parent))
    small_cuhk.frames(["s9.jpg", "s7.jpg", "s1.jpg", "s8.jpg"])
    assert len(DatasetCatalog.get("cuhk_sysu_test")) == 4
    assert "height" not in builtin.load_annotations("cuhk_sysu_train")[0]
    assert builtin.load_protocol("cuhk_sysu_test", 50).num_queries == 2
    monkeypatch.delenv("DETECTRON2_DATASETS")
    assert str(builtin.dataset_root("cuhk_sysu")) == "datasets/CUHK-SYSU"


def test_data_set_without_protocol():
    with pytest.raises(ValueError, match=r"cuhk_sysu_train: expected a data set with a search protocol"):
        builtin.load_protocol("cuhk_sysu_train", 50)


def test_gallery_sizes_that_a_data_set_has():
    assert builtin.gallery_sizes_of("cuhk_sysu_test", [100, 0, 100]) == (100, 0)
    assert builtin.gallery_sizes_of("prw_test", [50, 100]) == (0,)
