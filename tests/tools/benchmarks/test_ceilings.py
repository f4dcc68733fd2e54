import torch

from benchmarks.ceilings import Budget, computing, copy_rate, count_flops, product_rate


def test_operations_are_counted_forwards_and_backwards():
    layer = torch.nn.Conv2d(3, 8, 3, bias=False)
    x = torch.randn(2, 3, 10, 10)
    # 2 images, 8 x 8 points, 8 outputs of 3 x 9 products and sums each.
    forward = 2 * 64 * 8 * 27 * 2
    assert count_flops(lambda: layer(x)) == forward
    # Backwards the same again for the weights alone: the image needs no gradient.
    assert count_flops(lambda: layer(x).sum().backward()) == 2 * forward


def test_precision_is_as_it_was_afterwards():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    seen = []
    for precision in ("float32", "tf32", "bf16"):
        with computing(precision):
            seen.append((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
    assert seen == [("highest", False), ("high", True), before]


def test_rates_are_those_of_the_clock(monkeypatch):
    # Every look at the clock is a second later, and ten calls lie between two looks.
    ticks = iter(range(1000))
    monkeypatch.setattr("benchmarks.ceilings.clock", lambda *_: lambda: float(next(ticks)))
    assert product_rate("cpu", "bf16", side=4) == 2 * 4**3 * 10
    assert copy_rate("cpu", mib=1) == 2 * 2**20 * 10


def test_budget(monkeypatch):
    times = iter([100.0, 102.0, 104.9, 105.0])
    monkeypatch.setattr("benchmarks.ceilings.time.monotonic", lambda: next(times))
    budget = Budget(5)
    assert budget.used == 2
    assert not budget.is_over
    assert budget.is_over
