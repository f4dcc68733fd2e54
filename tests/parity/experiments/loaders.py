"""Which images come in which order, and how they are flipped: one process, and worker processes."""

import itertools
import zlib

import numpy as np
import torch
from detectron2.data.samplers import InferenceSampler, TrainingSampler
from detectron2.utils import comm

from experiments import experiment
from inet_d2.data import build_search_test_loader, build_train_loader
from inet_d2.engine import load_config

BATCHES = 14
QUICK = "configs/quick_schedules/inet_instant_test.yaml"


def seen(batch) -> list:
    """What tells the images of a batch: name, size, checksum of the pixels, boxes and identities."""
    return [
        [
            x["image_id"],
            list(x["image"].shape),
            zlib.crc32(x["image"].numpy().tobytes()),
            x.get("instances"),
            x.get("query_boxes"),
        ]
        for x in batch
    ]


def first_batches(options) -> list:
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002  (the generator that the transforms draw from)
    loader = build_train_loader(load_config(QUICK, options))
    return [seen(batch) for batch in itertools.islice(loader, BATCHES)]


@experiment
def pair_loader(folder):
    return {
        f"{workers} workers, seed {seed}": first_batches(["DATALOADER.NUM_WORKERS", workers, "SEED", seed])
        for workers, seed in ((0, 1), (2, 1), (0, -1), (2, 7))
    }


@experiment
def pair_loader_of_two_pairs(folder):
    return [first_batches(["SOLVER.IMS_PER_BATCH", 4, "DATALOADER.NUM_WORKERS", workers]) for workers in (0, 2)]


@experiment
def image_loader(folder):
    options = ["DATALOADER.TRAIN_LOADER", "build_image_train_loader", "SOLVER.IMS_PER_BATCH", 3]
    return {
        f"{workers} workers, grouping {grouping}": first_batches(
            [*options, "DATALOADER.NUM_WORKERS", workers, "DATALOADER.ASPECT_RATIO_GROUPING", grouping]
        )
        for workers, grouping in ((0, True), (0, False), (2, True))
    }


@experiment
def crop_loader(folder):
    options = ["DATALOADER.TRAIN_LOADER", "build_crop_train_loader", "SOLVER.IMS_PER_BATCH", 6]
    return [first_batches([*options, "DATALOADER.NUM_WORKERS", workers]) for workers in (0, 2)]


@experiment
def test_loader(folder):
    result = []
    for workers in (0, 2):
        cfg = load_config(QUICK, ["DATALOADER.NUM_WORKERS", workers])
        loader = build_search_test_loader(cfg, "cuhk_sysu_test")
        result.append([len(loader), *(seen(batch) for batch in loader)])
    return result


@experiment
def samplers(folder):
    """The sequence of every process of a group, without the processes."""
    result = {}
    alone = comm.get_rank, comm.get_world_size
    try:
        for world in (1, 2, 3):
            for rank in range(world):
                comm.get_rank, comm.get_world_size = (lambda rank=rank: rank), (lambda world=world: world)
                for size, seed in ((7, 3), (10, -1), (1, 0)):
                    sampler = TrainingSampler(size, seed=seed)
                    result[f"train {world} {rank} {size} {seed}"] = list(itertools.islice(sampler, 40))
                result[f"test {world} {rank}"] = [list(InferenceSampler(size)) for size in (7, 2, 1)]
    finally:
        comm.get_rank, comm.get_world_size = alone
    return result
