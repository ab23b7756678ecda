"""Layers of networks as pairs of functions.

A layer is ``(init, apply)``: ``init(key, input_shape) -> (output_shape, params)``, with -1 for an extent that is not
yet known, and ``apply(params, inputs, **kwargs) -> outputs``, with ``rng=`` a key for layers that draw.
"""

from __future__ import annotations

import functools
import operator as op
from collections.abc import Callable, Sequence
from typing import Any

from cotan import lax, random
from cotan import nn as _nn
from cotan import numpy as cnp
from cotan import tracebacks as _tracebacks
from cotan.api import ShapeDtypeStruct, eval_shape
from cotan.nn.initializers import glorot_normal, normal, ones, zeros

Layer = tuple[Callable[..., Any], Callable[..., Any]]
_WEIGHTS, _BIASES, _SMALL_BIASES = glorot_normal(), normal(), normal(1e-6)
_UNKNOWN = 3 * 5 * 7 * 11  # stands for an extent that is not known while shapes are inferred


def Dense(out_dim: int, W_init: Any = _WEIGHTS, b_init: Any = _BIASES) -> Layer:
    """``inputs @ W + b``.

    >>> import cotan, cotan.numpy as cnp
    >>> from cotan.example_libraries import stax
    >>> init, apply = stax.serial(stax.Dense(4), stax.Relu)
    >>> shape, params = init(cotan.random.key(0), (-1, 3))
    >>> shape, apply(params, cnp.ones((2, 3))).shape
    ((-1, 4), (2, 4))
    """

    def init(rng: Any, input_shape: Sequence[int]) -> Any:
        for_w, for_b = random.split(rng)
        return (*input_shape[:-1], out_dim), (W_init(for_w, (input_shape[-1], out_dim)), b_init(for_b, (out_dim,)))

    def apply(params: Any, inputs: Any, **kwargs: Any) -> Any:
        w, b = params
        return cnp.dot(inputs, w) + b

    return init, apply


def _filter_shape(spec: str, input_shape: Sequence[int], images: str, out_chan: int, window: Sequence[int]) -> Any:
    extents = iter(window)
    special = {"O": out_chan, "I": input_shape[images.index("C")]}
    return tuple(special[letter] if letter in special else next(extents) for letter in spec)


def _convolution(
    dimension_numbers: Any,
    out_chan: int,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None,
    padding: Any,
    W_init: Any,
    b_init: Any,
    convolve: Callable[..., Any],
) -> Layer:
    images, filters, outputs = dimension_numbers
    strides = tuple(strides or (1,) * len(filter_shape))
    W_init = W_init or glorot_normal(filters.index("I"), filters.index("O"))

    def apply(params: Any, inputs: Any, **kwargs: Any) -> Any:
        w, b = params
        return convolve(inputs, w, strides, padding, dimension_numbers=dimension_numbers) + b

    def init(rng: Any, input_shape: Sequence[int]) -> Any:
        kernel = _filter_shape(filters, input_shape, images, out_chan, filter_shape)
        bias = tuple(out_chan if letter == "C" else 1 for letter in outputs)
        for_w, for_b = random.split(rng)
        params = W_init(for_w, kernel), b_init(for_b, bias)
        return _output_shape(functools.partial(apply, params), input_shape), params

    return init, apply


def _output_shape(apply: Callable[[Any], Any], input_shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of the result; the batch, -1, stays -1."""
    known = tuple(_UNKNOWN if extent == -1 else extent for extent in input_shape)
    shape = eval_shape(apply, ShapeDtypeStruct(known, cnp.result_type(float))).shape
    return tuple(-1 if extent == _UNKNOWN else extent for extent in shape)


def GeneralConv(
    dimension_numbers: Any,
    out_chan: int,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Any = "VALID",
    W_init: Any = None,
    b_init: Any = _SMALL_BIASES,
) -> Layer:
    """A convolution with a bias for each channel; ``dimension_numbers`` name the axes, as ('NHWC', 'HWIO', 'NHWC')."""
    convolve = lax.conv_general_dilated
    return _convolution(dimension_numbers, out_chan, filter_shape, strides, padding, W_init, b_init, convolve)


def GeneralConvTranspose(
    dimension_numbers: Any,
    out_chan: int,
    filter_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: Any = "VALID",
    W_init: Any = None,
    b_init: Any = _SMALL_BIASES,
) -> Layer:
    """A transposed convolution with a bias for each channel."""
    convolve = lax.conv_transpose
    return _convolution(dimension_numbers, out_chan, filter_shape, strides, padding, W_init, b_init, convolve)


Conv = functools.partial(GeneralConv, ("NHWC", "HWIO", "NHWC"))
Conv1DTranspose = functools.partial(GeneralConvTranspose, ("NHC", "HIO", "NHC"))
ConvTranspose = functools.partial(GeneralConvTranspose, ("NHWC", "HWIO", "NHWC"))


def BatchNorm(
    axis: Sequence[int] | int = (0, 1, 2),
    epsilon: float = 1e-5,
    center: bool = True,
    scale: bool = True,
    beta_init: Any = zeros,
    gamma_init: Any = ones,
) -> Layer:
    """Mean 0 and variance 1 over ``axis`` of the batch at hand, then a learnt scale and centre for each other index."""
    axes = (axis,) if isinstance(axis, int) else tuple(axis)

    def init(rng: Any, input_shape: Sequence[int]) -> Any:
        shape = tuple(extent for d, extent in enumerate(input_shape) if d not in axes)
        for_beta, for_gamma = random.split(rng)
        return input_shape, (
            beta_init(for_beta, shape) if center else (),
            gamma_init(for_gamma, shape) if scale else (),
        )

    def apply(params: Any, inputs: Any, **kwargs: Any) -> Any:
        beta, gamma = params
        spread = tuple(None if d in axes else slice(None) for d in range(inputs.ndim))
        out = _nn.standardize(inputs, axes, epsilon=epsilon)
        if scale:
            out = gamma[spread] * out
        return out + beta[spread] if center else out

    return init, apply


def elementwise(fun: Callable[..., Any], **fun_kwargs: Any) -> Layer:
    """A layer without parameters that applies a function."""
    return lambda rng, input_shape: (input_shape, ()), lambda params, inputs, **kwargs: fun(inputs, **fun_kwargs)


Tanh = elementwise(cnp.tanh)
Relu = elementwise(_nn.relu)
Exp = elementwise(cnp.exp)
LogSoftmax = elementwise(_nn.log_softmax, axis=-1)
Softmax = elementwise(_nn.softmax, axis=-1)
Softplus = elementwise(_nn.softplus)
Sigmoid = elementwise(_nn.sigmoid)
Elu = elementwise(_nn.elu)
LeakyRelu = elementwise(_nn.leaky_relu)
Selu = elementwise(_nn.selu)
Gelu = elementwise(_nn.gelu)


def _pooling(reducer: Callable[..., Any], start: float, rescale: Callable[..., Any] | None = None) -> Any:
    def layer(
        window_shape: Sequence[int],
        strides: Sequence[int] | None = None,
        padding: Any = "VALID",
        spec: str | None = None,
    ) -> Layer:
        """Pooling over windows; ``spec`` names the axes, N for the batch and C for channels ('NHWC' by default)."""
        steps = tuple(strides or (1,) * len(window_shape))
        where = spec or "N" + "HWDXYZ"[: len(window_shape)] + "C"
        placed = iter(zip(window_shape, steps, strict=True))
        pairs = [(1, 1) if letter in "NC" else next(placed) for letter in where]
        window, stride = tuple(n for n, _ in pairs), tuple(s for _, s in pairs)

        def apply(params: Any, inputs: Any, **kwargs: Any) -> Any:
            out = lax.reduce_window(inputs, start, reducer, window, stride, padding)
            return out if rescale is None else rescale(out, inputs, window, stride, padding)

        return lambda rng, input_shape: (_output_shape(lambda x: apply((), x), input_shape), ()), apply

    return layer


def _mean_of_window(out: Any, inputs: Any, window: Any, strides: Any, padding: Any) -> Any:
    count = lax.reduce_window(cnp.ones_like(inputs), 0.0, lax.add, window, strides, padding)
    return out / count


MaxPool = _pooling(lax.max, -cnp.inf)
SumPool = _pooling(lax.add, 0.0)
AvgPool = _pooling(lax.add, 0.0, _mean_of_window)


def _flat_shape(rng: Any, input_shape: Sequence[int]) -> Any:
    return (input_shape[0], functools.reduce(op.mul, input_shape[1:], 1)), ()


Flatten = (_flat_shape, lambda params, inputs, **kwargs: cnp.reshape(inputs, (inputs.shape[0], -1)))
Identity = (lambda rng, input_shape: (input_shape, ()), lambda params, inputs, **kwargs: inputs)


def FanOut(num: int) -> Layer:
    """The input ``num`` times, for ``parallel``."""
    return (
        lambda rng, input_shape: ([input_shape] * num, ()),
        lambda params, inputs, **kwargs: [inputs] * num,
    )


FanInSum = (
    lambda rng, input_shape: (input_shape[0], ()),
    lambda params, inputs, **kwargs: functools.reduce(op.add, inputs),
)


def FanInConcat(axis: int = -1) -> Layer:
    """The inputs joined along ``axis``."""

    def init(rng: Any, input_shape: Sequence[Sequence[int]]) -> Any:
        at = axis % len(input_shape[0])
        joined = sum(shape[at] for shape in input_shape)
        return (*input_shape[0][:at], joined, *input_shape[0][at + 1 :]), ()

    return init, lambda params, inputs, **kwargs: cnp.concatenate(inputs, axis)


def Dropout(rate: float, mode: str = "train") -> Layer:
    """Keep each element with probability ``rate``, scaled up by 1/rate; in any other mode than 'train' keep all.

    Raises:
      ValueError: (when applied in training) no ``rng`` is given.
    """

    def apply(params: Any, inputs: Any, **kwargs: Any) -> Any:
        rng = kwargs.get("rng")
        if rng is None:
            raise ValueError("Dropout: applying it needs a key; call apply(params, inputs, rng=key)")
        if mode != "train":
            return inputs
        keep = random.bernoulli(rng, rate, inputs.shape)
        return cnp.where(keep, inputs / rate, 0)

    return lambda rng, input_shape: (input_shape, ()), apply


def _keys(rng: Any, count: int) -> Sequence[Any]:
    return [None] * count if rng is None else list(random.split(rng, count))


def serial(*layers: Layer) -> Layer:
    """Layers one after the other; parameters are a list of theirs."""
    inits, applies = ([layer[i] for layer in layers] for i in (0, 1))

    def init(rng: Any, input_shape: Any) -> Any:
        params = []
        for layer in inits:
            rng, sub = random.split(rng)
            input_shape, made = layer(sub, input_shape)
            params.append(made)
        return input_shape, params

    def apply(params: Any, inputs: Any, **kwargs: Any) -> Any:
        keys = _keys(kwargs.pop("rng", None), len(applies))
        for layer, made, key in zip(applies, params, keys, strict=True):
            inputs = layer(made, inputs, rng=key, **kwargs)
        return inputs

    return init, apply


def parallel(*layers: Layer) -> Layer:
    """Layers side by side, for as many inputs; parameters are a list of theirs."""
    inits, applies = ([layer[i] for layer in layers] for i in (0, 1))

    def init(rng: Any, input_shape: Any) -> Any:
        keys = random.split(rng, len(inits))
        made = [layer(key, shape) for layer, key, shape in zip(inits, keys, input_shape, strict=True)]
        return [shape for shape, _ in made], [params for _, params in made]

    def apply(params: Any, inputs: Any, **kwargs: Any) -> Any:
        keys = _keys(kwargs.pop("rng", None), len(applies))
        return [
            layer(made, x, rng=key, **kwargs) for layer, made, x, key in zip(applies, params, inputs, keys, strict=True)
        ]

    return init, apply


def shape_dependent(make_layer: Callable[[Any], Layer]) -> Layer:
    """A layer that is made, by ``make_layer(input_shape)``, when the shape of its input is known."""

    def init(rng: Any, input_shape: Any) -> Any:
        return make_layer(input_shape)[0](rng, input_shape)

    def apply(params: Any, inputs: Any, **kwargs: Any) -> Any:
        shape = [x.shape for x in inputs] if isinstance(inputs, list | tuple) else inputs.shape
        return make_layer(shape)[1](params, inputs, **kwargs)

    return init, apply


_tracebacks.guard(globals())
