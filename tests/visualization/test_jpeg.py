import base64
import io

import numpy as np
from PIL import Image

from inet_d2.visualization.jpeg import data_uri, encode_jpeg


def test_pictures_are_scaled_down_and_never_up():
    picture = np.zeros((40, 80, 3), dtype=np.uint8)
    for size, expected in (((20, 20), (20, 10)), ((200, 200), (80, 40)), (None, (80, 40))):
        with Image.open(io.BytesIO(encode_jpeg(picture, size))) as image:
            assert image.size == expected
    assert data_uri(picture) == "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(picture)).decode()
