"""Loops and branches inside a program: recurrent networks, differential equations, fixed points, cellular automata."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import TRAINING, Compile, Inputs, Program, Workload, floats, torch_gradient, uniform

STEPS, UNITS = 1000, 128
SCALAR_STEPS = 100_000
BATCH = 4096
LONG, SMALL_BATCH = 64, 32
PARTICLES, ODE_STEPS, ODE_STEP = 4096, 500, 0.005
BOARD, GENERATIONS = 256, 100
PLANE, ESCAPES = 256, 100
NO_GRADIENT = "no automatic differentiation"
NO_LOOP = "a loop of single steps in Python: minutes"


def _recurrent_inputs(rng: np.random.Generator) -> Inputs:
    return floats(rng, UNITS, UNITS, scale=0.05), np.zeros(UNITS, np.float32), floats(rng, STEPS, UNITS)


def _states(library: Any) -> Program:
    lnp = library.numpy

    def states(w: Any, start: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = lnp.tanh(h @ w + x)
            return h, h

        return library.lax.scan(step, start, xs)[1]

    return states


def _states_torch(torch: Any, compiled: Compile) -> Program:
    step = compiled(lambda h, w, x: torch.tanh(h @ w + x))

    def states(w: Any, h: Any, xs: Any) -> Any:
        kept = []
        for x in xs:
            h = step(h, w, x)
            kept.append(h)
        return torch.stack(kept)

    return states


def _states_numpy(w: np.ndarray, h: np.ndarray, xs: np.ndarray) -> np.ndarray:
    kept = np.empty_like(xs)
    for k, x in enumerate(xs):
        kept[k] = h = np.tanh(h @ w + x)
    return kept


def _states_gradient(library: Any) -> Program:
    states = _states(library)
    return library.jit(library.grad(lambda w, start, xs: (states(w, start, xs) ** 2).sum()))


def _states_gradient_torch(torch: Any, compiled: Compile) -> Program:
    states = _states_torch(torch, compiled)
    return torch_gradient(torch, lambda w, start, xs: (states(w, start, xs) ** 2).sum())


def _lstm_inputs(rng: np.random.Generator) -> Inputs:
    """Weights of inputs and of states (four gates each), biases, and a batch of sequences."""
    return (
        floats(rng, 4 * UNITS, UNITS, scale=0.08),
        floats(rng, 4 * UNITS, UNITS, scale=0.08),
        floats(rng, 4 * UNITS, scale=0.1),
        floats(rng, LONG, SMALL_BATCH, UNITS),
    )


def _lstm(library: Any) -> Program:
    lnp, nn = library.numpy, library.nn

    def outputs(w: Any, u: Any, b: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, c = carry
            entering, forgetting, new, leaving = lnp.split(x @ w.T + h @ u.T + b, 4, axis=1)
            c = nn.sigmoid(forgetting) * c + nn.sigmoid(entering) * lnp.tanh(new)
            h = nn.sigmoid(leaving) * lnp.tanh(c)
            return (h, c), h

        zeros = lnp.zeros((SMALL_BATCH, UNITS), lnp.float32)
        return library.lax.scan(step, (zeros, zeros), xs)[1]

    return outputs


def _lstm_torch(torch: Any) -> Program:
    """PyTorch's own layer."""

    def outputs(w: Any, u: Any, b: Any, xs: Any) -> Any:
        zeros = torch.zeros(1, SMALL_BATCH, UNITS)
        return torch.lstm(xs, (zeros, zeros), [w, u, b, torch.zeros_like(b)], True, 1, 0.0, False, False, False)[0]

    return outputs


def _lstm_numpy(w: np.ndarray, u: np.ndarray, b: np.ndarray, xs: np.ndarray) -> np.ndarray:
    h = c = np.zeros((SMALL_BATCH, UNITS), np.float32)
    kept = np.empty((LONG, SMALL_BATCH, UNITS), np.float32)
    for k, x in enumerate(xs):
        entering, forgetting, new, leaving = np.split(x @ w.T + h @ u.T + b, 4, axis=1)
        c = c / (1 + np.exp(-forgetting)) + np.tanh(new) / (1 + np.exp(-entering))
        kept[k] = h = np.tanh(c) / (1 + np.exp(-leaving))
    return kept


def _lstm_gradient(library: Any) -> Program:
    outputs = _lstm(library)
    return library.jit(library.grad(lambda w, u, b, xs: (outputs(w, u, b, xs) ** 2).mean(), argnums=(0, 1, 2)))


def _lstm_gradient_torch(torch: Any, compiled: Compile) -> Program:
    outputs = _lstm_torch(torch)
    return torch_gradient(torch, lambda w, u, b, xs: (outputs(w, u, b, xs) ** 2).mean(), 3)


def _scalar_inputs(rng: np.random.Generator) -> Inputs:
    return (np.float32(rng.random()),)


def _scalar(library: Any) -> Program:
    """A body of one multiplication and one addition."""
    return library.jit(lambda x: library.lax.fori_loop(0, SCALAR_STEPS, lambda k, y: y * 0.999 + 1.0, x))


def _newton(library: Any) -> Program:
    """Cube roots under vmap: each lane stops for itself."""
    lnp = library.numpy

    def root(a: Any) -> Any:
        def unfinished(state: Any) -> Any:
            k, x = state
            return (lnp.abs(x * x * x - a) > 1e-5 * a) & (k < 50)

        def step(state: Any) -> Any:
            k, x = state
            return k + 1, x - (x * x * x - a) / (3 * x * x)

        return library.lax.while_loop(unfinished, step, (0, lnp.float32(1.0)))[1]

    return library.jit(library.vmap(root))


def _newton_arrays(array_library: Any, step: Program) -> Program:
    """The whole batch steps until every lane is done."""

    def roots(a: Any) -> Any:
        x = array_library.ones_like(a)
        for _ in range(50):
            if bool((abs(x * x * x - a) <= 1e-5 * a).all()):
                break
            x = step(x, a)
        return x

    return roots


def _newton_step(x: Any, a: Any) -> Any:
    return x - (x * x * x - a) / (3 * x * x)


def _lorenz_slope(state: Any) -> Any:
    x, y, z = state
    return 10.0 * (y - x), x * (28.0 - z) - y, x * y - (8 / 3) * z


def _runge_kutta(state: Any) -> Any:
    def moved(slope: Any, by: float) -> Any:
        return tuple(s + by * d for s, d in zip(state, slope))

    first = _lorenz_slope(state)
    second = _lorenz_slope(moved(first, ODE_STEP / 2))
    third = _lorenz_slope(moved(second, ODE_STEP / 2))
    fourth = _lorenz_slope(moved(third, ODE_STEP))
    slopes = zip(state, first, second, third, fourth)
    return tuple(s + ODE_STEP / 6 * (a + 2 * b + 2 * c + d) for s, a, b, c, d in slopes)


def _lorenz_inputs(rng: np.random.Generator) -> Inputs:
    return floats(rng, PARTICLES), floats(rng, PARTICLES), floats(rng, PARTICLES) + np.float32(25)


def _lorenz(library: Any) -> Program:
    return library.jit(
        lambda x, y, z: library.lax.fori_loop(0, ODE_STEPS, lambda k, state: _runge_kutta(state), (x, y, z))
    )


def _lorenz_steps(step: Program) -> Program:
    def run(x: Any, y: Any, z: Any) -> Any:
        state = (x, y, z)
        for _ in range(ODE_STEPS):
            state = step(state)
        return state

    return run


def _board(rng: np.random.Generator) -> Inputs:
    return ((rng.random((BOARD, BOARD)) < 0.3).astype(np.int32),)


def _generation(roll: Program, where: Program) -> Program:
    def step(board: Any) -> Any:
        near = sum(roll(roll(board, i, 0), j, 1) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)
        return where((near == 3) | ((board == 1) & (near == 2)), 1, 0)

    return step


def _life(library: Any) -> Program:
    lnp = library.numpy
    step = _generation(lnp.roll, lambda found, one, zero: found.astype(lnp.int32))
    return library.jit(lambda board: library.lax.fori_loop(0, GENERATIONS, lambda k, b: step(b), board))


def _generations(step: Program) -> Program:
    def run(board: Any) -> Any:
        for _ in range(GENERATIONS):
            board = step(board)
        return board

    return run


def _life_torch(torch: Any, compiled: Compile) -> Program:
    return _generations(compiled(_generation(torch.roll, lambda found, one, zero: found.long())))


def _life_numpy(board: np.ndarray) -> np.ndarray:
    return _generations(_generation(np.roll, lambda found, one, zero: found.astype(np.int32)))(board)


def _plane(rng: np.random.Generator) -> Inputs:
    return uniform(rng, -2, 0.6, PLANE * PLANE), uniform(rng, -1.2, 1.2, PLANE * PLANE)


def _mandelbrot(library: Any) -> Program:
    lnp = library.numpy

    def escape(a: Any, b: Any) -> Any:
        def inside(state: Any) -> Any:
            k, x, y = state
            return (k < ESCAPES) & (x * x + y * y < 4)

        def step(state: Any) -> Any:
            k, x, y = state
            return k + 1, x * x - y * y + a, 2 * x * y + b

        return library.lax.while_loop(inside, step, (0, lnp.float32(0), lnp.float32(0)))[0]

    return library.jit(library.vmap(escape))


def _mandelbrot_numpy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    count = np.zeros(a.shape, np.int32)
    alive, x, y = np.arange(a.size), np.zeros_like(a), np.zeros_like(b)
    for _ in range(ESCAPES):
        inside = x * x + y * y < 4
        alive, x, y = alive[inside], x[inside], y[inside]
        count[alive] += 1
        x, y = x * x - y * y + a[alive], 2 * x * y + b[alive]
    return count


def _mandelbrot_torch(torch: Any, compiled: Compile) -> Program:
    @compiled
    def step(count: Any, x: Any, y: Any, a: Any, b: Any) -> Any:
        inside = x * x + y * y < 4
        new_x, new_y = x * x - y * y + a, 2 * x * y + b
        return count + inside, torch.where(inside, new_x, x), torch.where(inside, new_y, y)

    def escape(a: Any, b: Any) -> Any:
        count, x, y = torch.zeros(a.shape, dtype=torch.int32), torch.zeros_like(a), torch.zeros_like(b)
        for _ in range(ESCAPES):
            count, x, y = step(count, x, y, a, b)
        return count

    return escape


def _few_differ(results: list[np.ndarray]) -> list[np.ndarray]:
    """Escape counts jump where rounding decides: their mean is compared."""
    return [np.asarray(result.mean(dtype=np.float64)) for result in results]


WORKLOADS = [
    Workload(
        "loops/RNN",
        _recurrent_inputs,
        lambda library: library.jit(_states(library)),
        _states_torch,
        _states_numpy,
        flops=2.0 * STEPS * UNITS * UNITS,
        tolerance=1e-3,
    ),
    Workload(
        "loops/RNN gradient",
        _recurrent_inputs,
        _states_gradient,
        _states_gradient_torch,
        NO_GRADIENT,
        flops=6.0 * STEPS * UNITS * UNITS,
        tags=(TRAINING,),
        tolerance=1e-3,
    ),
    Workload(
        "loops/LSTM",
        _lstm_inputs,
        lambda library: library.jit(_lstm(library)),
        lambda torch, compiled: compiled(_lstm_torch(torch)),
        _lstm_numpy,
        flops=16.0 * LONG * SMALL_BATCH * UNITS * UNITS,
        tolerance=1e-3,
    ),
    Workload(
        "loops/LSTM gradient",
        _lstm_inputs,
        _lstm_gradient,
        _lstm_gradient_torch,
        NO_GRADIENT,
        flops=48.0 * LONG * SMALL_BATCH * UNITS * UNITS,
        tags=(TRAINING,),
        tolerance=1e-3,
    ),
    Workload("loops/scalar steps", _scalar_inputs, _scalar, NO_LOOP, NO_LOOP, tolerance=1e-3),
    Workload(
        "loops/Newton",
        lambda rng: (uniform(rng, 1, 100, BATCH),),
        _newton,
        lambda torch, compiled: _newton_arrays(torch, compiled(_newton_step)),
        _newton_arrays(np, _newton_step),
    ),
    Workload(
        "loops/Lorenz by Runge-Kutta",
        _lorenz_inputs,
        _lorenz,
        lambda torch, compiled: _lorenz_steps(compiled(_runge_kutta)),
        _lorenz_steps(_runge_kutta),
        flops=60.0 * ODE_STEPS * PARTICLES,
        tolerance=1e-2,
    ),
    Workload("loops/Game of Life", _board, _life, _life_torch, _life_numpy, tolerance=0),
    Workload(
        "loops/Mandelbrot",
        _plane,
        _mandelbrot,
        _mandelbrot_torch,
        _mandelbrot_numpy,
        view=_few_differ,
    ),
]
