"""Make a whole data set: plan it, draw its frames in several processes, write it aside, move it into place."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
from tqdm import tqdm

from inet_d2.scenes.folder import SETTINGS_FILE, is_there, made_aside
from inet_d2.scenes.frame import draw_frame
from inet_d2.scenes.plan import FramePlan, ScenePlan, plan_scenes
from inet_d2.scenes.preset import ScenePreset, StreetPreset, get_preset
from inet_d2.scenes.prw_writer import prw_frame_name, write_prw_annotations
from inet_d2.scenes.writer import DrawnFrame, write_annotations

_logger = logging.getLogger(__name__)

LAYOUTS = {"cuhk_sysu": ("CUHK-SYSU", "Image/SSM"), "prw": ("PRW", "frames")}
# Raise it when the same settings give other pictures: finished data sets are then made again.
VERSION = 1
FRAMES_PER_TASK = 4
# Below this many frames, starting processes takes longer than drawing.
MIN_FRAMES_FOR_PROCESSES = 64


def make_scenes(
    output: str | Path,
    preset: str,
    *,
    seed: int = 0,
    processes: int | None = None,
    progress: bool = True,
    force: bool = False,
    frames: tuple[int, int] | None = None,
    ids: tuple[int, int] | None = None,
    hard: float | None = None,
    layout: str = "cuhk_sysu",
) -> Path:
    """Write a data set of drawn street scenes in the layout of CUHK-SYSU or PRW.

    The bytes depend on the settings only, never on the number of processes. The data set appears under its name
    when it is whole; one that is there with the same settings is kept.

    Args:
        output: folder that gets ``CUHK-SYSU`` or ``PRW``; made where it is missing.
        preset: "tiny", "demo", "street" or "paper".
        seed: >= 0; other people, other scenes.
        processes: number of drawing processes; 1 draws here; None: one for each usable core, 1 when few frames.
        progress: show a progress bar.
        force: make it again where a generated data set is. Anything else is never removed.
        frames: training and test frames, instead of the preset's.
        ids: training and test identities, instead of the preset's.
        hard: photometric strength in [0, 2], instead of the preset's.
        layout: "cuhk_sysu" or "prw"; PRW needs a preset with cameras, "street".

    Returns:
        The ``CUHK-SYSU`` or ``PRW`` folder.

    Raises:
        ValueError: a bad argument; the sentence says which and what fits.
        FileExistsError: the folder is there with other settings and ``force`` is False, or was not generated.
    """
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, found {seed}")
    if processes is not None and processes < 1:
        raise ValueError(f"processes must be 1 or more, found {processes}")
    chosen = get_preset(preset, frames=frames, ids=ids, hard=hard)
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, found {layout!r}")
    if layout == "prw" and not isinstance(chosen, StreetPreset):
        raise ValueError(f"layout prw needs a preset with cameras, found {preset!r}; choose street")
    root = Path(output) / LAYOUTS[layout][0]
    settings = json.dumps({"version": VERSION, "seed": seed, **asdict(chosen)}, indent=2) + "\n"
    if is_there(root, settings, force):
        _logger.info("%s is already there, with the same settings", root)
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with made_aside(root) as folder:
        plan = plan_scenes(chosen, seed)
        drawn = _draw_frames(folder / LAYOUTS[layout][1], plan, chosen, seed, processes, progress)
        if layout == "prw":
            _write_prw(folder, plan, drawn)
        else:
            write_annotations(folder, plan, drawn, chosen.gallery_sizes)
        (folder / SETTINGS_FILE).write_text(settings)
    return root


def _write_prw(folder: Path, plan: ScenePlan, drawn: list[DrawnFrame]) -> None:
    for frame in drawn:
        (folder / "frames" / f"s{frame.number}.jpg").rename(folder / "frames" / prw_frame_name(frame))
    write_prw_annotations(folder, plan, drawn)


def _draw_frames(
    folder: Path, plan: ScenePlan, preset: ScenePreset, seed: int, processes: int | None, progress: bool
) -> list[DrawnFrame]:
    folder.mkdir(parents=True)
    draw = partial(_draw_and_write, folder=folder, preset=preset, seed=seed)
    if processes is None:
        processes = _usable_cores() if len(plan.frames) >= MIN_FRAMES_FOR_PROCESSES else 1
    bar = partial(tqdm, total=len(plan.frames), desc="scenes", unit="frame", mininterval=0.5, disable=not progress)
    if processes == 1:
        return list(bar(map(draw, plan.frames)))
    with ProcessPoolExecutor(processes, mp_context=_clean_context(), initializer=_use_one_thread) as pool:
        try:
            return list(bar(pool.map(draw, plan.frames, chunksize=FRAMES_PER_TASK)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _clean_context() -> multiprocessing.context.BaseContext:
    """New processes that inherit no threads; where the system can, they share one import of this package."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _use_one_thread() -> None:
    """The processes share the cores already."""
    cv2.setNumThreads(1)


def _draw_and_write(plan: FramePlan, *, folder: Path, preset: ScenePreset, seed: int) -> DrawnFrame:
    jpeg, frame = draw_frame(plan, preset, seed)
    (folder / plan.name).write_bytes(jpeg)
    return frame
