"""Work in threads, results in order, never more than a few ahead."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, num_threads: int, depth: int
) -> Iterator[Result]:
    """Map items to results in threads.

    Args:
        work: called once for each item; what it raises is raised where its result would come.
        items: consumed as results are taken.
        num_threads: how many calls run at once.
        depth: how many results may wait.

    Yields:
        The results, in the order of the items.
    """
    items = iter(items)
    pool = ThreadPoolExecutor(num_threads)
    try:
        waiting = deque(pool.submit(work, item) for item in itertools.islice(items, depth))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in itertools.islice(items, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
