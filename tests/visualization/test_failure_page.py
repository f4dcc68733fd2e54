import base64
import io
import re

import numpy as np
from PIL import Image

from inet_d2.visualization import FailedSearch, failure_page


def test_the_page_holds_words_and_pictures_and_fetches_nothing():
    picture = np.full((20, 30, 3), (200, 40, 40), dtype=np.uint8)
    searches = [FailedSearch("Query 3: <b>.jpg", ["AP 0.0."], picture), FailedSearch("Query 5", ["AP 9.1."], None)]
    page = failure_page("Worst & co", ["mAP 10"], searches)
    assert "<h1>Worst &amp; co</h1>" in page
    assert "Query 3: &lt;b&gt;.jpg" in page
    assert "<b>" not in page
    assert page.index("AP 0.0.") < page.index("AP 9.1.") < page.index("The frames are not there.")
    (encoded,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        assert image.size == (30, 20)
    assert "http" not in page.replace("http-equiv", "")


def test_a_page_without_failures():
    assert "Every search is perfect." in failure_page("Worst", [], [])
