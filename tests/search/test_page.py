"""The search page in a real browser: Debian's Chromium, driven by Playwright."""

import shutil

import pytest
from PIL import Image

from inet_d2.search import Indexer

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the page is tested with playwright: pip install playwright"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="the page is tested in Chromium: apt-get install chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def width(request):
    return request.param


@pytest.fixture
def page(browser, served, width):
    """The page is open; every request goes to it, nothing is written to the console, no dialog of a script opens."""
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append("dialog"), dialog.dismiss()))
    page.goto(served.address)
    until(page, "document.querySelector('#info').textContent !== ''")
    page.wrong = wrong
    yield page
    assert [url for url in asked if not url.startswith(served.address)] == []
    assert wrong == []
    context.close()


def until(page, condition):
    """Wait for a condition in JavaScript; Playwright's own wait needs the eval that the page's policy forbids."""
    for _ in range(400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never came: {condition}")


def save(make, tmp_path, *colours):
    path = tmp_path / "query.png"
    Image.fromarray(make.picture(*colours)).save(path)
    return path


def no_sideways_scrolling(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_drop_choose_and_mark(page, make, tmp_path):
    assert "4 people in 3 files, not calibrated" in page.inner_text("#info")
    page.set_input_files("#file", save(make, tmp_path, make.red, None, make.blue))
    page.wait_for_selector(".person")
    assert "2 people: choose one" in page.inner_text("#hint")
    assert page.locator(".hit").count() == 0
    page.locator(".person").nth(1).click()
    page.wait_for_selector(".hit")
    assert page.locator(".hit").count() == 3  # one row for each picture
    assert "both.png" in page.locator(".hit").first.inner_text()
    assert "not calibrated" in page.inner_text("#headline")
    assert page.locator(".person").nth(1).get_attribute("aria-pressed") == "true"
    until(page, "[...document.querySelectorAll('.hit img')].every(i => i.complete && i.naturalWidth)")
    assert no_sideways_scrolling(page)

    first = page.locator(".hit").first
    first.get_by_text("Not them").click()
    until(page, "document.querySelector('.hit .verdict').textContent.includes('not them')")
    page.locator(".hit").first.get_by_text("This is them").click()
    until(page, "!document.body.textContent.includes('1. not them')")
    assert page.locator("#reset").is_visible()
    page.click("#reset")
    until(page, "document.querySelectorAll('.actions [aria-pressed=true]').length === 0")


def test_by_keyboard_alone(page, make, tmp_path):
    page.set_input_files("#file", save(make, tmp_path, make.red, make.blue))
    page.wait_for_selector(".person")
    page.wait_for_function("document.activeElement.className === 'person'")  # the first person has the focus
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".hit")
    assert page.locator(".person").nth(1).get_attribute("aria-pressed") == "true"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(e => e.name || e.id || e.className || e.textContent)(document.activeElement)"))
        if page.evaluate("document.activeElement.textContent === 'Not them'"):
            break
    assert {"begin", "end", "source", "false_alarms", "all", "open"} <= reached
    page.keyboard.press("Space")
    until(page, "document.querySelector('.hit .verdict').textContent.includes('not them')")
    assert page.evaluate("document.activeElement.closest('.hit') !== null")  # the focus stays with the hit
    page.locator(".open").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] img")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")


def test_filters_and_their_mistakes(page, make, tmp_path):
    page.set_input_files("#file", save(make, tmp_path, make.red))
    page.wait_for_selector(".hit")  # the only person is taken
    page.fill("[name=source]", "red")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('.hit').length === 1")
    page.fill("[name=source]", "no such file")
    page.wrong.clear()
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#headline').textContent.includes('no file of the index')")
    page.wait_for_timeout(50)
    page.wrong.clear()  # Chromium notes answers of 400
    assert page.locator(".hit").count() == 0


def test_names_of_files_are_text(page, make, tmp_path):
    page.set_input_files("#file", save(make, tmp_path, make.green))
    page.wait_for_selector(".hit")
    assert "onerror=alert(1)>.png" in page.locator(".hit").first.inner_text()
    assert page.locator("img[src='x']").count() == 0


def test_what_is_no_picture_is_a_sentence(page, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    page.set_input_files("#file", path)
    until(page, "document.querySelector('#hint').textContent.includes('no JPEG, PNG or WebP picture')")
    page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"text"})
    until(page, "document.querySelector('#hint').textContent.includes('expected a JPEG')")
    page.wait_for_timeout(50)
    page.wrong.clear()  # Chromium notes answers of 400 and 415


def test_a_box_of_ones_own(page, make, tmp_path):
    page.set_input_files("#file", save(make, tmp_path))
    until(page, "document.querySelector('#hint').textContent.includes('Nobody was found')")
    frame = page.locator("#shown").bounding_box()
    x, y = frame["x"], frame["y"]
    page.mouse.move(x + frame["width"] * 0.1, y + frame["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(x + frame["width"] * 0.5, y + frame["height"] * 0.9, steps=4)
    page.mouse.up()
    page.wait_for_selector(".person[aria-pressed=true]")
    until(page, "document.querySelector('#headline').textContent !== ''")


def test_a_video_is_opened_at_its_second(page, served, embedder, make, tmp_path):
    av = pytest.importorskip("av", reason="videos need PyAV: pip install av")
    path = served.folder / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=2)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for second in range(20):  # somebody blue comes after five seconds and goes after eight
            picture = make.picture(None, make.blue) if 10 <= second < 16 else make.picture()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    Indexer(served.store, embedder).add([path])
    try:
        page.set_input_files("#file", save(make, tmp_path, None, None, make.blue))
        page.wait_for_selector(".hit")
        row = page.locator(".hit", has_text="v.mp4")
        assert "0:05 to 0:07" in row.inner_text()
        assert page.locator(".lane", has_text="v.mp4").locator(".tick").count() == 1
        assert no_sideways_scrolling(page)
        page.locator(".lane", has_text="v.mp4").locator(".tick").click()
        assert page.evaluate("document.activeElement.closest('.hit').textContent.includes('v.mp4')")
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open] img")
        assert "v.mp4 at 0:05" in page.inner_text("#scene-name")
        until(page, "document.querySelector('dialog img').naturalWidth === 96")
        page.get_by_text("Play the video from here").click()
        # the file comes, whether or not this browser knows its codec
        until(page, "document.querySelector('dialog video, dialog #scene-body p') !== null")
        page.keyboard.press("Escape")
    finally:
        served.store.remove_sources([served.store.sources()[-1].id])
        path.unlink()
