"""The catalogue: layers by name, with the rule for their widths, for whoever draws networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from .dense import Dense
from .layer import Layer


@dataclass(frozen=True)
class Entry:
    """One kind of layer.

    Attributes
    ----------
    build : callable
        ``build(in_width, out_width) -> layer``. Where `preserves_width`, both must be equal.
    preserves_width : bool
        Whether the output is as wide as the input.
    has_kink : bool
        Whether the one-sided slopes of the layer differ somewhere.
    """

    build: Callable[[int, int], Layer]
    preserves_width: bool
    has_kink: bool


def _activation(make: Callable[[], Layer]) -> Entry:
    def build(in_width: int, out_width: int) -> Layer:
        if in_width != out_width:
            raise ValueError(
                f"{make()}: got widths {in_width} and {out_width}, expected equal ones: an "
                "activation keeps the width"
            )
        return make()

    return Entry(build, preserves_width=True, has_kink=make().has_kink)


CATALOGUE: dict[str, Entry] = {
    "dense": Entry(Dense, preserves_width=False, has_kink=False),
    "identity": _activation(Identity),
    "sigmoid": _activation(Sigmoid),
    "tanh": _activation(Tanh),
    "relu": _activation(ReLU),
    "leaky_relu": _activation(LeakyReLU),
    "elu": _activation(ELU),
    "softplus": _activation(Softplus),
    "gelu": _activation(GELU),
    "softmax": _activation(Softmax),
}
