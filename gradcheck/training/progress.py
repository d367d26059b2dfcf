"""A progress bar where somebody watches, and silence everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gradcheck.errors import InvalidArgument
from gradcheck.progress import may_show


@contextmanager
def progress_bar(total: int, name: str, wanted: bool | None) -> Iterator[Callable[[float], None]]:
    """Yield ``advance(loss)``, to be called after each epoch.

    ``wanted=None`` shows the bar on a terminal, but neither in CI nor where tqdm is missing;
    ``True`` insists, ``False`` never shows it.
    """
    bar = _bar(total, name) if wanted or (wanted is None and may_show()) else None
    if bar is None and wanted:
        raise InvalidArgument(
            "progress=True, but tqdm is not installed: pip install 'gradcheck[progress]', or "
            "leave progress out"
        )
    try:
        yield lambda loss: _advance(bar, loss)
    finally:
        if bar is not None:
            bar.close()


def _bar(total: int, name: str) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc=name, unit=" epoch", leave=False)


def _advance(bar: Any, loss: float) -> None:
    if bar is not None:
        bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
        bar.update()
