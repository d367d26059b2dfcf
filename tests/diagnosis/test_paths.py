"""Each pattern between two Jacobians gets its name, and chance patterns get none."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.diagnosis import explain
from gradcheck.result import Jacobian
from tests.diagnosis.cases import case

RNG = np.random.default_rng


def said(claimed, estimate, shape=None, output=None, seed=0):
    """The first cause named for two Jacobians and the gradients that a cotangent makes of them."""
    claimed, estimate = np.asarray(claimed, float), np.asarray(estimate, float)
    rows, columns = estimate.shape
    shape, output = shape or (columns,), output or (rows,)
    generator = RNG(seed)
    first, second = generator.standard_normal((2, rows))
    x = generator.standard_normal(shape)
    made = case(
        {"x": x},
        generator.standard_normal(output),
        first.reshape(output),
        {"x": (claimed.T @ first).reshape(shape)},
        {"x": (estimate.T @ first).reshape(shape)},
        second_cotangent={"out": second.reshape(output)},
        second_claim={"x": (claimed.T @ second).reshape(shape)},
        jacobians={"x": Jacobian(claimed, estimate, np.full(estimate.shape, 1e-12))},
    )
    found = explain(made)
    return found[0].name if found else ""


def generic(rows, columns, seed=1):
    return RNG(seed).standard_normal((rows, columns))


def test_one_weight_for_every_output_entry():
    due = generic(3, 4)
    assert said(np.tile(due.mean(axis=0), (3, 1)), due) == "one-cotangent-for-all"


def test_only_the_diagonal():
    due = generic(4, 4)
    assert said(np.diag(np.diag(due)), due) == "jacobian-diagonal"


def test_only_the_own_step_of_a_sequence():
    due = np.tril(generic(4, 4))
    assert said(np.diag(np.diag(due)), due) == "missing-recurrence"


def test_only_the_first_of_those_that_share_an_entry():
    due = generic(6, 2)
    claimed = due * (np.arange(6) < 2)[:, None]
    assert said(claimed, due, output=(3, 2)) == "broadcast-not-summed"


def test_the_last_of_several_contributions_overwrites_the_others():
    due = np.array([[1.0, 2, 0, 0], [0, 3, 4, 0], [0, 0, 5, 6]])
    claimed = np.array([[1.0, 0, 0, 0], [0, 3, 0, 0], [0, 0, 5, 6]])
    assert said(claimed, due) == "assigned-not-added"


def test_some_contributions_are_missing():
    due = generic(4, 5)
    lost = np.zeros((4, 5), bool)
    lost[[0, 1, 1, 3], [1, 0, 3, 4]] = True
    assert said(np.where(lost, 0, due), due) == "missing-term"


def test_contributions_that_should_not_be():
    due = np.tril(generic(5, 5))
    assert said(due + np.triu(generic(5, 5, 2), 1), due) == "ignores-mask"


def test_a_sum_from_the_wrong_end():
    due = np.tril(np.ones((4, 4)))
    assert said(due.T, due) == "misaligned"
    weighted = due / np.arange(1, 5)[:, None]
    assert said(np.triu(np.ones((4, 4))) / np.arange(1, 5)[:, None], weighted) == "misaligned"


def test_a_matrix_where_its_transpose_is_due():
    due = generic(4, 4)
    assert said(due.T, due) == "transposed"


def test_axes_of_both_ends_permuted():
    due = generic(4, 4)
    turned = due.reshape(2, 2, 2, 2).transpose(1, 0, 3, 2).reshape(4, 4)
    assert said(turned, due, (2, 2), (2, 2)) == "transposed"


def test_right_contributions_in_the_wrong_places():
    kernel = np.array([0.5, -1.0, 2.0])
    due, claimed = np.zeros((4, 6)), np.zeros((4, 6))
    for i in range(4):
        due[i, i : i + 3], claimed[i, i : i + 3] = kernel, kernel[::-1]
    assert said(claimed, due) == "misaligned"


def test_a_path_through_a_single_number():
    due = generic(4, 4)
    assert said(due - np.outer(RNG(5).random(4), RNG(6).random(4)), due) == "missing-term"


def test_what_comes_from_the_borders_of_the_output():
    due = generic(6, 6)
    wrong = due.copy()
    wrong[[0, 5]] = generic(2, 6, 9)
    assert said(wrong, due) == "wrong-slice"


@pytest.mark.parametrize("seed", range(30))
def test_an_unrelated_claim_gets_no_cause(seed):
    assert said(generic(4, 5, 100 + seed), generic(4, 5, 200 + seed), seed=seed) == ""


@pytest.mark.parametrize("seed", range(10))
def test_a_small_unrelated_claim_gets_no_cause(seed):
    assert said(generic(2, 2, 300 + seed), generic(2, 2, 400 + seed), seed=seed) == ""


def test_what_is_unknown_is_not_looked_at():
    due = generic(4, 4)
    unknown = due.copy()
    unknown[1, 2] = np.nan
    made = Jacobian(np.diag(np.diag(due)), unknown, np.zeros((4, 4)))
    x, g = RNG(1).standard_normal((2, 4))
    claimed, truth = {"x": np.diag(due) * g}, {"x": due.T @ g}
    assert explain(case({"x": x}, x, g, claimed, truth, jacobians={"x": made})) == ()
