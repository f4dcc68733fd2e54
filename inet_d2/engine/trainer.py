"""The trainer: Detectron2's, with this package's loaders, evaluators and optimiser."""

import logging
import os
import weakref
from collections.abc import Iterable
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase, TrainerBase, hooks
from detectron2.evaluation import COCOEvaluator, DatasetEvaluator, DatasetEvaluators
from detectron2.solver.build import get_default_optimizer_params, maybe_add_gradient_clipping
from detectron2.utils import comm
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from inet_d2.data.build import build_search_test_loader, build_train_loader, find_train_loader
from inet_d2.data.datasets.reid_split import is_reid
from inet_d2.data.reid_loader import build_reid_test_loader
from inet_d2.data.training_records import training_identities, with_counted_pids
from inet_d2.engine.checkpoint_file import read_checkpoint
from inet_d2.engine.checkpointer import FINAL, RunCheckpointer
from inet_d2.engine.clipping import WHOLE_MODEL, clip_whole_model
from inet_d2.engine.finished_only import FinishedOnly
from inet_d2.engine.held_norms import HeldNormsChecked
from inet_d2.engine.identity_state import ENTRY
from inet_d2.engine.model_parts import explained_parts
from inet_d2.engine.precision import training_precision
from inet_d2.engine.replaced_samples import ReplacedSamples
from inet_d2.engine.resume import (
    RunPosition,
    check_checkpoint_fits,
    configured_settings,
    find_earlier_run,
    keep_configured_settings,
    set_aside,
)
from inet_d2.engine.row_sparse import RowSparseAdamW, RowSparseSGD
from inet_d2.engine.run_stopped import SentenceFilter
from inet_d2.engine.settings_check import check_settings
from inet_d2.engine.train_step import LoaderClosed, TrainStep
from inet_d2.engine.weights import find_weights
from inet_d2.evaluation import PersonReIDEvaluator, PersonSearchEvaluator, format_results
from inet_d2.files import write_json
from inet_d2.modeling.synchronised_norm import synchronise_batch_norms

_logger = logging.getLogger(__name__)


class INetTrainer(DefaultTrainer):
    """Trains what MODEL.META_ARCHITECTURE names and evaluates person search, or re-identification, on DATASETS.TEST.

    Args:
        cfg: a configuration; data sets, protocols and weights that it names are checked before training starts.
    """

    def __init__(self, cfg: CfgNode) -> None:
        check_settings(cfg)
        self.check_test_sets(cfg)
        cfg = with_counted_pids(cfg)
        # Not Detectron2's own __init__, which cannot wrap a model on the CPU for several processes.
        TrainerBase.__init__(self)
        model = self.build_model(cfg)
        _check_identities(cfg, model)
        optimizer = self.build_optimizer(cfg, model)
        data_loader = self.build_train_loader(cfg)
        precision = training_precision(cfg)
        if precision is not None:
            _logger.info("Convolutions and linear layers compute in %s.", precision)
        self._trainer = TrainStep(
            _distributed(model),
            data_loader,
            optimizer,
            output_dir=cfg.OUTPUT_DIR,
            precision=precision,
            iter_size=cfg.SOLVER.ITER_SIZE,
        )
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self.cfg, self.start_iter, self.max_iter = cfg, 0, cfg.SOLVER.MAX_ITER
        self._needs_final = False
        self.checkpointer = RunCheckpointer(
            model,
            cfg.OUTPUT_DIR,
            num_kept=cfg.SOLVER.CHECKPOINTS_KEPT,
            identities=training_identities(cfg.DATASETS.TRAIN).fingerprint,
            trainer=weakref.proxy(self),
        )
        self.register_hooks(self.build_hooks())

    def build_hooks(self) -> list[HookBase]:
        """Detectron2's hooks, the place of the run in its stream, what was left out, and a look at the start."""
        seed = self.cfg.SEED if self.cfg.SEED >= 0 else comm.shared_random_seed()
        return [
            LoaderClosed(),
            HeldNormsChecked(),
            RunPosition(self.data_loader, seed=seed, batches_per_iteration=self.cfg.SOLVER.ITER_SIZE),
            FinishedOnly(ReplacedSamples(self.data_loader)),
            *(FinishedOnly(h) if isinstance(h, hooks.EvalHook) else h for h in super().build_hooks()),
        ]

    @classmethod
    def check_test_sets(cls, cfg: CfgNode) -> None:
        """Read the annotations, frame sizes and protocols of DATASETS.TEST, so that faults show before any work.

        Raises:
            FileNotFoundError, ValueError: see the readers; or TEST.SEARCH does not fit a data set.
        """
        for name in cfg.DATASETS.TEST:
            cls.build_test_loader(cfg, name)
            (PersonReIDEvaluator if is_reid(name) else PersonSearchEvaluator)(cfg, name)

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        """The model that MODEL.META_ARCHITECTURE names.

        Raises:
            ValueError: DATALOADER.TRAIN_LOADER does not give what the model trains on; see also
                :func:`explained_parts`.
        """
        with explained_parts(cfg):
            model = super().build_model(cfg)
        _check_loader(cfg, model)
        if comm.get_world_size() > 1:
            synchronise_batch_norms(model)
        return model

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Iterable[list[dict[str, Any]]]:
        """The loader that DATALOADER.TRAIN_LOADER names."""
        return build_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Iterable[list[dict[str, Any]]]:
        """Images of a test set with the query boxes of its protocol, or crops of queries and gallery."""
        return (build_reid_test_loader if is_reid(dataset_name) else build_search_test_loader)(cfg, dataset_name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluators:
        """Search and detection by the protocol, and Detectron2's box AP; or re-identification."""
        output_dir = os.path.join(cfg.OUTPUT_DIR, "inference", dataset_name)
        if is_reid(dataset_name):
            return DatasetEvaluators([PersonReIDEvaluator(cfg, dataset_name, output_dir=output_dir)])
        return DatasetEvaluators(
            [
                PersonSearchEvaluator(cfg, dataset_name, output_dir=output_dir),
                # Annotations are converted anew: a cached file would survive a change of the data set.
                COCOEvaluator(dataset_name, output_dir=output_dir, allow_cached_coco=False),
            ]
        )

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
        """SOLVER.OPTIMIZER with Detectron2's parameter groups and the learning-rate factors of SOLVER.LR_FACTOR_*.

        Dense gradients are PyTorch's affair; row-sparse ones (CLASSIFIER.SPARSE_GRADIENT) touch their rows only.
        SOLVER.CLIP_GRADIENTS knows one CLIP_TYPE more than Detectron2's: "full_model", the norm of all gradients
        together.

        Raises:
            ValueError: SOLVER.OPTIMIZER is unknown.
        """
        solver = cfg.SOLVER
        prefixes = tuple(solver.PRETRAINED_MODULES)
        factors = {
            name: solver.LR_FACTOR_PRETRAINED if name.startswith(prefixes) else solver.LR_FACTOR_NEW
            for name, _ in model.named_parameters()
        }
        params = get_default_optimizer_params(
            model,
            base_lr=solver.BASE_LR,
            weight_decay_norm=solver.WEIGHT_DECAY_NORM,
            bias_lr_factor=solver.BIAS_LR_FACTOR,
            weight_decay_bias=solver.WEIGHT_DECAY_BIAS,
            lr_factor_func=factors.__getitem__,
        )
        arguments = {"lr": solver.BASE_LR, "weight_decay": solver.WEIGHT_DECAY}
        # A fused step looks for itself whether a scale was too large, and then row-sparse ones would not be left out.
        arguments["fused"] = (
            next(model.parameters()).device.type in ("cpu", "cuda") and training_precision(cfg) != torch.float16
        )
        if solver.OPTIMIZER == "SGD":
            optimizer = RowSparseSGD(params, momentum=solver.MOMENTUM, nesterov=solver.NESTEROV, **arguments)
        elif solver.OPTIMIZER == "AdamW":
            optimizer = RowSparseAdamW(params, **arguments)
        else:
            raise ValueError(f'SOLVER.OPTIMIZER: expected "SGD" or "AdamW", found "{solver.OPTIMIZER}".')
        clip = solver.CLIP_GRADIENTS
        if clip.ENABLED and clip.CLIP_TYPE == WHOLE_MODEL:
            clip_whole_model(optimizer, max_norm=clip.CLIP_VALUE, norm_type=clip.NORM_TYPE)
            return optimizer
        return maybe_add_gradient_clipping(cfg, optimizer)

    @classmethod
    def test(
        cls, cfg: CfgNode, model: nn.Module, evaluators: DatasetEvaluator | list[DatasetEvaluator] | None = None
    ) -> dict:
        """Evaluate on DATASETS.TEST, log all figures in one table and keep them in ``<OUTPUT_DIR>/results.json``."""
        results = super().test(cfg, model, evaluators)
        if comm.is_main_process():
            # With several test sets Detectron2 puts each one's figures under its name.
            by_name = results if len(cfg.DATASETS.TEST) > 1 else dict.fromkeys(cfg.DATASETS.TEST, results)
            for name, figures in by_name.items():
                _logger.info("figures of %s:\n%s", name, format_results(figures))
            write_json(os.path.join(cfg.OUTPUT_DIR, "results.json"), results)
        return results

    def resume_or_load(self, resume: bool = True) -> None:
        """Go on from the newest sound checkpoint in OUTPUT_DIR, or start from MODEL.WEIGHTS, which must fit the model.

        Raises:
            OSError, ValueError: there is no sound checkpoint or it does not fit, or a new run would replace the weights
                that it is to start from; see also :func:`find_weights`.
        """
        path = find_weights(self.checkpointer, self.cfg.MODEL.WEIGHTS, resume=resume, complete=False)
        if not (resume and self.checkpointer.has_checkpoint()):
            find_earlier_run(self.cfg.OUTPUT_DIR, path)
            self.checkpointer.start_from(path)
            return
        checkpoint = read_checkpoint(path, in_memory=False)
        model, optimizer = self.checkpointer.model, self.optimizer
        check_checkpoint_fits(path, checkpoint, model, optimizer, max_iter=self.max_iter)
        if checkpoint.get(ENTRY, self.checkpointer.identities) != self.checkpointer.identities:
            _logger.warning("The training set's identities are not those that %s was trained on.", path)
        self.checkpointer.load(path)
        self.start_iter = self.iter + 1
        self._needs_final = self.start_iter >= self.max_iter and os.path.basename(path) != FINAL

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a checkpoint's state; learning rates and the like stay those of the configuration."""
        settings = configured_settings(self.optimizer)
        super().load_state_dict(state_dict)
        keep_configured_settings(self.optimizer, settings, self.scheduler)

    def train(self) -> dict | None:
        """Train; a new run moves what an earlier one left in OUTPUT_DIR aside, a finished one is only evaluated."""
        if self.start_iter == 0 and comm.is_main_process():
            set_aside(self.cfg.OUTPUT_DIR, find_earlier_run(self.cfg.OUTPUT_DIR, self.cfg.MODEL.WEIGHTS))
        if self._needs_final:
            _logger.warning("The run had done all iterations, but was stopped before %s was whole; writing it.", FINAL)
            self.checkpointer.save(FINAL.removesuffix(".pth"), iteration=self.iter)
        log = logging.getLogger("detectron2.engine.train_loop")
        without_traceback = SentenceFilter()
        log.addFilter(without_traceback)
        try:
            return super().train()
        finally:
            log.removeFilter(without_traceback)


def _distributed(model: nn.Module) -> nn.Module:
    """The model, wrapped where there are several processes."""
    if comm.get_world_size() == 1:
        return model
    device = next(model.parameters()).device
    devices = [device] if device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)


def _check_loader(cfg: CfgNode, model: nn.Module) -> None:
    """Ask the loader what it gives and the model what it trains on (Detectron2's own models do not say)."""
    wanted, name = getattr(model, "trains_on", None), cfg.DATALOADER.TRAIN_LOADER
    gives = getattr(find_train_loader(cfg), "gives", None)
    if wanted in (None, gives):
        return
    found = f"gives {gives}" if gives else "does not say what it gives (see inet_d2.data.register_train_loader)"
    if wanted == "pairs":
        terms = model.roi_heads.identity_losses.terms.values()
        losses = ", ".join(term.config_node for term in terms if term.needs_pairs)
        raise ValueError(
            f'DATALOADER.TRAIN_LOADER is "{name}", which {found}, but the losses {losses} of MODEL.ROI_REID_HEAD need '
            "pairs; use build_pair_train_loader, or set the ENABLED keys of these losses to False."
        )
    raise ValueError(
        f'DATALOADER.TRAIN_LOADER is "{name}", which {found}, but {cfg.MODEL.META_ARCHITECTURE} trains on {wanted}; '
        "use a loader that gives them (build_crop_train_loader gives crops, build_clip_train_loader clips)."
    )


def _check_identities(cfg: CfgNode, model: nn.Module) -> None:
    """Refuse identity losses where the training sets know nobody; they would run and learn nothing."""
    losses = getattr(getattr(model, "roi_heads", None), "identity_losses", None)
    if cfg.MODEL.ROI_REID_HEAD.NUM_PIDS == 0 and losses is not None and len(losses.terms):
        raise ValueError(
            f"{' + '.join(cfg.DATASETS.TRAIN)}: person_id: expected labelled people, whom the losses "
            f"{', '.join(term.config_node for term in losses.terms.values())} learn from, found none; give annotations "
            'a person_id, or train a detector alone (MODEL.ROI_REID_HEAD.EMBEDDING "box_head", every loss off).'
        )
