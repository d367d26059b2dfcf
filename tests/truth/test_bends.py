"""Structure finer than the steps shows in what one-sided quotients differ by; noise is not it."""

from __future__ import annotations

import numpy as np

from gradcheck.oracles import Ray, estimate_slope
from gradcheck.oracles.bends import roughness

STEPS = [2.0**-e for e in range(2, 30, 3)]
LOUD = [1e-15] * len(STEPS)
MOVING = [1.0] * len(STEPS)


def bends(function):
    return [(function(h) + function(-h)) / (2 * h) for h in STEPS]


def test_a_smooth_function_has_no_structure_on_any_rung():
    rough, unsettled = roughness(STEPS, MOVING, bends(lambda h: h**2 + h**4), LOUD)
    assert not any(rough)
    assert not unsettled


def test_a_corner_of_the_slope_bends_the_function_by_its_distance_at_every_longer_step():
    distance = 2.0**-16

    def function(h):
        return max(h - distance, 0.0) ** 2 + h**2

    rough, _ = roughness(STEPS, MOVING, bends(function), LOUD)
    longer = [one for one, h in zip(rough, STEPS, strict=True) if h > 4 * distance]
    shorter = [one for one, h in zip(rough, STEPS, strict=True) if h < distance / 64]
    assert all(distance / 4 < one < 4 * distance for one in longer)
    assert not any(shorter)


def test_noise_is_no_structure_however_much_louder_than_it_was_measured():
    for seed in range(200):
        noise = np.random.default_rng(seed).standard_normal(len(STEPS))
        loud = [1e-6 * one for one in LOUD]
        found = [
            bend + 1e-12 * n / h
            for bend, n, h in zip(bends(lambda h: h**2), noise, STEPS, strict=True)
        ]
        rough, _ = roughness(STEPS, MOVING, found, loud)
        assert not any(rough), seed


def test_the_last_rungs_alone_cannot_tell_structure_from_noise():
    function = bends(lambda h: max(h, 0.0))
    assert roughness(STEPS[:4], MOVING[:4], function[:4], LOUD[:4])[1]
    still = [1.0, 1.0, 0.0, 0.0]
    bend = [function[0], function[1], 0.0, 0.0]
    rough, unsettled = roughness(STEPS[:4], still, bend, LOUD[:4])
    assert not any(rough)
    assert unsettled


def test_quotients_that_overflow_at_fine_steps_are_left_out_of_every_list():
    def steep(a):
        return 1e305 * np.sign(a["x"])  # a jump: over a step of a millionth it overflows

    ray = Ray(steep, {"x": np.zeros(1)}, {"x": np.ones(1)}, {"out": np.ones(1)})
    assert not estimate_slope(ray).error < 1e290
