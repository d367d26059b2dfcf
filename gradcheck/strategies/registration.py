"""What Hypothesis runs when it is imported, in every project where gradcheck is installed."""

from __future__ import annotations

from typing import Any, get_args

from gradcheck.strategies.shaped import Shaped


def register() -> None:
    """Make ``st.from_type(Shaped[Literal["n d"]])`` work; imports neither NumPy nor strategies."""
    from hypothesis.strategies import register_type_strategy

    register_type_strategy(Shaped, _shaped)


def _shaped(annotation: Any) -> Any:
    from gradcheck.strategies.arrays import array

    (axes,) = get_args(annotation) or ("",)
    (shape,) = get_args(axes) or ("",)
    return array(shape)
