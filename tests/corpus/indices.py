"""Indices, segments and order as they are written by hand: bugs of our own making."""

from __future__ import annotations

import numpy as np

from tests.corpus.twin import normal, total, two_ways


def scatter_set(base, index, updates):
    """``base`` with the rows at ``index`` replaced; of duplicates the last one stays."""
    out = base.copy()
    out[index] = updates
    return out


def scatter_set_back(out_bar, base, index, updates, *, right):
    base_bar = out_bar.copy()
    base_bar[index] = 0
    updates_bar = out_bar[index]
    if right:
        last = np.zeros(len(base), dtype=int)
        last[index] = np.arange(len(index))
        updates_bar = updates_bar * (last[index] == np.arange(len(index)))[:, None]
    return base_bar, None, updates_bar


def segment_mean(x, segment, count=4):
    """Means of the rows of (n, d) by segment; zero for an empty one."""
    sums = np.zeros((count, x.shape[1]))
    np.add.at(sums, segment, x)
    return sums / np.maximum(1, np.bincount(segment, minlength=count))[:, None]


def segment_mean_back(out_bar, x, segment, count=4, *, right):
    sizes = np.bincount(segment, minlength=count) if right else np.full(count, len(x) / count)
    return (out_bar / np.maximum(1, sizes)[:, None])[segment], None


def segment_max(x, segment):
    """Largest entry of each of three segments of (n,); zero for an empty one."""
    return np.array([x[segment == s].max() if (segment == s).any() else 0.0 for s in range(3)])


def segment_max_back(out_bar, x, segment, *, right):
    top = segment_max(x, segment)
    won = x == top[segment]
    if right:
        won = won / np.bincount(segment, won, minlength=3)[segment]
    return won * out_bar[segment], None


def pad_embedding(table, words):
    """Rows of a table, word 0 being padding: its row is never read."""
    return table[words] * (words != 0)[:, None]


def pad_embedding_back(out_bar, table, words, *, right):
    table_bar = np.zeros_like(table)
    np.add.at(table_bar, words, out_bar * (words != 0)[:, None] if right else out_bar)
    return table_bar, None


def edge_sums(node, source, target):
    """Messages ``node[source] * node[target]`` summed at their targets: one array, read twice."""
    out = np.zeros_like(node)
    np.add.at(out, target, node[source] * node[target])
    return out


def edge_sums_back(out_bar, node, source, target, *, right):
    bar = np.zeros_like(node)
    np.add.at(bar, source, out_bar[target] * node[target])
    np.add.at(bar, target, out_bar[target] * node[source])
    if not right:
        bar[source] = 0
        np.add.at(bar, source, out_bar[target] * node[target])
    return bar, None, None


def median(x):
    """Middle of (n,), the mean of both middles of an even number."""
    return np.median(x)


def median_back(out_bar, x, *, right):
    order = np.argsort(x, kind="stable")
    x_bar = np.zeros_like(x)
    low, high = (len(x) - 1) // 2, len(x) // 2
    x_bar[order[low]] += out_bar / 2
    x_bar[order[high if right else low]] += out_bar / 2
    return (x_bar,)


def affine(x, scale, shift):
    """``scale * x + shift``, each broadcast to the others."""
    return scale * x + shift


def affine_back(out_bar, x, scale, shift, *, right):
    scale_bar = total(out_bar * x, scale) if right else out_bar * x
    return total(out_bar * scale, x), scale_bar, total(out_bar, shift)


def taken(x, index):
    """``take_along_axis`` of (n, k) by (n, m)."""
    return np.take_along_axis(x, index, axis=1)


def taken_back(out_bar, x, index, *, right):
    x_bar = np.zeros_like(x)
    if right:
        np.add.at(x_bar, (np.arange(len(x))[:, None], index), out_bar)
    else:
        np.put_along_axis(x_bar, index, out_bar, axis=1)
    return x_bar, None


TWINS = (
    two_ways(
        "scatter-set-last",
        "duplicates",
        scatter_set,
        scatter_set_back,
        bug="rows that were overwritten get a gradient too",
        arguments=lambda st: {
            "base": "n d",
            "index": st.indices("m", into="n"),
            "updates": "m d",
        },
        bug_point=lambda: {
            "base": normal(318, 3, 2),
            "index": np.array([2, 0, 2]),
            "updates": normal(319, 3, 2),
        },
        generic_point=lambda: {
            "base": normal(320, 4, 2),
            "index": np.array([3, 0]),
            "updates": normal(321, 2, 2),
        },
        diagnosis=("ignores-mask", "wrong-slice", "assigned-not-added", "missing-term"),
    ),
    two_ways(
        "segmentmean-size",
        "constant",
        segment_mean,
        segment_mean_back,
        bug="divided by the mean size of a segment, not by its own",
        arguments=lambda st: {"x": "n d", "segment": st.labels("n", classes=4)},
        bug_point=lambda: {"x": normal(322, 6, 2), "segment": np.array([0, 1, 1, 3, 3, 3])},
        generic_point=lambda: {"x": normal(323, 4, 1), "segment": np.array([2, 1, 1, 3])},
        diagnosis=("wrong-factor", "wrong-slice", "constant-factor"),
    ),
    two_ways(
        "segmentmax-ties",
        "ties",
        segment_max,
        segment_max_back,
        bug="every largest entry of a segment is credited in full",
        arguments=lambda st: {"x": "n", "segment": st.labels("n", classes=3)},
        bug_point=lambda: {
            "x": np.array([1.0, 1.0, 0.5, 2.0]),
            "segment": np.array([0, 0, 0, 1]),
        },
        generic_point=lambda: {"x": normal(324, 4), "segment": np.array([0, 1, 0, 1])},
        diagnosis=("wrong-at-ties",),
        smooth_at_bug=False,
    ),
    two_ways(
        "padding-row",
        "padding",
        pad_embedding,
        pad_embedding_back,
        bug="the row of the padding word gets a gradient",
        arguments=lambda st: {"table": "v d", "words": st.indices("n", into="v")},
        bug_point=lambda: {"table": normal(325, 3, 2), "words": np.array([0, 2, 0, 1])},
        generic_point=lambda: {"table": normal(326, 4, 2), "words": np.array([3, 2, 0])},
        diagnosis=("ignores-mask", "wrong-slice"),
    ),
    two_ways(
        "edges-reset",
        "accumulation",
        edge_sums,
        edge_sums_back,
        bug="the second contribution starts from zero, where it must add to the first",
        arguments=lambda st: {
            "node": "n",
            "source": st.indices("m", into="n"),
            "target": st.indices("m", into="n"),
        },
        bug_point=lambda: {
            "node": normal(327, 3),
            "source": np.array([0, 1, 2]),
            "target": np.array([1, 2, 0]),
        },
        generic_point=lambda: {
            "node": normal(328, 4),
            "source": np.array([0, 1]),
            "target": np.array([2, 2]),
        },
        diagnosis=("assigned-not-added", "missing-term"),
    ),
    two_ways(
        "median-even",
        "shape regime",
        median,
        median_back,
        bug="of an even number the lower middle gets all",
        arguments=lambda st: {"x": st.distinct("n")},
        bug_point=lambda: {"x": np.array([2.0, 0.5, 1.0, 4.0])},
        generic_point=lambda: {"x": np.array([2.0, 0.5, 1.0])},
        diagnosis=("wrong-slice", "misaligned", "missing-term"),
    ),
    two_ways(
        "affine-unsummed",
        "broadcast",
        affine,
        affine_back,
        bug="the scale, one for each row, gets the gradient of every entry",
        arguments=lambda st: {"x": "n d", "scale": "n 1", "shift": "d"},
        bug_point=lambda: {
            "x": normal(333, 3, 2),
            "scale": normal(334, 3, 1),
            "shift": normal(1, 2),
        },
        generic_point=lambda: {
            "x": normal(335, 3, 2),
            "scale": normal(336, 3, 1),
            "shift": normal(337, 2),
        },
        diagnosis=("wrong-shape", "broadcast-not-summed"),
    ),
    two_ways(
        "takealong-put",
        "duplicates",
        taken,
        taken_back,
        bug="of an entry read twice only the last gradient is kept",
        arguments=lambda st: {"x": "n k", "index": st.indices("n m", into="k")},
        bug_point=lambda: {"x": normal(338, 2, 3), "index": np.array([[0, 2, 0], [1, 1, 1]])},
        generic_point=lambda: {"x": normal(339, 2, 3), "index": np.array([[0, 2], [2, 1]])},
        diagnosis=("assigned-not-added", "missing-term"),
    ),
)
