"""A loader that makes no progress says what it waits for; one that loses a process says that."""

import itertools
import logging
import os
import signal
import time

import pytest

from inet_d2.data.bad_samples import LoadingError
from inet_d2.data.guarded_loader import warned_when_slow
from inet_d2.data.sample_stream import TrainingBatches, build_stream_loader

ITEMS = [{"file_name": f"{letter}.jpg"} for letter in "abcdef"]


def slow_at_c(item):
    if item["file_name"] == "c.jpg":
        time.sleep(0.4)
    return item["file_name"]


def loader_of(mapper, num_workers, patience, items=ITEMS):
    batches = TrainingBatches(len(items), items_per_batch=2, seed=1)
    return build_stream_loader(items, mapper, batches, num_workers=num_workers, patience=patience)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_slow_batch_is_named(caplog, num_workers):
    batches = iter(loader_of(slow_at_c, num_workers, 0.15))
    with caplog.at_level(logging.WARNING):
        slow = next(batch for batch in batches if "c.jpg" in batch)
    waits = [line.getMessage() for line in caplog.records]
    # Starting loader processes may take long on a busy machine, too.
    named = [line for line in waits if f"seconds; waiting for {slow[0]}, {slow[1]}. Is the disk" in line]
    assert named[0].startswith("No batch for 0.15 seconds")
    assert named[1].startswith("No batch for 0.3 seconds")


def test_nothing_is_said_of_a_batch_in_time(caplog):
    list(itertools.islice(loader_of(slow_at_c, 0, 60.0), 6))
    list(itertools.islice(loader_of(slow_at_c, 0, 0.0), 3))
    assert not caplog.records


def test_samples_without_files_are_named_by_their_numbers(caplog):
    loader = loader_of(lambda item: time.sleep(0.3) or item, 0, 0.1, items=[1, 2])
    next(iter(loader))
    assert "waiting for the samples " in caplog.text


def test_the_watch_ends_with_an_error_of_the_block(caplog):
    with pytest.raises(KeyError), warned_when_slow(0.05, lambda: "a.jpg"):
        raise KeyError
    time.sleep(0.15)
    assert not caplog.records


def dies_at_c(item):
    if item["file_name"] == "c.jpg":
        os.kill(os.getpid(), signal.SIGKILL)
    return item["file_name"]


def test_a_lost_loader_process_is_told_in_a_sentence():
    with pytest.raises(LoadingError, match=r"a loader process was lost \(DataLoader worker .*NUM_WORKERS"):
        list(itertools.islice(loader_of(dies_at_c, 1, 0.0), 9))
