"""Plot: numbers of a row as inline SVG, in colours that the page's style sheet names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

from gradcheck.report.terminal import printable

Json = dict[str, Any]
Point = tuple[float, float]

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 40
"""Margins in SVG units: room for numbers on the left and below."""
MAX_ROWS, MAX_COLUMNS = 24, 32
"""Cells of a heat map: beyond these nobody can tell one from its neighbour."""
MAX_LABELLED = 8
"""Rows and columns up to which a cell has room for its number."""
SMALLEST, RESOLUTION = 1e-290, 2.0**-53
"""Where the axes of steps and errors end: the numbers and the rounding of float64."""
HEADING, GAP = 66, 28
"""Width of the words above the two parts of a heat map, and the room between the parts."""
SHADES = 8
"""Steps of colour intensity; more cannot be told apart, and each costs bytes."""
DEEPEST = 0.7
"""Opacity of the darkest shade: the number on it must stay legible."""
MOST_TICKS = 5
MOST_CHARACTERS = 8
"""Of a number beside an axis: the margin has room for no more."""
LOG_SPAN = 50.0
"""Ratio of largest to smallest loss beyond which a curve is drawn on a logarithmic axis."""


class Axis(NamedTuple):
    """Where a number lies between two pixels; the numbers are logarithms on a log axis."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    whole: bool = False

    def at(self, value: float) -> float:
        position = math.log10(value) if self.log else value
        # Halves, since the difference of two finite numbers may be infinite.
        share = (position / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> dict[float, str]:
        """Round numbers on the axis, and how they are written."""
        if self.log:
            stride = max(1, math.ceil((self.high - self.low) / 6))
            exponents = range(math.ceil(self.low), math.floor(self.high) + 1, stride)
            return {10.0**exponent: _power(exponent) for exponent in exponents}
        step = _round_step((self.high - self.low) / MOST_TICKS)
        step = max(step, 1.0) if self.whole else step
        if not 0 < step < math.inf:
            return {self.low: f"{self.low:.3g}"}
        counts = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return {count * step: self._label(count * step, step) for count in counts}

    def _label(self, value: float, step: float) -> str:
        """As many digits as tell a tick from the next."""
        decimals = max(0, -math.floor(math.log10(step)))
        largest = max(abs(self.low), abs(self.high))
        if len(f"{largest:.{decimals}f}") <= MOST_CHARACTERS:
            return f"{value:.{decimals}f}"
        return f"{value:.{min(17, max(3, math.floor(math.log10(largest / step)) + 2))}g}"


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20 and so on, or of 0.5, 0.2, 0.1 and so on, that is enough.

    >>> [_round_step(x) for x in (0.03, 1.0, 2.1, 7.0)]
    [0.05, 1.0, 5.0, 10.0]
    """
    if not 0 < least < math.inf:
        return 0.0
    decade = 10.0 ** math.floor(math.log10(least))
    return next((times * decade for times in (1, 2, 5, 10) if times * decade >= least), 0.0)


def _power(exponent: int) -> str:
    return f"10{str(exponent).translate(_RAISED)}"


def step_curve(comparison: Json) -> str:
    """Error of the difference quotient over its step, beside the mismatch it cannot explain.

    The curve falls with the step (truncation) and rises again (rounding); a claim is wrong when
    its own distance from the estimate lies above all that. Empty where there is no ladder.
    """
    estimate = comparison["estimate"]
    value, claimed = _real(estimate["value"]), _real(comparison["claimed"])
    floor = max(abs(value), SMALLEST) * RESOLUTION  # an exact quotient has no place on a log axis
    measured = [
        (_real(step), max(abs(_real(central) - value), floor))
        for step, central, *_ in estimate["rungs"]
        if _real(step) > 0
    ]
    points = [(step, error) for step, error in measured if math.isfinite(error)]
    mismatch = abs(claimed - value)
    if len(points) < 2 or not (math.isfinite(mismatch) and mismatch > 0):
        return ""
    levels = {"mismatch": mismatch, "limit": _real(comparison["limit"])}
    shown = {name: level for name, level in levels.items() if 0 < level < math.inf}
    x = _log_axis([step for step, _ in points], LEFT, WIDTH - RIGHT)
    y = _log_axis([*(error for _, error in points), *shown.values()], HEIGHT - BOTTOM, TOP)
    body = [_frame(x, y, "step", "|difference|")]
    for name, level in shown.items():
        body.append(_level(y.at(level), name))
    body.append(_line([(x.at(step), y.at(error)) for step, error in sorted(points)], dots=True))
    label = f"Step-size curve of {comparison['path']}: error of the difference quotient by step"
    return _svg(WIDTH, HEIGHT, label, body)


def loss_curve(training: Json) -> str:
    """Loss over epochs, with the held-out loss, the loss before training, and where it broke."""
    losses = [_real(loss) for loss in training["losses"]]
    points = _finite(training["at"], losses)
    if len(points) < 2:
        return ""
    held_out = _finite(training["at"], [_real(loss) for loss in training.get("held_out", ())])
    start = _finite([0], [_real(training["initial_loss"])])
    reached = {at for at, _ in points}
    broken = [at for at in training["at"] if at not in reached][:1]
    values = [loss for _, loss in (*start, *points, *held_out)]
    log = min(values) > 0 and max(values) / min(values) > LOG_SPAN
    epochs = [*(epoch for epoch, _ in points), *broken]
    x = _axis(epochs, LEFT, WIDTH - RIGHT)._replace(whole=True)
    y = (_log_axis if log else _axis)(values, HEIGHT - BOTTOM, TOP)
    body = [_frame(x, y, "epoch", "loss")]
    body += [_level(y.at(loss), "before") for _, loss in start]
    body += [_end(x.at(epoch)) for epoch in broken]
    body.append(_line([(x.at(at), y.at(loss)) for at, loss in points], dots=False))
    if len(held_out) > 1:
        body.append(_beside([(x.at(at), y.at(loss)) for at, loss in held_out], "held-out"))
    return _svg(WIDTH, HEIGHT, f"Loss over {training['epochs']} epochs", body)


def _finite(at: Iterable[float], values: Iterable[float]) -> list[Point]:
    return [(x, value) for x, value in zip(at, values, strict=False) if math.isfinite(value)]


def excess_histogram(excesses: Iterable[float]) -> str:
    """How many limits long the worst error of each test is, one bar per decade; 1 is the limit."""
    decades = [_decade(excess) for excess in excesses if not math.isnan(excess)]
    if not decades:
        return ""
    low, high = min(*decades, -2), max(*decades, 1)
    counts = {decade: decades.count(decade) for decade in range(low, high + 1)}
    x = Axis(low - 0.5, high + 1.5, LEFT, WIDTH - RIGHT, log=False)
    y = Axis(0, max(counts.values()), HEIGHT - BOTTOM, TOP + 6, log=False)
    body = [_bar(x, y, decade, count) for decade, count in counts.items() if count]
    body += [_exponent(x.at(decade), decade, low) for decade in range(low, high + 2)]
    body.append(_baseline())
    body.append(f'<path class="limit" d="M{x.at(0):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
    body.append(_text(x.at(0) + 4, TOP + 8, "limit", "small"))
    body.append(_text((LEFT + WIDTH) / 2, HEIGHT - 6, "worst error / limit", "mid"))
    return _svg(WIDTH, HEIGHT, "How close the tests came to their limits", body)


def heat_maps(name: str, table: Json) -> str:
    """Claimed and estimated entries side by side, wrong ones outlined; unmeasured ones blank."""
    rows, columns = _as_matrix(table["shape"])
    if not table["flat"] or not rows or not columns:
        return ""
    top, left = _window(table, rows, columns)
    height, width = min(rows, MAX_ROWS), min(columns, MAX_COLUMNS)
    cells = _cells(table, columns, (top, left, height, width))
    scale = max((abs(v) for c in cells for v in c[2:4] if math.isfinite(v)), default=0.0)
    labelled = height <= MAX_LABELLED and width <= MAX_LABELLED
    unit = 56 if labelled else max(6, min(14, 300 // width))
    tall = 22 if labelled else unit
    second = max(width * unit, HEADING) + GAP
    body = []
    for offset, column, title in ((0, 2, "claimed"), (second, 3, "estimated")):
        body.append(_text(offset, 12, title, "head"))
        body.append(f'<g transform="translate({offset} 20)">')
        body.append(_grid(width, height, unit, tall))
        body += _shaded([(c[0], c[1], c[column]) for c in cells], scale, unit, tall)
        body += _outlined([(c[0], c[1]) for c in cells if c[4]], unit, tall)
        if labelled:
            body += [_cell_text(c[0], c[1], c[column], unit, tall) for c in cells]
        body.append("</g>")
    wide = second + max(width * unit, HEADING) + 2
    drawing = _svg(wide, height * tall + 24, f"Entries of {name}", body)
    return drawing + _cropped(rows, columns, top, left, height, width)


def _as_matrix(shape: Sequence[int]) -> tuple[int, int]:
    columns = shape[-1] if shape else 1
    return math.prod(shape[:-1]), columns


def _window(table: Json, rows: int, columns: int) -> tuple[int, int]:
    """Corner of the part that is shown: around the first wrong entry where all do not fit."""
    wrong = [i for i, bad in zip(table["flat"], table["wrong"], strict=True) if bad]
    row, column = divmod(wrong[0] if wrong else table["flat"][0], columns)
    top = max(0, min(row - MAX_ROWS // 4, rows - MAX_ROWS))
    left = max(0, min(column - MAX_COLUMNS // 4, columns - MAX_COLUMNS))
    return top, left


def _cells(
    table: Json, columns: int, window: tuple[int, int, int, int]
) -> list[tuple[int, int, float, float, bool]]:
    top, left, height, width = window
    cells = []
    entries = zip(table["flat"], table["claimed"], table["estimate"], table["wrong"], strict=True)
    for flat, claimed, estimate, wrong in entries:
        row, column = flat // columns - top, flat % columns - left
        if 0 <= row < height and 0 <= column < width:
            cells.append((row, column, _real(claimed), _real(estimate), wrong))
    return cells


def _shaded(
    cells: list[tuple[int, int, float]], scale: float, unit: int, tall: int
) -> Iterable[str]:
    """One path per shade: a thousand rectangles would not fit into a page."""
    paths: dict[tuple[str, int], str] = {}
    for row, column, value in cells:
        key = _shade(value, scale)
        paths[key] = paths.get(key, "") + f"M{column * unit} {row * tall}h{unit}v{tall}h-{unit}z"
    for (sign, shade), path in sorted(paths.items()):
        yield f'<path class="{sign}" fill-opacity="{shade / SHADES * DEEPEST:.2f}" d="{path}"/>'


def _shade(value: float, scale: float) -> tuple[str, int]:
    if not math.isfinite(value):
        return "nonfinite", SHADES
    if scale == 0 or value == 0:
        return "zero", 1
    shade = max(1, math.ceil(abs(value) / scale * SHADES))
    return ("positive" if value > 0 else "negative"), shade


def _grid(width: int, height: int, unit: int, tall: int) -> str:
    return f'<rect class="grid" width="{width * unit}" height="{height * tall}"/>'


def _outlined(cells: list[tuple[int, int]], unit: int, tall: int) -> Iterable[str]:
    path = "".join(
        f"M{column * unit + 1} {row * tall + 1}h{unit - 2}v{tall - 2}h-{unit - 2}z"
        for row, column in cells
    )
    if path:
        yield f'<path class="wrong" d="{path}"/>'


def _cell_text(row: int, column: int, value: float, unit: int, tall: int) -> str:
    return _text(column * unit + unit / 2, row * tall + tall / 2 + 4, f"{value:.3g}", "mid cell")


def _cropped(rows: int, columns: int, top: int, left: int, height: int, width: int) -> str:
    if height == rows and width == columns:
        return ""
    return (
        f'<p class="note">rows {top} to {top + height - 1} of {rows}, '
        f"columns {left} to {left + width - 1} of {columns}</p>"
    )


def _decade(excess: float) -> int:
    """Decade of an excess, held where the axis still has room for it."""
    if excess <= 0:
        return -12
    return 12 if math.isinf(excess) else max(-12, min(12, math.floor(math.log10(excess))))


def _bar(x: Axis, y: Axis, decade: int, count: int) -> str:
    left, right, top = x.at(decade), x.at(decade + 1), y.at(count)
    side = "over" if decade >= 0 else "under"
    return (
        f'<path class="{side}" d="M{left + 1:.1f} {HEIGHT - BOTTOM}V{top:.1f}'
        f'H{right - 1:.1f}V{HEIGHT - BOTTOM}z"/>'
        + _text((left + right) / 2, top - 3, str(count), "mid small")
    )


def _exponent(position: float, decade: int, low: int) -> str:
    label = "≤10⁻¹²" if decade == low == -12 else _power(decade)
    return _text(position, HEIGHT - BOTTOM + 14, label, "mid small") if decade % 2 == 0 else ""


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _log_axis(values: Sequence[float], start: float, end: float) -> Axis:
    """Whole decades around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return Axis(low, max(high, low + 1), start, end, log=True)


def _axis(values: Sequence[float], start: float, end: float) -> Axis:
    low, high = min(values), max(values)
    pad = (high - low) or max(abs(high), 1.0) * 0.1
    return Axis(low, low + pad, start, end, log=False)


def _frame(x: Axis, y: Axis, x_label: str, y_label: str) -> str:
    parts = [_baseline()]
    for tick, label in x.ticks().items():
        parts.append(_text(x.at(tick), HEIGHT - BOTTOM + 15, label, "mid small"))
    for tick, label in y.ticks().items():
        at = y.at(tick)
        parts.append(f'<path class="rule" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(_text(LEFT - 6, at + 4, label, "end small"))
    parts.append(_text((LEFT + WIDTH) / 2, HEIGHT - 6, x_label, "mid"))
    parts.append(f'<g transform="translate(12 {HEIGHT / 2 - 10}) rotate(-90)">')
    parts.append(_text(0, 0, y_label, "mid") + "</g>")
    return "".join(parts)


def _baseline() -> str:
    return f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>'


def _level(at: float, name: str) -> str:
    rule = f'<path class="{name}" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>'
    return rule + _text(WIDTH - RIGHT - 4, at - 4, name, f"end small {name}-name")


def _line(points: list[Point], *, dots: bool) -> str:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    circles = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in points)
    return f'<path class="curve" d="{path}"/>' + (circles if dots else "")


def _beside(points: list[Point], name: str) -> str:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    label = _text(points[-1][0] - 4, points[-1][1] - 6, name, f"end small {name}-name")
    return f'<path class="{name}" d="{path}"/>{label}'


def _end(at: float) -> str:
    rule = f'<path class="broken" d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
    return rule + _text(at - 4, TOP + 8, "not finite", "end small broken-name")


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}">{escape(printable(text))}</text>'


def _svg(width: float, height: float, label: str, body: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'aria-label="{escape(printable(label))}">{"".join(body)}</svg>'
    )


def _real(value: Any) -> float:
    """A number of a row: a float, the name of one, or the size of ``[real, imaginary]``."""
    if value is None:
        return math.nan
    if isinstance(value, list):
        return math.hypot(_real(value[0]), _real(value[1]))
    return float(value)
