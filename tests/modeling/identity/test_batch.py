import torch

from inet_d2.data.pids import BACKGROUND, UNLABELLED
from inet_d2.modeling.identity.batch import cross_image_positives


def test_positives_are_the_same_person_in_the_other_image_of_the_pair():
    pids = torch.tensor([5, 5, UNLABELLED, 5, UNLABELLED, BACKGROUND, 5, 8, 8])
    images = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 3])
    positives = cross_image_positives(pids, images).nonzero().tolist()
    # 5 in images 0 (twice) and 1; 5 in image 2 is of another pair; 8 in images 2 and 3
    assert positives == [[0, 3], [1, 3], [3, 0], [3, 1], [7, 8], [8, 7]]
