"""What Hypothesis runs when it is imported, in every project where gradcheck is installed.

PYTEST_DONT_REWRITE: pytest's Hypothesis plugin imports Hypothesis at the end of every session.
"""

from __future__ import annotations

import sys
from typing import Any, get_args

SHAPED = "gradcheck.strategies.shaped"


def register() -> None:
    """Make ``st.from_type(Shaped[Literal["n d"]])`` work, once somebody has both.

    Hypothesis calls this when it is imported, and the module of ``Shaped`` when that is: whichever
    comes second finds the other. Registering a type loads a part of Hypothesis that takes
    milliseconds, so a project without ``Shaped`` must not pay for it.
    """
    shaped = sys.modules.get(SHAPED)
    if shaped is not None and "hypothesis" in sys.modules:
        from hypothesis.strategies import register_type_strategy

        register_type_strategy(shaped.Shaped, _shaped)


def _shaped(annotation: Any) -> Any:
    from gradcheck.strategies.arrays import array

    (axes,) = get_args(annotation) or ("",)
    (shape,) = get_args(axes) or ("",)
    return array(shape)
