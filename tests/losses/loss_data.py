"""Predictions and labels that fit each loss."""

import numpy as np


def predictions_for(loss, rng, shape=(5, 3)):
    """Generic predictions of the kind a loss asks for, away from every border."""
    if loss.predictions == "probabilities":
        return rng.uniform(0.05, 0.95, shape)
    return rng.normal(size=shape) * 2


def labels_for(loss, rng, shape=(5, 3)):
    """Labels of the kind a loss asks for, for predictions of this shape."""
    if loss.labels == "real":
        return rng.normal(size=shape) * 2
    if loss.labels == "binary":
        return rng.integers(0, 2, shape).astype(float)
    classes = rng.integers(0, shape[-1], shape[:-1])
    return classes if loss.labels == "classes" else np.eye(shape[-1])[classes]
