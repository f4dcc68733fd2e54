"""Row-sparse steps equal PyTorch's dense ones on the rows that are always used, and leave the others alone."""

import copy

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.solver.build import maybe_add_gradient_clipping
from torch.nn import functional as F

from inet_d2.engine.row_sparse import RowSparseAdamW, RowSparseSGD
from inet_d2.modeling.identity.classifier import IdentityClassifier

SGD = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}
OPTIMIZERS = [
    (RowSparseSGD, torch.optim.SGD, SGD),
    (RowSparseSGD, torch.optim.SGD, {**SGD, "nesterov": True}),
    (RowSparseSGD, torch.optim.SGD, {**SGD, "momentum": 0.0}),
    (RowSparseAdamW, torch.optim.AdamW, {"lr": 0.05, "weight_decay": 0.1}),
]


def build(sparse, num_classes=12, cosine=False):
    torch.manual_seed(0)
    return IdentityClassifier(embed_dim=4, num_classes=num_classes, cosine=cosine, sparse_gradient=sparse).double()


def backward(classifier, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    embeddings = F.normalize(torch.randn(6, 4, generator=generator, dtype=torch.float64))
    targets = torch.randint(len(classes), (6,), generator=generator)
    classifier.zero_grad()
    F.cross_entropy(classifier(embeddings, classes), targets).backward()


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize(("sparse_class", "dense_class", "options"), OPTIMIZERS)
def test_equals_the_dense_optimiser_where_all_rows_are_used(sparse_class, dense_class, options, cosine):
    classes = torch.randperm(12)
    results = []
    for sparse, optimizer_class in ((True, sparse_class), (False, dense_class), (False, sparse_class)):
        classifier = build(sparse, cosine=cosine)
        optimizer = optimizer_class(classifier.parameters(), **options)
        for seed in range(5):
            backward(classifier, classes, seed)
            assert classifier.weight.grad.is_sparse is sparse
            optimizer.step()
        results.append(classifier.state_dict())
    for other in results[1:]:
        torch.testing.assert_close(results[0], other, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("sparse_class", "dense_class", "options"), OPTIMIZERS)
def test_rows_without_a_gradient_stay(sparse_class, dense_class, options):
    classifier = build(True)
    optimizer = sparse_class(classifier.parameters(), **options)
    backward(classifier, torch.arange(12), 0)
    optimizer.step()
    before = classifier.weight.detach().clone()
    for seed in (1, 2):
        backward(classifier, torch.tensor([7, 2, 5]), seed)
        optimizer.step()
    changed = (classifier.weight != before).any(dim=1).nonzero()[:, 0]
    assert changed.tolist() == [2, 5, 7]


def clips_sparse_gradients():
    parameter = torch.nn.Parameter(torch.zeros(2, 1))
    parameter.grad = torch.ones(2, 1).to_sparse(1)
    try:
        torch.nn.utils.clip_grad_norm_(parameter, 1.0)
    except NotImplementedError:
        return False
    return True


@pytest.mark.skipif(not clips_sparse_gradients(), reason="this torch cannot clip sparse gradients (2.15 can)")
@pytest.mark.parametrize(("sparse_class", "dense_class", "options"), OPTIMIZERS)
def test_gradient_clipping_of_detectron2(sparse_class, dense_class, options):
    cfg = get_cfg()
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = True
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = "norm"
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_VALUE = 0.01
    results = []
    for sparse, optimizer_class in ((True, sparse_class), (False, dense_class)):
        classifier = build(sparse)
        optimizer = maybe_add_gradient_clipping(cfg, optimizer_class(classifier.parameters(), **options))
        for seed in range(3):
            backward(classifier, torch.arange(12), seed)
            assert classifier.weight.grad.coalesce().values().norm() > 0.01 if sparse else True
            optimizer.step()
        results.append(classifier.state_dict())
    torch.testing.assert_close(*results, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("sparse_class", "dense_class", "options"), OPTIMIZERS)
def test_state_goes_on_from_a_checkpoint_and_to_the_dense_optimiser(sparse_class, dense_class, options):
    classes = torch.arange(12)
    classifier = build(True)
    optimizer = sparse_class(classifier.parameters(), **options)
    for seed in range(3):
        backward(classifier, classes, seed)
        optimizer.step()
    saved, weights = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(classifier.state_dict())
    results = []
    for sparse, optimizer_class in ((True, sparse_class), (False, dense_class)):
        again = build(sparse)
        again.load_state_dict(weights)
        resumed = optimizer_class(again.parameters(), **options)
        resumed.load_state_dict(copy.deepcopy(saved))
        backward(again, classes, 9)
        resumed.step()
        results.append(again.state_dict())
    backward(classifier, classes, 9)
    optimizer.step()
    for other in results:
        torch.testing.assert_close(classifier.state_dict(), other, rtol=0, atol=1e-12)


def test_a_row_that_two_losses_use_gets_both_gradients():
    results = []
    for sparse in (True, False):
        classifier = build(sparse)
        optimizer = RowSparseSGD(classifier.parameters(), lr=0.1)
        logits = [classifier(torch.ones(1, 4, dtype=torch.float64), torch.tensor(c)) for c in ([1, 2, 3], [3, 2, 8])]
        sum(F.cross_entropy(x, torch.tensor([1])) for x in logits).backward()
        optimizer.step()
        results.append(classifier.weight.detach())
    torch.testing.assert_close(*results, rtol=0, atol=1e-14)


def test_a_closure_is_called_once_and_its_loss_returned():
    classifier, calls = build(True), []

    def closure():
        calls.append(1)
        backward(classifier, torch.tensor([1, 2]), 0)
        return 7.0

    assert RowSparseSGD(classifier.parameters(), lr=0.1).step(closure) == 7.0
    assert len(calls) == 1


@pytest.mark.parametrize(("optimizer_class", "dense_class", "options"), OPTIMIZERS)
def test_fused_steps_do_not_mind_the_layout(optimizer_class, dense_class, options):
    """Convolutions are in channels_last here; a gradient or a state that is not would be read in the wrong order."""
    start, gradients = torch.randn(5, 3, 2, 4), torch.randn(3, 5, 3, 2, 4)
    fused = torch.nn.Parameter(start.clone().to(memory_format=torch.channels_last))
    expected = torch.nn.Parameter(start.clone())
    one, other = optimizer_class([fused], fused=True, **options), dense_class([expected], **options)
    for gradient in gradients:
        fused.grad, expected.grad = gradient.clone(), gradient.clone()
        one.step()
        other.step()
        one.load_state_dict(copy.deepcopy(other.state_dict()) | {"param_groups": one.state_dict()["param_groups"]})
    assert torch.allclose(fused, expected, atol=1e-6)


def test_what_a_fused_step_reads_is_on_the_parameters_device():
    """Steps that were not fused count on the host; a run that goes on from their checkpoint may be on a GPU."""
    parameter = torch.nn.Parameter(torch.zeros(3, device="meta"))
    parameter.grad = torch.zeros(3, device="meta")
    optimizer = RowSparseAdamW([parameter], lr=0.1)
    average = torch.zeros(3, device="meta")
    optimizer.state[parameter] = {"step": torch.tensor(1.0), "exp_avg": average, "exp_avg_sq": average}
    optimizer._align(parameter)
    assert {value.device.type for value in optimizer.state[parameter].values()} == {"meta"}
