"""Recurrences and scans as they are written by hand: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.twin import normal, two_ways


def gru(x, h, reset, candidate):
    """States (t, d) of ``h = (1 - z) h + z tanh(u * (r * h) + x)``, gates read off the input."""
    states = np.zeros_like(x)
    for t in range(len(x)):
        z, r = special.expit(x[t]), special.expit(reset * x[t])
        h = states[t] = (1 - z) * h + z * np.tanh(candidate * (r * h) + x[t])
    return states


def gru_back(out_bar, x, h, reset, candidate, *, right):
    before = np.concatenate([h[None], gru(x, h, reset, candidate)])[: len(x)]
    x_bar, h_bar = np.zeros_like(x), np.zeros_like(h)
    reset_bar, candidate_bar = np.zeros_like(reset), np.zeros_like(candidate)
    for t in reversed(range(len(x))):
        state_bar = out_bar[t] + h_bar
        z, r = special.expit(x[t]), special.expit(reset * x[t])
        n = np.tanh(candidate * (r * before[t]) + x[t])
        a_bar = state_bar * z * (1 - n**2)
        r_bar = a_bar * candidate * before[t]
        s_bar = r_bar * r * (1 - r)
        z_bar = state_bar * (n - before[t]) * z * (1 - z)
        x_bar[t] = a_bar + z_bar + s_bar * reset
        reset_bar += s_bar * x[t]
        candidate_bar += a_bar * r * before[t]
        h_bar = state_bar * (1 - z) + (a_bar * candidate * r if right else 0.0)
    return x_bar, h_bar, reset_bar, candidate_bar


def tied_rnn(x, w):
    """``h = tanh(x[t] w + h w)``: one matrix for the inputs and the states."""
    return _tied_states(x, w)[1:]


def _tied_states(x, w):
    states = np.zeros((len(x) + 1, w.shape[1]))
    for t in range(len(x)):
        states[t + 1] = np.tanh((x[t] + states[t]) @ w)
    return states


def tied_rnn_back(out_bar, x, w, *, right):
    states = _tied_states(x, w)
    x_bar, w_bar, h_bar = np.zeros_like(x), np.zeros_like(w), np.zeros(w.shape[0])
    for t in reversed(range(len(x))):
        z_bar = (out_bar[t] + h_bar) * (1 - states[t + 1] ** 2)
        step = np.outer(x[t] + states[t], z_bar)
        w_bar = w_bar + step if right else step
        x_bar[t] = h_bar = w @ z_bar
    return x_bar, w_bar


def lengths_mean(x, length):
    """Mean of the first ``length[i] + 1`` steps of each (n, t)."""
    used = np.arange(x.shape[1]) <= length[:, None]
    return (x * used).sum(axis=1) / used.sum(axis=1)


def lengths_mean_back(out_bar, x, length, *, right):
    used = np.arange(x.shape[1]) <= length[:, None]
    share = (out_bar / used.sum(axis=1))[:, None]
    return np.where(used, share, 0.0) if right else np.broadcast_to(share, x.shape).copy(), None


def discounted(reward, gamma):
    """Returns ``G[t] = r[t] + gamma G[t + 1]``."""
    out = np.zeros_like(reward)
    later = 0.0
    for t in reversed(range(len(reward))):
        later = out[t] = reward[t] + gamma * later
    return out


def discounted_back(out_bar, reward, gamma, *, right):
    returns = discounted(reward, gamma)
    reward_bar, gamma_bar, earlier = np.zeros_like(reward), 0.0, 0.0
    for t in range(len(reward)):
        earlier = reward_bar[t] = out_bar[t] + gamma * earlier
        if t + 1 < len(reward):
            gamma_bar += (earlier if right else out_bar[t]) * returns[t + 1]
    return reward_bar, np.asarray(gamma_bar).reshape(gamma.shape)


def alignments(scores):
    """Log sum over all monotone paths through (t, s): a step stays or moves on by one."""
    return _alphas(scores)[-1, -1]


def _alphas(scores):
    alpha = np.full(scores.shape, -np.inf)
    alpha[0, 0] = scores[0, 0]
    for t in range(1, len(scores)):
        moved = np.concatenate([[-np.inf], alpha[t - 1, :-1]])
        alpha[t] = scores[t] + np.logaddexp(alpha[t - 1], moved)
    if not np.isfinite(alpha[-1, -1]):
        raise ValueError("no path is that long")
    return alpha


def alignments_back(out_bar, scores, *, right):
    alpha = _alphas(scores)
    bar = np.zeros_like(scores)
    bar[-1, -1] = out_bar
    for t in reversed(range(1, len(scores))):
        moved = np.concatenate([[-np.inf], alpha[t - 1, :-1]])
        with np.errstate(invalid="ignore"):
            stay, move = special.expit(alpha[t - 1] - moved), special.expit(moved - alpha[t - 1])
        if right:
            stay, move = np.nan_to_num(stay), np.nan_to_num(move)
        bar[t - 1] += bar[t] * stay
        bar[t - 1, :-1] += (bar[t] * move)[1:]
    return (bar,)


def exclusive_sum(x, reverse=False):
    """Running sums of (n,) without the entry itself, from either end."""
    if reverse:
        return np.cumsum(x[::-1])[::-1] - x
    return np.cumsum(x) - x


def exclusive_sum_back(out_bar, x, reverse=False, *, right):
    if reverse and right:
        return (np.concatenate([[0.0], np.cumsum(out_bar)[:-1]]),)
    return (np.concatenate([np.cumsum(out_bar[::-1])[-2::-1], [0.0]]),)


def differences(x):
    """Slopes of (n,) at unit distance: central inside, one-sided at the ends."""
    if len(x) < 2:
        raise ValueError("one number has no slope")
    return np.gradient(x)


def differences_back(out_bar, x, *, right):
    bar = np.zeros_like(x)
    bar[2:] += out_bar[1:-1] / 2
    bar[:-2] -= out_bar[1:-1] / 2
    ends = 1.0 if right else 0.5
    bar[1] += out_bar[0] * ends
    bar[0] -= out_bar[0] * ends
    bar[-1] += out_bar[-1] * ends
    bar[-2] -= out_bar[-1] * ends
    return (bar,)


TWINS = (
    two_ways(
        "gru-reset",
        "missing term in the recurrence",
        gru,
        gru_back,
        bug="nothing flows back through the reset state",
        arguments=lambda st: {
            "x": st.array("t d", domain=(-20.0, 20.0)),
            "h": "d",
            "reset": st.array("d", domain=(-20.0, 20.0)),
            "candidate": st.array("d", domain=(-20.0, 20.0)),
            "axes": {"t": (1, 6)},
        },
        bug_point=lambda: {
            "x": normal(300, 3, 2),
            "h": normal(301, 2),
            "reset": normal(302, 2),
            "candidate": normal(303, 2),
        },
        generic_point=lambda: {
            "x": normal(304, 2, 3),
            "h": normal(305, 3),
            "reset": normal(306, 3),
            "candidate": normal(307, 3),
        },
        diagnosis=("missing-recurrence", "missing-term"),
    ),
    two_ways(
        "rnn-tied-assign",
        "accumulation",
        tied_rnn,
        tied_rnn_back,
        bug="each step assigns the weight's gradient, where it must add to it",
        arguments=lambda st: {
            "x": st.array("t d", domain=(-5.0, 5.0)),
            "w": st.array("d d", domain=(-2.0, 2.0)),
            "axes": {"t": (1, 6)},
        },
        bug_point=lambda: {"x": normal(308, 3, 2), "w": normal(309, 2, 2)},
        generic_point=lambda: {"x": normal(310, 2, 3), "w": normal(311, 3, 3)},
        diagnosis=("assigned-not-added", "missing-term", "missing-recurrence"),
    ),
    two_ways(
        "lengths-padding",
        "padding",
        lengths_mean,
        lengths_mean_back,
        bug="the steps beyond the length get a gradient too",
        arguments=lambda st: {"x": "n t", "length": st.indices("n", into="t")},
        bug_point=lambda: {"x": normal(312, 2, 4), "length": np.array([1, 3])},
        generic_point=lambda: {"x": normal(313, 3, 3), "length": np.array([0, 2, 1])},
        diagnosis=("ignores-mask", "wrong-slice"),
    ),
    two_ways(
        "discount-truncated",
        "missing recurrence",
        discounted,
        discounted_back,
        bug="gamma's gradient is read off each step's own cotangent only",
        arguments=lambda st: {"reward": "t", "gamma": st.array("", domain=(0.0, 1.0))},
        bug_point=lambda: {"reward": normal(314, 4), "gamma": np.array(0.8)},
        generic_point=lambda: {"reward": normal(315, 3), "gamma": np.array(0.6)},
        diagnosis=("missing-recurrence", "missing-term"),
    ),
    two_ways(
        "ctc-unreachable",
        "exact zero",
        alignments,
        alignments_back,
        bug="exp(-inf - -inf) for cells that no path reaches",
        arguments=lambda st: {"scores": "t s", "axes": {"t": (1, 6), "s": (1, 4)}},
        bug_point=lambda: {"scores": normal(316, 3, 3)},
        generic_point=lambda: {"scores": normal(317, 4, 2)},
        diagnosis=("singular-at-infinity", "wrong-slice"),
    ),
    two_ways(
        "cumsum-reverse",
        "option",
        exclusive_sum,
        exclusive_sum_back,
        bug="reverse is ignored in the backward",
        arguments=lambda st: {"x": "n", "reverse": hyp.booleans()},
        bug_point=lambda: {"x": normal(329, 4), "reverse": True},
        generic_point=lambda: {"x": normal(330, 3), "reverse": False},
        diagnosis=("wrong-for-option", "misaligned", "missing-recurrence", "missing-term"),
    ),
    two_ways(
        "slopes-ends",
        "borders",
        differences,
        differences_back,
        bug="the one-sided slopes at the ends are halved like the central ones",
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": normal(331, 6)},
        generic_point=lambda: {"x": normal(332, 5)},
        diagnosis=("wrong-slice", "missing-term"),
    ),
)
