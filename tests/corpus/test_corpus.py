"""The twins are what they say they are: right and wrong by slow differences."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.diagnosis import DIAGNOSES
from tests.corpus import (
    accumulation,
    attention,
    bookkeeping,
    complex_numbers,
    constants,
    cotangents,
    densities,
    false_alarms,
    geometry,
    heldout,
    indices,
    layers,
    layouts,
    likelihoods,
    losses,
    matrices,
    memory,
    missing,
    norms,
    options,
    overflow,
    precision,
    rearranged,
    reference,
    sequences,
    shapes,
    solvers,
    state,
    ties,
    timesteps,
    upstream,
    windows,
    zeros,
)
from tests.corpus.twin import bind, inputs_of

SHIPPED = (
    *accumulation.TWINS,
    *complex_numbers.TWINS,
    *constants.TWINS,
    *layouts.TWINS,
    *missing.TWINS,
    *options.TWINS,
    *overflow.TWINS,
    *shapes.TWINS,
    *state.TWINS,
    *ties.TWINS,
    *upstream.TWINS,
    *zeros.TWINS,
)
OURS = (
    *heldout.TWINS,
    *attention.TWINS,
    *bookkeeping.TWINS,
    *cotangents.TWINS,
    *densities.TWINS,
    *geometry.TWINS,
    *indices.TWINS,
    *layers.TWINS,
    *likelihoods.TWINS,
    *losses.TWINS,
    *matrices.TWINS,
    *memory.TWINS,
    *norms.TWINS,
    *precision.TWINS,
    *rearranged.TWINS,
    *sequences.TWINS,
    *solvers.TWINS,
    *timesteps.TWINS,
    *windows.TWINS,
)
TWINS = (*SHIPPED, *OURS)
ALARMS = false_alarms.ALARMS

each_twin = pytest.mark.parametrize("twin", TWINS, ids=[twin.id for twin in TWINS])
each_alarm = pytest.mark.parametrize("alarm", ALARMS, ids=[alarm.id for alarm in ALARMS])


def claims(pair, inputs, cotangent):
    """Gradients by name, from fresh copies; the forward has run before."""
    forward, backward = pair
    forward(*[x.copy() for x in inputs.values()])
    returned = backward(_copied(cotangent), *[x.copy() for x in inputs.values()])
    return dict(zip(inputs, returned, strict=True))


def _copied(cotangent):
    if isinstance(cotangent, tuple):
        return tuple(part.copy() for part in cotangent)
    return cotangent.copy()


def departs_from_reference(pair, point):
    """Whether the claims differ from slow differences by more than those can be wrong."""
    pair, inputs = bind(pair, point), inputs_of(point)
    cotangent = reference.cotangents(pair[0](*inputs.values()))
    claimed = claims(pair, inputs, cotangent)
    truth = reference.gradients(pair[0], inputs, cotangent)
    return not all(_agree(claimed[name], truth[name]) for name in truth)


def _agree(claimed, truth):
    if claimed is None or np.shape(claimed) != truth.shape:
        return False
    rounding = np.finfo(claimed.dtype).eps
    size = np.max(np.abs(truth), initial=0)
    return bool(np.all(np.abs(claimed - truth) <= max(1e-8, 4 * rounding) * size))


def leaves_the_bracket(pair, point):
    """Whether the claim along some direction is outside of the one-sided slopes, or not finite."""
    pair, inputs = bind(pair, point), inputs_of(point)
    cotangent = reference.cotangents(pair[0](*inputs.values()))
    with np.errstate(invalid="ignore"):
        claimed = claims(pair, inputs, cotangent)
    return any(
        _is_outside(pair[0], inputs, direction, cotangent, claimed)
        for direction in reference.directions(inputs)
    )


def _is_outside(forward, inputs, direction, cotangent, claimed):
    slopes = reference.one_sided(forward, inputs, direction, cotangent)
    with np.errstate(invalid="ignore"):
        claim = sum(np.sum(np.real(np.conj(v) * claimed[name])) for name, v in direction.items())
    low, high = min(slopes), max(slopes)
    if not np.isfinite(low + high):
        return not np.isfinite(claim)
    room = 1e-2 * max(1.0, abs(low), abs(high))
    return not low - room <= claim <= high + room


def is_wrong(twin, pair, point):
    if twin.symptom is not None:
        return twin.symptom(bind(pair, point), inputs_of(point))
    return (departs_from_reference if twin.smooth_at_bug else leaves_the_bracket)(pair, point)


def test_ids_are_unique():
    ids = [item.id for item in (*TWINS, *ALARMS)]
    assert len(ids) == len(set(ids))


def test_every_shipped_bug_has_a_public_report():
    assert all("#" in twin.source for twin in SHIPPED)


@each_twin
def test_the_expected_diagnosis_exists(twin):
    assert twin.diagnosis
    assert set(twin.diagnosis) <= set(DIAGNOSES)


@each_twin
def test_the_right_twin_agrees_with_slow_differences(twin):
    assert not departs_from_reference(twin.right(), twin.generic_point())


@each_twin
def test_the_right_twin_is_right_at_the_bug(twin):
    assert not is_wrong(twin, twin.right(), twin.bug_point())


@each_twin
def test_the_wrong_twin_is_wrong_at_the_bug(twin):
    assert is_wrong(twin, twin.wrong(), twin.bug_point())


@each_alarm
def test_code_that_was_accused_is_right(alarm):
    pair = alarm.forward, alarm.backward
    for point in alarm.points():
        assert not leaves_the_bracket(pair, point)
    assert not departs_from_reference(pair, alarm.points()[0])
