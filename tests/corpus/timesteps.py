"""Attention, recurrences and chains: what one step leaves to the next."""

from __future__ import annotations

import numpy as np
from scipy import special

from tests.corpus.overflow import softmax
from tests.corpus.twin import normal, two_ways

MODERATE = (-8.0, 8.0)


def distance_biased(q, k, slope):
    """Attention weights of scores minus slope times distance (ALiBi)."""
    return softmax(q @ k.T - slope * _lags(len(q), len(k)))


def _lags(n, m):
    return np.abs(np.arange(n)[:, None] - np.arange(m)[None]).astype(float)


def distance_biased_back(out_bar, q, k, slope, *, right):
    p = distance_biased(q, k, slope)
    s_bar = p * (out_bar - np.sum(out_bar * p, axis=1, keepdims=True))
    slope_bar = np.sum(s_bar * _lags(len(q), len(k)))
    return s_bar @ k, s_bar.T @ q, np.asarray(-slope_bar if right else slope_bar)


def capped(q, k, v, cap=5.0):
    """Attention with scores capped softly, as in Gemma."""
    return softmax(cap * np.tanh(q @ k.T / cap)) @ v


def capped_back(out_bar, q, k, v, cap=5.0, *, right):
    t = np.tanh(q @ k.T / cap)
    p = softmax(cap * t)
    p_bar = out_bar @ v.T
    s_bar = p * (p_bar - np.sum(p_bar * p, axis=1, keepdims=True))
    if right:
        s_bar = s_bar * (1 - t * t)
    return s_bar @ k, s_bar.T @ q, p.T @ out_bar


def linear_attention(q, k, v):
    """Causal attention with positive features instead of a softmax."""
    weights = np.tril(np.exp(q) @ np.exp(k).T)
    return weights @ v / weights.sum(axis=1, keepdims=True)


def linear_attention_back(out_bar, q, k, v, *, right):
    weights = np.tril(np.exp(q) @ np.exp(k).T)
    size = weights.sum(axis=1, keepdims=True)
    y = weights @ v / size
    inner = out_bar @ v.T
    if right:
        inner = inner - np.sum(out_bar * y, axis=1, keepdims=True)
    w_bar = np.tril(inner / size)
    return (
        (w_bar @ np.exp(k)) * np.exp(q),
        (w_bar.T @ np.exp(q)) * np.exp(k),
        (weights / size).T @ out_bar,
    )


def both_ways(x, decay):
    """Leaky sums from the left and from the right, side by side."""
    return np.concatenate([_leaky(x, decay), _leaky(x[::-1], decay)[::-1]], axis=1)


def _leaky(x, decay):
    h, out = np.zeros(x.shape[1]), []
    for row in x:
        h = decay * h + row
        out.append(h)
    return np.stack(out)


def _leaky_back(out_bar, x, decay):
    h = np.concatenate([np.zeros((1, x.shape[1])), _leaky(x, decay)[:-1]])
    x_bar, decay_bar, carried = np.zeros_like(x), 0.0, np.zeros(x.shape[1])
    for t in reversed(range(len(x))):
        carried = out_bar[t] + decay * carried
        x_bar[t] = carried
        decay_bar += carried @ h[t]
    return x_bar, decay_bar


def both_ways_back(out_bar, x, decay, *, right):
    d = x.shape[1]
    first = _leaky_back(out_bar[:, :d], x, decay)
    second = _leaky_back(out_bar[::-1, d:], x[::-1], decay)
    other = second[0][::-1] if right else second[0]
    return first[0] + other, np.asarray(first[1] + second[1])


def log_partition(emission, transition):
    """The log partition function of a linear-chain CRF: (t, k) and (k, k)."""
    return special.logsumexp(_forwards(emission, transition)[-1])


def _forwards(emission, transition):
    alpha = [emission[0]]
    for row in emission[1:]:
        alpha.append(special.logsumexp(alpha[-1][:, None] + transition, axis=0) + row)
    return alpha


def log_partition_back(out_bar, emission, transition, *, right):
    alpha = _forwards(emission, transition)
    e_bar, t_bar = np.zeros_like(emission), np.zeros_like(transition)
    beta = out_bar * softmax(alpha[-1])
    for t in reversed(range(1, len(emission))):
        e_bar[t] = beta
        scores = alpha[t - 1][:, None] + transition
        share = softmax(scores.T).T * beta[None]
        if right or t < len(emission) - 1:
            t_bar += share
        beta = share.sum(axis=1)
    e_bar[0] = beta
    return e_bar, t_bar


def corrected_average(x, decay):
    """Adam's first moment, corrected for its start at zero."""
    m = np.zeros(())
    for value in x:
        m = decay * m + (1 - decay) * value
    return m / (1 - decay ** len(x))


def corrected_average_back(out_bar, x, decay, *, right):
    n = len(x)
    weights = (1 - decay) * decay ** np.arange(n - 1, -1, -1)
    size = 1 - decay**n
    powers = np.arange(n - 1, -1, -1)
    slopes = -(decay**powers) + (1 - decay) * powers * decay ** np.maximum(powers - 1, 0)
    decay_bar = slopes @ x / size
    if right:
        decay_bar += weights @ x * n * decay ** (n - 1) / size**2
    return out_bar * weights / size, np.asarray(out_bar * decay_bar)


def running_max(x):
    return np.maximum.accumulate(x)


def running_max_back(out_bar, x, *, right):
    best = np.zeros(len(x), dtype=int)
    for t in range(1, len(x)):
        best[t] = t if x[t] > x[best[t - 1]] else best[t - 1]
    x_bar = np.zeros_like(x)
    if right:
        np.add.at(x_bar, best, out_bar)
    else:
        x_bar[best] = out_bar
    return (x_bar,)


def log_cumsum_exp(x):
    return np.logaddexp.accumulate(x)


def log_cumsum_exp_back(out_bar, x, *, right):
    y = log_cumsum_exp(x)
    if right:
        later = np.triu(np.ones((len(x), len(x)), bool))
        return (np.where(later, np.exp(np.where(later, x[:, None] - y[None], 0)), 0) @ out_bar,)
    with np.errstate(over="ignore", invalid="ignore"):
        return (np.exp(x) * np.cumsum((out_bar * np.exp(-y))[::-1])[::-1],)


def token_loss(logits, words, length):
    """Cross-entropy of the first ``length`` tokens of every sequence, averaged over those."""
    keep = _within(words, length)
    each = special.logsumexp(logits, axis=2) - _picked(logits, words)
    return np.sum(each * keep) / max(1, keep.sum())


def _within(words, length):
    return np.arange(words.shape[1])[None] < length[:, None]


def _picked(logits, words):
    return np.take_along_axis(logits, words[..., None], axis=2)[..., 0]


def token_loss_back(out_bar, logits, words, length, *, right):
    keep = _within(words, length)
    slope = special.softmax(logits, axis=2)
    np.put_along_axis(slope, words[..., None], _picked(slope, words)[..., None] - 1, axis=2)
    slope = slope * (keep[..., None] if right else 1.0)
    return out_bar * slope / max(1, keep.sum()), None, None


def state_space(a, b, x):
    """Diagonal states ``h = a h + b x[t]``, all of them: (d,), (d,), (t,) to (t, d)."""
    h, out = np.zeros_like(a), []
    for value in x:
        h = a * h + b * value
        out.append(h)
    return np.stack(out)


def state_space_back(out_bar, a, b, x, *, right):
    h = state_space(a, b, x)
    before = np.concatenate([np.zeros((1, len(a))), h[:-1]]) if right else h
    a_bar, b_bar, x_bar, carried = np.zeros_like(a), np.zeros_like(b), np.zeros_like(x), 0.0
    for t in reversed(range(len(x))):
        carried = out_bar[t] + a * carried
        a_bar += carried * before[t]
        b_bar += carried * x[t]
        x_bar[t] = carried @ b
    return a_bar, b_bar, x_bar


def positions_added(x, table):
    """Position embeddings: the first rows of a longer table are added to (n, t, d)."""
    return x + table[: x.shape[1]]


def positions_added_back(out_bar, x, table, *, right):
    table_bar = np.zeros_like(table)
    table_bar[: x.shape[1]] = out_bar.sum(axis=0)
    return out_bar.copy(), table_bar if right else table_bar[: x.shape[1]]


def simple_rnn(x, w, h0):
    """``h = tanh(x[t] + h w)``, the last state."""
    h = h0
    for row in x:
        h = np.tanh(row + h @ w)
    return h


def simple_rnn_back(out_bar, x, w, h0, *, right):
    states = [h0]
    for row in x:
        states.append(np.tanh(row + states[-1] @ w))
    x_bar, w_bar, h_bar = np.zeros_like(x), np.zeros_like(w), out_bar
    for t in reversed(range(len(x))):
        z_bar = h_bar * (1 - states[t + 1] ** 2)
        x_bar[t] = z_bar
        w_bar += np.outer(states[t], z_bar)
        h_bar = z_bar @ (w.T if right else w)
    return x_bar, w_bar, h_bar


def cross_covered(q, k, mask):
    """Attention weights over the keys that are not masked; none if all are."""
    return _covered(q, k, mask)


def _covered(q, k, mask):
    s = np.where(mask, q @ k.T, -np.inf)
    top = s.max(axis=1, keepdims=True)
    e = np.exp(s - np.where(np.isfinite(top), top, 0.0))
    size = e.sum(axis=1, keepdims=True)
    return np.divide(e, size, out=np.zeros_like(e), where=size > 0)


def cross_covered_back(out_bar, q, k, mask, *, right):
    p = _covered(q, k, mask)
    if not right:
        s = np.where(mask, q @ k.T, -np.inf)
        with np.errstate(invalid="ignore"):
            p = np.exp(s - special.logsumexp(s, axis=1, keepdims=True))
    s_bar = p * (out_bar - np.sum(out_bar * p, axis=1, keepdims=True))
    return s_bar @ k, s_bar.T @ q, None


TWINS = (
    two_ways(
        "alibi-sign",
        "sign",
        distance_biased,
        distance_biased_back,
        bug="the slope's gradient has the wrong sign",
        arguments=lambda st: {
            "q": st.array("n d", domain=(-2, 2)),
            "k": st.array("m d", domain=(-2, 2)),
            "slope": "",
        },
        bug_point=lambda: {
            "q": normal(1100, 3, 2),
            "k": normal(1101, 4, 2),
            "slope": np.array(0.5),
        },
        generic_point=lambda: {
            "q": normal(1102, 2, 2),
            "k": normal(1103, 3, 2),
            "slope": np.array(0.3),
        },
        diagnosis=("sign-flipped",),
    ),
    two_ways(
        "softcap-slope",
        "missing factor",
        capped,
        capped_back,
        bug="the slope of the soft cap is left out",
        arguments=lambda st: {
            "q": st.array("n d", domain=(-3, 3)),
            "k": st.array("m d", domain=(-3, 3)),
            "v": "m e",
        },
        bug_point=lambda: {
            "q": normal(1104, 3, 4),
            "k": normal(1105, 4, 4),
            "v": normal(1106, 4, 2),
        },
        generic_point=lambda: {
            "q": normal(1107, 2, 3),
            "k": normal(1108, 3, 3),
            "v": normal(1109, 3, 2),
        },
        diagnosis=("missing-term", "wrong-factor", "wrong-for-large"),
    ),
    two_ways(
        "linattn-normaliser",
        "missing term",
        linear_attention,
        linear_attention_back,
        bug="the normaliser is treated as a constant",
        arguments=lambda st: {
            "q": st.array("n d", domain=(-3, 3)),
            "k": st.array("n d", domain=(-3, 3)),
            "v": "n e",
        },
        bug_point=lambda: {
            "q": normal(1110, 4, 2),
            "k": normal(1111, 4, 2),
            "v": normal(1112, 4, 3),
        },
        generic_point=lambda: {
            "q": normal(1113, 3, 2),
            "k": normal(1114, 3, 2),
            "v": normal(1115, 3, 2),
        },
        diagnosis=("missing-term", "jacobian-diagonal"),
    ),
    two_ways(
        "bidirectional-reversed",
        "misaligned",
        both_ways,
        both_ways_back,
        bug="the gradient of the reversed pass is not reversed",
        arguments=lambda st: {"x": "t d", "decay": st.array("", domain=(0.1, 0.95))},
        bug_point=lambda: {"x": normal(1116, 5, 2), "decay": np.array(0.7)},
        generic_point=lambda: {"x": normal(1117, 4, 3), "decay": np.array(0.5)},
        diagnosis=("misaligned", "missing-term"),
    ),
    two_ways(
        "crf-last-pair",
        "missing term",
        log_partition,
        log_partition_back,
        bug="the last transition of the chain is not counted",
        arguments=lambda st: {
            "emission": st.array("t k", domain=MODERATE),
            "transition": st.array("k k", domain=MODERATE),
        },
        bug_point=lambda: {"emission": normal(1118, 4, 3), "transition": normal(1119, 3, 3)},
        generic_point=lambda: {"emission": normal(1120, 3, 2), "transition": normal(1121, 2, 2)},
        diagnosis=("missing-term", "missing-recurrence", "missing-gradient"),
    ),
    two_ways(
        "adam-correction",
        "missing term",
        corrected_average,
        corrected_average_back,
        bug="the correction is treated as a constant of the decay",
        arguments=lambda st: {"x": "n", "decay": st.array("", domain=(0.05, 0.95))},
        bug_point=lambda: {"x": normal(1122, 4), "decay": np.array(0.8)},
        generic_point=lambda: {"x": normal(1123, 5), "decay": np.array(0.6)},
        diagnosis=("missing-term",),
    ),
    two_ways(
        "cummax-assigned",
        "duplicates",
        running_max,
        running_max_back,
        bug="an entry that stays the largest keeps only its last gradient",
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": normal(1124, 7)},
        generic_point=lambda: {"x": normal(1125, 5)},
        diagnosis=("assigned-not-added", "missing-term"),
    ),
    two_ways(
        "logcumsumexp-overflow",
        "overflow",
        log_cumsum_exp,
        log_cumsum_exp_back,
        bug="exp(x) and exp(-y) apart, where only their product is wanted",
        arguments=lambda st: {"x": st.array("n", domain=(-1e4, 1e4))},
        bug_point=lambda: {"x": np.array([800.3, 799.0, 801.2])},
        generic_point=lambda: {"x": normal(1126, 5)},
        diagnosis=("overflow", "wrong-for-large"),
    ),
    two_ways(
        "tokens-unmasked",
        "mask",
        token_loss,
        token_loss_back,
        bug="tokens beyond the length get a gradient",
        arguments=lambda st: {
            "logits": st.array("n t k", domain=MODERATE),
            "words": st.labels("n t", classes="k"),
            "length": st.indices("n", into="t"),
        },
        bug_point=lambda: {
            "logits": normal(1127, 2, 4, 3),
            "words": np.array([[0, 2, 1, 1], [2, 0, 0, 1]]),
            "length": np.array([2, 3]),
        },
        generic_point=lambda: {
            "logits": normal(1128, 2, 2, 3),
            "words": np.array([[0, 2], [1, 1]]),
            "length": np.array([2, 1]),
        },
        diagnosis=("ignores-mask",),
    ),
    two_ways(
        "ssm-state-after",
        "misaligned",
        state_space,
        state_space_back,
        bug="the decay's gradient takes the state after the step, not before",
        arguments=lambda st: {"a": st.array("d", domain=(-0.95, 0.95)), "b": "d", "x": "t"},
        bug_point=lambda: {"a": np.array([0.6, -0.4]), "b": normal(1129, 2), "x": normal(1130, 5)},
        generic_point=lambda: {
            "a": np.array([0.5, 0.2, 0.8]),
            "b": normal(1131, 3),
            "x": normal(1132, 4),
        },
        diagnosis=("misaligned", "missing-term", "wrong-factor"),
    ),
    two_ways(
        "positions-cut",
        "shape regime",
        positions_added,
        positions_added_back,
        bug="the table's gradient has only the rows that were used",
        arguments=lambda st: {"x": "n t d", "table": "m d", "axes": {"t": (1, 3), "m": (3, 5)}},
        bug_point=lambda: {"x": normal(1133, 2, 3, 2), "table": normal(1134, 5, 2)},
        generic_point=lambda: {"x": normal(1135, 2, 4, 2), "table": normal(1136, 4, 2)},
        diagnosis=("wrong-shape",),
    ),
    two_ways(
        "rnn-untransposed",
        "transposed",
        simple_rnn,
        simple_rnn_back,
        bug="the state's gradient goes back through w, not its transpose",
        arguments=lambda st: {"x": "t d", "w": "d d", "h0": "d"},
        bug_point=lambda: {
            "x": normal(1137, 4, 3, scale=0.5),
            "w": normal(1138, 3, 3, scale=0.5),
            "h0": normal(1139, 3),
        },
        generic_point=lambda: {
            "x": normal(1140, 3, 2, scale=0.5),
            "w": normal(1141, 2, 2, scale=0.5),
            "h0": normal(1142, 2),
        },
        diagnosis=("transposed", "missing-recurrence", "missing-term"),
    ),
    two_ways(
        "attention-all-masked",
        "-inf - -inf",
        cross_covered,
        cross_covered_back,
        bug="-inf minus -inf in a row that may look at no key",
        arguments=lambda st: {
            "q": st.array("n d", domain=(-3, 3)),
            "k": st.array("m d", domain=(-3, 3)),
            "mask": st.mask("n m"),
        },
        bug_point=lambda: {
            "q": normal(1143, 2, 3),
            "k": normal(1144, 3, 3),
            "mask": np.array([[True, False, True], [False, False, False]]),
        },
        generic_point=lambda: {
            "q": normal(1145, 2, 2),
            "k": normal(1146, 3, 2),
            "mask": np.array([[True, False, True], [True, True, True]]),
        },
        diagnosis=("singular-at-infinity", "singular-at-zero", "overflow"),
    ),
)
