import json
import logging
import os
import sys

import detectron2
import pytest
import torch
from detectron2.engine import launch
from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.events import CommonMetricPrinter, EventStorage, JSONWriter, get_event_storage
from detectron2.utils.file_io import PathManager
from detectron2.utils.logger import create_small_table, log_every_n_seconds, log_first_n, setup_logger


def test_smoothing_counts_iterations():
    with EventStorage() as storage:
        for storage.iter in range(30):
            storage.put_scalar("a", storage.iter)
            if storage.iter % 10 == 0:
                storage.put_scalars(c=storage.iter)
        storage.put_scalar("b", 4, smoothing_hint=False)
        # a: median of 10..29; c: last at 20, so the window is 1..20 and holds 10 and 20
        assert storage.latest_with_smoothing_hint(20) == {"a": (19.5, 29), "c": (15.0, 20), "b": (4.0, 29)}
        with pytest.raises(AssertionError):
            storage.put_scalar("a", 1, smoothing_hint=False)
        with storage.name_scope("x"):
            get_event_storage().put_scalar("y", 1)
        assert storage.latest()["x/y"] == (1.0, 29)
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
    assert first.startswith('{"data_time": 0.25, "eta_seconds": 1.0, "iteration": 1, "lr": 1e-05, "other": 2.0,')
    assert '"x [metric]": NaN' in first
    assert json.loads(second) == {"iteration": 0, "old": 3.0}


def test_logger(tmp_path):
    for _ in range(5):  # set up many times, one line
        logger = setup_logger(str(tmp_path), 1, name="some_pkg")
        log_first_n(logging.INFO, "thrice", n=3, name="some_pkg")
        log_every_n_seconds(logging.INFO, "once", n=100, name="some_pkg")
    logging.getLogger("some_pkg.part").warning("hello")
    text = (tmp_path / "log.txt.rank1").read_text()
    assert [text.count(word) for word in ("hello", "thrice", "once")] == [1, 3, 1]
    assert text.endswith("some_pkg.part WARNING: hello\n")
    assert logger.propagate is False
    assert create_small_table({"AP": 1.23456}).splitlines()[-1].strip("| ") == "1.235"


def test_files_and_environment(tmp_path):
    path = str(tmp_path / "sub" / "a.txt")
    PathManager.mkdirs(os.path.dirname(path))
    PathManager.open(path, "w").close()
    assert PathManager.isfile(path)
    assert PathManager.get_local_path(path) == path
    assert os.path.dirname(detectron2.__file__) in collect_env_info()


def two_process_job(path):
    rank, seed = comm.get_rank(), comm.shared_random_seed()
    reduced = comm.reduce_dict({"b": torch.tensor(rank + 1.0), "a": torch.tensor(4.0)})
    comm.synchronize()
    same_seed = comm.all_gather(seed) == [seed] * 2
    facts = [comm.get_world_size(), comm.get_local_rank(), comm.gather(rank), same_seed, reduced["b"].item()]
    (path / str(rank)).write_text(str(facts[: 5 if rank == 0 else 4]))


@pytest.mark.skipif(torch.cuda.is_available() or sys.platform != "linux", reason="forks two processes without GPUs")
def test_two_processes(tmp_path, monkeypatch):
    start = torch.multiprocessing.start_processes

    def fork(fn, args=(), nprocs=1, **kwargs):  # spawning takes ten seconds
        start(fn, args, nprocs, start_method="fork")

    monkeypatch.setattr(torch.multiprocessing, "spawn", fork)
    monkeypatch.setattr(torch.multiprocessing, "start_processes", fork)
    launch(two_process_job, 2, dist_url="auto", args=(tmp_path,))
    assert (tmp_path / "0").read_text() == "[2, 0, [0, 1], True, 1.5]"  # the mean of 1 and 2
    assert (tmp_path / "1").read_text() == "[2, 1, [], True]"
    assert (comm.get_world_size(), comm.get_rank(), comm.gather(1), comm.all_gather(2)) == (1, 0, [1], [2])
