"""Wrong claims made of a right one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.result import Array
from gradcheck.subject import Inputs

Mutation = Callable[[Array], Array]

NOTICEABLE = 1e-4
"""Relative change of the claim below which a mutant counts as the same claim."""


def _row_dropped(gradient: Array) -> Array:
    dropped = gradient.copy()
    dropped[-1:] = 0
    return dropped


def _entry_off(gradient: Array) -> Array:
    off = gradient.copy()
    if off.size:
        largest = np.unravel_index(np.argmax(np.abs(off)), off.shape)
        off[largest] *= 1.01
    return off


MUTANTS: dict[str, Mutation] = {
    "0·g": lambda g: 0 * g,
    "2·g": lambda g: 2 * g,
    "-g": lambda g: -g,
    "gᵀ": lambda g: g.T if g.ndim > 1 else g[::-1],
    "one row dropped": _row_dropped,
    "one entry + 1 %": _entry_off,
}
"""Wrong claims that a test worth having tells from the right one."""


class Mutant:
    """A subject that lies about one gradient; ``differs`` once the lie can be noticed."""

    def __init__(self, subject: Any, name: str, mutate: Mutation) -> None:
        self.subject = subject
        self.name = subject.name
        self.input = name
        self.mutate = mutate
        self.differs = False

    def value(self, inputs: Inputs) -> Any:
        """The value of the subject."""
        return self.subject.value(inputs)

    def vjp(self, inputs: Inputs, cotangent: Any) -> dict[str, Any]:
        """The claim of the subject, but for one gradient."""
        claim = dict(self.subject.vjp(inputs, cotangent))
        right = claim.get(self.input)
        if right is not None:
            claim[self.input] = wrong = self.mutate(np.asarray(right))
            self.differs = self.differs or _noticeably_different(np.asarray(right), wrong)
        return claim


def _noticeably_different(right: Array, wrong: Array) -> bool:
    if right.shape != wrong.shape:
        return True
    return bool(np.linalg.norm(right - wrong) > NOTICEABLE * np.linalg.norm(right))
