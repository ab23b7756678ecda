"""MNIST from the four IDX files beside this module, as NumPy arrays. Nothing is downloaded."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "data" / "mnist"


def read_idx(path: Path) -> np.ndarray:
    """An IDX file as an array: two zero bytes, a type byte (8 = uint8), the rank, big-endian extents, the data."""
    with gzip.open(path) as file:
        data = file.read()
    if data[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is not an IDX file of bytes")
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load(folder: Path = FOLDER) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(train images f32[60000,784] in 0..1, train labels i32[60000], test images, test labels)."""

    def images(name: str) -> np.ndarray:
        pixels = read_idx(folder / f"{name}-images-idx3-ubyte.gz")
        return pixels.reshape(len(pixels), -1).astype(np.float32) / 255

    def labels(name: str) -> np.ndarray:
        return read_idx(folder / f"{name}-labels-idx1-ubyte.gz").astype(np.int32)

    return images("train"), labels("train"), images("t10k"), labels("t10k")
