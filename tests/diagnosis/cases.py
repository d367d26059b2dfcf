"""Cases made by hand: a right gradient with the noise of an estimate, beside a wrong one."""

from __future__ import annotations

import numpy as np

from gradcheck.result import Case, EntryTable
from gradcheck.trees import named_outputs
from tests.corpus.twin import bind, inputs_of

NOISE = 1e-9
"""Relative error of the estimates of a good central difference."""

BOUND = 3e-9
LIMIT = 1e-7


def table(claimed, truth, seed=0):
    """Entries with estimates off by noise, and ``wrong`` as the checker would judge them."""
    precision = float(np.finfo(np.asarray(truth).dtype).eps)
    truth = np.asarray(truth) + np.float64(0)
    scale = np.abs(truth) + np.max(np.abs(truth), initial=0) * 1e-3
    noise = np.random.default_rng(seed).uniform(-NOISE, NOISE, truth.shape)
    with np.errstate(all="ignore"):
        estimate, error = truth + noise * scale, BOUND * scale
    same_shape = claimed is not None and np.shape(claimed) == truth.shape
    shown = np.asarray(claimed) if same_shape else np.full(truth.shape, np.nan)
    limit = max(LIMIT, 4 * precision)
    with np.errstate(all="ignore"):
        wrong = ~(np.abs(shown - estimate) <= error + limit * np.abs(estimate))
    flat = np.arange(truth.size)
    columns = (np.ravel(column) for column in (shown, estimate, error, wrong))
    return EntryTable(truth.shape, flat, *columns)


def case(inputs, output, cotangent, claimed, truth, **more):
    """A case of named arrays; inputs without a truth have no entries."""
    entries = {
        name: table(claimed.get(name), value, seed)
        for seed, (name, value) in enumerate(truth.items())
        if value is not None
    }
    return Case(inputs, named(output), named(cotangent), claimed, entries, **more)


def named(output):
    """Named arrays, whether they were named or not."""
    return output if isinstance(output, dict) else named_outputs(output)


def cotangent_like(output, seed):
    """A generic cotangent in the structure of an output."""
    if isinstance(output, tuple):
        return tuple(cotangent_like(part, seed + i) for i, part in enumerate(output))
    generator = np.random.default_rng(seed)
    drawn = generator.standard_normal(np.shape(output))
    if np.iscomplexobj(output):
        drawn = drawn + 1j * generator.standard_normal(np.shape(output))
    return np.asarray(drawn, dtype=np.asarray(output).dtype)


def claims(pair, inputs, cotangent):
    """Claimed gradients by name, from fresh copies of everything."""
    forward, backward = pair
    copies = [array.copy() for array in inputs.values()]
    forward(*copies)
    copied = (
        tuple(part.copy() for part in cotangent)
        if isinstance(cotangent, tuple)
        else cotangent.copy()
    )
    with np.errstate(all="ignore"):
        returned = backward(copied, *copies)
    return {
        name: None if grad is None else np.asarray(grad)
        for name, grad in zip(inputs, returned, strict=True)
    }


def case_of_pairs(right, wrong, inputs, seed=0, **more):
    """The case of a wrong (forward, backward) whose right twin gives the truth."""
    output = right[0](*[array.copy() for array in inputs.values()])
    first, second = cotangent_like(output, 100 + seed), cotangent_like(output, 200 + seed)
    truth = {
        name: value if inputs[name].dtype.kind in "fc" else None
        for name, value in claims(right, inputs, first).items()
    }
    return case(
        inputs,
        output,
        first,
        claims(wrong, inputs, first),
        truth,
        second_cotangent=named(second),
        second_claim=claims(wrong, inputs, second),
        **more,
    )


def case_of_twin(twin, point=None, seed=0):
    """The case of a corpus twin at its bug point, with its right twin as the truth."""
    point = twin.bug_point() if point is None else point
    return case_of_pairs(
        bind(twin.right(), point), bind(twin.wrong(), point), inputs_of(point), seed
    )
