"""The same function at inputs made from the point: batches cut, arrays shared, axes emptied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from gradcheck.relations.agreement import (
    allowance,
    discrepancy,
    epsilon,
    jittered,
    magnitude,
    shown,
)
from gradcheck.relations.judgement import disagreements, is_rounding
from gradcheck.relations.scene import (
    REFUSALS,
    Broken,
    Claims,
    Scene,
    failure,
    note,
    numeric_claims,
)
from gradcheck.result import Finding
from gradcheck.trees import (
    SINGLE_OUTPUT,
    Array,
    Arrays,
    like_output,
    named_outputs,
)


def same_array(scene: Scene) -> Iterator[Finding]:
    """One array passed for two inputs gets the gradients that two equal copies get.

    A backward that adds into a buffer it finds by identity, or that assigns where it must add,
    mixes up the two slots.
    """
    names = scene.interchangeable
    if not names or (scene.tied and scene.right_at_second_point.issuperset(names)):
        return
    is_made = scene.shares_one_array()
    one = np.array(scene.inputs[names[0]])
    shared = scene.second_inputs if is_made else {**scene.inputs, **dict.fromkeys(names, one)}
    try:
        expected = _claim_at(scene, _made_equal(scene, shared), "for two equal arrays")
    except Broken:
        return  # such a point is outside the domain: no fact about sharing
    when = f"for one array passed as {' and '.join(names)}"
    got = scene.second_point_claim if is_made else _claim_at(scene, shared, when)
    for name in _unequal(scene, shared, got, expected):
        yield failure(
            "same-array",
            f"one array passed as {' and '.join(names)} gave "
            f"{shown(name, np.asarray(got[name]), np.asarray(expected[name]))}. Expected the "
            "gradient that distinct equal arrays get. Do: add contributions, and do not tell "
            "arrays apart by identity.",
            name,
        )


def batch(scene: Scene) -> Iterator[Finding]:
    """The result on a batch is the stack of the results on its two halves."""
    where = _axis_positions(scene)
    length = _common_length(scene, where)
    if length < 2:
        return
    parts = [
        _half(scene, where, part) for part in (slice(0, length // 2), slice(length // 2, None))
    ]
    yield from _stacked_outputs(scene, parts)
    for name, expected in numeric_claims(scene.claim).items():
        grads = [np.asarray(claims[name]) for _, claims in parts if claims.get(name) is not None]
        if len(grads) < 2:
            continue
        joined = np.concatenate(grads, where[name]) if name in where else grads[0] + grads[1]
        if disagreements(scene, {name: joined}, {name: expected}):
            yield failure(
                "batch",
                f"the halves of the batch give {shown(name, joined, expected)} from the whole "
                f"batch. Expected samples along axis {scene.batch} not to mix. Do: look for a "
                "sum, a size or an index over the batch axis.",
                name,
            )


def empty(scene: Scene) -> Iterator[Finding]:
    """An axis of length 0 works, or is refused clearly."""
    yield from _with_length(scene, 0, "empty-axis")


def size_one(scene: Scene) -> Iterator[Finding]:
    """An axis of length 1 works, or is refused clearly."""
    yield from _with_length(scene, 1, "size-one-axis")


def _made_equal(scene: Scene, inputs: Mapping[str, Array], way: int | None = None) -> Arrays:
    """The inputs with copies of one for all that could be passed for it, moved by rounding."""
    names = scene.interchangeable
    one = inputs[names[0]] if way is None else jittered(inputs[names[0]], way)
    return {**inputs, **{name: np.array(one) for name in names}}


def _claim_at(scene: Scene, inputs: Mapping[str, Array], when: str) -> Claims:
    return scene.quietly(lambda: scene.vjp(inputs, scene.cotangent, when))


def _unequal(scene: Scene, shared: Mapping[str, Array], got: Claims, expected: Claims) -> list[str]:
    """Names whose gradients differ by more than rounding, which a product with itself has less."""

    def moved(name: str, way: int) -> Array | None:
        nearby = _made_equal(scene, shared, way)
        try:
            return _claim_at(scene, nearby, "for two equal arrays nearby").get(name)
        except Broken:
            return None

    return [
        name
        for name, grad in numeric_claims(expected).items()
        if not is_rounding(np.asarray(got.get(name)), grad, partial(moved, name))
    ]


def _axis_positions(scene: Scene) -> dict[str, int]:
    return {
        name: _position(axes, scene.batch)
        for name, axes in scene.axes.items()
        if scene.batch and scene.batch in axes
    }


def _position(axes: tuple[str, ...], axis: str) -> int:
    at = axes.index(axis)
    return at - len(axes) if "..." in axes[:at] else at


def _common_length(scene: Scene, where: Mapping[str, int]) -> int:
    lengths = {scene.inputs[k].shape[at] for k, at in where.items() if k in scene.inputs}
    return lengths.pop() if len(lengths) == 1 and SINGLE_OUTPUT in where else 0


def _half(scene: Scene, where: Mapping[str, int], part: slice) -> tuple[Arrays, Claims]:
    when = "on half of the batch"
    inputs = {
        name: _cut(array, where[name], part) if name in where else array
        for name, array in scene.inputs.items()
    }
    cotangent = {k: _cut(v, where[SINGLE_OUTPUT], part) for k, v in scene.cotangents.items()}
    value = named_outputs(scene.value(inputs, when))
    return value, scene.vjp(inputs, like_output(cotangent, scene.output), when)


def _cut(array: Array, axis: int, part: slice) -> Array:
    index = [slice(None)] * array.ndim
    index[axis] = part
    return array[tuple(index)]


def _stacked_outputs(scene: Scene, parts: list[tuple[Arrays, Claims]]) -> Iterator[Finding]:
    axis = _axis_positions(scene)[SINGLE_OUTPUT]
    for name, expected in scene.outputs.items():
        joined = np.concatenate([value[name] for value, _ in parts], axis)
        if discrepancy(joined, expected) > allowance(epsilon([expected])) * magnitude(expected):
            yield failure(
                "batch",
                f"forward on the halves of the batch gives {shown(name, joined, expected)} from "
                f"the whole batch. Expected samples along axis {scene.batch} not to mix. Do: "
                "declare no batch axis if they are meant to.",
            )


def _with_length(scene: Scene, length: int, finding: str) -> Iterator[Finding]:
    for axis in sorted(
        {axis for axes in scene.axes.values() for axis in axes if axis.isidentifier()}
    ):
        inputs = {
            name: _shortened(array, scene.axes.get(name, ()), axis, length)
            for name, array in scene.inputs.items()
        }
        if any(
            same.size != array.size
            for same, array in zip(inputs.values(), scene.inputs.values(), strict=True)
        ):
            yield from _try(scene, inputs, f"with axis {axis} of length {length}", finding)


def _shortened(array: Array, axes: tuple[str, ...], axis: str, length: int) -> Array:
    for name in axes:
        if name == axis:
            array = _cut(array, _position(axes, axis), slice(0, length))
    return array


def _try(scene: Scene, inputs: Arrays, when: str, finding: str) -> Iterator[Finding]:
    try:
        value = scene.value(inputs, when)
        cotangent = {k: scene.random_like(v) for k, v in named_outputs(value).items()}
        claim = scene.vjp(inputs, like_output(cotangent, value), when)
    except Broken as broken:
        clear = isinstance(broken.error, REFUSALS)
        yield (note if clear else failure)(finding, broken.finding.message)
        return
    for name, grad in claim.items():
        if grad is not None and grad.shape != inputs[name].shape:
            yield failure(
                finding,
                f"got a gradient of shape {grad.shape} {when}, expected {inputs[name].shape}. "
                "Do: derive shapes from the inputs.",
                name,
            )
