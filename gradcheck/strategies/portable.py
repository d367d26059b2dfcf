"""Examples that depend on the seed alone, and not on what else a process has imported.

Hypothesis draws some numbers from the constants of the project's own loaded modules. That helps a
test in its project; but two workers of a campaign that have loaded different modules would draw
different examples from one seed.
"""

from __future__ import annotations

from typing import Any

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

BACKEND = "gradcheck-portable"
"""Name of the backend, for `hypothesis.settings`."""


class PortableProvider(HypothesisProvider):
    """Hypothesis's own way to draw, without constants collected from loaded modules."""

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


def portable_backend() -> str:
    """Register the backend, once, and return its name.

    >>> portable_backend() in AVAILABLE_PROVIDERS
    True
    """
    AVAILABLE_PROVIDERS.setdefault(BACKEND, PortableProvider)
    return BACKEND
