"""Exact relations: properties of a right derivative that need no estimate.

``relate(scene)`` looks at every default relation and returns findings. A relation says one thing,
spends a few calls whatever the size of the arrays, and shares them with the others through the
scene. Nothing here compares a claim with a slope.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from types import MappingProxyType
from typing import TextIO

import numpy as np

from gradcheck.errors import InvalidArgument
from gradcheck.relations import cotangents, layouts, repetition, structure, variants
from gradcheck.relations.cotangents import hessian_symmetry
from gradcheck.relations.scene import Broken, Scene, note, raising
from gradcheck.relations.structure import non_finite_entries
from gradcheck.result import Finding, Severity

__all__ = [
    "DEFAULT",
    "RELATIONS",
    "Relation",
    "Scene",
    "hessian_symmetry",
    "non_finite_entries",
    "raising",
    "relate",
]


@dataclass(frozen=True, slots=True)
class Relation:
    """One exact relation.

    Attributes
    ----------
    name : str
        Kebab-case; selects it.
    look : callable
        ``look(scene)`` yields findings.
    forwards, backwards : int
        Calls it adds to a passing check in the order of `RELATIONS` (calls already made are free).
    default : bool
        Whether it is looked at when nothing else is asked for.
    """

    name: str
    look: Callable[[Scene], Iterable[Finding]]
    forwards: int = 0
    backwards: int = 0
    default: bool = True

    def __call__(self, scene: Scene) -> tuple[Finding, ...]:
        """Findings of this relation; an exception of the subject is one of them."""
        found: list[Finding] = []
        try:
            found.extend(self.look(scene))
        except Broken as broken:
            found.append(broken.finding)
        return tuple(found)


_ALL = (
    Relation("names", structure.names),
    Relation("claimed", structure.claimed),
    Relation("shape", structure.shape),
    Relation("dtype", structure.dtype),
    Relation("narrowed", structure.narrowed),
    Relation("finite", structure.finite),
    Relation("unmutated", repetition.unmutated, 1, 2),
    Relation("deterministic", repetition.deterministic, 1, 0),
    Relation("stale", repetition.stale),
    Relation("output", repetition.output),
    Relation("same-array", variants.same_array, 0, 2),
    Relation("aliased", repetition.aliased, 0, 1),
    Relation("layouts", layouts.layouts, 0, 1),
    Relation("linear", cotangents.linear),
    Relation("zero-cotangent", cotangents.zero_cotangent, 0, 1),
    Relation("adjoint", cotangents.adjoint),
    Relation("batch", variants.batch, 2, 2),
    Relation("cotangent-dtype", cotangents.cotangent_dtype, 0, 2, default=False),
    Relation("forward-layouts", layouts.forward_layouts, 1, 0, default=False),
    Relation("expanded-cotangent", layouts.expanded, 0, 2, default=False),
    Relation("empty", variants.empty, 1, 1, default=False),
    Relation("size-one", variants.size_one, 1, 1, default=False),
)

RELATIONS: Mapping[str, Relation] = MappingProxyType({relation.name: relation for relation in _ALL})
DEFAULT: tuple[str, ...] = tuple(relation.name for relation in _ALL if relation.default)


LAST_AT_SECOND_POINT = "output"
LAST_OF_LARGE = "unmutated"
"""The relations from here on stay at the first point, or go to others of their own. Of large arrays
the second point is let go at once, unless a fresh subject is to be asked there."""


def relate(
    scene: Scene,
    names: Iterable[str] | None = None,
    *,
    after_second_point: Callable[[], None] | None = None,
) -> tuple[Finding, ...]:
    """Look at the named relations (by default all default ones) and return what was found.

    ``after_second_point`` is called once no relation will ask for the second point again; nothing
    that is warned of there is noted.

    What the subject prints is passed on; what it prints and warns of is noted as well. Floating
    point errors warn here even where the caller made them raise: an overflow is no finding.

    Raises
    ------
    InvalidArgument
        For a name that is no relation.
    """
    chosen = [_named(name) for name in (DEFAULT if names is None else names)]
    stays = scene.maker is not None or not scene.mixes_zeros
    last = LAST_AT_SECOND_POINT if stays else LAST_OF_LARGE
    found: list[Finding] = []
    with _overheard(scene) as said:
        for relation in chosen:
            found.extend(relation(scene))
            if any(map(_spoils_the_rest, found)):
                break
            if relation.name == last and after_second_point is not None:
                scene.unheard(after_second_point)
    found.extend(said)
    return tuple(dict.fromkeys(found))


def _spoils_the_rest(finding: Finding) -> bool:
    """Whether no later call can be compared with an earlier one."""
    unstable = finding.name.startswith(("mutates-", "accumulates", "non-deterministic-"))
    return unstable and finding.severity is not Severity.NOTE


def _named(name: str) -> Relation:
    if name not in RELATIONS:
        raise InvalidArgument(
            f"got relation {name!r}, expected one of {', '.join(RELATIONS)}. Do: correct the name."
        )
    return RELATIONS[name]


@contextmanager
def _overheard(scene: Scene) -> Iterator[list[Finding]]:
    said: list[Finding] = []
    printed = _Echo(sys.stdout)
    with (
        warnings.catch_warnings(record=True) as caught,
        redirect_stdout(printed),
        np.errstate(all="warn", under="ignore"),
    ):
        warnings.simplefilter("always")
        scene.heard = caught
        yield said
    if printed.first:
        said.append(note("prints", f"the subject printed {printed.first!r}. Do: remove the print."))
    said.extend(_warning_notes(caught))


def _warning_notes(caught: list[warnings.WarningMessage]) -> Iterator[Finding]:
    for text in dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught):
        yield note("warns", f"the subject warned: {text}")


class _Echo(io.TextIOBase):
    """Passes on what is written, and remembers the first line."""

    def __init__(self, through: TextIO) -> None:
        self.through = through
        self.heard = ""

    def write(self, text: str) -> int:
        if "\n" not in self.heard:
            self.heard += text
        return int(self.through.write(text))

    @property
    def first(self) -> str:
        """The first line."""
        return self.heard.lstrip().partition("\n")[0].rstrip()

    def flush(self) -> None:
        self.through.flush()
