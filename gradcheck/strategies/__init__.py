"""Strategies for arrays, for the arguments of one function, and for whole networks.

Names are loaded on first use: Hypothesis imports this package to register its types, in every
project where gradcheck is installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.strategies.arrays import array as array
    from gradcheck.strategies.arrays import distinct as distinct
    from gradcheck.strategies.arrays import indices as indices
    from gradcheck.strategies.arrays import labels as labels
    from gradcheck.strategies.arrays import mask as mask
    from gradcheck.strategies.arrays import one_hot as one_hot
    from gradcheck.strategies.arrays import positive as positive
    from gradcheck.strategies.arrays import probabilities as probabilities
    from gradcheck.strategies.arrays import size as size
    from gradcheck.strategies.arrays import spd as spd
    from gradcheck.strategies.arrays import symmetric as symmetric
    from gradcheck.strategies.case import Case as Case
    from gradcheck.strategies.case import cases as cases
    from gradcheck.strategies.network import Network as Network
    from gradcheck.strategies.network import networks as networks
    from gradcheck.strategies.recipes import coded_array as coded_array
    from gradcheck.strategies.shaped import Shaped as Shaped

_HOME = {
    "Case": "case",
    "Network": "network",
    "Shaped": "shaped",
    "array": "arrays",
    "cases": "case",
    "coded_array": "recipes",
    "distinct": "arrays",
    "indices": "arrays",
    "labels": "arrays",
    "mask": "arrays",
    "networks": "network",
    "one_hot": "arrays",
    "positive": "arrays",
    "probabilities": "arrays",
    "size": "arrays",
    "spd": "arrays",
    "symmetric": "arrays",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
