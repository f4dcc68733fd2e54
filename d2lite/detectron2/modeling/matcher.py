import torch
from torch import Tensor


class Matcher:
    """Labels predictions by their largest IoU: `labels[i]` where thresholds[i-1] <= IoU < thresholds[i].

    1 = positive, 0 = negative, -1 = ignore. With `allow_low_quality_matches`, the predictions that overlap a
    ground truth most of all (ties included) become positive too; each keeps its own match.
    """

    def __init__(self, thresholds, labels, allow_low_quality_matches=False) -> None:
        assert [0, *thresholds] == sorted({0, *thresholds}), f"Matcher: thresholds {thresholds} must rise from 0"
        assert set(labels) <= {-1, 0, 1}, f"Matcher: labels {labels} must be -1, 0 or 1"
        assert len(labels) == len(thresholds) + 1, "Matcher: there is one label more than thresholds"
        self.thresholds = [-float("inf"), *thresholds, float("inf")]
        self.labels, self.allow_low_quality_matches = labels, allow_low_quality_matches

    def __call__(self, match_quality_matrix: Tensor) -> tuple[Tensor, Tensor]:
        """IoU (M ground truths, N predictions) -> matched indices (N,) int64 and labels (N,) int8."""
        assert match_quality_matrix.dim() == 2, "Matcher: expected an MxN matrix"
        labels = torch.tensor(self.labels, dtype=torch.int8, device=match_quality_matrix.device)
        if match_quality_matrix.numel() == 0:
            count = match_quality_matrix.size(1)
            return labels.new_zeros(count, dtype=torch.int64), labels[0].repeat(count)
        assert torch.all(match_quality_matrix >= 0), "Matcher: negative or NaN match quality"
        best, matches = match_quality_matrix.max(dim=0)
        match_labels = labels[torch.bucketize(best, best.new_tensor(self.thresholds[1:-1]), right=True)]
        if self.allow_low_quality_matches:
            best_of_gt = match_quality_matrix.max(dim=1, keepdim=True).values
            match_labels[(match_quality_matrix == best_of_gt).any(dim=0)] = 1
        return matches, match_labels
