"""Costs and their gradients with respect to the prediction."""

import numpy as np


def squared_error(predicted, target):
    return np.mean((predicted - target) ** 2)


def squared_error_backward(y_bar, predicted, target):
    difference = 2.0 * (predicted - target) / predicted.size
    return y_bar * difference, -y_bar * difference
