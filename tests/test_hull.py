"""Claims among the gradients around a kink."""

import numpy as np
import pytest

from gradcheck.hull import Membership, locate

TIE = np.array([[1.0, 0.0], [0.0, 1.0]] * 18)


@pytest.mark.parametrize(
    ("claim", "membership"),
    [
        ([1.0, 0.0], Membership.INSIDE),
        ([0.5, 0.5], Membership.INSIDE),
        ([0.2, 0.8], Membership.INSIDE),
        ([1.0, 1.0], Membership.OUTSIDE),
        ([0.0, 0.0], Membership.OUTSIDE),
        ([0.5, 0.6], Membership.OUTSIDE),
    ],
)
def test_a_tie_of_two(claim, membership):
    assert locate(np.array(claim), TIE).membership is membership


def test_few_samples_decide_nothing_against_a_claim():
    assert locate(np.array([1.0, 1.0]), TIE[:8]).membership is Membership.UNKNOWN


def test_new_pieces_that_keep_appearing_decide_nothing_against_a_claim():
    samples = np.random.default_rng(0).normal(size=(60, 6))
    assert locate(np.full(6, 0.9), samples).membership is Membership.UNKNOWN


def test_gradients_that_agree_are_smooth():
    samples = np.array([1.0, 2.0]) * (1 + 1e-6 * np.random.default_rng(0).normal(size=(9, 2)))
    assert locate(np.array([5.0, 5.0]), samples).membership is Membership.SMOOTH


def test_one_entry_alone_can_decide():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(60, 3))
    samples[:, 0] = rng.integers(0, 2, 60)
    found = locate(np.array([2.0, 0.0, 0.0]), samples)
    assert found.membership is Membership.OUTSIDE
    assert found.entry == 0


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_membership_has_no_absolute_scale(scale):
    assert locate(scale * np.array([0.5, 0.5]), scale * TIE).membership is Membership.INSIDE
    assert locate(scale * np.array([1.0, 1.0]), scale * TIE).membership is Membership.OUTSIDE


def test_nothing_but_zeros_is_smooth():
    assert locate(np.zeros(2), np.zeros((5, 2))).membership is Membership.SMOOTH
