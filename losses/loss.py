"""What every loss is: the loss of one example, their mean, and the gradient of the mean."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
LabelKind = Literal["real", "binary", "one_hot", "classes"]
PredictionKind = Literal["real", "probabilities", "logits"]


class Loss(ABC):
    """Loss of one example, cost of a data set, and gradient of the cost.

    Predictions have shape ``(..., *event)``: the last `event_axes` axes together are the
    prediction for one example, and all axes before them count examples. With ``event_axes = 0``
    every entry is an example of its own, so an ``(n, d)`` array holds ``n * d`` of them and the
    cost is the mean over all entries; with ``event_axes = 1`` an example is a row of class scores.

    A subclass gives `per_example` and `slope`, computed in the dtype of the predictions. The losses
    hold for complex predictions too (as their analytic continuation), so that a complex step can be
    taken through them; slopes are claimed at real ones.

    Attributes
    ----------
    name : str
        Key in ``LOSSES``.
    labels : {"real", "binary", "one_hot", "classes"}
        "real": any numbers, shape of the predictions. "binary": 0 or 1 (or between), same shape.
        "one_hot": rows that sum to 1, same shape. "classes": integers, without the last axis.
    predictions : {"real", "probabilities", "logits"}
        "real" and "logits": any numbers. "probabilities": in [0, 1].
    has_kink : bool
        Whether the one-sided slopes differ somewhere.
    event_axes : int
        How many trailing axes of the predictions make one example.
    """

    name: ClassVar[str]
    labels: ClassVar[LabelKind]
    predictions: ClassVar[PredictionKind]
    has_kink: ClassVar[bool] = False
    event_axes: ClassVar[int] = 0

    @abstractmethod
    def per_example(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        """Loss of each example, shape ``predictions.shape`` without the event axes."""

    @abstractmethod
    def slope(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        """Derivative of each example's loss by its own prediction, shape of the predictions."""

    def cost(self, predictions: ArrayLike, labels: ArrayLike) -> Any:
        """Mean loss over all examples, a scalar in the dtype of the predictions."""
        return self.per_example(predictions, labels).mean()

    def gradient(self, predictions: ArrayLike, labels: ArrayLike) -> Array:
        """Gradient of the cost by the predictions: `slope` over the number of examples.

        The cost is a mean, so each example's slope is divided by how many there are.
        """
        slope = self.slope(predictions, labels)
        return slope / self.examples(slope.shape)

    def examples(self, shape: tuple[int, ...]) -> int:
        """Number of examples in predictions of this shape."""
        return math.prod(shape[: len(shape) - self.event_axes])

    def subject(self, labels: ArrayLike) -> LossSubject:
        """The cost as a function of the array named "predictions", with its claimed gradient."""
        return LossSubject(self, labels)


@dataclass(frozen=True)
class LossSubject:
    """The cost at fixed labels as a differentiable function of ``{"predictions": array}``."""

    loss: Loss
    labels: ArrayLike

    @property
    def name(self) -> str:
        return self.loss.name

    def value(self, inputs: Mapping[str, Array]) -> Any:
        return self.loss.cost(inputs["predictions"], self.labels)

    def vjp(self, inputs: Mapping[str, Array], cotangent: Any) -> dict[str, Array]:
        return {"predictions": cotangent * self.loss.gradient(inputs["predictions"], self.labels)}
