"""Losses with hand-derived gradients, in NumPy.

Every loss has ``per_example(predictions, labels)``, ``cost`` (the mean over the data set) and
``gradient`` (of the cost, by the predictions). ``LOSSES[name]`` holds one of each, and says which
labels it needs (``.labels``: "real", "binary", "one_hot" or "classes") and what its predictions are
(``.predictions``: "real", "probabilities" or "logits"). The ``repr`` of a loss rebuilds it.
"""

from __future__ import annotations

from .absolute_error import MeanAbsoluteError
from .binary_cross_entropy import BinaryCrossEntropy, BinaryCrossEntropyOnLogits
from .categorical_cross_entropy import CategoricalCrossEntropy, SoftmaxCrossEntropy
from .huber import Huber
from .loss import Loss, LossSubject
from .objective import L1, L2, Objective, Penalty
from .sparse_cross_entropy import SparseCategoricalCrossEntropy, SparseSoftmaxCrossEntropy
from .squared_error import MeanSquaredError

LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        MeanSquaredError(),
        MeanAbsoluteError(),
        Huber(),
        BinaryCrossEntropy(),
        BinaryCrossEntropyOnLogits(),
        CategoricalCrossEntropy(),
        SoftmaxCrossEntropy(),
        SparseCategoricalCrossEntropy(),
        SparseSoftmaxCrossEntropy(),
    )
}

__all__ = [
    "L1",
    "L2",
    "LOSSES",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyOnLogits",
    "CategoricalCrossEntropy",
    "Huber",
    "Loss",
    "LossSubject",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Objective",
    "Penalty",
    "SoftmaxCrossEntropy",
    "SparseCategoricalCrossEntropy",
    "SparseSoftmaxCrossEntropy",
]
