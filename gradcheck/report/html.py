"""Draw: rows as one page that needs no network and no script."""

from __future__ import annotations

from typing import Any


def page(rows: list[dict[str, Any]]) -> str:
    """The page of a run, or of many merged ones."""
    raise NotImplementedError(rows)
