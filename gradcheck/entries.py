"""From a direction to its entries: which ones are wrong, at a bounded number of forwards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.climbing import Climber, axis, quick_entry
from gradcheck.directions import coordinate_scales
from gradcheck.estimating import meets
from gradcheck.oracles import complex_step_slope, quick_slope, scipy_slope
from gradcheck.point import Point
from gradcheck.result import Array, Comparison, EntryTable, Evidence, Verdict

SMALL = 64
"""An input of at most this many entries is looked at entry by entry where a direction failed."""

SAMPLE = 32
"""Entries of a larger input that are looked at beside those that bisection finds."""

LADDERS = 12
"""Entries that get a whole ladder of steps; the others are read off one central difference."""

BISECTED = 6
"""Wrong entries that bisection looks for in a large input."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What a look at single entries found.

    ``rescaled`` tells that steps of the size of the array had accused some entry, and steps of its
    own acquitted it: whatever moves the whole array by one size proves nothing then.
    """

    table: EntryTable
    comparisons: tuple[Comparison, ...]
    rescaled: bool = False

    @property
    def verdict(self) -> Verdict:
        """WRONG if any entry is, else INCONCLUSIVE if any could not be decided."""
        verdicts = {comparison.verdict for comparison in self.comparisons}
        for one in (Verdict.WRONG, Verdict.INCONCLUSIVE):
            if one in verdicts:
                return one
        return Verdict.CORRECT


def look_at(
    point: Point, name: str, positions: Sequence[int], negligible: float, ladders: int = LADDERS
) -> Entries:
    """Compare single entries of one input.

    Parameters
    ----------
    positions : sequence of int
        C-order positions.
    negligible : float
        Slope, along a scaled coordinate, that does not matter beside the rest of the gradient.
    ladders : int
        How many doubtful entries may spend a ladder of steps (about 10 to 30 forwards each); more
        may while those that did turned out to be right.
    """
    x = point.work[name]
    scales = coordinate_scales(x).reshape(-1).tolist()
    parts = ("real", "imag") if x.dtype.kind == "c" else ("",)
    rows: dict[tuple[int, str], Comparison] = {}
    doubtful: list[tuple[float, int, str]] = []
    for flat in positions:
        for part in parts:
            comparison = quick_entry(point, name, flat, scales[flat], part)
            rows[flat, part] = comparison
            if comparison.verdict is not Verdict.CORRECT:
                excess = comparison.difference * scales[flat]
                doubtful.append((-excess if math.isfinite(excess) else -math.inf, flat, part))
    rescaled = convicted = False
    for looks, (_, flat, part) in enumerate(sorted(doubtful)):
        if looks >= ladders and convicted:
            break
        climber = Climber(point, name, flat, part, negligible, rows[flat, part].estimate.value)
        rows[flat, part] = found = climber.climb(scales[flat])
        if found.verdict is not Verdict.CORRECT and not convicted:
            rows[flat, part] = climber.reconsidered(found, scales[flat])
            rescaled |= found.verdict is Verdict.WRONG is not rows[flat, part].verdict
        convicted |= rows[flat, part].verdict is Verdict.WRONG
    return entries_of(x.shape, rows, rescaled)


def entries_of(
    shape: tuple[int, ...], rows: dict[tuple[int, str], Comparison], rescaled: bool = False
) -> Entries:
    """Comparisons by C-order position and part, in rising order, with their table."""
    positions = list(dict.fromkeys(flat for flat, _ in rows))
    return Entries(_table(shape, positions, rows), tuple(rows.values()), rescaled)


def _table(
    shape: tuple[int, ...],
    positions: Sequence[int],
    rows: dict[tuple[int, str], Comparison],
) -> EntryTable:
    is_complex = any(part for _, part in rows)
    size = len(positions)
    dtype = np.complex128 if is_complex else np.float64
    claimed, estimate = np.zeros(size, dtype), np.zeros(size, dtype)
    error, wrong = np.zeros(size), np.zeros(size, bool)
    where = {flat: i for i, flat in enumerate(positions)}
    for (flat, part), row in rows.items():
        i, unit = where[flat], 1j if part == "imag" else 1.0
        claimed[i] += row.claimed * unit
        estimate[i] += row.estimate.value * unit
        error[i] = max(error[i], row.estimate.error)
        wrong[i] |= row.verdict is Verdict.WRONG
    flat_positions = np.asarray(positions, dtype=np.int64)
    return EntryTable(shape, flat_positions, claimed, estimate, error, wrong)


def localise(
    point: Point, name: str, negligible: float, direction: Array, sharing: int, ladders: int
) -> Entries:
    """The entries of a wrong input: all of a small one, a sample and what bisection finds else.

    ``sharing`` inputs are in doubt, and share the ladders between them.
    """
    size = point.work[name].size
    ladders = max(1, ladders // sharing)
    if size <= SMALL:
        return look_at(point, name, range(size), negligible, ladders)
    chosen = set(_sample(point, size))
    chosen.update(_bisect(point, name, direction, max(1, BISECTED // sharing)))
    return look_at(point, name, sorted(chosen), negligible, ladders)


def _sample(point: Point, size: int) -> list[int]:
    return [int(i) for i in point.generator.choice(size, size=SAMPLE, replace=False)]


def _bisect(point: Point, name: str, direction: Array, wanted: int) -> Iterator[int]:
    """Group testing: halves of the input whose own direction disagrees, down to single entries."""
    flat = direction.reshape(-1)
    groups = [np.arange(flat.size)]
    found = 0
    budget = 4 * wanted * int(math.log2(flat.size) + 1)
    while groups and found < wanted and budget > 0:
        group = groups.pop()
        if group.size == 1:
            found += 1
            yield int(group[0])
            continue
        for half in np.array_split(group, 2):
            budget -= 1
            if not _group_meets(point, name, flat, half):
                groups.append(half)


def _group_meets(point: Point, name: str, flat: Array, group: Array) -> bool:
    masked = np.zeros_like(flat)
    masked[group] = flat[group]
    v = masked.reshape(point.work[name].shape)
    quick = quick_slope(point.ray({name: v}))
    claimed = point.slope(name, v)
    rounding = point.rounding(name, v) + 4.0 * quick.error
    return meets(claimed, quick, point.rtol[name], rounding) or not math.isfinite(quick.value)


def gather_evidence(point: Point, comparison: Comparison) -> Comparison:
    """The same comparison with every oracle's number beside the others."""
    name, x = comparison.input, point.work[comparison.input]
    if comparison.index is None or x.size == 0:
        return comparison
    flat = int(np.ravel_multi_index(comparison.index, x.shape)) if x.shape else 0
    scale = float(coordinate_scales(x).reshape(-1)[flat])
    if scale == 0.0:
        return comparison
    ray, length, _ = axis(point, name, flat, scale, comparison.part)
    seen = [
        Evidence(comparison.estimate.oracle, comparison.estimate.value, comparison.estimate.error)
    ]
    for oracle in (complex_step_slope, scipy_slope):
        found = oracle(ray)
        if found is not None and found.oracle != comparison.estimate.oracle:
            seen.append(Evidence(found.oracle, found.value / length))
    return replace(comparison, evidence=tuple(seen))
