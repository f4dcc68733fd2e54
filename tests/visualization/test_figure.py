import pytest

from inet_d2.visualization.figure import check_figure_path, new_figure, save_figure


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a", b"\x89PNG"), ("a.PDF", b"%PDF")])
def test_the_ending_says_the_format(name, start, tmp_path):
    check_figure_path(tmp_path / name)
    save_figure(new_figure("a test", width=1, height=1), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_cannot_be_written_is_known_before(tmp_path):
    with pytest.raises(ValueError, match=r"a\.txt: expected a name that ends in \.png, \.pdf, \.svg, found \.txt"):
        check_figure_path(tmp_path / "a.txt")
    with pytest.raises(ValueError, match="expected an existing folder, found none; create"):
        check_figure_path(tmp_path / "no" / "a.png")
