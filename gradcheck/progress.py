"""A progress bar for long work: on a terminal, never in CI, and only where tqdm is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

WORTH_SHOWING = 20_000
"""Steps of work below which a bar would only flicker."""


def may_show() -> bool:
    """Whether a bar belongs here: stderr is a terminal and this is no CI machine."""
    return sys.stderr.isatty() and not os.environ.get("CI")


@contextmanager
def progress(
    total: int, unit: str, *, done: int = 0, wanted: bool | None = None
) -> Iterator[Callable[[int], object]]:
    """A bar over ``total`` units of work; yields the function that advances it.

    Parameters
    ----------
    total : int
    unit : str
    done : int
        Units that an earlier run has done.
    wanted : bool, optional
        Whether to show the bar; by default where somebody watches work that takes a while.

    Examples
    --------
    >>> with progress(10, "entries") as advance:
    ...     advance(10)
    """
    if wanted is None:
        wanted = total >= WORTH_SHOWING and may_show()
    bar = open_bar(total, unit, done=done) if wanted else None
    if bar is None:
        yield _nowhere
        return
    with bar:
        yield bar.update


def _nowhere(count: int) -> None:
    pass


def open_bar(total: int, unit: str, *, name: str | None = None, done: int = 0) -> Any:
    """A bar of tqdm on stderr, to be closed by the caller; ``None`` where tqdm is missing."""
    try:
        from tqdm import tqdm
    except ImportError:  # the extra "progress" is not installed
        return None
    return tqdm(total=total, desc=name, initial=done, unit=f" {unit}", leave=False, file=sys.stderr)
