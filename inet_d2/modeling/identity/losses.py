"""The identity side of one iteration: the losses that are switched on, and the dictionary and classifier they share.

Shape letters: N images (two consecutive ones are a pair), R regions, D embedding size, C identities.
"""

from collections.abc import Mapping

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor, nn

from inet_d2.data.pids import BACKGROUND, UNLABELLED, is_labelled
from inet_d2.modeling.gathering import gather_regions, same_random_numbers
from inet_d2.modeling.identity.batch import IdentityBatch
from inet_d2.modeling.identity.classifier import IdentityClassifier
from inet_d2.modeling.identity.dictionary import FeatureDictionary
from inet_d2.modeling.identity.subgroups import Subgroups
from inet_d2.modeling.identity.term import IdentityTerm, build_identity_terms
from inet_d2.modeling.precision import at_least_float32, full_precision


class IdentityLosses(nn.Module):
    """Identity losses over the regions of a batch, with their state.

    Args:
        terms: the losses by name; may be empty.
        dictionary: the on-line feature dictionary; None if no loss needs it.
        classifier: C + 1 outputs, background last; None if no loss needs it.
        backgrounds_per_image: random background regions stored in the dictionary per image.
        use_unlabelled: store people without identity and use them as negatives.
    """

    @configurable
    def __init__(
        self,
        *,
        terms: Mapping[str, IdentityTerm],
        dictionary: FeatureDictionary | None = None,
        classifier: IdentityClassifier | None = None,
        backgrounds_per_image: int = 5,
        use_unlabelled: bool = True,
    ) -> None:
        super().__init__()
        self.dictionary = dictionary
        self.classifier = classifier
        self.terms = nn.ModuleDict(terms)
        self.backgrounds_per_image = backgrounds_per_image
        self.use_unlabelled = use_unlabelled

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Turn the keys under MODEL.ROI_REID_HEAD into arguments."""
        reid = cfg.MODEL.ROI_REID_HEAD
        terms = build_identity_terms(cfg)
        dictionary = classifier = None
        if any(term.needs_dictionary for term in terms.values()):
            dictionary = FeatureDictionary(size=reid.DICTIONARY.SIZE, embed_dim=reid.EMBED_DIM)
        if any(term.needs_classifier for term in terms.values()):
            classifier = IdentityClassifier(
                embed_dim=reid.EMBED_DIM,
                num_classes=reid.NUM_PIDS + 1,
                cosine=reid.CLASSIFIER.COSINE,
                scale=reid.CLASSIFIER.SCALE,
                sparse_gradient=reid.CLASSIFIER.SPARSE_GRADIENT,
            )
        return {
            "terms": terms,
            "dictionary": dictionary,
            "classifier": classifier,
            "backgrounds_per_image": reid.DICTIONARY.BACKGROUNDS_PER_IMAGE,
            "use_unlabelled": reid.DICTIONARY.USE_UNLABELLED,
        }

    @property
    def needs_pairs(self) -> bool:
        """Whether consecutive images must be pairs that show a common identity."""
        return any(term.needs_pairs for term in self.terms.values())

    def forward(
        self, embeddings: Tensor, pids: Tensor, images: Tensor, *, with_statistics: bool = True
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Losses of one iteration; afterwards the state holds its regions.

        In a job of several processes, they are the losses of the regions of all of them, the same in each. Under
        mixed precision they are float32 all the same, as is what they keep.

        Args:
            embeddings: (R, D) float, unit length.
            pids: (R,) int64, encoding of ``inet_d2/data/pids.py``; IGNORED regions take no part.
            images: (R,) int64 in [0, N), the image each region is from, not decreasing.
            with_statistics: whether the log wants them; a GPU is waited for then.

        Returns:
            Weighted losses ``loss_<name>`` (those that are on, always the same keys), and statistics for the log.
        """
        embeddings, pids, images = gather_regions(at_least_float32(embeddings), pids, images)
        with same_random_numbers(embeddings.device), full_precision(embeddings):
            batch = self._make_batch(embeddings, pids, images)
            return self._losses(batch), self._statistics(batch) if with_statistics else {}

    def _losses(self, batch: IdentityBatch) -> dict[str, Tensor]:
        losses = {f"loss_{name}": term.loss_weight * term(batch) for name, term in self.terms.items()}
        # State changes only now: all images have their losses.
        for term in self.terms.values():
            term.update(batch)
        if self.dictionary is not None:
            self.dictionary.update(batch.embeddings[batch.stored].detach(), batch.pids[batch.stored])
        return losses

    def _make_batch(self, embeddings: Tensor, pids: Tensor, images: Tensor) -> IdentityBatch:
        is_person = is_labelled(pids) | ((pids == UNLABELLED) & self.use_unlabelled)
        if self.dictionary is None:
            return IdentityBatch(embeddings, pids, images, is_person, self.classifier)
        # The dictionary takes part as it stands together with this iteration's entries, which are stored afterwards.
        stored = self._choose_entries(pids, images, is_person)
        stored_embeddings, stored_pids = self.dictionary.contents()
        negatives = torch.cat([stored_embeddings, embeddings[stored]])
        negative_pids = torch.cat([stored_pids, pids[stored]])
        return IdentityBatch(embeddings, pids, images, is_person, self.classifier, stored, negatives, negative_pids)

    def _choose_entries(self, pids: Tensor, images: Tensor, is_person: Tensor) -> Tensor:
        """Rows to store: all people, and a few random backgrounds of every image; (S,) int64."""
        background = (pids == BACKGROUND).nonzero(as_tuple=True)[0]
        background = background[torch.randperm(len(background), device=background.device)]
        # Group the shuffled rows by image; a row's place within its group is its distance from the group's start.
        groups, order = images[background].sort(stable=True)
        place = torch.arange(len(groups), device=groups.device) - torch.searchsorted(groups, groups)
        rows = torch.cat([torch.arange(len(pids), device=pids.device), background[order]])
        return rows[torch.cat([is_person, place < self.backgrounds_per_image])]

    @torch.no_grad()
    def _statistics(self, batch: IdentityBatch) -> dict[str, float]:
        statistics = {
            "reid/num_labelled": is_labelled(batch.pids).sum(),
            "reid/num_unlabelled": (batch.pids == UNLABELLED).sum(),
        }
        if self.dictionary is not None:
            statistics["reid/dictionary_fill"] = self.dictionary.fill
            statistics.update(_subgroup_statistics(batch.subgroups()))
        # One look at the device for all of them.
        return dict(zip(statistics, torch.stack([x.float() for x in statistics.values()]).tolist(), strict=True))


def _subgroup_statistics(subgroups: Subgroups) -> dict[str, Tensor]:
    positives, is_positive = subgroups.positive_similarity, subgroups.is_positive
    statistics = {"reid/num_subgroups": is_positive.sum()}
    if len(subgroups.anchors) > 0:
        beats = positives > subgroups.negative_similarity.amax(dim=1, keepdim=True)
        statistics["reid/positive_similarity"] = positives.where(is_positive, 0.0).sum() / is_positive.sum()
        statistics["reid/positive_beats_negatives"] = (beats & is_positive).sum() / is_positive.sum()
    return statistics
