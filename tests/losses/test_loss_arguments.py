"""What a loss refuses, each with what was got, what was expected and what to do."""

import numpy as np
import pytest

from losses import L1, L2, LOSSES, Huber

SQUARED = "mean_squared_error"
BINARY = "binary_cross_entropy"
BINARY_LOGITS = "binary_cross_entropy_on_logits"
DENSE = "categorical_cross_entropy"
DENSE_LOGITS = "softmax_cross_entropy"
SPARSE = "sparse_categorical_cross_entropy"
SPARSE_LOGITS = "sparse_softmax_cross_entropy"

REFUSED = {
    "a column against a row": (SQUARED, np.ones((3, 1)), np.ones(3), r"got shape \(3,\)"),
    "too few labels": ("mean_absolute_error", np.ones(3), np.ones(2), r"expected \(3,\)"),
    "a scalar label for many": ("huber", np.ones(3), 1.0, r"got shape \(\)"),
    "no examples": (SQUARED, np.ones(0), np.ones(0), "skip empty batches"),
    "no rows": (DENSE_LOGITS, np.ones((0, 3)), np.ones((0, 3)), "skip empty batches"),
    "no classes": (SPARSE_LOGITS, np.ones((3, 0)), np.ones(3, int), "skip empty batches"),
    "object predictions": (SQUARED, np.array([None, 1]), np.ones(2), "got dtype object"),
    "string predictions": (SQUARED, ["a", "b"], np.ones(2), "expected real numbers"),
    "string labels": (SQUARED, np.ones(2), ["a", "b"], "expected real numbers"),
    "complex labels": (SQUARED, np.ones(1), np.array([1j]), "got dtype complex128"),
    "binary label two": (BINARY, [0.5], [2], "encode the two classes as 0 and 1"),
    "binary label minus one": (BINARY_LOGITS, [0.5], [-1], "got -1"),
    "binary label nan": (BINARY_LOGITS, [0.5], [np.nan], "got nan"),
    "probability above one": (BINARY, [1.5], [1], "got 1.5, expected probabilities"),
    "probability below zero": (BINARY, [-0.1], [1], "use the loss on logits"),
    "logits for probabilities": (DENSE, [[3.0, -3.0]], [[1, 0]], "apply a sigmoid or softmax"),
    "sparse logits for probabilities": (SPARSE, [[3.0, -3.0]], [0], "apply a sigmoid or softmax"),
    "a row that sums to two": (DENSE, [[0.5, 0.5]], [[1, 1]], "sums to 2.0, expected 1"),
    "a row that sums to zero": (DENSE_LOGITS, [[0.5, 0.5]], [[0, 0]], "sums to 0.0"),
    "a negative label probability": (DENSE_LOGITS, [[0.5, 0.5]], [[2, -1]], "got 2"),
    "classes for rows": (DENSE_LOGITS, np.ones((2, 3)), np.array([0, 1]), r"expected \(2, 3\)"),
    "a scalar for a row": (DENSE_LOGITS, 1.0, 1.0, "along the last axis"),
    "rows for classes": (SPARSE_LOGITS, np.ones((2, 3)), np.eye(3)[:2], "got dtype float64"),
    "integer rows for classes": (SPARSE, [[0.5, 0.5]], [[1, 0]], r"got shape \(1, 2\)"),
    "float classes": (SPARSE, [[0.5, 0.5]], [1.0], "expected integer classes"),
    "boolean classes": (SPARSE, [[0.5, 0.5]], [True], "expected integer classes"),
    "a class too many": (SPARSE_LOGITS, np.ones((1, 3)), [3], "got class 3, expected 0 to 2"),
    "a negative class": (SPARSE, [[0.5, 0.5]], [-1], "got class -1"),
}


@pytest.mark.parametrize("method", ["per_example", "slope", "cost", "gradient"])
@pytest.mark.parametrize(
    ("name", "predictions", "labels", "message"), REFUSED.values(), ids=REFUSED
)
def test_unusable_arguments_are_refused_with_a_reason(name, predictions, labels, message, method):
    with pytest.raises(ValueError, match=message):
        getattr(LOSSES[name], method)(predictions, labels)


@pytest.mark.parametrize("delta", [0, -1.0, float("nan"), float("inf")])
def test_huber_needs_a_positive_delta(delta):
    with pytest.raises(ValueError, match="delta: got"):
        Huber(delta)


@pytest.mark.parametrize("penalty", [L1, L2])
@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_a_penalty_never_rewards(penalty, strength):
    with pytest.raises(ValueError, match="strength: got"):
        penalty(strength)


@pytest.mark.parametrize("labels", [[1, 0], [True, False], np.array([1, 0], np.int8)])
def test_whole_and_boolean_labels_are_numbers(labels):
    assert LOSSES[BINARY].cost([0.5, 0.5], labels) == pytest.approx(np.log(2))


def test_whole_predictions_are_numbers():
    assert LOSSES[SQUARED].gradient([1, 3], [0, 0]).tolist() == [1.0, 3.0]


def test_label_rows_rounded_to_half_precision_are_accepted():
    labels = np.array([[0.1, 0.2, 0.7]], np.float16)
    assert np.isfinite(LOSSES[DENSE_LOGITS].cost(np.ones((1, 3)), labels))


@pytest.mark.parametrize(("p", "y", "slope"), [(1 + 1e-6, 1, -1), (-1e-6, 0, 1)])
def test_a_probability_outside_by_rounding_is_one_at_the_border(p, y, slope):
    assert LOSSES[BINARY].cost([p], [y]) == pytest.approx(0, abs=1e-5)
    assert LOSSES[BINARY].gradient([p], [y]) == pytest.approx(slope, rel=1e-5)
    assert LOSSES[DENSE].cost([[1 + 1e-6, -1e-6]], [[1, 0]]) == pytest.approx(0, abs=1e-5)
