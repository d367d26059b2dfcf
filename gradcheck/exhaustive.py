"""Every entry of every input, in stacked batches where the subject broadcasts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gradcheck.directions import OFF_GRID, coordinate_scales
from gradcheck.entries import look_at
from gradcheck.oracles.central_difference import QUICK_EXPONENT
from gradcheck.point import Point
from gradcheck.probing import Outcome, check_inputs
from gradcheck.progress import progress
from gradcheck.result import Array, Comparison, EntryTable, Estimate, Finding, Severity, Verdict
from gradcheck.trees import Arrays, multi_index, named_outputs

STACKED_NUMBERS = 2**21
"""Numbers in one stacked batch, inputs and outputs together: 16 MiB of float64."""

ROW = 64
"""Entries evaluated one by one between two looks at the progress bar."""

CLOSELY_LOOKED_AT = 64
"""Doubtful entries that get a ladder of steps; the verdict of the rest stays the direction's."""


def check_every_entry(
    point: Point, names: list[str], *, lenient: bool, vectorized: bool
) -> list[Outcome]:
    """Compare every entry, two forwards each, on top of the directions of `check_inputs`.

    Memory is bounded by `STACKED_NUMBERS` beside the subject's own; a progress bar shows on a
    terminal for long work. An entry that one central difference does not settle is left to a
    ladder of steps, `CLOSELY_LOOKED_AT` of each input; the direction's verdict speaks for a kink.
    """
    outcomes = check_inputs(point, names, lenient=lenient)
    stacked = vectorized and _stacks(point)
    total = sum(point.work[name].size for name in names)
    with progress(total, "entries") as advance:
        for outcome in outcomes:
            if outcome.verdict is not Verdict.WRONG:
                _complete(point, outcome, stacked, advance)
    if vectorized and not stacked:
        outcomes[0].findings.append(_does_not_stack())
    return outcomes


def _does_not_stack() -> Finding:
    return Finding(
        "not-vectorized",
        "vectorized=True, but the value at two stacked copies of the inputs is not two copies of "
        "the value; entries were evaluated one by one. Do: make forward broadcast over leading "
        "axes of all inputs, or leave vectorized out.",
        Severity.NOTE,
    )


def _stacks(point: Point) -> bool:
    """Whether two stacked copies of the inputs give two copies of the value."""
    try:
        with np.errstate(all="ignore"):
            doubled = {k: np.stack([a, a]) for k, a in point.work.items()}
            outputs = named_outputs(point.subject.value(doubled))
            single = named_outputs(point.subject.value(point.work))
    except Exception:  # it does not stack
        return False
    return all(
        name in outputs
        and outputs[name].shape == (2, *array.shape)
        and all(np.allclose(half, array, rtol=1e-9, equal_nan=True) for half in outputs[name])
        for name, array in single.items()
    )


def _complete(point: Point, outcome: Outcome, stacked: bool, advance: object) -> None:
    name = outcome.name
    x, gradient = point.work[name], point.claims[name].reshape(-1)
    rtol = point.rtol[name]
    estimate, noise = np.zeros(x.size), np.zeros(x.size)
    source = _stacked_quotients if stacked and x.dtype.kind == "f" else _single_quotients
    if x.dtype.kind == "c":
        found = look_at(point, name, range(x.size), 0.0, CLOSELY_LOOKED_AT)
        _adopt(outcome, found.table, list(found.comparisons))
        return
    for positions, values, errors in source(point, name):
        estimate[positions], noise[positions] = values, errors
        advance(len(positions))  # type: ignore[operator]
    claimed = gradient.astype(np.float64)
    limit = rtol * np.maximum(np.abs(claimed), np.abs(estimate))
    settled = (np.abs(claimed - estimate) <= limit / 4) & (noise <= limit)
    settled |= (claimed == 0) & (estimate == 0)
    scales = coordinate_scales(x).reshape(-1)
    negligible = rtol * float(np.max(np.abs(claimed) * scales, initial=0.0))
    # Consistent with the claim, and sharp beside the rest of the gradient.
    settled |= (np.abs(claimed - estimate) <= limit / 4 + noise) & (noise * scales <= negligible)
    doubtful = np.flatnonzero(~settled)
    excess = (np.abs(claimed - estimate) * scales)[doubtful]
    worst = doubtful[np.argsort(-np.nan_to_num(excess, nan=np.inf))][:CLOSELY_LOOKED_AT]
    found = look_at(point, name, [int(i) for i in worst], negligible, CLOSELY_LOOKED_AT)
    wrong = np.zeros(x.size, bool)
    wrong[found.table.flat] = found.table.wrong
    estimate[found.table.flat] = found.table.estimate
    noise[found.table.flat] = found.table.error
    table = EntryTable(x.shape, np.arange(x.size), claimed, estimate, noise, wrong)
    _adopt(outcome, table, list(found.comparisons))
    _report_worst_settled(outcome, name, x, claimed, estimate, noise, settled, rtol)


def _adopt(outcome: Outcome, table: EntryTable, comparisons: list[Comparison]) -> None:
    outcome.table = table
    wrong = [c for c in comparisons if c.verdict is Verdict.WRONG]
    if wrong and outcome.kinks == 0:
        outcome.verdict = Verdict.WRONG
    elif wrong:
        comparisons = [replace(c, verdict=Verdict.CORRECT, reason="") for c in comparisons]
    outcome.comparisons = [*comparisons, *outcome.comparisons]


def _report_worst_settled(
    outcome: Outcome,
    name: str,
    x: Array,
    claimed: Array,
    estimate: Array,
    noise: Array,
    settled: Array,
    rtol: float,
) -> None:
    """Keep the entry nearest to its limit, so that a right result shows how near it came."""
    scale = np.maximum(np.abs(claimed), np.abs(estimate))
    with np.errstate(all="ignore"):
        relative = np.where(settled & (scale > 0), np.abs(claimed - estimate) / scale, -1.0)
    if relative.size == 0 or float(relative.max()) < 0:
        return
    flat = int(relative.argmax())
    seen = Estimate(float(estimate[flat]), float(noise[flat]), "central differences")
    outcome.comparisons.append(
        Comparison(
            name,
            multi_index(flat, x.shape),
            float(claimed[flat]),
            seen,
            rtol * float(scale[flat]),
            Verdict.CORRECT,
        )
    )
    largest = float(np.max(np.where(scale > 0, noise / np.where(scale > 0, scale, 1), 0.0)))
    known = outcome.resolution if math.isfinite(outcome.resolution) else 0.0
    outcome.resolution = max(known, float(relative.max()), largest)


Quotients = Iterator[tuple[Array, Array, Array]]


def _single_quotients(point: Point, name: str) -> Quotients:
    x = point.work[name]
    lengths = coordinate_scales(x).reshape(-1) * OFF_GRID * 2.0**QUICK_EXPONENT
    for start in range(0, x.size, ROW):
        positions = np.arange(start, min(start + ROW, x.size))
        yield (positions, *_one_by_one(point, name, positions, lengths[positions]))


def _one_by_one(point: Point, name: str, positions: Array, lengths: Array) -> tuple[Array, Array]:
    x = point.work[name]
    ray = point.ray({name: x})
    changes, noises = [], []
    with np.errstate(all="ignore"):
        for i, length in zip(positions.tolist(), lengths.tolist(), strict=True):
            sides = []
            for step in (length, -length):
                moved = x.copy()  # an array of their own for those that keep their inputs
                moved.reshape(-1)[i] += step
                sides.append(_outputs(point, {**point.work, name: moved}))
            changes.append(ray.change(*sides))
            noises.append(math.inf if sides[0] is None else ray.rounding_beside(sides[0]))
    return np.array(changes) / (2 * lengths), np.array(noises) / lengths


def _outputs(point: Point, inputs: Arrays) -> Arrays | None:
    try:
        return named_outputs(point.subject.value(inputs))
    except Exception:  # outside the domain: the ladder will say so
        return None


def _stacked_quotients(point: Point, name: str) -> Quotients:
    x = point.work[name]
    lengths = coordinate_scales(x).reshape(-1) * OFF_GRID * 2.0**QUICK_EXPONENT
    outputs = sum(u.size for u in point.cotangent.values())
    numbers = outputs + sum(a.size for a in point.work.values())
    rows = max(1, STACKED_NUMBERS // (2 * max(1, numbers)))
    for start in range(0, x.size, rows):
        positions = np.arange(start, min(start + rows, x.size))
        yield (positions, *_stacked(point, name, positions, lengths[positions]))


def _stacked(point: Point, name: str, positions: Array, lengths: Array) -> tuple[Array, Array]:
    x, count = point.work[name], len(positions)
    moved = np.broadcast_to(x, (2 * count, *x.shape)).copy()
    flat = moved.reshape(2 * count, -1)
    flat[np.arange(count), positions] += lengths
    flat[count + np.arange(count), positions] -= lengths
    inputs = {
        other: moved if other == name else np.broadcast_to(a, (2 * count, *a.shape))
        for other, a in point.work.items()
    }
    with np.errstate(all="ignore"):
        found = _outputs(point, inputs)
    values, noise = np.zeros(count), np.zeros(count)
    if found is None:
        return np.full(count, math.nan), np.full(count, math.inf)
    with np.errstate(all="ignore"):
        for output, u in point.cotangent.items():
            f = found[output].reshape(2 * count, -1)
            weight = u.reshape(-1)
            values += np.real((f[:count] - f[count:]) @ np.conj(weight))
            eps = float(np.finfo(f.dtype).eps) if f.dtype.kind in "fc" else 0.0
            noise += eps * (np.abs(f[:count]) @ np.abs(weight))
    return values / (2 * lengths), noise / lengths
