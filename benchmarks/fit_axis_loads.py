"""Fit the weights of `analysis/cycles/axis_loads` to days of machines: loads, and cycles by their state word.

fit_axis_loads.py FOLDER OUT.npz     folder: DAY.csv and DAY.cycles.csv, as in tests/intake/data/nist

Days whose name has an even MD5 sum are fitted, the others are left for the test. It needs jax and optax, which the
program does not: `pip install jax optax`.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from pathlib import Path
from typing import Any

import jax  # type: ignore[import-not-found]
import jax.numpy as jnp  # type: ignore[import-not-found]
import numpy as np
import optax  # type: ignore[import-not-found]

from factory_sim.analysis.cycles import axis_loads

CHANNELS, STEPS, BATCH, EPOCHS, RATE = 24, 4096, 4, 24, 3e-3
DILATIONS = (1, 2, 4, 8, 16, 32, 64, 128)
NEAR = 2  # steps around a begin or an end that count as it
Params = dict[str, Any]


def day(file: Path) -> tuple[Any, Any]:
    """Return the inputs of a day, and whether a program runs, begins or ends in each step."""
    rows: dict[str, list[tuple[int, float]]] = {}
    with file.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["item"].endswith("load"):
                value = float(row["value"]) if row["value"] != "UNAVAILABLE" else np.nan
                rows.setdefault(row["item"], []).append((ns(row["time_utc"]), value))
    signals = [(np.array([t for t, _ in each]), np.array([v for _, v in each])) for _, each in sorted(rows.items())]
    second, x = axis_loads.inputs(signals, sorted(rows))
    y = np.zeros((len(second), 3), np.float32)
    with file.with_suffix(".cycles.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            begin, end = np.searchsorted(second, [ns(row[key]) / 1e9 for key in ("start_utc", "end_utc")])
            y[begin:end, 0] = 1
            for k, at in enumerate((begin, end), 1):
                y[max(at - NEAR, 0) : at + NEAR + 1, k] = 1
    return x, y


def ns(text: str) -> int:
    """Return a time stamp in ns since 1970."""
    return int(np.datetime64(text.removesuffix("Z"), "ns").astype(np.int64))


def initial(key: Any) -> Params:
    """Return random weights."""
    keys = iter(jax.random.split(key, 2 + 2 * len(DILATIONS)))
    shapes = {"in": (3 * axis_loads.N_INPUTS, CHANNELS, 1.0), "out": (CHANNELS, 3, 0.1 * CHANNELS**0.5)}
    for i in range(len(DILATIONS)):
        shapes |= {f"a{i}": (3 * CHANNELS, CHANNELS, 2**0.5), f"b{i}": (CHANNELS, CHANNELS, 0.3)}
    found = {name: jax.random.normal(next(keys), (a, b)) * scale / a**0.5 for name, (a, b, scale) in shapes.items()}
    biases = {f"{name[0]}b{name[1:]}": jnp.zeros(CHANNELS) for name in shapes if name[0] in "ab"}
    return {**found, **biases, "inb": jnp.zeros(CHANNELS), "outb": jnp.array([-1.0, -3.0, -3.0])}


def odds(p: Params, x: Any, key: Any = None) -> Any:
    """Return the log odds of `axis_loads.probabilities`; with a key a tenth of the channels drops out."""

    def around(h: Any, by: int) -> Any:
        edge = jnp.zeros_like(h[:, :by])
        before, after = jnp.concatenate((edge, h[:, :-by]), 1), jnp.concatenate((h[:, by:], edge), 1)
        return jnp.concatenate((before, h, after), -1)

    hidden = jax.nn.relu(around(x, 1) @ p["in"] + p["inb"])
    for i, dilation in enumerate(DILATIONS):
        inner = jax.nn.relu(around(hidden, dilation) @ p[f"a{i}"] + p[f"ab{i}"])
        if key is not None:
            key, here = jax.random.split(key)
            inner = inner * jax.random.bernoulli(here, 0.9, (len(x), 1, CHANNELS)) / 0.9
        hidden = hidden + inner @ p[f"b{i}"] + p[f"bb{i}"]
    return hidden @ p["out"] + p["outb"]


def loss(p: Params, x: Any, y: Any, weight: Any, key: Any) -> Any:
    """Return the mean cross-entropy; begins and ends count twice."""
    each = optax.sigmoid_binary_cross_entropy(odds(p, x, key), y) * jnp.array([1.0, 2.0, 2.0])
    return (each.sum(-1) * weight).sum() / weight.sum()


def main(folder: str, out: str) -> None:
    """Fit and write the weights."""
    files = sorted(path.with_suffix("").with_suffix(".csv") for path in Path(folder).glob("*.cycles.csv"))
    fitted = [f for f in files if int(hashlib.md5(f.stem.encode(), usedforsecurity=False).hexdigest(), 16) % 2 == 0]
    days = [day(file) for file in fitted]
    places = [(k, at) for k, (x, _) in enumerate(days) for at in range(0, len(x), STEPS)]
    random, key, p = np.random.default_rng(0), jax.random.PRNGKey(0), initial(jax.random.PRNGKey(1))
    rule = optax.adamw(optax.cosine_decay_schedule(RATE, EPOCHS * (len(places) // BATCH)), weight_decay=1e-3)
    state = rule.init(p)

    @jax.jit  # type: ignore[untyped-decorator]
    def step(p: Params, state: Any, x: Any, y: Any, weight: Any, key: Any) -> Any:
        value, slope = jax.value_and_grad(loss)(p, x, y, weight, key)
        change, state = rule.update(slope, state, p)
        return optax.apply_updates(p, change), state, value

    for epoch in range(EPOCHS):
        values = []
        random.shuffle(places)
        for i in range(0, len(places) - BATCH + 1, BATCH):
            x = np.zeros((BATCH, STEPS, axis_loads.N_INPUTS), np.float32)
            y, weight = np.zeros((BATCH, STEPS, 3), np.float32), np.zeros((BATCH, STEPS), np.float32)
            for row, (k, at) in enumerate(places[i : i + BATCH]):
                begin = max(0, min(at + int(random.integers(-1500, 1500)), len(days[k][0]) - STEPS))
                n = min(STEPS, len(days[k][0]) - begin)
                x[row, :n], y[row, :n] = (each[begin : begin + n] for each in days[k])
                weight[row, :n] = 1
            key, here = jax.random.split(key)
            p, state, value = step(p, state, x, y, weight, here)
            values.append(float(value))
        print(f"epoch {epoch}: loss {np.mean(values):.4f}", flush=True)
    np.savez_compressed(out, **{name: np.asarray(each).astype(np.float16) for name, each in p.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
