"""Many waits at once, few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


async def work_through(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, concurrency: int) -> None:
    """Do `work` for every item, at most `concurrency` at once; an item is begun when one before it is done.

    After an error no item is begun any more; those under way are finished, for they are paid for, and then
    the first error is raised.
    """
    errors: list[Exception] = []
    waiting = iter(items)
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(_worker(waiting, work, errors))
    if errors:
        raise errors[0]


async def _worker(
    waiting: Iterator[T], work: Callable[[T], Awaitable[None]], errors: list[Exception]
) -> None:
    for item in waiting:
        if errors:
            return
        try:
            await work(item)
        except Exception as error:  # the other workers must still finish what they have begun
            errors.append(error)
