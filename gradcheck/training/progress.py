"""A progress bar where somebody watches, and silence everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gradcheck.errors import InvalidArgument
from gradcheck.progress import may_show, open_bar


@contextmanager
def progress_bar(total: int, name: str, wanted: bool | None) -> Iterator[Callable[[float], None]]:
    """Yield ``advance(loss)``, to be called after each epoch.

    ``wanted=None`` shows the bar on a terminal, but neither in CI nor where tqdm is missing;
    ``True`` insists, ``False`` never shows it.
    """
    shown = may_show() if wanted is None else wanted
    bar = open_bar(total, "epochs", name=name) if shown else None
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


def _advance(bar: Any, loss: float) -> None:
    if bar is not None:
        bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
        bar.update()
