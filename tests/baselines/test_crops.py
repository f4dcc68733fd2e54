import cv2
import numpy as np

from inet_d2.baselines.crops import CropBatches, crop_people


def test_crops_by_hand():
    image = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8, 1).repeat(3, axis=2)
    found = crop_people(image, np.array([[2.2, 1, 5.8, 4]]), (3, 4))
    np.testing.assert_array_equal(found[0, ..., 0], image[1:4, 2:6, 0])


def test_boxes_at_and_beyond_the_edge():
    image = np.zeros((6, 8, 3), dtype=np.uint8)
    image[0, 0], image[5, 7] = 40, 90
    boxes = np.array([[-9, -9, -2, -2], [20, 20, 30, 30], [3, 3, 3, 3], [-5, -5, 40, 40]])
    found = crop_people(image, boxes, (4, 2))
    assert found.shape == (4, 4, 2, 3)
    assert (found[0] == 40).all()
    assert (found[1] == 90).all()
    assert (found[2] == 0).all()
    assert crop_people(image, np.zeros((0, 4)), (4, 2)).shape == (0, 4, 2, 3)


def test_shrinking_takes_areas():
    image = np.zeros((40, 40, 3), dtype=np.uint8)
    image[::2] = 100
    found = crop_people(image, np.array([[0, 0, 40, 40]]), (10, 10))
    assert (found == 50).all()


def test_batches_keep_the_order(tmp_path):
    records, boxes = [], []
    for number, count in enumerate((3, 0, 70, 1)):
        path = tmp_path / f"{number}.png"
        frame = np.zeros((20, 100, 3), dtype=np.uint8)
        frame[..., 2] = np.arange(100)
        frame[..., 1] = number
        cv2.imwrite(str(path), frame)
        records.append({"file_name": str(path)})
        boxes.append(np.array([[x, 0, x + 2, 4] for x in range(count)], dtype=float).reshape(-1, 4))
    batches = CropBatches(records, boxes, (4, 2))
    assert batches.num_crops == 74
    for _ in range(2):  # it can be gone through again
        parts = list(batches)
        assert [len(part) for part in parts] == [64, 10]
        crops = np.concatenate(parts)
        assert crops[:, 0, 0, 0].tolist() == [0, 1, 2, *range(70), 0]
        assert crops[:, 0, 0, 1].tolist() == [0] * 3 + [2] * 70 + [3]
