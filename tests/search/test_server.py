"""The page's requests: answers, and everything that is refused."""

import io
import json
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from inet_d2.search import Indexer


def encoded(picture, kind="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def ask(served):
    """ask("/api/info") -> status, headers, body."""

    def call(path, body=None, **headers):
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(served.address + path, body, headers)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    return call


@pytest.fixture
def upload(ask, make):
    def call(*colours, **options):
        status, _, body = ask("/api/pictures", encoded(make.picture(*colours), **options), Content_Type="image/png")
        assert status == 200, body
        return json.loads(body)

    return call


def search(ask, **asked):
    status, _, body = ask("/api/search", asked)
    return status, json.loads(body)


def person_of(name, answer):
    return next(row["person"] for row in answer["found"] if row["path"].endswith(name))


def test_from_a_picture_to_sightings(ask, upload):
    found = upload(None, (10, 10, 190))
    assert (found["width"], found["height"], found["boxes"]) == (96, 64, [[28, 12, 40, 52]])
    status, answer = search(ask, examples=[{"picture": found["picture"], "box": found["boxes"][0]}], top=1)
    assert status == 200
    (row,) = answer["found"]
    assert row["path"].endswith("both.png")
    assert row["verdict"] == "unrated"
    for kind in ("crop", "scene"):
        status, headers, body = ask(f"/api/people/{row['person']}/{kind}")
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        with Image.open(io.BytesIO(body)) as image:
            assert len(image.getexif()) == 0
    info = json.loads(ask("/api/info")[2])
    assert (info["people"], info["files"], info["calibrated_on"]) == (4, 3, None)


def test_them_and_not_them(ask, upload, make):
    found = upload(make.red)
    picture = {"picture": found["picture"], "box": found["boxes"][0]}
    _, answer = search(ask, examples=[picture])
    red, green = person_of("red.png", answer), person_of(">.png", answer)
    _, wider = search(ask, examples=[picture, {"person": green}])
    similarity = {row["path"][-7:]: row["similarity"] for row in wider["found"]}
    assert similarity["=1)>.png"[-7:]] > 0.5  # the mean of a picture of itself and one of somebody red
    _, narrower = search(ask, examples=[picture], rejected=[red])
    assert next(r["verdict"] for r in narrower["found"] if r["person"] == red) in ("copy of the query", "not them")
    _, both = search(ask, examples=[{"person": green}], rejected=[red])
    assert next(r["verdict"] for r in both["found"] if r["person"] == green) == "unrated"
    assert next(r["verdict"] for r in both["found"] if r["person"] == red) == "not them"


def test_every_answer_has_the_headers(ask):
    for path in ("/", "/page.js", "/page.css", "/api/info", "/api/people/1/crop", "/nowhere"):
        _, headers, _ = ask(path)
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_the_page_asks_for_nothing_outside(ask):
    text = b"".join(ask(path)[2] for path in ("/", "/page.js", "/page.css")).decode()
    assert "://" not in text
    assert "innerHTML" not in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:8000"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/info", "/api/people/1/crop"])
def test_other_hosts_and_origins_are_refused(ask, path, headers):
    status, _, body = ask(path, **headers)
    assert status == 403
    assert b"refused" in body


def test_own_origin_and_links_are_served(ask, served):
    assert ask("/api/info", Origin=served.address)[0] == 200
    assert ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200


@pytest.mark.parametrize(
    ("content", "kind", "status", "message"),
    [
        (b"x", "text/html", 415, "expected a JPEG, PNG or WebP picture"),
        (b"", "image/png", 400, "the request is empty"),
        (b"GIF89a no picture", "image/png", 400, "no JPEG, PNG or WebP picture"),
        (b"<svg onload=alert(1)/>", "image/png", 400, "no JPEG, PNG or WebP picture"),
        (b"x" * (25 * 1024 * 1024 + 1), "image/jpeg", 413, "too large: expected at most 25,600 KiB"),
    ],
)
def test_what_is_no_picture_is_a_sentence(ask, content, kind, status, message):
    found, _, body = ask("/api/pictures", content, Content_Type=kind)
    assert found == status
    assert message in json.loads(body)["error"]


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(ask):
    bomb = encoded(np.zeros((8000, 8000), np.uint8))
    status, _, body = ask("/api/pictures", bomb, Content_Type="image/png")
    assert status == 400
    assert "at most 50 million pixels" in json.loads(body)["error"]


def test_what_a_camera_wrote_is_removed_from_uploads(ask, make):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    turned = np.rot90(make.picture(make.red))
    _, _, body = ask("/api/pictures", encoded(turned, exif=exif), Content_Type="image/png")
    found = json.loads(body)
    assert (found["width"], found["height"]) == (96, 64)
    shown = ask(f"/api/pictures/{found['picture']}")[2]
    assert b"a camera" not in shown


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], "examples: expected at least one"),
        ({"examples": []}, "examples: expected at least one"),
        ({"examples": [{"picture": "gone", "box": [1, 2, 3, 4]}]}, "the picture is not here any more"),
        ({"examples": [{"picture": ["x"]}]}, "the picture is not here any more"),
        ({"examples": [{"person": "1"}]}, "people: expected a list of numbers"),
        ({"examples": [{"person": 4096}], "rejected": 7}, "people: expected a list of numbers"),
        ({"examples": [{"person": 4096}], "top": "many"}, "top: expected a number"),
        ({"examples": [{"person": 4096}], "source": "nowhere"}, "no file of the index has that"),
        ({"examples": [{"person": 4096}], "begin": "noon"}, "expected a date"),
        ({"examples": [{"person": 4096}], "false_alarms": 3}, "--false-alarms: expected"),
        ({"examples": [{"person": 1 << 70}]}, "people: expected a list of numbers"),
        ({"examples": [{"person": 5}]}, "examples: nobody"),
    ],
)
def test_wrong_questions_are_sentences(ask, asked, message):
    status, answer = search(ask, **asked) if isinstance(asked, dict) else (ask("/api/search", asked)[0], None)
    assert status == 400
    if answer:
        assert message in answer["error"]


def test_boxes_are_checked(ask, upload, make):
    found = upload(make.red)
    for box in ([1, 2, 3], "1234", [0, 0, "x", 4], [200, 0, 300, 9], None):
        status, answer = search(ask, examples=[{"picture": found["picture"], "box": box}])
        assert status == 400
        assert "box" in answer["error"]


@pytest.mark.parametrize(
    "path",
    ["/api/people/1/crop", "/api/people/99999999/scene", "/api/people/99999999999999999999/crop", "/api/videos/1",
     "/api/videos/77", "/api/people/..%2f..%2fetc%2fpasswd/crop", "/../../etc/passwd", "/api/pictures/none",
     "/page/../server.py", "//etc/passwd"],
)  # fmt: skip
def test_nothing_but_what_is_indexed_is_served(ask, path):
    status, _, body = ask(path)
    assert status == 404
    assert b"root:" not in body


def test_other_types_of_question_are_refused(ask):
    assert ask("/api/search", b"{}", Content_Type="text/plain")[0] == 415
    assert ask("/api/search", b"{", Content_Type="application/json")[0] == 400


def test_two_uploads_at_once(upload, make):
    found = [None, None]

    def one(place):
        found[place] = [upload(*[make.red] * (place + 1)) for _ in range(4)]

    threads = [threading.Thread(target=one, args=(place,)) for place in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert [len(x["boxes"]) for x in found[0]] == [1] * 4
    assert [len(x["boxes"]) for x in found[1]] == [2] * 4
    assert len({x["picture"] for x in found[0] + found[1]}) == 8


def test_a_moved_file_has_no_picture(ask, served, embedder, make):
    path = make.write(served.folder / "moved.png", make.green, make.green, make.green)
    Indexer(served.store, embedder).add([path])
    source = served.store.sources()[-1]
    person = int(served.store.rows().ids[-1])
    assert ask(f"/api/people/{person}/crop")[0] == 200
    path.unlink()
    assert ask(f"/api/people/{person}/crop")[0] == 404
    served.store.remove_sources([source.id])
    assert ask(f"/api/people/{person}/scene")[0] == 404


def test_a_video_is_served_in_ranges(ask, served, embedder, make):
    av = pytest.importorskip("av", reason="videos need PyAV: pip install av")
    path = served.folder / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for shift in range(12):
            picture = make.picture(make.red, shift=4 * shift)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    Indexer(served.store, embedder).add([path])
    source = served.store.sources()[-1]
    status, headers, body = ask(f"/api/videos/{source.id}", Range="bytes=10-19")
    assert (status, len(body), headers["Content-Range"][:11]) == (206, 10, "bytes 10-19")
    row = served.store.rows().ids[-1]
    assert ask(f"/api/people/{row}/scene")[0] == 200
    served.store.remove_sources([source.id])
    path.unlink()
