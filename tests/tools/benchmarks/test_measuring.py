from benchmarks.measuring import in_turn, ratio


def test_steps_are_taken_in_turn():
    order = []
    steps = {name: lambda name=name: order.append(name) or [float(len(order))] for name in ("a", "b")}
    times = in_turn(steps, 2)
    # Three rounds to warm up, of which nothing is kept, then two; the first of a round is the second of the next.
    assert order == ["b", "a", "a", "b", "b", "a", "a", "b", "b", "a"]
    assert times == {"a": [[7.0], [10.0]], "b": [[8.0], [9.0]]}


def test_ratio_is_that_of_steps_of_one_repetition():
    # 3 / 2, 4 / 4 and 5 / 2; the quartiles of 1, 1.5, 2.5 lie half-way between neighbours.
    assert ratio([[1, 2], [3, 1], [2, 3]], [[1, 1], [2, 2], [1, 1]]) == (1.5, 1.25, 2.0)
    assert ratio([[3.0]], [[2.0]]) == (1.5, 1.5, 1.5)
