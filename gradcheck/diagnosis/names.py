"""The causes a diagnosis can name: stable kebab-case names, each with its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DIAGNOSES: Mapping[str, str] = MappingProxyType(
    {
        # One number between claim and estimate.
        "sign-flipped": "the claim is minus the derivative",
        "constant-factor": "the claim is a constant times the derivative: 2, 1/2, an axis length",
        "accumulated-twice": "the gradient is added twice, or to a buffer not cleared",
        # One number per entry between claim and estimate.
        "wrong-factor": "every entry lacks a factor, or has one too many: an input, a norm",
        "derivative-at-output": "the activation's derivative is taken at its output, not its input",
        # The right numbers in the wrong places.
        "transposed": "the axes of the claim are permuted",
        "misaligned": "the entries of the claim are shifted, flipped or reordered along an axis",
        "swapped-gradients": "the gradients of two inputs have changed places",
        "broadcast-not-summed": "the gradient is not summed over a broadcast axis",
        "assigned-not-added": "contributions overwrite each other, where they must add",
        # Something is not there.
        "missing-term": "a term is missing, or one is there that should not be",
        "missing-recurrence": "the gradient of a later step is not passed back to the earlier ones",
        "missing-gradient": "zero or None where the function depends on the input",
        "jacobian-diagonal": "only the diagonal of a Jacobian is applied",
        # The cotangent.
        "ignores-cotangent": "the claim does not depend on the upstream gradient",
        "one-cotangent-for-all": "one element of the upstream gradient is used for all of them",
        "conjugate-missing": "a complex conjugate is missing",
        # Right for some entries, wrong for others.
        "wrong-slice": "wrong rows, columns, borders or every k-th entry only",
        "wrong-at-zero": "finite, and wrong exactly where an input is zero",
        "wrong-at-ties": "wrong exactly where entries are tied",
        "wrong-for-negative": "wrong exactly where an input is negative",
        "wrong-for-positive": "wrong exactly where an input is positive",
        "wrong-for-large": "wrong exactly where an input is large: cancellation",
        "wrong-for-small": "wrong exactly where an input is small: a wide guard",
        "wrong-for-option": "wrong for some values of an option: the backward ignores it",
        "ignores-mask": "not zero where a mask, a clip or a branch makes it so",
        "inverted-mask": "the gradient goes to exactly the entries that should have none",
        # Not finite where the function is.
        "singular-at-zero": "0/0, 0*inf, 0*log 0: not finite where an input is zero",
        "singular-at-ties": "1/(a - b): not finite where inputs, or rows, are equal",
        "singular-at-infinity": "inf - inf: not finite where an input is infinite",
        "overflow": "not finite where an input is large: exp overflows",
        # Arithmetic.
        "low-precision": "the claim is rounded to fewer digits than its dtype holds",
        "integer-arithmetic": "the claim is truncated: integers where floats are needed",
        # Behaviour, from exact relations.
        "stale-cache": "the claim belongs to an earlier call",
        "mutates-input": "the forward or the backward writes into its arguments",
        "shares-memory": "the returned gradient is a view of an argument",
        "non-deterministic": "the same call gives different answers",
        "layout-dependent": "the claim depends on the memory layout of its arguments",
        "wrong-shape": "the gradient has not the shape of its input",
    }
)
