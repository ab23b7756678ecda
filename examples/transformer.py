"""A small language model: a transformer of bytes, trained on the project's own documentation, and what it writes.

python examples/transformer.py

(A. Vaswani and others, "Attention is all you need", 2017; normalised before each layer, as became usual later.)
"""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import jit, lax, nn, random, value_and_grad, vmap
from cotan.example_libraries import optimizers

ROOT = Path(__file__).resolve().parent.parent
CONTEXT, WIDTH, HEADS, LAYERS = 64, 128, 4, 3
BATCH, RATE = 32, 2e-3


class Layer(NamedTuple):
    """The weights of one layer; in the model's parameters each has a further axis in front, of layers."""

    queries: Any  # (width, heads, width / heads), as keys and values
    keys: Any
    values: Any
    mix: Any  # (heads, width / heads, width)
    widen: Any  # (width, 4 width)
    narrow: Any  # (4 width, width)


class Model(NamedTuple):
    """All parameters: what a byte and a place mean (256, width), (context, width), and the layers."""

    bytes: Any
    places: Any
    layers: Layer


def read_text() -> tuple[np.ndarray, np.ndarray]:
    """README and documentation as bytes: every tenth 2 kB are kept for tests, the others are for training."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("*/*.md"))]
    text = np.frombuffer(b"\n\n".join(file.read_bytes() for file in files), np.uint8)
    tested = np.arange(len(text)) // 2000 % 10 == 9
    return text[~tested], text[tested]


def unigram_bits(train: np.ndarray, test: np.ndarray) -> float:
    """Bits per byte that knowing how often each byte occurs would cost: what there is to beat."""
    counts = np.bincount(train, minlength=256) + 1
    return float(-np.mean(np.log2(counts[test] / counts.sum())))


def init_params(key: Any) -> Model:
    """Normal weights, of variance 1 / (number of inputs); layers that add begin smaller, the more there are."""
    keys = iter(random.split(key, 8))
    size, adding = WIDTH**-0.5, WIDTH**-0.5 * (2 * LAYERS) ** -0.5
    head = (LAYERS, WIDTH, HEADS, WIDTH // HEADS)
    return Model(
        bytes=size * random.normal(next(keys), (256, WIDTH)),
        places=size * random.normal(next(keys), (CONTEXT, WIDTH)),
        layers=Layer(
            queries=size * random.normal(next(keys), head),
            keys=size * random.normal(next(keys), head),
            values=size * random.normal(next(keys), head),
            mix=adding * random.normal(next(keys), (LAYERS, HEADS, WIDTH // HEADS, WIDTH)),
            widen=size * random.normal(next(keys), (LAYERS, WIDTH, 4 * WIDTH)),
            narrow=adding / 2 * random.normal(next(keys), (LAYERS, 4 * WIDTH, WIDTH)),
        ),
    )


def attention(layer: Layer, x: Any) -> Any:
    """Every place asks those up to itself: (n, width) -> (n, width)."""
    queries, keys, values = (cnp.einsum("nw,whd->hnd", x, w) for w in (layer.queries, layer.keys, layer.values))
    scores = cnp.einsum("hnd,hmd->hnm", queries, keys) / np.sqrt(WIDTH // HEADS).astype(np.float32)
    seen = cnp.tril(cnp.ones((len(x), len(x)), bool))
    weights = nn.softmax(cnp.where(seen, scores, -np.inf), axis=-1)
    return cnp.einsum("hnm,hmd,hdw->nw", weights, values, layer.mix)


def predict(params: Model, text: Any) -> Any:
    """Log-probabilities (n, 256) of the byte after each of (n,), n <= CONTEXT: one text."""

    def apply(x: Any, layer: Layer) -> Any:
        x = x + attention(layer, nn.standardize(x))
        return x + nn.gelu(nn.standardize(x) @ layer.widen) @ layer.narrow, None

    x, _ = lax.scan(apply, params.bytes[text] + params.places[: len(text)], params.layers)
    return nn.log_softmax(nn.standardize(x) @ params.bytes.T)


def loss(params: Model, texts: Any) -> Any:
    """Mean bits per byte of texts (n, length + 1), each byte predicted from those before it."""
    log_probabilities = vmap(predict, in_axes=(None, 0))(params, texts[:, :-1])
    return -cnp.mean(cnp.take_along_axis(log_probabilities, texts[:, 1:, None], axis=-1)) / np.log(2)


def pick(rng: np.random.Generator, text: np.ndarray, count: int = BATCH) -> np.ndarray:
    """Pieces of text from anywhere: (count, CONTEXT + 1)."""
    return text[rng.integers(0, len(text) - CONTEXT, count)[:, None] + np.arange(CONTEXT + 1)].astype(np.int32)


def train(params: Model, text: np.ndarray, steps: int, seed: int) -> tuple[Model, list[float]]:
    """Adam with a rate that rises, then falls to nothing: (parameters, the loss before every step)."""
    from tqdm import trange

    def rate(step: Any) -> Any:
        return RATE * cnp.minimum(step / 50, 1) * (1 + cnp.cos(np.pi * step / steps)) / 2

    init, advance, params_of = optimizers.adam(rate)

    @functools.partial(jit, donate_argnums=1)
    def update(step: Any, state: Any, texts: Any) -> Any:
        value, slopes = value_and_grad(loss)(params_of(state), texts)
        return advance(step, optimizers.clip_grads(slopes, 1.0), state), value

    rng, state, losses = np.random.default_rng(seed), init(params), []
    for step in (bar := trange(steps, unit="step", leave=False)):
        state, value = update(step, state, pick(rng, text))
        losses.append(float(value))
        bar.set_postfix(bits=f"{losses[-1]:.2f}")
    return params_of(state), losses


@functools.partial(jit, static_argnums=3)
def write(params: Model, key: Any, prompt: Any, count: int, temperature: float = 0.7) -> Any:
    """``count`` bytes after a prompt (CONTEXT,), each drawn given the CONTEXT bytes before it."""

    def step(text: Any, key: Any) -> Any:
        drawn = random.categorical(key, predict(params, text)[-1] / temperature).astype(text.dtype)
        return cnp.append(text[1:], drawn), drawn

    return lax.scan(step, prompt, random.split(key, count))[1]


def plot(path: Path, losses: list[float], unigram: float, tested: float) -> None:
    """The loss of every step, between knowing nothing but how often bytes occur and what is reached."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    axes.plot(losses, linewidth=0.8, label="training, a batch")
    axes.axhline(unigram, color="grey", linestyle="--", label=f"how often bytes occur {unigram:.2f}")
    axes.axhline(tested, color="C1", label=f"text not trained on {tested:.2f}")
    axes.set(xlabel="step", ylabel="bits per byte", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns bits per byte of text that was not trained on: by how often bytes occur, before and after training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--write", type=int, default=400, help="how many bytes to write in the end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args(arguments)

    text, tested = read_text()
    params = init_params(random.key(options.seed))
    count = sum(leaf.size for leaf in cotan.tree.leaves(params))
    print(f"{len(text)} bytes of text, {len(tested)} for tests; {count} parameters")
    measured = pick(np.random.default_rng(1), tested, 256)
    evaluate = jit(loss)
    bits = {"unigram": unigram_bits(text, measured), "before": float(evaluate(params, measured))}
    start = time.perf_counter()
    params, losses = train(params, text, options.steps, options.seed)
    print(f"{options.steps} steps in {time.perf_counter() - start:.0f} s")
    bits["after"] = float(evaluate(params, measured))
    print("bits per byte of other text: " + ", ".join(f"{name} {value:.2f}" for name, value in bits.items()))
    prompt = tested[:CONTEXT].astype(np.int32)
    written = np.asarray(write(params, random.key(options.seed + 1), prompt, options.write))
    print(f"--- {bytes(prompt.tolist()).decode(errors='replace')}")
    print(f">>> {bytes(written.tolist()).decode(errors='replace')}")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "transformer.png"
    plot(path, losses, bits["unigram"], bits["after"])
    print(f"wrote {path}")
    return bits


if __name__ == "__main__":
    main()
