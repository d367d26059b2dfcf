"""Both Jacobians of a small failing case, so that a diagnosis sees paths and not only sums.

A gradient adds up what comes from every output entry. Which of these contributions is missing, or
went astray, is told apart only one by one: by a one-hot cotangent for each output entry, and by the
differences of all outputs for each input entry.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from gradcheck.directions import coordinate_scales
from gradcheck.result import Jacobian
from gradcheck.trees import Array, Arrays, like_output, named_outputs, ravel, unravel

MOST_ENTRIES = 24
MOST_OUTPUTS = 32
"""Four forwards for an entry, one backward for an output: 129 calls at most for one input."""

STEP = 2.0**-9
"""Share of a coordinate's scale: the error of fourth order, 1e-11, is that of the rounding."""

CURVED = 1e-2
"""Two central differences that differ by more of the largest derivative have met a kink."""

BENT = 0.75
"""Slopes on both sides differ in proportion to the step where a function curves, and by as much
for half of the step at a kink."""

FOURTH_ORDER = 1e-3
"""What the fourth order leaves of the difference between both central differences, generously."""


def measured_jacobians(
    subject: Any, inputs: Mapping[str, Array], output: Any, names: Iterable[str]
) -> dict[str, Jacobian]:
    """Claimed and estimated Jacobian of each named input that is small enough, and real.

    A subject that fails here has failed already: what cannot be measured is left out.

    Examples
    --------
    >>> from gradcheck.subject import FunctionSubject
    >>> subject = FunctionSubject(
    ...     "square", lambda v: v["x"] ** 2, lambda v, g: {"x": g * v["x"]}
    ... )
    >>> x = np.array([1.0, 3.0])
    >>> found = measured_jacobians(subject, {"x": x}, x**2, ["x"])["x"]
    >>> found.claimed.tolist(), found.estimate.round(6).tolist()
    ([[1.0, 0.0], [0.0, 3.0]], [[2.0, 0.0], [0.0, 6.0]])
    """
    chosen = [name for name in names if _is_small(inputs[name])]
    outputs = named_outputs(output)
    total = sum(array.size for array in outputs.values())
    plain = all(array.dtype == np.float64 for array in outputs.values())
    if not chosen or not plain or not 2 <= total <= MOST_OUTPUTS:
        return {}
    try:
        # What the subject says at its point is told elsewhere; a neighbour may lie outside.
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _both(subject, inputs, output, chosen)
    except Exception:
        return {}


def _both(
    subject: Any, inputs: Mapping[str, Array], output: Any, names: list[str]
) -> dict[str, Jacobian]:
    outputs = named_outputs(output)
    total = sum(array.size for array in outputs.values())
    claims = list(_claims(subject, inputs, output, outputs, total))
    return {
        name: Jacobian(
            _rows(claims, name, inputs[name]), *_estimated(subject, inputs, ravel(outputs), name)
        )
        for name in names
    }


def _is_small(array: Array) -> bool:
    return array.dtype == np.float64 and 0 < array.size <= MOST_ENTRIES


def _copies(inputs: Mapping[str, Array]) -> Arrays:
    return {name: array.copy() for name, array in inputs.items()}


def _claims(
    subject: Any, inputs: Mapping[str, Array], output: Any, outputs: Arrays, total: int
) -> Iterator[Any]:
    for place in range(total):
        one_hot = np.zeros(total)
        one_hot[place] = 1.0
        tree = {name: array.copy() for name, array in unravel(one_hot, outputs).items()}
        yield subject.vjp(_copies(inputs), like_output(tree, output))


def _rows(claims: list[Any], name: str, like: Array) -> Array:
    return np.stack([np.asarray(claim[name], np.float64).reshape(like.size) for claim in claims])


def _estimated(
    subject: Any, inputs: Mapping[str, Array], here: Array, name: str
) -> tuple[Array, Array]:
    steps = STEP * coordinate_scales(inputs[name]).ravel()
    columns = [_column(subject, inputs, here, name, flat, step) for flat, step in enumerate(steps)]
    estimate, doubt, bend = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
    most = CURVED * np.abs(estimate[np.isfinite(estimate)]).max(initial=0.0)
    return np.where(np.maximum(doubt, bend) <= most, estimate, np.nan), FOURTH_ORDER * doubt


def _column(
    subject: Any, inputs: Mapping[str, Array], here: Array, name: str, flat: int, step: float
) -> tuple[Array, Array, Array]:
    """Derivatives of all outputs by one entry, the gap of two central differences, and kinks."""

    def at(shift: float) -> Array:
        moved = _copies(inputs)
        moved[name].reshape(-1)[flat] += shift
        return ravel(named_outputs(subject.value(moved)))

    above, below, far_above, far_below = at(step), at(-step), at(2 * step), at(-2 * step)
    short, long = (above - below) / (2 * step), (far_above - far_below) / (4 * step)
    bend = np.abs(above - 2 * here + below) / step
    far_bend = np.abs(far_above - 2 * here + far_below) / (2 * step)
    kink = np.where(bend > BENT * far_bend, bend, 0.0)
    return (4 * short - long) / 3, np.abs(short - long), kink
