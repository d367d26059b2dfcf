"""Whole networks drawn from anybody's catalogue of layers.

Nothing here knows a layer: a catalogue says how to build one between two widths, and every
composition of what it holds is worth a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from gradcheck.errors import InvalidArgument
from gradcheck.strategies.case import GENE_CODES, Genome
from gradcheck.strategies.domains import codebook, interval
from gradcheck.strategies.recipes import Array, coded_array
from gradcheck.subject import Inputs, LayerCall

Plan = tuple[tuple[str, int, int], ...]
Parameters = dict[str, Array]

WIDTHS = 5
"""Widths are drawn from 1 to this: a transposed weight shows, and a check takes milliseconds."""

PROBABILITY_HEADS = {"binary": "sigmoid", "one_hot": "softmax", "classes": "softmax"}
"""What must stand before a loss of probabilities: kind of labels to catalogue name."""

WEIGHTS = (-2.0, 2.0)
"""Domain of inputs and parameters: generic networks of depth 4 are still far from saturation."""

REGIMES = ("grid", "generic", "generic", "generic", "sparse", "ties", "generic", "grid")
"""Half generic points, half exact zeros and ties, at which activations have their kinks."""


LABELS = 101
"""Position of the labels among the arrays: no network has as many parameters."""


@dataclass(frozen=True)
class Loss:
    """A loss with its labels: what stands behind the last layer."""

    loss: Any
    labels: Array

    @property
    def name(self) -> str:
        return _name(self.loss)

    def value(self, inputs: Inputs) -> Any:
        return self.loss.cost(inputs["predictions"], self.labels)

    def vjp(self, inputs: Inputs, cotangent: Any) -> Parameters:
        return {"predictions": cotangent * self.loss.gradient(inputs["predictions"], self.labels)}


@dataclass(frozen=True)
class Layer:
    """One layer as a function of "x" and its parameters."""

    layer: Any
    name: str

    def value(self, inputs: Inputs) -> Any:
        return self.layer.forward(_parameters(inputs), inputs["x"])[0]

    def vjp(self, inputs: Inputs, cotangent: Any) -> Parameters:
        params = _parameters(inputs)
        _, residuals = self.layer.forward(params, inputs["x"])
        params_bar, x_bar = self.layer.backward(params, residuals, cotangent)
        return {"x": x_bar, **params_bar}


def _parameters(inputs: Inputs) -> Parameters:
    return {name: array for name, array in inputs.items() if name != "x"}


def _name(thing: Any) -> str:
    return str(getattr(thing, "name", None) or type(thing).__name__)


@dataclass(frozen=True)
class Network:
    """A drawn network at a drawn point: a Subject that shows its layers, with its ``inputs``.

    Attributes
    ----------
    catalogue, losses : mapping
        What it was drawn from.
    plan : tuple of (str, int, int)
        Name, input width and output width of every layer.
    loss : str
        Name of the loss, or ``""`` when the value is the output of the last layer.
    batch : int
        Examples in the input.
    recipe : mapping
        Keywords of `coded_array` that all arrays have in common.

    The ``repr`` rebuilds it where ``catalogue`` and ``losses`` are defined.
    """

    catalogue: Mapping[str, Any] = field(repr=False)
    losses: Mapping[str, Any] = field(repr=False)
    plan: Plan
    loss: str = ""
    batch: int = 1
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        recipe = dict(self.recipe)
        return (
            f"Network(catalogue, losses, {self.plan!r}, loss={self.loss!r}, batch={self.batch}, "
            f"recipe={recipe!r})"
        )

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002
        # Hypothesis would print the whole catalogue.
        printer.text(repr(self))

    @property
    def name(self) -> str:
        widths = [str(self.plan[0][1]), *(f"{name} {out}" for name, _, out in self.plan)]
        return " → ".join([*widths, self.loss] if self.loss else widths)

    @cached_property
    def built(self) -> tuple[Any, ...]:
        """The layers themselves, first to last."""
        return tuple(_build(self.catalogue[name], *widths) for name, *widths in self.plan)

    @cached_property
    def inputs(self) -> dict[str, Array]:
        """The point: "x", and "layers[i].name" for every parameter."""
        shapes = {"x": (self.batch, self.plan[0][1])}
        for i, layer in enumerate(self.built):
            named = getattr(layer, "parameter_shapes", {})
            shapes |= {f"layers[{i}].{name}": tuple(shape) for name, shape in named.items()}
        return {
            name: self._array(position, shape)
            for position, (name, shape) in enumerate(shapes.items())
        }

    @cached_property
    def labels(self) -> Array | None:
        """Labels that fit the loss."""
        if not self.loss:
            return None
        kind = self.losses[self.loss].labels
        shape: tuple[int, ...] = (self.batch, self.plan[-1][2])
        if kind == "classes":
            return self._array(LABELS, shape[:-1], dtype="int64", domain=(0, shape[-1] - 1))
        if kind == "binary":
            return self._array(LABELS, shape, dtype="int64", domain=(0, 1)).astype(float)
        return self._array(LABELS, shape, domain="one_hot" if kind == "one_hot" else WEIGHTS)

    def _array(self, position: int, shape: tuple[int, ...], **further: Any) -> Array:
        codes = self.recipe.get("codes", b"\0")
        turned = codes[position % len(codes) :] + codes[: position % len(codes)]
        seed = self.recipe.get("seed", 0) + position
        keywords = {"domain": WEIGHTS, **self.recipe, "codes": turned, "seed": seed, **further}
        return coded_array(shape, **keywords)

    @property
    def has_kink(self) -> bool:
        """Whether some part says that it has one."""
        parts = [*self.built, *([self.losses[self.loss]] if self.loss else [])]
        return any(getattr(part, "has_kink", False) for part in parts)

    def value(self, inputs: Inputs) -> Any:
        output = self._forward(inputs)[-1]
        return output if not self.loss else self._behind().value({"predictions": output})

    def vjp(self, inputs: Inputs, cotangent: Any) -> Parameters:
        claimed: Parameters = {}
        for call, bars in self._backward(inputs, cotangent):
            # The last to arrive is the gradient by the input of the network.
            claimed |= {key if key == "x" else f"{call.name}.{key}": b for key, b in bars.items()}
        return {name: claimed[name] for name in inputs}

    def layers(self, inputs: Inputs, cotangent: Any) -> list[LayerCall]:
        """Every layer, first to last, and the loss, as called at these inputs."""
        return [call for call, _ in self._backward(inputs, cotangent)][::-1]

    def smaller(self) -> Iterator[Network]:
        """Networks with fewer or narrower layers, fewer examples, simpler numbers."""
        count = len(self.plan)
        for length in (1, count // 2, count - 1):
            for start in range(count - length + 1) if 0 < length < count else ():
                kept = [(name, out) for name, _, out in self.plan[start : start + length]]
                yield self._replanned(kept, self.plan[start][1])
        if self.loss:
            yield replace(self, loss="")
        for width in (1, 2):
            narrow = [(name, min(out, width)) for name, _, out in self.plan]
            if any(max(a, b) > width for _, a, b in self.plan):
                yield self._replanned(narrow, min(self.plan[0][1], width))
        yield from (replace(self, batch=n) for n in (1, 2, self.batch - 1) if 0 < n < self.batch)
        yield from (replace(self, recipe=recipe) for recipe in _simpler_recipes(self.recipe))

    def _replanned(self, chosen: Sequence[tuple[str, int]], first: int) -> Network:
        return replace(self, plan=_joined(self.catalogue, chosen, first))

    def _behind(self) -> Loss:
        assert self.labels is not None
        return Loss(self.losses[self.loss], self.labels)

    def _own(self, inputs: Inputs, position: int) -> Parameters:
        start = f"layers[{position}]."
        return {
            name.removeprefix(start): array
            for name, array in inputs.items()
            if name.startswith(start)
        }

    def _forward(self, inputs: Inputs) -> list[Array]:
        """The input and the output of every layer."""
        outputs = [np.asarray(inputs["x"])]
        for i, layer in enumerate(self.built):
            outputs.append(layer.forward(self._own(inputs, i), outputs[-1])[0])
        return outputs

    def _backward(self, inputs: Inputs, cotangent: Any) -> list[tuple[LayerCall, Parameters]]:
        """Every part, last to first, as called, with the gradients it claims."""
        outputs = self._forward(inputs)
        calls: list[tuple[LayerCall, Parameters]] = []
        if self.loss:
            behind, point = self._behind(), {"predictions": outputs[-1]}
            bars = behind.vjp(point, cotangent)
            calls.append((LayerCall("loss", behind, point, cotangent), bars))
            cotangent = bars["predictions"]
        for i in reversed(range(len(self.built))):
            part = Layer(self.built[i], self.plan[i][0])
            arrived = {"x": outputs[i], **self._own(inputs, i)}
            bars = part.vjp(arrived, cotangent)
            calls.append((LayerCall(f"layers[{i}]", part, arrived, cotangent), bars))
            cotangent = bars["x"]
        return calls


def _simpler_recipes(recipe: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for codes in (b"\0", b"\1", b"\1\2", b"\1\2\5"):
        if len(codes) < len(recipe["codes"]) or codes < recipe["codes"]:
            yield {**recipe, "codes": codes}
    if recipe["seed"]:
        yield {**recipe, "seed": 0}
    if "continuous" in recipe:
        yield {key: value for key, value in recipe.items() if key != "continuous"}


def _build(entry: Any, in_width: int, out_width: int) -> Any:
    return getattr(entry, "build", entry)(in_width, out_width)


def networks(
    catalogue: Mapping[str, Any],
    losses: Mapping[str, Any] | None = None,
    *,
    layers: Iterable[str] | None = None,
    depth: tuple[int, int] = (1, 4),
    width: tuple[int, int] = (1, WIDTHS),
    batch: tuple[int, int] = (1, 5),
    probability_heads: Mapping[str, str] = PROBABILITY_HEADS,
) -> SearchStrategy[Network]:
    """Draw whole networks: depth, widths, layers, parameters, batch, loss and labels.

    Parameters
    ----------
    catalogue : mapping of str to builder
        A builder is ``build(in_width, out_width) -> layer``, or has it as a method; where it has a
        true ``preserves_width``, both widths are equal. A layer has ``parameter_shapes``,
        ``forward(params, x) -> (y, residuals)`` and
        ``backward(params, residuals, y_bar) -> (params_bar, x_bar)``.
    losses : mapping of str to loss, optional
        A loss has ``cost(predictions, labels)``, ``gradient(predictions, labels)``, ``labels``
        ("real", "binary", "one_hot" or "classes") and ``predictions`` ("real", "logits" or
        "probabilities"). Without losses the value is the output of the network.
    layers : iterable of str, optional
        Names to draw from; by default the whole catalogue.
    depth, width, batch : (int, int)
        Smallest and largest.
    probability_heads : mapping of str to str
        Kind of labels to the layer that stands before a loss of probabilities; such losses are
        left out where the catalogue lacks it.

    Returns
    -------
    SearchStrategy of Network

    Raises
    ------
    InvalidArgument
        For an empty catalogue, a name that is not in it, or impossible bounds.

    Examples
    --------
    >>> from models import CATALOGUE
    >>> from losses import LOSSES
    >>> from hypothesis import find
    >>> find(networks(CATALOGUE, LOSSES), lambda network: len(network.plan) > 1).name
    '1 → dense 1 → dense 1 → mean_squared_error'
    """
    names = tuple(layers or catalogue)
    _require_known(names, catalogue, losses or {})
    for label, (low, high) in {"depth": depth, "width": width, "batch": batch}.items():
        if not 1 <= low <= high:
            raise InvalidArgument(
                f"{label}: got ({low}, {high}), expected 1 <= smallest <= largest. Do: correct it."
            )
    heads = {
        loss: _head(one, probability_heads)
        for loss, one in (losses or {}).items()
        if _head(one, probability_heads) in ("", *catalogue)
    }
    return _networks(catalogue, losses or {}, names, heads, (depth, width, batch))


def _head(loss: Any, probability_heads: Mapping[str, str]) -> str:
    """The layer a loss must stand behind, or ``""`` for any."""
    if getattr(loss, "predictions", "real") != "probabilities":
        return ""
    return probability_heads.get(loss.labels, "none")


def _require_known(
    names: tuple[str, ...], catalogue: Mapping[str, Any], losses: Mapping[str, Any]
) -> None:
    unknown = [name for name in names if name not in catalogue]
    if unknown or not names:
        raise InvalidArgument(
            f"layers: got {unknown[0] if unknown else 'none'!r}, expected some of "
            f"{', '.join(catalogue) or 'a catalogue of layers'}. Do: correct it."
        )
    for name, loss in losses.items():
        if getattr(loss, "labels", None) not in ("real", "binary", "one_hot", "classes"):
            raise InvalidArgument(
                f"losses: {name} has labels={getattr(loss, 'labels', None)!r}, expected 'real', "
                "'binary', 'one_hot' or 'classes'. Do: say which labels it takes."
            )


Bounds = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@st.composite
def _networks(
    draw: DrawFn,
    catalogue: Mapping[str, Any],
    losses: Mapping[str, Any],
    names: tuple[str, ...],
    heads: Mapping[str, str],
    bounds: Bounds,
) -> Network:
    depth, width, batch = bounds
    length = 6 + 2 * depth[1] + 1 + GENE_CODES
    genome = Genome(draw(st.binary(min_size=length, max_size=length)))
    count, examples, first = (_between(genome, limits) for limits in (depth, batch, width))
    loss = list(heads)[genome.below(len(heads))] if heads else ""
    regime = REGIMES[genome.below(len(REGIMES))]
    seed = genome.below(256)
    chosen = [(names[genome.below(len(names))], _between(genome, width)) for _ in range(depth[1])]
    codes = genome.codes()
    if loss and heads[loss]:
        chosen[count - 1] = (heads[loss], first)
    plan = _joined(catalogue, chosen[:count], first)
    table = codebook(interval(WEIGHTS), np.dtype(float).str).tables[regime]
    recipe: dict[str, Any] = {"seed": seed, "codes": codes.translate(table)}
    if regime == "generic":
        recipe["continuous"] = True
    return Network(catalogue, losses, plan, loss, examples, recipe)


def _between(genome: Genome, limits: tuple[int, int]) -> int:
    return limits[0] + genome.below(limits[1] - limits[0] + 1)


def _joined(catalogue: Mapping[str, Any], chosen: Sequence[tuple[str, int]], first: int) -> Plan:
    """Layers whose widths fit each other."""
    plan = []
    arriving = first
    for name, width in chosen:
        leaving = arriving if getattr(catalogue[name], "preserves_width", False) else width
        plan.append((name, arriving, leaving))
        arriving = leaving
    return tuple(plan)
