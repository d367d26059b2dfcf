"""Where the error enters a layered model: each layer checked alone, at what really flows there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradcheck.result import CheckResult, Verdict
from gradcheck.subject import Inputs, LayerCall, LayeredSubject

WIRING = "wiring"
"""What is guilty where every layer is right and the model is not."""


def find_guilty_layer(
    subject: LayeredSubject,
    inputs: Inputs,
    cotangent: Any,
    check_layer: Callable[[LayerCall], CheckResult],
) -> str:
    """Name of the layer whose own backward is wrong, last to first.

    An error in one layer spoils the gradients of all layers before it, so the gradients of the
    model do not tell which one it is. Each layer is checked by itself, at the activations and the
    cotangent that flow through it in this call; the first wrong one from the end is guilty.

    Parameters
    ----------
    subject : LayeredSubject
        A model that shows its layers as they are called.
    inputs : mapping of str to array
        The point at which the model's gradient is wrong.
    cotangent : array, tuple or mapping
        In the structure of the model's output.
    check_layer : callable
        ``check_layer(layer_call) -> CheckResult``.

    Returns
    -------
    str
        The layer's name; ``"wiring"`` if every layer is right; ``""`` if nothing can be said: the
        model shows no layers, or some could not be decided and none is wrong.

    Examples
    --------
    >>> class Net:
    ...     def layers(self, inputs, cotangent):
    ...         return [LayerCall(name, None, {}, None) for name in ("dense", "relu")]
    >>> def check(layer):
    ...     right = layer.name == "relu"
    ...     return CheckResult(layer.name, Verdict.CORRECT if right else Verdict.WRONG)
    >>> find_guilty_layer(Net(), {}, None, check)
    'dense'
    """
    calls = list(subject.layers(inputs, cotangent))
    undecided = not calls
    for call in reversed(calls):
        verdict = check_layer(call).verdict
        if verdict is Verdict.WRONG:
            return call.name
        undecided |= verdict is Verdict.INCONCLUSIVE
    return "" if undecided else WIRING
