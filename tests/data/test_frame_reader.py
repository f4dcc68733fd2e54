import cv2
import numpy as np
import pytest
from detectron2.data import transforms as T
from PIL import Image

from inet_d2.data.frame_reader import FrameReader, read_frame, to_input_tensor
from inet_d2.data.resize import FastResize, FloorResize, WholePixelResize
from inet_d2.image_file import read_image
from inet_d2.randomness import generators_seeded

SIZES = ((20, 33), 1000, "choice")


def photo(height, width):
    """Smooth noise, (height, width, 3) uint8 RGB."""
    small = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def sideways_exif():
    exif = Image.Exif()
    exif[0x112] = 6
    return exif.tobytes()


FILES = {
    "photo.jpg": lambda: (Image.fromarray(photo(51, 68)), {}),
    "grey.jpg": lambda: (Image.fromarray(photo(51, 68)).convert("L"), {}),
    "sideways.jpg": lambda: (Image.fromarray(photo(51, 68)), {"exif": sideways_exif()}),
    "palette.png": lambda: (Image.fromarray(photo(51, 68)).convert("P"), {}),
    "alpha.png": lambda: (Image.fromarray(photo(51, 68)).convert("RGBA"), {}),
    "deep.png": lambda: (Image.fromarray(photo(51, 68)[..., 0].astype(np.uint16) * 250), {}),
    "enlarged.jpg": lambda: (Image.fromarray(photo(11, 15)), {}),
}


@pytest.fixture(params=FILES)
def frame_file(request, tmp_path):
    image, options = FILES[request.param]()
    image.save(tmp_path / request.param, **options)
    return str(tmp_path / request.param)


@pytest.mark.parametrize("image_format", ["RGB", "BGR"])
@pytest.mark.parametrize("resize", [WholePixelResize, FastResize])
def test_pixels_are_those_of_the_whole_frame_sent_through_the_augmentations(frame_file, resize, image_format):
    augmentations = [resize(*SIZES), T.RandomFlip(prob=0.5)]
    reader, record = FrameReader(augmentations, image_format), {"file_name": frame_file}
    shapes, flips = set(), set()
    for seed in range(12):
        with generators_seeded(seed):
            found, transforms = reader(dict(record))
        with generators_seeded(seed):
            slow = T.AugInput(read_frame(dict(record), image_format))
            expected = T.AugmentationList(augmentations)(slow)
        np.testing.assert_array_equal(found, slow.image)
        corners = np.array([[0.0, 0.0, 10.0, 5.0]])
        np.testing.assert_array_equal(transforms.apply_box(corners.copy()), expected.apply_box(corners.copy()))
        shapes.add(found.shape)
        flips.add(len(transforms.transforms) and type(transforms.transforms[-1]))
    assert (len(shapes), len(flips)) == (2, 2)  # both lengths, flipped and not


def test_fast_pixels_differ_by_at_most_one_level(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo(540, 960)).save(path)
    exact, fast = (
        FrameReader([resize((240,), 1000, "choice")], "RGB")({"file_name": str(path)})[0].astype(int)
        for resize in (WholePixelResize, FastResize)
    )
    assert exact.shape == fast.shape == (240, 427, 3)
    assert abs(exact - fast).max() <= 1
    assert (exact != fast).mean() < 0.05


@pytest.mark.parametrize("image_format", ["RGB", "BGR"])
def test_a_size_of_0_leaves_frames_as_they_are(frame_file, image_format):
    found, _ = FrameReader([WholePixelResize((0,), 0, "choice")], image_format)({"file_name": frame_file})
    np.testing.assert_array_equal(found, read_image(frame_file, image_format))


def test_a_missing_size_is_filled_in_and_another_one_refused(frame_file):
    for augmentations in ([WholePixelResize(*SIZES)], [], [T.RandomFlip(prob=1.0)]):
        reader, record = FrameReader(augmentations, "RGB"), {"file_name": frame_file}
        reader(record)
        height, width = read_image(frame_file, "RGB").shape[:2]
        assert (record["height"], record["width"]) == (height, width)
        with pytest.raises(ValueError, match=rf"expected {width + 1} x {height} pixels, .* found {width} x {height};"):
            reader({**record, "width": width + 1})


@pytest.mark.parametrize("is_sideways", [False, True])
def test_scaled_decoding_begins_where_a_half_is_enough(tmp_path, is_sideways):
    # 120 x 80: 40 and 39 rows are a half of 80 and just less; 41 rows are more, so all of the frame is decoded.
    path, pixels = tmp_path / "a.jpg", photo(80, 120)
    options = {"exif": sideways_exif()} if is_sideways else {}
    image = Image.fromarray(pixels)
    (image.transpose(Image.Transpose.ROTATE_90) if is_sideways else image).save(path, quality=95, **options)
    for rows, is_scaled in ((41, False), (40, True), (39, True), (10, True)):
        augmentations, record = [WholePixelResize((rows,), 1000, "choice")], {"file_name": str(path)}
        scaled, transforms = FrameReader(augmentations, "RGB", scaled_decoding=True)(record)
        whole, _ = FrameReader(augmentations, "RGB")(dict(record))
        assert (record["width"], record["height"]) == (120, 80)
        assert transforms.apply_box(np.array([[0.0, 0.0, 120.0, 80.0]])).tolist() == [[0, 0, whole.shape[1], rows]]
        assert (scaled != whole).any() == is_scaled
        assert abs(scaled.astype(int) - whole).mean() < 8


def test_tensors_are_contiguous_and_of_their_own(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(photo(6, 8)).save(path)
    pixels, _ = FrameReader([WholePixelResize((6,), 100, "choice")], "BGR")({"file_name": str(path)})
    tensor = to_input_tensor(pixels)
    assert tensor.is_contiguous()
    np.testing.assert_array_equal(tensor.numpy(), pixels.transpose(2, 0, 1))
    tensor.zero_()
    assert pixels.any()


def test_scaled_decoding_is_refused_where_the_whole_frame_is_needed():
    """FloorResize is that of INPUT.RESIZE "torchvision"."""
    for augmentations in ([FloorResize([20], 1000, "choice")], [T.RandomFlip(), WholePixelResize(*SIZES)], []):
        FrameReader(augmentations, "RGB")
        with pytest.raises(
            ValueError, match=r"INPUT\.SCALED_DECODING: expected False where frames are not resized first"
        ):
            FrameReader(augmentations, "RGB", scaled_decoding=True)
