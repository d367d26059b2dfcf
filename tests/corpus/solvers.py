"""Geometry, physics, linear algebra and adjoints."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

from tests.corpus.twin import normal, two_ways


def great_circle(lat1, lon1, lat2, lon2):
    """Squared half chord (the haversine): no trouble at equal points."""
    return (
        np.sin((lat2 - lat1) / 2) ** 2
        + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    )


def great_circle_back(out_bar, lat1, lon1, lat2, lon2, *, right):
    s = np.sin((lon2 - lon1) / 2) ** 2
    lat = out_bar * np.sin(lat2 - lat1) / 2
    lon = out_bar * np.cos(lat1) * np.cos(lat2) * np.sin(lon2 - lon1) / 2
    first = -lat - (out_bar * np.sin(lat1) * np.cos(lat2) * s if right else 0)
    return first, -lon, lat - out_bar * np.cos(lat1) * np.sin(lat2) * s, lon


def pair_energy(x):
    """Soft repulsion ``sum exp(-d^2)`` of all pairs of points (n, d)."""
    i, j = np.triu_indices(len(x), 1)
    return np.sum(np.exp(-np.sum((x[i] - x[j]) ** 2, axis=1)))


def pair_energy_back(out_bar, x, *, right):
    i, j = np.triu_indices(len(x), 1)
    d = x[i] - x[j]
    force = -2 * out_bar * np.exp(-np.sum(d**2, axis=1))[:, None] * d
    x_bar = np.zeros_like(x)
    np.add.at(x_bar, i, force)
    np.add.at(x_bar, j, -force if right else force)
    return (x_bar,)


def advected(u, speed, tau=0.3):
    """One implicit upwind step: a sparse system that is not symmetric."""
    return scipy.sparse.linalg.spsolve(_upwind(len(u), speed, tau), u).reshape(u.shape)


def _upwind(n, speed, tau):
    return scipy.sparse.diags(
        [
            np.full(n, 1 + tau * speed[0] + 2 * tau),
            np.full(max(0, n - 1), -tau * (speed[0] + 1)),
            np.full(max(0, n - 1), -tau),
        ],
        [0, -1, 1],
        shape=(n, n),
        format="csc",
    )


def advected_back(out_bar, u, speed, tau=0.3, *, right):
    a = _upwind(len(u), speed, tau)
    y = scipy.sparse.linalg.spsolve(a, u).reshape(u.shape)
    z = scipy.sparse.linalg.spsolve((a.T if right else a).tocsc(), out_bar).reshape(u.shape)
    shifted = np.concatenate([[0.0], y[:-1]])
    return z, np.array([-tau * z @ (y - shifted)])


def predator(state, rates, steps=4, h=0.1):
    """Lotka and Volterra's equations by explicit midpoint steps."""
    for _ in range(steps):
        state = state + h * _growth(state + h / 2 * _growth(state, rates), rates)
    return state


def _growth(s, r):
    return np.array([r[0] * s[0] - r[1] * s[0] * s[1], r[2] * s[0] * s[1] - r[3] * s[1]])


def _growth_back(g, s, r):
    s_bar = np.array(
        [
            g[0] * (r[0] - r[1] * s[1]) + g[1] * r[2] * s[1],
            -g[0] * r[1] * s[0] + g[1] * (r[2] * s[0] - r[3]),
        ]
    )
    return s_bar, np.array([g[0] * s[0], -g[0] * s[0] * s[1], g[1] * s[0] * s[1], -g[1] * s[1]])


def predator_back(out_bar, state, rates, steps=4, h=0.1, *, right):
    states = [state]
    for _ in range(steps):
        s = states[-1]
        states.append(s + h * _growth(s + h / 2 * _growth(s, rates), rates))
    r_bar = np.zeros_like(rates)
    for s in reversed(states[:-1]):
        middle = s + h / 2 * _growth(s, rates)
        m_bar, r1 = _growth_back(h * out_bar, middle, rates)
        s_bar, r2 = _growth_back(h / 2 * m_bar, s, rates)
        out_bar = out_bar + m_bar + s_bar
        r_bar = r_bar + r1 + r2 if right else r1 + r2
    return out_bar, r_bar


def equilibrium(x, w):
    """The fixed point of ``z = tanh(z w / 2 + x)`` for matrices of norm below 2."""
    z = np.zeros_like(x)
    for _ in range(200):
        z = np.tanh(z @ w / 2 + x)
    return z


def equilibrium_back(out_bar, x, w, *, right):
    z = equilibrium(x, w)
    slope = 1 - z**2
    u = out_bar.copy()
    for _ in range(200 if right else 0):
        u = out_bar + (u * slope) @ w.T / 2
    return u * slope, np.outer(z, u * slope) / 2


def cubic_root(a, b):
    """The real root of ``x^3 + a x = b`` for positive a, by Newton's method."""
    x = b / (a + 1)
    for _ in range(60):
        x = x - (x**3 + a * x - b) / (3 * x**2 + a)
    return x


def cubic_root_back(out_bar, a, b, *, right):
    x = cubic_root(a, b)
    pull = out_bar / (3 * x**2 + a)
    return -pull * x if right else pull * x, pull


def kalman(y, log_q, log_r):
    """Log likelihood of a random walk seen through noise."""
    q, r = np.exp(log_q), np.exp(log_r)
    m, p, total = 0.0, 1.0, 0.0
    for value in y:
        p = p + q
        s, e = p + r, value - m
        total = total - 0.5 * (np.log(s) + e**2 / s)
        m, p = m + p / s * e, p * r / s
    return np.asarray(total)


def kalman_back(out_bar, y, log_q, log_r, *, right):
    q, r = np.exp(log_q), np.exp(log_r)
    m, p, seen = 0.0, 1.0, []
    for value in y:
        p = p + q
        s, e = p + r, value - m
        seen.append((p, s, e))
        m, p = m + p / s * e, p * r / s
    y_bar, q_bar, r_bar, m_bar, p_bar = np.zeros_like(y), 0.0, 0.0, 0.0, 0.0
    for t in reversed(range(len(y))):
        p, s, e = seen[t]
        k = p / s
        e_bar = -e / s + m_bar * k
        k_bar = m_bar * e
        s_bar = -0.5 * (1 / s - e**2 / s**2) - k_bar * p / s**2 - p_bar * p * r / s**2
        before = k_bar / s + p_bar * r / s + s_bar
        r_bar += s_bar + p_bar * p / s
        q_bar += before
        y_bar[t] = e_bar
        m_bar = m_bar - e_bar
        p_bar = before if right else 0.0
    return out_bar * y_bar, np.asarray(out_bar * q_bar * q), np.asarray(out_bar * r_bar * r)


def exponential(a):
    return scipy.linalg.expm(a)


def exponential_back(out_bar, a, *, right):
    if right:
        return (scipy.linalg.expm_frechet(a.T, out_bar, compute_expm=False),)
    return (scipy.linalg.expm(a).T @ out_bar,)


def least_squares(a, b):
    """The solution of ``a^T a + I/2`` ridge regression."""
    return np.linalg.solve(a.T @ a + np.eye(a.shape[1]) / 2, a.T @ b)


def least_squares_back(out_bar, a, b, *, right):
    x = least_squares(a, b)
    z = np.linalg.solve(a.T @ a + np.eye(a.shape[1]) / 2, out_bar)
    a_bar = -np.outer(a @ z, x) + (np.outer(b - a @ x, z) if right else 0)
    return a_bar, a @ z


def nuclear(a):
    """Sum of the singular values."""
    return np.linalg.svd(a, compute_uv=False).sum()


def nuclear_back(out_bar, a, *, right):
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    if right:
        keep = s > 1e-12 * max(1e-300, s.max(initial=0))
        return (out_bar * (u * keep) @ vt,)
    values, vectors = np.linalg.eigh(a.T @ a)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (out_bar * a @ (vectors / np.sqrt(np.maximum(values, 0))) @ vectors.T,)


NODES = np.array([-1.0, -0.3, 0.4, 1.0])
WEIGHTS = np.array([1 / np.prod(NODES[i] - np.delete(NODES, i)) for i in range(4)])


def barycentric(values, t):
    """Lagrange's polynomial through four nodes, in barycentric form."""
    d = t[:, None] - NODES
    hit = d == 0
    c = WEIGHTS / np.where(hit, 1.0, d)
    c = np.where(hit.any(axis=1, keepdims=True), hit, c)
    return c @ values / c.sum(axis=1)


def barycentric_back(out_bar, values, t, *, right):
    d = t[:, None] - NODES
    hit = d == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        c = WEIGHTS / (np.where(hit, 1.0, d) if right else d)
        c = np.where(hit.any(axis=1, keepdims=True), hit, c)
    size = c.sum(axis=1, keepdims=True)
    values_bar = (c / size).T @ out_bar
    if right:
        t_bar = out_bar * _slopes(values, t)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            y = c @ values / size[:, 0]
            t_bar = out_bar * np.sum(c / d * (y[:, None] - values), axis=1) / size[:, 0]
    return values_bar, t_bar


def _slopes(values, t):
    poly = np.polynomial.Polynomial.fit(NODES, values, 3, domain=[-1, 1])
    return poly.deriv()(t)


def hermite(y, m, width, t):
    """Cubic Hermite interpolation on one interval: values and slopes at both ends, t in 0..1."""
    h = _basis(t)
    return y[0] * h[0] + width * m[0] * h[1] + y[1] * h[2] + width * m[1] * h[3]


def _basis(t):
    return np.array(
        [2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t, -2 * t**3 + 3 * t**2, t**3 - t**2]
    )


def hermite_back(out_bar, y, m, width, t, *, right):
    h = _basis(t)
    g = h @ out_bar
    slope = np.array([6 * t**2 - 6 * t, 3 * t**2 - 4 * t + 1, -6 * t**2 + 6 * t, 3 * t**2 - 2 * t])
    t_bar = out_bar * (
        y[0] * slope[0] + width * m[0] * slope[1] + y[1] * slope[2] + width * m[1] * slope[3]
    )
    scale = width if right else 1.0
    return (
        np.array([g[0], g[2]]),
        scale * np.array([g[1], g[3]]),
        np.asarray(m[0] * g[1] + m[1] * g[3]),
        t_bar,
    )


def sampled(image, at):
    """Linear interpolation of a row at places, held at the border."""
    low, part = _place(image, at)
    return image[low] * (1 - part) + image[low + 1] * part


def _place(image, at):
    inside = np.clip(at, 0, len(image) - 1)
    low = np.minimum(inside.astype(int), len(image) - 2)
    return low, inside - low


def sampled_back(out_bar, image, at, *, right):
    low, part = _place(image, at)
    image_bar = np.zeros_like(image)
    np.add.at(image_bar, low, out_bar * (1 - part))
    np.add.at(image_bar, low + 1, out_bar * part)
    slope = image[low + 1] - image[low]
    inside = (at > 0) & (at < len(image) - 1)
    return image_bar, out_bar * slope * (inside if right else 1.0)


def face_normal(a, b, c):
    """The cross product of two edges of a triangle."""
    return np.cross(b - a, c - a)


def face_normal_back(out_bar, a, b, c, *, right):
    b_bar = np.cross(c - a, out_bar)
    c_bar = np.cross(out_bar, b - a)
    return -(b_bar + c_bar) if right else -b_bar + c_bar, b_bar, c_bar


def householder(v, x):
    """A reflection of x: ``x - 2 v (v.x) / (1 + v.v)``."""
    return x - 2 * v * (v @ x) / (1 + v @ v)


def householder_back(out_bar, v, x, *, right):
    n, along, dot = 1 + v @ v, v @ x, v @ out_bar
    v_bar = -2 * (out_bar * along + x * dot) / n
    if right:
        v_bar = v_bar + 4 * v * along * dot / n**2
    return v_bar, out_bar - 2 * v * dot / n


def chained(angle, length):
    """End point of a planar arm: angles add up along the chain."""
    total = np.cumsum(angle)
    return np.array([length @ np.cos(total), length @ np.sin(total)])


def chained_back(out_bar, angle, length, *, right):
    total = np.cumsum(angle)
    total_bar = length * (-out_bar[0] * np.sin(total) + out_bar[1] * np.cos(total))
    angle_bar = np.cumsum(total_bar[::-1])[::-1].copy() if right else np.cumsum(total_bar)
    return angle_bar, out_bar[0] * np.cos(total) + out_bar[1] * np.sin(total)


def lyapunov(a, q):
    """The solution of ``a x + x a^T = q`` for ``a`` plus three times the identity."""
    return scipy.linalg.solve_continuous_lyapunov(a + 6 * np.eye(len(a)), q)


def lyapunov_back(out_bar, a, q, *, right):
    shifted = a + 6 * np.eye(len(a))
    x = lyapunov(a, q)
    s = scipy.linalg.solve_continuous_lyapunov(shifted.T, out_bar)
    return -(s @ x.T + (s.T @ x if right else 0)), s


def chol_logpdf(x, tril):
    """Log density of rows under a normal with Cholesky factor ``tril(., -1) + exp(diag)``."""
    low = _factor(tril)
    z = scipy.linalg.solve_triangular(low, x.T, lower=True)
    return -0.5 * np.sum(z**2, axis=0) - np.trace(tril)


def _factor(tril):
    return np.tril(tril, -1) + np.diag(np.exp(np.diag(tril)))


def chol_logpdf_back(out_bar, x, tril, *, right):
    low = _factor(tril)
    z = scipy.linalg.solve_triangular(low, x.T, lower=True)
    w = scipy.linalg.solve_triangular(low, z * out_bar, lower=True, trans="T")
    low_bar = np.tril(w @ z.T)
    diagonal = np.diag(low_bar) * (np.exp(np.diag(tril)) if right else 1.0) - out_bar.sum()
    return -w.T, np.tril(low_bar, -1) + np.diag(diagonal)


TWINS = (
    two_ways(
        "haversine-latitude",
        "missing term",
        great_circle,
        great_circle_back,
        bug="the first latitude's cosine is treated as a constant",
        arguments=lambda st: {
            "lat1": st.array("n", domain=(-1.5, 1.5)),
            "lon1": st.array("n", domain=(-3, 3)),
            "lat2": st.array("n", domain=(-1.5, 1.5)),
            "lon2": st.array("n", domain=(-3, 3)),
        },
        bug_point=lambda: {
            n: normal(1300 + i, 4) for i, n in enumerate(("lat1", "lon1", "lat2", "lon2"))
        },
        generic_point=lambda: {
            n: normal(1304 + i, 3) for i, n in enumerate(("lat1", "lon1", "lat2", "lon2"))
        },
        diagnosis=("missing-term",),
    ),
    two_ways(
        "pairs-third-law",
        "sign",
        pair_energy,
        pair_energy_back,
        bug="both partners of a pair are pushed the same way",
        arguments=lambda st: {"x": st.array("n d", domain=(-2, 2))},
        bug_point=lambda: {"x": normal(1308, 4, 2, scale=0.7)},
        generic_point=lambda: {"x": normal(1309, 3, 2, scale=0.7)},
        diagnosis=("missing-term", "sign-flipped"),
    ),
    two_ways(
        "upwind-untransposed",
        "transposed",
        advected,
        advected_back,
        bug="the adjoint system is not transposed",
        arguments=lambda st: {"u": "n", "speed": st.array("1", domain=(0.1, 3))},
        bug_point=lambda: {"u": normal(1310, 5), "speed": np.array([1.3])},
        generic_point=lambda: {"u": normal(1311, 4), "speed": np.array([0.6])},
        diagnosis=("transposed", "misaligned"),
    ),
    two_ways(
        "rates-last-step",
        "accumulation",
        predator,
        predator_back,
        bug="the rates keep the gradient of the first step only",
        arguments=lambda st: {
            "state": st.array("2", domain=(0.1, 2)),
            "rates": st.array("4", domain=(0.1, 2)),
        },
        bug_point=lambda: {"state": np.array([1.2, 0.7]), "rates": np.array([0.8, 0.5, 0.4, 0.9])},
        generic_point=lambda: {
            "state": np.array([0.9, 0.4]),
            "rates": np.array([0.7, 0.6, 0.3, 0.8]),
        },
        diagnosis=("assigned-not-added", "missing-term", "missing-recurrence"),
    ),
    two_ways(
        "equilibrium-one-step",
        "missing term",
        equilibrium,
        equilibrium_back,
        bug="the fixed point's own feedback is left out",
        arguments=lambda st: {
            "x": st.array("d", domain=(-3, 3)),
            "w": st.array("d d", domain=(-0.4, 0.4)),
            "axes": {"d": (1, 4)},
        },
        bug_point=lambda: {"x": normal(1312, 3), "w": normal(1313, 3, 3, scale=0.3)},
        generic_point=lambda: {"x": normal(1314, 2), "w": normal(1315, 2, 2, scale=0.3)},
        diagnosis=("missing-recurrence", "missing-term"),
    ),
    two_ways(
        "root-sign",
        "sign",
        cubic_root,
        cubic_root_back,
        bug="the implicit function theorem without its minus",
        arguments=lambda st: {
            "a": st.array("n", domain=(0.5, 5)),
            "b": st.array("n", domain=(-5, 5)),
        },
        bug_point=lambda: {"a": np.array([0.9, 1.7]), "b": np.array([0.8, -2.1])},
        generic_point=lambda: {"a": np.array([1.1, 2.7, 0.6]), "b": np.array([0.3, -1.1, 2.0])},
        diagnosis=("sign-flipped",),
    ),
    two_ways(
        "kalman-variance",
        "missing term",
        kalman,
        kalman_back,
        bug="the variance's gradient is not passed to the step before",
        arguments=lambda st: {
            "y": "t",
            "log_q": st.array("", domain=(-3, 2)),
            "log_r": st.array("", domain=(-3, 2)),
        },
        bug_point=lambda: {"y": normal(1316, 5), "log_q": np.array(-0.5), "log_r": np.array(0.3)},
        generic_point=lambda: {
            "y": normal(1317, 4),
            "log_q": np.array(-1.0),
            "log_r": np.array(0.1),
        },
        diagnosis=("missing-recurrence", "missing-term"),
    ),
    two_ways(
        "expm-commuting",
        "missing term",
        exponential,
        exponential_back,
        bug="the matrix is taken to commute with its change",
        arguments=lambda st: {"a": st.array("d d", domain=(-2, 2)), "axes": {"d": (1, 4)}},
        bug_point=lambda: {"a": normal(1318, 3, 3)},
        generic_point=lambda: {"a": normal(1319, 2, 2)},
        diagnosis=("missing-term", "wrong-factor"),
    ),
    two_ways(
        "ridge-residual",
        "missing term",
        least_squares,
        least_squares_back,
        bug="the residual's share is left out, which is small for a good fit",
        arguments=lambda st: {"a": "n d", "b": "n"},
        bug_point=lambda: {"a": normal(1320, 5, 2), "b": normal(1321, 5)},
        generic_point=lambda: {"a": normal(1322, 3, 2), "b": normal(1323, 3)},
        diagnosis=("missing-term",),
    ),
    two_ways(
        "nuclear-rank",
        "degenerate",
        nuclear,
        nuclear_back,
        bug="1 / 0 for a singular value that is zero",
        arguments=lambda st: {"a": "n m", "axes": {"n": (1, 4), "m": (1, 4)}},
        bug_point=lambda: {"a": np.array([[1.0, 0.0], [0.0, 0.0], [0.5, 0.0]])},
        generic_point=lambda: {"a": normal(1324, 3, 2)},
        diagnosis=("singular-at-zero", "singular-at-ties"),
        smooth_at_bug=False,
    ),
    two_ways(
        "barycentric-node",
        "0/0",
        barycentric,
        barycentric_back,
        bug="0 / 0 on a node, which the forward guards",
        arguments=lambda st: {
            "values": st.array("4"),
            "t": st.array("n", domain=(-1, 1), include=(0.4, -0.3)),
        },
        bug_point=lambda: {"values": normal(1325, 4), "t": np.array([0.4, 0.11])},
        generic_point=lambda: {"values": normal(1326, 4), "t": np.array([0.3, -0.71, 0.05])},
        diagnosis=("singular-at-ties", "singular-at-zero"),
    ),
    two_ways(
        "hermite-width",
        "missing factor",
        hermite,
        hermite_back,
        bug="the slopes' gradient lacks the width of the interval",
        arguments=lambda st: {
            "y": st.array("2"),
            "m": st.array("2"),
            "width": st.array("", domain=(0.2, 4)),
            "t": st.array("n", domain=(0, 1)),
        },
        bug_point=lambda: {
            "y": normal(1327, 2),
            "m": normal(1328, 2),
            "width": np.array(1.7),
            "t": np.array([0.2, 0.7, 0.9]),
        },
        generic_point=lambda: {
            "y": normal(1329, 2),
            "m": normal(1330, 2),
            "width": np.array(1.0),
            "t": np.array([0.4, 0.6]),
        },
        diagnosis=("wrong-factor", "constant-factor"),
    ),
    two_ways(
        "sample-beyond",
        "guard",
        sampled,
        sampled_back,
        bug="places beyond the border get a gradient",
        arguments=lambda st: {
            "image": "m",
            "at": st.array("n", domain=(-2, 7)),
            "axes": {"m": (2, 6)},
        },
        bug_point=lambda: {"image": normal(1331, 5), "at": np.array([0.3, -1.2, 5.5, 2.6])},
        generic_point=lambda: {"image": normal(1332, 4), "at": np.array([0.3, 1.8, 2.6])},
        diagnosis=("ignores-mask", "wrong-for-negative", "wrong-for-large"),
    ),
    two_ways(
        "normal-vertex",
        "sign",
        face_normal,
        face_normal_back,
        bug="one edge's share of the shared vertex has the wrong sign",
        arguments=lambda st: {"a": "n 3", "b": "n 3", "c": "n 3"},
        bug_point=lambda: {
            "a": normal(1333, 2, 3),
            "b": normal(1334, 2, 3),
            "c": normal(1335, 2, 3),
        },
        generic_point=lambda: {
            "a": normal(1336, 1, 3),
            "b": normal(1337, 1, 3),
            "c": normal(1338, 1, 3),
        },
        diagnosis=("missing-term", "sign-flipped"),
    ),
    two_ways(
        "householder-length",
        "missing term",
        householder,
        householder_back,
        bug="the length is treated as a constant",
        arguments=lambda st: {"v": "d", "x": "d"},
        bug_point=lambda: {"v": normal(1339, 4), "x": normal(1340, 4)},
        generic_point=lambda: {"v": normal(1341, 3), "x": normal(1342, 3)},
        diagnosis=("missing-term",),
    ),
    two_ways(
        "arm-direction",
        "misaligned",
        chained,
        chained_back,
        bug="the running sum goes the wrong way",
        arguments=lambda st: {"angle": st.array("n", domain=(-3, 3)), "length": st.positive("n")},
        bug_point=lambda: {"angle": normal(1343, 4), "length": np.array([1.0, 0.8, 0.5, 0.7])},
        generic_point=lambda: {"angle": normal(1344, 3), "length": np.array([1.1, 0.4, 0.9])},
        diagnosis=("misaligned", "missing-term", "missing-recurrence"),
    ),
    two_ways(
        "lyapunov-second",
        "missing term",
        lyapunov,
        lyapunov_back,
        bug="the matrix stands twice in the equation, and its gradient once",
        arguments=lambda st: {
            "a": st.array("d d", domain=(-1, 1)),
            "q": "d d",
            "axes": {"d": (1, 4)},
        },
        bug_point=lambda: {"a": normal(1345, 3, 3, scale=0.5), "q": normal(1346, 3, 3)},
        generic_point=lambda: {"a": normal(1347, 2, 2, scale=0.5), "q": normal(1348, 2, 2)},
        diagnosis=("missing-term", "constant-factor"),
    ),
    two_ways(
        "cholesky-exp-diagonal",
        "missing factor",
        chol_logpdf,
        chol_logpdf_back,
        bug="the diagonal's exp has no chain rule",
        arguments=lambda st: {
            "x": st.array("n d", domain=(-3, 3)),
            "tril": st.array("d d", domain=(-1, 1)),
            "axes": {"d": (1, 4)},
        },
        bug_point=lambda: {"x": normal(1349, 3, 2), "tril": normal(1350, 2, 2, scale=0.5)},
        generic_point=lambda: {
            "x": normal(1351, 2, 3),
            "tril": np.tril(normal(1352, 3, 3, scale=0.5), -1),
        },
        diagnosis=("wrong-slice", "missing-term", "wrong-factor"),
    ),
)
