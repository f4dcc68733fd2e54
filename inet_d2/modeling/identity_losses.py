"""The identity side of one I-Net iteration: subgroups, dictionary, OLP, HEP or softmax (paper sections 3.2, 3.3).

Shape letters: N images (two consecutive ones are a pair), R regions, D embedding size, C identities.
"""

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor, nn

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED, is_labelled
from inet_d2.modeling.feature_dictionary import FeatureDictionary
from inet_d2.modeling.losses.hep import class_of_pid, hardest_classes, priority_pool
from inet_d2.modeling.losses.olp import Subgroups, form_subgroups, olp_loss
from inet_d2.modeling.losses.softmax import IdentityClassifier, identity_cross_entropy


class IdentityLosses(nn.Module):
    """Identity losses over image pairs, with their state: the feature dictionary and the classifier.

    Args:
        num_pids: C, labelled identities of the training set.
        dictionary: the on-line feature dictionary.
        classifier: C + 1 outputs, background last.
        backgrounds_per_image: random background regions stored per image.
        use_unlabelled: store people without identity and use them as negatives.
        olp_weight, hep_weight, softmax_weight: loss weights; 0 switches a loss off.
        olp_scale: see :func:`olp_loss`.
        olp_gradient: see :func:`form_subgroups`.
        hep_classes: M of Eq. 5.
        hep_top: hardest negatives per subgroup that give their class priority.
        person_share: see :func:`identity_cross_entropy`.
    """

    @configurable
    def __init__(
        self,
        *,
        num_pids: int,
        dictionary: FeatureDictionary,
        classifier: IdentityClassifier,
        backgrounds_per_image: int,
        use_unlabelled: bool,
        olp_weight: float,
        olp_scale: float,
        olp_gradient: str,
        hep_weight: float,
        hep_classes: int,
        hep_top: int,
        softmax_weight: float,
        person_share: float,
    ) -> None:
        super().__init__()
        self.num_pids = num_pids
        self.dictionary = dictionary
        self.classifier = classifier
        self.backgrounds_per_image = backgrounds_per_image
        self.use_unlabelled = use_unlabelled
        self.olp_weight = olp_weight
        self.olp_scale = olp_scale
        self.olp_gradient = olp_gradient
        self.hep_weight = hep_weight
        self.hep_classes = hep_classes
        self.hep_top = hep_top
        self.softmax_weight = softmax_weight
        self.person_share = person_share

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Turn the keys under MODEL.ROI_REID_HEAD into arguments."""
        reid = cfg.MODEL.ROI_REID_HEAD
        return {
            "num_pids": reid.NUM_PIDS,
            "dictionary": FeatureDictionary(size=reid.DICTIONARY.SIZE, embed_dim=reid.EMBED_DIM),
            "classifier": IdentityClassifier(
                embed_dim=reid.EMBED_DIM,
                num_classes=reid.NUM_PIDS + 1,
                cosine=reid.CLASSIFIER.COSINE,
                scale=reid.CLASSIFIER.SCALE,
            ),
            "backgrounds_per_image": reid.DICTIONARY.BACKGROUNDS_PER_IMAGE,
            "use_unlabelled": reid.DICTIONARY.USE_UNLABELLED,
            "olp_weight": reid.OLP.LOSS_WEIGHT * reid.OLP.ENABLED,
            "olp_scale": reid.OLP.SCALE,
            "olp_gradient": reid.OLP.GRADIENT,
            "hep_weight": reid.HEP.LOSS_WEIGHT * reid.HEP.ENABLED,
            "hep_classes": reid.HEP.NUM_CLASSES,
            "hep_top": reid.HEP.TOP_NEGATIVES,
            "softmax_weight": reid.SOFTMAX.LOSS_WEIGHT * reid.SOFTMAX.ENABLED,
            "person_share": reid.CLASSIFIER.PERSON_SHARE,
        }

    def forward(self, embeddings: Tensor, pids: Tensor, images: Tensor) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Losses of one iteration; afterwards the dictionary holds its regions.

        Args:
            embeddings: (R, D) float, unit length.
            pids: (R,) int64, encoding of ``inet_d2/data/pids.py``; IGNORED regions take no part.
            images: (R,) int64 in [0, N), the image each region is from, not decreasing.

        Returns:
            Weighted losses ``loss_olp``, ``loss_hep``, ``loss_softmax`` (those that are on, always the same keys), and
            statistics for the log.
        """
        # The dictionary takes part as it stands together with this iteration's entries, which are stored afterwards.
        stored = self._choose_entries(pids, images)
        stored_embeddings, stored_pids = self.dictionary.contents()
        negatives = torch.cat([stored_embeddings, embeddings[stored]])
        negative_pids = torch.cat([stored_pids, pids[stored]])

        subgroups = form_subgroups(
            embeddings,
            cross_image_positives(pids, images),
            negatives,
            pids[:, None] != negative_pids,
            gradient=self.olp_gradient,
        )
        losses = {}
        if self.olp_weight:
            losses["loss_olp"] = self.olp_weight * olp_loss(subgroups, scale=self.olp_scale)
        losses.update(self._classification_losses(embeddings, pids, subgroups, negative_pids))

        self.dictionary.update(embeddings[stored].detach(), pids[stored])
        return losses, self._statistics(pids, subgroups)

    def _choose_entries(self, pids: Tensor, images: Tensor) -> Tensor:
        """Rows to store: all people, and a few random backgrounds of every image; (S,) int64."""
        people = is_labelled(pids) | ((pids == UNLABELLED) & self.use_unlabelled)
        background = (pids == BACKGROUND).nonzero(as_tuple=True)[0]
        background = background[torch.randperm(len(background), device=pids.device)]
        # Group the shuffled rows by image; a row's place within its group is its distance from the group's start.
        groups, order = images[background].sort(stable=True)
        place = torch.arange(len(groups), device=pids.device) - torch.searchsorted(groups, groups)
        background = background[order][place < self.backgrounds_per_image]
        return torch.cat([people.nonzero(as_tuple=True)[0], background])

    def _classification_losses(
        self, embeddings: Tensor, pids: Tensor, subgroups: Subgroups, negative_pids: Tensor
    ) -> dict[str, Tensor]:
        classified = ((pids != UNLABELLED) & (pids != IGNORED)).nonzero(as_tuple=True)[0]
        embeddings, targets = embeddings[classified], class_of_pid(pids[classified], background_class=self.num_pids)
        is_person = targets != self.num_pids
        losses = {}
        if self.hep_weight:
            hard = hardest_classes(
                subgroups.negative_similarity,
                class_of_pid(negative_pids, background_class=self.num_pids),
                top=self.hep_top,
            )
            pool = priority_pool(targets, hard, num_classes=self.num_pids + 1, size=self.hep_classes)
            columns = (targets[:, None] == pool).int().argmax(dim=1)
            loss = identity_cross_entropy(
                self.classifier(embeddings, pool), columns, is_person, person_share=self.person_share
            )
            losses["loss_hep"] = self.hep_weight * loss
        if self.softmax_weight:
            loss = identity_cross_entropy(
                self.classifier(embeddings), targets, is_person, person_share=self.person_share
            )
            losses["loss_softmax"] = self.softmax_weight * loss
        return losses

    @torch.no_grad()
    def _statistics(self, pids: Tensor, subgroups: Subgroups) -> dict[str, float]:
        num_subgroups = subgroups.is_positive.sum()
        statistics = {
            "reid/num_labelled": is_labelled(pids).sum(),
            "reid/num_unlabelled": (pids == UNLABELLED).sum(),
            "reid/num_subgroups": num_subgroups,
            "reid/dictionary_fill": self.dictionary.fill,
        }
        if num_subgroups > 0:
            positives = subgroups.positive_similarity[subgroups.is_positive]
            hardest = subgroups.negative_similarity.amax(dim=1, keepdim=True).expand_as(subgroups.is_positive)
            statistics["reid/positive_similarity"] = positives.mean()
            statistics["reid/positive_beats_negatives"] = (positives > hardest[subgroups.is_positive]).float().mean()
        return {name: float(value) for name, value in statistics.items()}


def cross_image_positives(pids: Tensor, images: Tensor) -> Tensor:
    """Which regions are positives of which anchors.

    Args:
        pids: (R,) int64.
        images: (R,) int64; images 2i and 2i + 1 are a pair.

    Returns:
        (R, R) bool, symmetric: same identity, same pair, different image.

    Source: I-Net, section 3.2; all combinations of both directions, every shared identity of the pair.
    """
    pairs = images // 2
    return (
        (pids[:, None] == pids) & is_labelled(pids)[:, None] & (pairs[:, None] == pairs) & (images[:, None] != images)
    )
