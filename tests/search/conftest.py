"""A model whose answers are known: people are upright blocks of colour on black ground."""

import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import Boxes, Instances
from torch import nn

from inet_d2.engine import load_config
from inet_d2.search import Frame, Indexer, People, Source, build_model_embedder, list_files, open_store

NASTY_NAME = '"><img src=x onerror=alert(1)>.png'
RED, GREEN, BLUE = (200, 20, 10), (10, 200, 30), (20, 10, 200)  # RGB


class ColourBlocks(nn.Module):
    """Finds every run of columns that is not black; an embedding is the mean colour of a box, of unit length."""

    def __init__(self, cfg):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3))

    def embed(self, image, box):
        x1, y1, x2, y2 = (int(edge) for edge in box)
        return nn.functional.normalize(image[:, y1:y2, x1:x2].float().mean(dim=(1, 2)) * self.gain, dim=0)

    def forward(self, batch):
        assert not self.training
        assert not torch.is_grad_enabled()
        return [self.one(x) for x in batch]

    def one(self, x):
        image = x["image"]
        bright = image.amax(dim=0) > 60
        columns = torch.cat([torch.zeros(1), bright.any(dim=0).float(), torch.zeros(1)]).diff()
        boxes = []
        for x1, x2 in zip(columns.eq(1).nonzero().ravel(), columns.eq(-1).nonzero().ravel(), strict=True):
            rows = bright[:, x1:x2].any(dim=1).nonzero().ravel()
            boxes.append([float(x1), float(rows[0]), float(x2), float(rows[-1] + 1)])
        people = Instances((x["height"], x["width"]))
        people.pred_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
        people.scores = torch.tensor([0.9 if box[3] - box[1] > 8 else 0.3 for box in boxes])
        embeddings = [self.embed(image, box) for box in boxes]
        people.pred_embeddings = torch.stack(embeddings) if embeddings else torch.zeros(0, 3)
        output = {"instances": people}
        if "query_boxes" in x:
            output["query_embeddings"] = torch.stack([self.embed(image, box) for box in x["query_boxes"]])
        return output


if "ColourBlocks" not in META_ARCH_REGISTRY:
    META_ARCH_REGISTRY.register(ColourBlocks)


def picture_of(*colours, size=(64, 96), shift=0):
    """(H, W, 3) RGB with one block of 12 x 40 pixels for each colour; ``None`` leaves the place free."""
    picture = np.zeros((*size, 3), np.uint8)
    for place, colour in enumerate(colours):
        if colour is not None:
            left = 6 + 22 * place + shift
            picture[12:52, left : left + 12] = colour
    return picture


def write_picture(path, *colours, **options):
    cv2.imwrite(str(path), picture_of(*colours, **options)[:, :, ::-1])
    return path


@pytest.fixture(scope="session")
def colour_model(tmp_path_factory):
    """Configuration and weights of :class:`ColourBlocks`."""
    folder = tmp_path_factory.mktemp("model")
    config, weights = folder / "colour.yaml", folder / "weights.pth"
    config.write_text("MODEL: {META_ARCHITECTURE: ColourBlocks, DEVICE: cpu}\nINPUT: {MIN_SIZE_TEST: 0, FORMAT: RGB}\n")
    torch.save({"model": {"gain": torch.ones(3)}}, weights)
    return config, weights


@pytest.fixture(scope="session")
def embedder(colour_model):
    config, weights = colour_model
    return build_model_embedder(load_config(str(config)), weights=str(weights))


@pytest.fixture
def photos(tmp_path):
    """red.png, green.png, both.png (red and blue), nobody.png, sub/blue.png and a text file."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    write_picture(folder / "red.png", RED)
    write_picture(folder / "green.png", None, GREEN)
    write_picture(folder / "both.png", RED, None, BLUE, shift=3)
    write_picture(folder / "nobody.png")
    write_picture(folder / "sub/blue.png", None, None, BLUE)
    (folder / "notes.txt").write_text("no image")
    return folder


def make_source(number, **changes):
    """An image source, number 0, 1, ..., taken at 1000 * number."""
    values = {"path": f"/photos/{number}.jpg", "content": f"{number:032x}", "kind": "image", "size": 10}
    values.update(modified_ns=1, width=100, height=200, start=1000.0 * number, **changes)
    return Source(**values)


def make_frame(*embeddings, offset=0.0, until=None, score=0.9):
    embeddings = np.array(embeddings, np.float32).reshape(len(embeddings), -1 if embeddings else 2)
    boxes = np.arange(4 * len(embeddings), dtype=np.float32).reshape(-1, 4)
    people = People(boxes, np.full(len(embeddings), score, np.float32), embeddings)
    return Frame(offset, offset if until is None else until, people, bytes(range(192)))


@pytest.fixture(scope="session")
def make():
    """What tests make their data of."""
    return SimpleNamespace(
        source=make_source, frame=make_frame, picture=picture_of, write=write_picture, red=RED, green=GREEN, blue=BLUE
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory, embedder):
    """The page on an index of pictures and, with PyAV, a video: address, folder, store, and the hosts it serves."""
    uvicorn = pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install uvicorn")
    pytest.importorskip("starlette", reason="the page needs Starlette: pip install starlette")
    from inet_d2.search.page_search import PageSearch
    from inet_d2.search.server import make_app

    folder = tmp_path_factory.mktemp("served")
    write_picture(folder / "red.png", RED)
    write_picture(folder / "both.png", None, RED, BLUE, shift=2)
    write_picture(folder / NASTY_NAME, None, GREEN, shift=5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = open_store(str(folder / "an.index"), create=True)
    Indexer(store, embedder).add(list_files([folder]))
    app = make_app(PageSearch(store, embedder, "an.index"), [f"127.0.0.1:{port}"])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield SimpleNamespace(address=f"http://127.0.0.1:{port}", folder=folder, store=store)
    server.should_exit = True
    thread.join()
    store.close()


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory):
    """Address of Milvus Lite as a stand-in for a server."""
    pytest.importorskip("pymilvus", reason="an index on a server needs pymilvus: pip install pymilvus")
    pytest.importorskip("milvus_lite", reason="the stand-in for a server is Milvus Lite: pip install milvus-lite")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = str(tmp_path_factory.mktemp("milvus"))
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", folder, "--host", "127.0.0.1"]
    server = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()
