"""Directions: random, scaled to the coordinates they move."""

import numpy as np
import pytest

from gradcheck.directions import LARGE, along, coordinate_scales, direction, gaussian


def test_each_coordinate_moves_by_its_own_size():
    scales = coordinate_scales(np.array([1e8, 1e-8, 0.0]))
    assert scales[0] == 1e8
    assert 0 < scales[1] == scales[2] < 1e8


def test_zeros_move_by_one_and_infinities_not_at_all():
    np.testing.assert_array_equal(coordinate_scales(np.zeros(3)), np.ones(3))
    scales = coordinate_scales(np.array([np.inf, -np.inf, 2.0]))
    assert scales[:2].tolist() == [0.0, 0.0]
    assert scales[2] == 2.0


def test_numbers_too_small_to_step_by_are_taken_for_zeros():
    np.testing.assert_array_equal(coordinate_scales(np.array([5e-324, 1e-308])), np.ones(2))


@pytest.mark.parametrize("factor", [1e-150, 1e-12, 1e12, 1e150])
def test_scales_follow_a_change_of_units(factor):
    x = np.array([0.3, -2.0, 0.0, 7.0])
    np.testing.assert_allclose(coordinate_scales(factor * x), factor * coordinate_scales(x))


@pytest.mark.parametrize("size", [100, 2 * LARGE])
def test_directions_are_gaussian(size):
    generator = np.random.default_rng(0)
    drawn = np.concatenate([gaussian(generator, np.zeros(size)) for _ in range(200_000 // size)])
    moments = [np.mean(drawn), np.mean(drawn**2), np.mean(drawn**3), np.mean(drawn**4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.05)
    assert np.unique(drawn[:2000]).size > 1000


def test_complex_arrays_get_complex_directions():
    drawn = direction(np.random.default_rng(0), np.ones(50) * 1j)
    assert np.ptp(drawn.real) > 0 < np.ptp(drawn.imag)


def test_the_generator_alone_decides():
    first, second = (direction(np.random.default_rng(7), np.ones(9)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_one_coordinate_moves_alone():
    moved = along(np.zeros((2, 3)), 4, 1.0)
    assert np.flatnonzero(moved).tolist() == [4]
    assert along(np.zeros(2, complex), 1, 1.0, "imag")[1].real == 0.0
