"""A progress bar for long work: on a terminal, never in CI, and only where tqdm is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WORTH_SHOWING = 20_000
"""Steps of work below which a bar would only flicker."""


def may_show() -> bool:
    """Whether a bar belongs here: stderr is a terminal and this is no CI machine."""
    return sys.stderr.isatty() and not os.environ.get("CI")


@contextmanager
def progress(total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """A bar over ``total`` units of work; yields the function that advances it.

    Examples
    --------
    >>> with progress(10, "entries") as advance:
    ...     advance(10)
    """
    bar = _bar(total, unit) if total >= WORTH_SHOWING and may_show() else None
    if bar is None:
        yield _nowhere
        return
    with bar:
        yield bar.update


def _nowhere(count: int) -> None:
    pass


def _bar(total: int, unit: str):  # type: ignore[no-untyped-def]
    try:
        from tqdm import tqdm
    except ImportError:  # the extra "progress" is not installed
        return None
    return tqdm(total=total, unit=f" {unit}", leave=False, file=sys.stderr)
