import logging

import numpy as np
import pytest
from PIL import Image

from inet_d2 import image_file
from inet_d2.image_file import PICTURE_SUFFIXES, check_picture_output, image_size, read_image

LEVELS = np.array([[0, 257, 514], [32896, 65534, 65535]], dtype=np.uint16)


@pytest.fixture
def sideways(tmp_path):
    """6 x 4 pixels, red left half, stored turned by 90 degrees as a phone held upright writes it."""
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[:, :3, 0] = 255
    exif = Image.Exif()
    exif[0x112] = 6
    path = tmp_path / "a.png"
    Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif.tobytes())
    return path, pixels


def test_an_image_is_read_upright_and_its_header_too(sideways):
    path, pixels = sideways
    with Image.open(path) as image:
        assert image.size == (4, 6)
    assert image_size(path) == (6, 4)
    assert read_image(path, "RGB").tolist() == pixels.tolist()
    assert read_image(path, "BGR")[..., ::-1].tolist() == pixels.tolist()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_become_eight_with_one_warning(tmp_path, name, caplog):
    image_file._tell_of_deep_images.cache_clear()
    Image.fromarray(LEVELS).save(tmp_path / name)
    with caplog.at_level(logging.WARNING):
        image = read_image(tmp_path / name, "BGR")
        read_image(tmp_path / name, "BGR")
    # 65535 / 257 = 255; 32896 / 257 = 128
    assert image[..., 0].tolist() == [[0, 1, 2], [128, 255, 255]]
    assert (image[..., 1:] == image[..., :1]).all()
    assert caplog.messages == ["images of 16 bits per channel are read as 8 bits (value / 257)"]


@pytest.mark.parametrize(
    ("pixels", "found"),
    [(np.float32([[0.25, 1.0]]), "float32 from 0.25 to 1"), (np.int32([[0, 70000]]), "int32 from 0 to 70000")],
)
def test_values_whose_white_nobody_knows_are_refused(tmp_path, pixels, found):
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=rf"a\.tif cannot be decoded \(expected 8 or 16 bits .* {found}; convert"):
        read_image(tmp_path / "a.tif", "RGB")


def test_files_that_are_no_images_are_named(tmp_path, sideways):
    whole = sideways[0].read_bytes()
    damaged = tmp_path / "b.png"
    damaged.write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.jpg").write_text("no image")
    for name in ("b.png", "c.jpg"):
        with pytest.raises(ValueError, match=rf"{name} cannot be decoded"):
            read_image(tmp_path / name, "RGB")
    with pytest.raises(ValueError, match=r"c\.jpg cannot be read"):
        image_size(tmp_path / "c.jpg")
    for read in (image_size, lambda path: read_image(path, "RGB")):
        with pytest.raises(FileNotFoundError, match=r"d\.jpg is missing"):
            read(tmp_path / "d.jpg")


def test_other_channel_orders_are_refused(sideways):
    with pytest.raises(ValueError, match=r'INPUT\.FORMAT: expected one of BGR, RGB, found "L"'):
        read_image(sideways[0], "L")


@pytest.mark.parametrize("name", ["a.psd", "a.hdf", "a.txt", "a"])
def test_pictures_that_cannot_be_written_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"--sheet: expected the name of an image file such as answer\.png"):
        check_picture_output(tmp_path / name, "--sheet")


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_pictures_that_are_let_in_can_be_written(tmp_path, suffix):
    path = tmp_path / f"a{suffix.upper()}"
    check_picture_output(path, "--sheet")
    Image.new("RGB", (4, 3)).save(path)
    assert image_size(path) == (4, 3)
