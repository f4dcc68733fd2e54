import pytest
import torch
from torch.nn.functional import normalize

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from inet_d2.modeling.identity.batch import IdentityBatch


@pytest.fixture
def make_pair_batch():
    """Ten regions; images 0 and 1 are a pair, image 2 belongs to another one."""
    pids = torch.tensor([3, 5, UNLABELLED, BACKGROUND, 3, 3, UNLABELLED, IGNORED, 3, 7])
    images = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])

    def make(**options):
        generator = torch.Generator().manual_seed(0)
        embeddings = normalize(torch.randn(len(pids), 4, generator=generator)).requires_grad_()
        return IdentityBatch(embeddings, pids, images, is_person=pids >= UNLABELLED, **options)

    return make
