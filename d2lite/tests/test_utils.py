import contextlib
import json
import logging
import sys

import pytest
import torch
from detectron2.engine import launch
from detectron2.utils import comm
from detectron2.utils.events import (
    CommonMetricPrinter,
    EventStorage,
    JSONWriter,
    TensorboardXWriter,
    get_event_storage,
)


def test_smoothing_counts_iterations():  # G15
    with EventStorage() as storage:
        for storage.iter in range(30):
            storage.put_scalar("a", storage.iter)
            if storage.iter % 10 == 0:
                storage.put_scalars(c=storage.iter)
        get_event_storage().put_scalar("b", 4, smoothing_hint=False)
        # a: median of 10..29; c: last at 20, so the window is 1..20 and holds 10 and 20
        assert storage.latest_with_smoothing_hint(20) == {"a": (19.5, 29), "c": (15.0, 20), "b": (4.0, 29)}
        with pytest.raises(AssertionError):
            storage.put_scalar("a", 1, smoothing_hint=False)
    with pytest.raises(AssertionError):
        get_event_storage()


def test_json_lines_and_the_log_line(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(logging.getLogger("detectron2.utils.events"), "info", lines.append)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    writers = [CommonMetricPrinter(4), JSONWriter(str(tmp_path / "m.json"))]
    with EventStorage() as storage:
        for storage.iter in range(2):
            storage.put_scalars(total_loss=1.23456, other=2, data_time=0.25, time=0.5)
            storage.put_scalar("x [metric]", float("nan"))
            storage.put_scalar("lr", 1e-5, smoothing_hint=False)
        storage.put_scalar("old", 3, cur_iter=0)
        for storage.iter in (1, 4):  # at the end there is nothing new
            for writer in writers:
                writer.write()
    # two iterations of 0.5 s are left
    expected = " eta: 0:00:01  iter: 1  total_loss: 1.235  x [metric]: nan  time: 0.5000  last_time: 0.5000  "
    assert [line.rstrip() for line in lines] == [expected + "data_time: 0.2500  last_data_time: 0.2500   lr: 1e-05"]
    first, second = (tmp_path / "m.json").read_text().splitlines()
    assert first.startswith('{"data_time": 0.25, "eta_seconds": 1.0, "iteration": 1, "lr": 1e-05, "other": 2.0, "time"')
    assert first.endswith('"x [metric]": NaN}')
    assert json.loads(second) == {"iteration": 0, "old": 3.0}


def test_pictures_are_written_once(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    writer = TensorboardXWriter(str(tmp_path))
    with EventStorage(3) as storage:
        storage.put_image("a", torch.zeros(3, 4, 6, dtype=torch.uint8))
        storage.step()
        storage.put_image("a", torch.ones(3, 4, 6))
        writer.write()
        storage.put_image("forgotten", torch.zeros(3, 1, 1))
        storage.clear_images()
        writer.write()
    writer.close()
    found = accumulators.EventAccumulator(str(tmp_path)).Reload()
    assert found.Tags()["images"] == ["a"]
    assert [(x.step, x.width, x.height) for x in found.Images("a")] == [(3, 6, 4), (4, 6, 4)]


def two_process_job(path):
    rank, seed = comm.get_rank(), comm.shared_random_seed()
    comm.synchronize()
    facts = [comm.get_world_size(), comm.gather(rank), comm.all_gather(seed) == [seed] * 2]
    (path / str(rank)).write_text(str(facts))


@pytest.mark.skipif(torch.cuda.is_available() or sys.platform != "linux", reason="forks two processes without GPUs")
def test_two_processes(tmp_path, monkeypatch):
    start = torch.multiprocessing.start_processes

    def fork(fn, args=(), nprocs=1, **kwargs):  # spawning takes ten seconds
        start(fn, args, nprocs, start_method="fork")

    monkeypatch.setattr(torch.multiprocessing, "spawn", fork)
    monkeypatch.setattr(torch.multiprocessing, "start_processes", fork)
    # Now and then torch aborts a process while it closes its group, after the work is done.
    with contextlib.suppress(torch.multiprocessing.ProcessExitedException):
        launch(two_process_job, 2, dist_url="auto", args=(tmp_path,))
    assert (tmp_path / "0").read_text() == "[2, [0, 1], True]"
    assert (tmp_path / "1").read_text() == "[2, [], True]"
    assert (comm.get_world_size(), comm.get_rank(), comm.gather(1), comm.all_gather(2)) == (1, 0, [1], [2])
