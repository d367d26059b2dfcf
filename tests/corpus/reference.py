"""Slow and simple derivatives, made without the package: what the twins are measured against."""

from __future__ import annotations

import numpy as np

STEP = 2.0**-9
"""Absolute, for points of unit scale: truncation STEP**6 and rounding eps / STEP are both tiny."""

WEIGHTS = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
"""Central differences of sixth order: Fornberg, Math. Comp. 51 (1988), table 1."""

SIDE_STEP = 2.0**-20


def cotangents(output, seed=0):
    """Random weights of the shape of an output (or of each of several)."""
    if isinstance(output, tuple):
        return tuple(cotangents(part, seed + i) for i, part in enumerate(output))
    rng = np.random.default_rng(seed)
    shape = np.shape(output)
    weights = rng.standard_normal(shape)
    if np.iscomplexobj(output):
        weights = weights + 1j * rng.standard_normal(shape)
    return np.asarray(weights, dtype=np.result_type(output, np.float16))


def projection(cotangent, output):
    """Real inner product, over the entries of the output that are finite."""
    if isinstance(output, tuple):
        return sum(projection(u, y) for u, y in zip(cotangent, output, strict=True))
    finite = np.isfinite(output)
    return float(np.sum(np.real(np.conj(cotangent) * np.where(finite, output, 0))))


def differentiable(inputs):
    """Names of the float and complex inputs."""
    return [name for name, x in inputs.items() if np.issubdtype(x.dtype, np.inexact)]


def gradients(forward, inputs, cotangent):
    """Gradient of the projected output, entry by entry, for every differentiable input.

    A complex input gets a complex gradient: real part for steps along 1, imaginary along i. An
    infinite entry cannot be moved: its gradient is zero.
    """
    wide = {name: _widened(x) for name, x in inputs.items()}
    return {name: _gradient(forward, wide, name, cotangent) for name in differentiable(inputs)}


def _widened(x):
    return x.astype(np.float64) if x.dtype in (np.float16, np.float32) else x


def _gradient(forward, inputs, name, cotangent):
    gradient = np.zeros_like(inputs[name])
    for index in np.ndindex(gradient.shape):
        for unit in (1, 1j) if np.iscomplexobj(gradient) else (1,):
            gradient[index] += unit * _slope(forward, inputs, name, index, unit, cotangent)
    return gradient


def _slope(forward, inputs, name, index, unit, cotangent):
    if not np.isfinite(inputs[name][index]):
        return 0.0

    def at(shift):
        moved = inputs[name].copy()
        moved[index] += shift * STEP * unit
        return projection(cotangent, forward(*{**inputs, name: moved}.values()))

    return sum(w * (at(k) - at(-k)) for k, w in WEIGHTS) / STEP


def one_sided(forward, inputs, direction, cotangent):
    """The slopes below and above the point along a direction: short one-sided differences."""
    inputs = {name: _widened(x) for name, x in inputs.items()}

    def at(step):
        with np.errstate(all="ignore"):
            moved = {name: x + step * v for name, v in direction.items() for x in [inputs[name]]}
            return projection(cotangent, forward(*{**inputs, **moved}.values()))

    here = at(0)
    return (here - at(-SIDE_STEP)) / SIDE_STEP, (at(SIDE_STEP) - here) / SIDE_STEP


def directions(inputs, count=20):
    """Ways to leave a kink, scaled like the entries: all equally, each entry, and at random."""
    names = differentiable(inputs)
    scales = {name: _scale(inputs[name]) for name in names}
    yield scales
    for name in names:
        for index in list(np.ndindex(inputs[name].shape))[:count]:
            one = np.zeros_like(scales[name])
            one[index] = scales[name][index]
            yield {name: one}
    for seed in range(count):
        yield {name: scales[name] * cotangents(inputs[name], seed) for name in names}


def _scale(x):
    """The size of every entry; 1 for an entry that is zero or infinite."""
    size = np.abs(x).astype(float)
    unit = np.where(np.isfinite(size) & (size > 0), size, 1.0)
    return unit * (1 + 1j) if np.iscomplexobj(x) else unit
