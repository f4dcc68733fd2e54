import torch
from torch import Tensor


class Matcher:
    """Labels predictions by their largest IoU: `labels[i]` where thresholds[i-1] <= IoU < thresholds[i].

    1 = positive, 0 = negative, -1 = ignore. With `allow_low_quality_matches`, the predictions that overlap a
    ground truth most of all (ties included) become positive too; each keeps its own match.
    """

    def __init__(self, thresholds: list[float], labels: list[int], allow_low_quality_matches: bool = False) -> None:
        assert len(labels) == len(thresholds) + 1, "Matcher: there is one label more than thresholds"
        self.thresholds, self.labels = thresholds, labels
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: Tensor) -> tuple[Tensor, Tensor]:
        """IoU (M ground truths, N predictions) -> matched indices (N,) int64 and labels (N,) int8."""
        labels = torch.tensor(self.labels, dtype=torch.int8, device=match_quality_matrix.device)
        if match_quality_matrix.numel() == 0:
            count = match_quality_matrix.size(1)
            return labels.new_zeros(count, dtype=torch.int64), labels[0].repeat(count)
        assert torch.all(match_quality_matrix >= 0), "Matcher: negative or NaN match quality"
        best, matches = match_quality_matrix.max(dim=0)
        match_labels = labels[torch.bucketize(best, best.new_tensor(self.thresholds), right=True)]
        if self.allow_low_quality_matches:
            best_of_gt = match_quality_matrix.max(dim=1, keepdim=True).values
            match_labels[(match_quality_matrix == best_of_gt).any(dim=0)] = 1
        return matches, match_labels
