"""Both Jacobians of small cases, against closed forms; nothing large or odd is measured."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.jacobians import MOST_ENTRIES, MOST_OUTPUTS, measured_jacobians
from gradcheck.subject import FunctionSubject

W = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])


def subject(value, vjp, calls=None):
    def counted(inputs):
        if calls is not None:
            calls.append(1)
        return value(inputs)

    return FunctionSubject("f", counted, vjp)


def matrix(calls=None):
    return subject(lambda v: W @ v["x"], lambda v, g: {"x": 2 * W.T @ g}, calls)


def test_a_matrix_is_its_own_jacobian_and_a_doubled_claim_is_twice_it():
    x = np.array([1.0, 0.0, -3.0])
    found = measured_jacobians(matrix(), {"x": x}, W @ x, ["x"])
    np.testing.assert_allclose(found["x"].estimate, W, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(found["x"].claimed, 2 * W)


def test_the_error_covers_what_the_fourth_order_leaves():
    x = np.linspace(-2.0, 3.0, 7)
    wavy = subject(lambda v: np.sin(3 * v["x"]), lambda v, g: {"x": g})
    found = measured_jacobians(wavy, {"x": x}, np.sin(3 * x), ["x"])["x"]
    off = np.abs(found.estimate - np.diag(3 * np.cos(3 * x)))
    assert (off <= found.error + 1e-11).all()


def test_a_kink_is_not_known_and_a_curve_is():
    def larger(v):
        return np.maximum(v["x"], v["y"]) * np.ones(2)

    kinked = subject(larger, lambda v, g: {"x": g.sum(keepdims=True)})
    for other, known in ((1.0, False), (0.0, True)):
        point = {"x": np.array([1.0]), "y": np.array([other])}
        found = measured_jacobians(kinked, point, larger(point), ["x"])["x"]
        assert np.isfinite(found.estimate).all() == known
    curved = subject(lambda v: v["x"] ** 2, lambda v, g: {"x": g})
    found = measured_jacobians(curved, {"x": np.zeros(2)}, np.zeros(2), ["x"])["x"]
    np.testing.assert_allclose(found.estimate, 0.0, atol=1e-12)


def test_several_outputs_are_stacked_in_their_order():
    two = subject(
        lambda v: (v["x"] * 2, v["x"].sum(keepdims=True)),
        lambda v, g: {"x": 2 * g[0] + g[1]},
    )
    output = (np.array([2.0, 4.0]), np.array([3.0]))
    found = measured_jacobians(two, {"x": np.array([1.0, 2.0])}, output, ["x"])["x"]
    np.testing.assert_allclose(found.estimate, [[2, 0], [0, 2], [1, 1]], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(found.claimed, [[2, 0], [0, 2], [1, 1]])


def test_the_calls_are_few_and_known():
    calls = []
    measured_jacobians(matrix(calls), {"x": np.ones(3)}, np.zeros(2), ["x"])
    assert len(calls) == 4 * 3


@pytest.mark.parametrize(
    ("x", "output"),
    [
        (np.ones(MOST_ENTRIES + 1), np.zeros(2)),
        (np.ones(3), np.zeros(MOST_OUTPUTS + 1)),
        (np.ones(3), np.zeros(())),
        (np.ones(3, np.float32), np.zeros(2)),
        (np.ones(3, complex), np.zeros(2)),
        (np.ones(3), np.zeros(2, complex)),
        (np.ones(0), np.zeros(2)),
    ],
    ids=["entries", "outputs", "scalar", "float32", "complex", "complex output", "empty"],
)
def test_what_is_large_or_odd_is_left_out(x, output):
    calls = []
    assert measured_jacobians(matrix(calls), {"x": x}, output, ["x"]) == {}
    assert not calls


def test_a_subject_that_fails_is_left_out():
    def refuse(*_):
        raise ValueError("no")

    broken = subject(lambda v: v["x"], refuse)
    assert measured_jacobians(broken, {"x": np.ones(2)}, np.zeros(2), ["x"]) == {}


def test_inputs_are_not_written_to():
    def writing(v, g):
        v["x"][:] = 7
        return {"x": g}

    x = np.ones(2)
    measured_jacobians(subject(lambda v: v["x"] * 1.0, writing), {"x": x}, np.zeros(2), ["x"])
    np.testing.assert_array_equal(x, np.ones(2))


def test_a_neighbour_outside_of_the_domain_warns_nobody():
    root = subject(lambda v: np.sqrt(v["x"]), lambda v, g: {"x": g})
    found = measured_jacobians(root, {"x": np.array([0.0, 1.0])}, np.array([0.0, 1.0]), ["x"])["x"]
    assert np.isnan(found.estimate[:, 0]).any()
    np.testing.assert_allclose(found.estimate[1, 1], 0.5, rtol=1e-9)
