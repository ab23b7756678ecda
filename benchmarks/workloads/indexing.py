"""Gathers and scatters: embeddings and their gradients, segment sums, picks along an axis, in-place updates."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import Compile, Inputs, Program, Workload, floats, integers, torch_gradient

WORDS, WIDTH, TOKENS = 20_000, 256, 4096
EVENTS, SEGMENTS = 1_000_000, 1000
FLOAT = 4


def _embedding(rng: np.random.Generator) -> Inputs:
    return floats(rng, WORDS, WIDTH), integers(rng, WORDS, TOKENS)


def _embedding_weighted(rng: np.random.Generator) -> Inputs:
    return *_embedding(rng), floats(rng, TOKENS, WIDTH)


def _embedding_gradient(library: Any) -> Program:
    return library.jit(library.grad(lambda table, ids, weights: (table[ids] * weights).sum()))


def _embedding_gradient_torch(torch: Any, compiled: Compile) -> Program:
    loss = compiled(lambda table, ids, weights: (torch.nn.functional.embedding(ids, table) * weights).sum())
    return torch_gradient(torch, loss)


def _embedding_gradient_numpy(table: np.ndarray, ids: np.ndarray, weights: np.ndarray) -> np.ndarray:
    gradient = np.zeros_like(table)
    np.add.at(gradient, ids, weights)
    return gradient


def _segments(rng: np.random.Generator) -> Inputs:
    return floats(rng, EVENTS), integers(rng, SEGMENTS, EVENTS)


def _segment_sum(library: Any) -> Program:
    return library.jit(lambda values, ids: library.numpy.zeros(SEGMENTS).at[ids].add(values))


def _segment_sum_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda values, ids: torch.zeros(SEGMENTS).index_add(0, ids, values))


def _segment_sum_numpy(values: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return np.bincount(ids, values, SEGMENTS).astype(np.float32)


def _along(rng: np.random.Generator) -> Inputs:
    return floats(rng, 2048, 1024), integers(rng, 1024, 2048, 256)


def _updates(rng: np.random.Generator) -> Inputs:
    rows = rng.permutation(WORDS)[:TOKENS].astype(np.int32)
    return rows, floats(rng, TOKENS, WIDTH)


def _update_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda table, rows, values: table.index_copy_(0, rows, values))


def _update_numpy(table: np.ndarray, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    table[rows] = values
    return table


def _append(library: Any) -> Program:
    """A cache of keys: one more row is written at a position known only at run time."""
    return library.jit(
        lambda cache, row, position: library.lax.dynamic_update_slice(cache, row, (0, position, 0)), donate_argnums=0
    )


def _append_inputs(rng: np.random.Generator) -> Inputs:
    return floats(rng, 8, 1, 128), integers(rng, 1024)


def _append_numpy(cache: Any, row: Any, position: Any) -> Any:
    cache[:, int(position) : int(position) + 1] = row
    return cache


def _neighbours(rng: np.random.Generator) -> Inputs:
    """A random graph: 20,000 nodes of 64 features and 200,000 edges."""
    return floats(rng, WORDS, 64), integers(rng, WORDS, 200_000), integers(rng, WORDS, 200_000)


def _messages(library: Any) -> Program:
    lnp = library.numpy
    return library.jit(lambda nodes, sources, targets: lnp.zeros_like(nodes).at[targets].add(nodes[sources]))


def _messages_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(
        lambda nodes, sources, targets: torch.zeros_like(nodes).index_add(0, targets, nodes.index_select(0, sources))
    )


def _messages_numpy(nodes: np.ndarray, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    result = np.zeros_like(nodes)
    np.add.at(result, targets, nodes[sources])
    return result


WORKLOADS = [
    Workload(
        "indexing/embedding",
        _embedding,
        lambda library: library.jit(lambda table, ids: table[ids]),
        lambda torch, compiled: compiled(lambda table, ids: torch.nn.functional.embedding(ids, table)),
        lambda table, ids: table[ids],
        moved=2 * TOKENS * WIDTH * FLOAT + TOKENS * 4,
    ),
    Workload(
        "indexing/embedding gradient",
        _embedding_weighted,
        _embedding_gradient,
        _embedding_gradient_torch,
        _embedding_gradient_numpy,
        moved=(WORDS + 2 * TOKENS) * WIDTH * FLOAT + TOKENS * 4,
    ),
    Workload(
        "indexing/segment sum",
        _segments,
        _segment_sum,
        _segment_sum_torch,
        _segment_sum_numpy,
        tolerance=1e-3,
    ),
    Workload(
        "indexing/take_along_axis",
        _along,
        lambda library: library.jit(lambda x, ids: library.numpy.take_along_axis(x, ids, axis=1)),
        lambda torch, compiled: compiled(lambda x, ids: torch.take_along_dim(x, ids, 1)),
        lambda x, ids: np.take_along_axis(x, ids, axis=1),
    ),
    Workload(
        "indexing/row updates",
        _updates,
        lambda library: library.jit(lambda table, rows, values: table.at[rows].set(values), donate_argnums=0),
        _update_torch,
        _update_numpy,
        initial=lambda rng: floats(rng, WORDS, WIDTH),
        moved=2 * TOKENS * WIDTH * FLOAT + TOKENS * 4,
    ),
    Workload(
        "indexing/cache append",
        _append_inputs,
        _append,
        lambda torch, compiled: compiled(lambda cache, row, position: cache.index_copy_(1, position.reshape(1), row)),
        _append_numpy,
        initial=lambda rng: floats(rng, 8, 1024, 128),
        moved=2 * 8 * 128 * FLOAT,
    ),
    Workload(
        "indexing/graph messages",
        _neighbours,
        _messages,
        _messages_torch,
        _messages_numpy,
    ),
]
