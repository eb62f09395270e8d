"""dbt over many hours, of which some may be such that it fails on them: the others get through."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestration.dbt import DbtError
from orchestration.windows import Window, hour_window, merge

RunDbt = Callable[[Sequence[Window]], None]
# One bad hour of 48 costs 6 failures. More than this, at 5 s each, would keep other runs waiting too long;
# the rest is the next refresh's work.
MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class Modelled:
    """Hours that dbt has worked on; with an `error`, the one hour that it fails on by itself."""

    hours: tuple[datetime, ...]
    error: str | None = None


def model_hours(hours: Sequence[datetime], *, run_dbt: RunDbt, empty: Window) -> Iterator[Modelled]:
    """Run dbt over the hours; where it fails, over halves of them, the newer half first.

    Where it fails on `empty`, a window without calls, too, no hour is to blame: raises that first DbtError.
    An hour that is alone is tried twice. What is not yielded after 20 failures was not worked on.
    """
    waiting = [sorted(hours)] if hours else []
    n_failures = 0
    while waiting and n_failures < MOST_FAILURES:
        part = waiting.pop()
        try:
            run_dbt(merge(hour_window(hour) for hour in part))
        except DbtError as error:
            if n_failures == 0 and not _runs(run_dbt, empty):
                raise
            n_failures += 1
            if len(part) > 1:
                middle = len(part) // 2
                waiting += [part[:middle], part[middle:]]
            elif len(hours) == 1 and n_failures == 1:
                waiting.append(part)
            else:
                yield Modelled(tuple(part), str(error))
        else:
            yield Modelled(tuple(part))


def _runs(run_dbt: RunDbt, window: Window) -> bool:
    try:
        run_dbt([window])
    except DbtError:
        return False
    return True
