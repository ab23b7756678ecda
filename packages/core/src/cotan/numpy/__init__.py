"""cotan.numpy: NumPy's functions on cotan arrays, with JAX's rules of promotion. Names only."""

from typing import Any as _Any

import ml_dtypes as _ml_dtypes
import numpy as _np

from cotan import tracebacks as _tracebacks
from cotan.dtypes import finfo as finfo
from cotan.dtypes import iinfo as iinfo
from cotan.dtypes import isdtype as isdtype
from cotan.dtypes import issubdtype as issubdtype
from cotan.dtypes import promote_types as promote_types
from cotan.dtypes import result_type as result_type
from cotan.left_out import missing as _missing
from cotan.numpy import array_methods as array_methods
from cotan.numpy import fft as fft
from cotan.numpy import linalg as linalg
from cotan.numpy.bits import frexp as frexp
from cotan.numpy.bits import ldexp as ldexp
from cotan.numpy.bits import packbits as packbits
from cotan.numpy.bits import spacing as spacing
from cotan.numpy.bits import unpackbits as unpackbits
from cotan.numpy.contractions import convolve as convolve
from cotan.numpy.contractions import correlate as correlate
from cotan.numpy.contractions import cross as cross
from cotan.numpy.contractions import dot as dot
from cotan.numpy.contractions import einsum as einsum
from cotan.numpy.contractions import einsum_path as einsum_path
from cotan.numpy.contractions import inner as inner
from cotan.numpy.contractions import kron as kron
from cotan.numpy.contractions import matmul as matmul
from cotan.numpy.contractions import matvec as matvec
from cotan.numpy.contractions import outer as outer
from cotan.numpy.contractions import tensordot as tensordot
from cotan.numpy.contractions import vdot as vdot
from cotan.numpy.contractions import vecdot as vecdot
from cotan.numpy.contractions import vecmat as vecmat
from cotan.numpy.creation import arange as arange
from cotan.numpy.creation import array as array
from cotan.numpy.creation import asarray as asarray
from cotan.numpy.creation import copy as copy
from cotan.numpy.creation import empty as empty
from cotan.numpy.creation import empty_like as empty_like
from cotan.numpy.creation import eye as eye
from cotan.numpy.creation import from_dlpack as from_dlpack
from cotan.numpy.creation import frombuffer as frombuffer
from cotan.numpy.creation import fromfunction as fromfunction
from cotan.numpy.creation import full as full
from cotan.numpy.creation import full_like as full_like
from cotan.numpy.creation import geomspace as geomspace
from cotan.numpy.creation import identity as identity
from cotan.numpy.creation import indices as indices
from cotan.numpy.creation import linspace as linspace
from cotan.numpy.creation import logspace as logspace
from cotan.numpy.creation import meshgrid as meshgrid
from cotan.numpy.creation import ones as ones
from cotan.numpy.creation import ones_like as ones_like
from cotan.numpy.creation import tri as tri
from cotan.numpy.creation import tril as tril
from cotan.numpy.creation import triu as triu
from cotan.numpy.creation import zeros as zeros
from cotan.numpy.creation import zeros_like as zeros_like
from cotan.numpy.differences import ediff1d as ediff1d
from cotan.numpy.differences import gradient as gradient
from cotan.numpy.editing import apply_over_axes as apply_over_axes
from cotan.numpy.editing import argpartition as argpartition
from cotan.numpy.editing import choose as choose
from cotan.numpy.editing import delete as delete
from cotan.numpy.editing import insert as insert
from cotan.numpy.editing import mask_indices as mask_indices
from cotan.numpy.editing import partition as partition
from cotan.numpy.editing import place as place
from cotan.numpy.editing import put as put
from cotan.numpy.editing import resize as resize
from cotan.numpy.editing import sort_complex as sort_complex
from cotan.numpy.editing import trim_zeros as trim_zeros
from cotan.numpy.files import array_repr as array_repr
from cotan.numpy.files import array_str as array_str
from cotan.numpy.files import fromfile as fromfile
from cotan.numpy.files import fromiter as fromiter
from cotan.numpy.files import fromstring as fromstring
from cotan.numpy.files import get_printoptions as get_printoptions
from cotan.numpy.files import iterable as iterable
from cotan.numpy.files import load as load
from cotan.numpy.files import printoptions as printoptions
from cotan.numpy.files import save as save
from cotan.numpy.files import savez as savez
from cotan.numpy.files import set_printoptions as set_printoptions
from cotan.numpy.functional import apply_along_axis as apply_along_axis
from cotan.numpy.functional import piecewise as piecewise
from cotan.numpy.functional import vectorize as vectorize
from cotan.numpy.grids import block as block
from cotan.numpy.grids import c_ as c_
from cotan.numpy.grids import cumulative_prod as cumulative_prod
from cotan.numpy.grids import cumulative_sum as cumulative_sum
from cotan.numpy.grids import diag_indices as diag_indices
from cotan.numpy.grids import diag_indices_from as diag_indices_from
from cotan.numpy.grids import diagflat as diagflat
from cotan.numpy.grids import fill_diagonal as fill_diagonal
from cotan.numpy.grids import index_exp as index_exp
from cotan.numpy.grids import ix_ as ix_
from cotan.numpy.grids import mgrid as mgrid
from cotan.numpy.grids import ogrid as ogrid
from cotan.numpy.grids import put_along_axis as put_along_axis
from cotan.numpy.grids import r_ as r_
from cotan.numpy.grids import s_ as s_
from cotan.numpy.grids import tril_indices as tril_indices
from cotan.numpy.grids import tril_indices_from as tril_indices_from
from cotan.numpy.grids import triu_indices as triu_indices
from cotan.numpy.grids import triu_indices_from as triu_indices_from
from cotan.numpy.grids import vander as vander
from cotan.numpy.histograms import histogram as histogram
from cotan.numpy.histograms import histogram2d as histogram2d
from cotan.numpy.histograms import histogram_bin_edges as histogram_bin_edges
from cotan.numpy.histograms import histogramdd as histogramdd
from cotan.numpy.manipulation import append as append
from cotan.numpy.manipulation import array_split as array_split
from cotan.numpy.manipulation import astype as astype
from cotan.numpy.manipulation import atleast_1d as atleast_1d
from cotan.numpy.manipulation import atleast_2d as atleast_2d
from cotan.numpy.manipulation import atleast_3d as atleast_3d
from cotan.numpy.manipulation import broadcast_arrays as broadcast_arrays
from cotan.numpy.manipulation import broadcast_shapes as broadcast_shapes
from cotan.numpy.manipulation import broadcast_to as broadcast_to
from cotan.numpy.manipulation import column_stack as column_stack
from cotan.numpy.manipulation import concat as concat
from cotan.numpy.manipulation import concatenate as concatenate
from cotan.numpy.manipulation import diag as diag
from cotan.numpy.manipulation import diagonal as diagonal
from cotan.numpy.manipulation import dsplit as dsplit
from cotan.numpy.manipulation import dstack as dstack
from cotan.numpy.manipulation import expand_dims as expand_dims
from cotan.numpy.manipulation import flip as flip
from cotan.numpy.manipulation import fliplr as fliplr
from cotan.numpy.manipulation import flipud as flipud
from cotan.numpy.manipulation import hsplit as hsplit
from cotan.numpy.manipulation import hstack as hstack
from cotan.numpy.manipulation import matrix_transpose as matrix_transpose
from cotan.numpy.manipulation import moveaxis as moveaxis
from cotan.numpy.manipulation import ndim as ndim
from cotan.numpy.manipulation import permute_dims as permute_dims
from cotan.numpy.manipulation import ravel as ravel
from cotan.numpy.manipulation import repeat as repeat
from cotan.numpy.manipulation import reshape as reshape
from cotan.numpy.manipulation import roll as roll
from cotan.numpy.manipulation import rollaxis as rollaxis
from cotan.numpy.manipulation import rot90 as rot90
from cotan.numpy.manipulation import shape as shape
from cotan.numpy.manipulation import size as size
from cotan.numpy.manipulation import split as split
from cotan.numpy.manipulation import squeeze as squeeze
from cotan.numpy.manipulation import stack as stack
from cotan.numpy.manipulation import swapaxes as swapaxes
from cotan.numpy.manipulation import tile as tile
from cotan.numpy.manipulation import trace as trace
from cotan.numpy.manipulation import transpose as transpose
from cotan.numpy.manipulation import unstack as unstack
from cotan.numpy.manipulation import vsplit as vsplit
from cotan.numpy.manipulation import vstack as vstack
from cotan.numpy.namespace_info import __array_namespace_info__ as __array_namespace_info__
from cotan.numpy.padding import pad as pad
from cotan.numpy.polynomials import poly as poly
from cotan.numpy.polynomials import polyadd as polyadd
from cotan.numpy.polynomials import polyder as polyder
from cotan.numpy.polynomials import polydiv as polydiv
from cotan.numpy.polynomials import polyfit as polyfit
from cotan.numpy.polynomials import polyint as polyint
from cotan.numpy.polynomials import polymul as polymul
from cotan.numpy.polynomials import polysub as polysub
from cotan.numpy.polynomials import polyval as polyval
from cotan.numpy.polynomials import roots as roots
from cotan.numpy.quantiles import median as median
from cotan.numpy.quantiles import nanmedian as nanmedian
from cotan.numpy.quantiles import nanpercentile as nanpercentile
from cotan.numpy.quantiles import nanquantile as nanquantile
from cotan.numpy.quantiles import percentile as percentile
from cotan.numpy.quantiles import quantile as quantile
from cotan.numpy.reductions import all as all
from cotan.numpy.reductions import amax as amax
from cotan.numpy.reductions import amin as amin
from cotan.numpy.reductions import any as any
from cotan.numpy.reductions import argmax as argmax
from cotan.numpy.reductions import argmin as argmin
from cotan.numpy.reductions import average as average
from cotan.numpy.reductions import count_nonzero as count_nonzero
from cotan.numpy.reductions import cumprod as cumprod
from cotan.numpy.reductions import cumsum as cumsum
from cotan.numpy.reductions import max as max
from cotan.numpy.reductions import mean as mean
from cotan.numpy.reductions import min as min
from cotan.numpy.reductions import nanmax as nanmax
from cotan.numpy.reductions import nanmean as nanmean
from cotan.numpy.reductions import nanmin as nanmin
from cotan.numpy.reductions import nanprod as nanprod
from cotan.numpy.reductions import nanstd as nanstd
from cotan.numpy.reductions import nansum as nansum
from cotan.numpy.reductions import nanvar as nanvar
from cotan.numpy.reductions import prod as prod
from cotan.numpy.reductions import ptp as ptp
from cotan.numpy.reductions import std as std
from cotan.numpy.reductions import sum as sum
from cotan.numpy.reductions import var as var
from cotan.numpy.selection import allclose as allclose
from cotan.numpy.selection import argsort as argsort
from cotan.numpy.selection import argwhere as argwhere
from cotan.numpy.selection import array_equal as array_equal
from cotan.numpy.selection import array_equiv as array_equiv
from cotan.numpy.selection import bincount as bincount
from cotan.numpy.selection import compress as compress
from cotan.numpy.selection import diff as diff
from cotan.numpy.selection import digitize as digitize
from cotan.numpy.selection import extract as extract
from cotan.numpy.selection import flatnonzero as flatnonzero
from cotan.numpy.selection import interp as interp
from cotan.numpy.selection import isclose as isclose
from cotan.numpy.selection import lexsort as lexsort
from cotan.numpy.selection import nan_to_num as nan_to_num
from cotan.numpy.selection import nonzero as nonzero
from cotan.numpy.selection import ravel_multi_index as ravel_multi_index
from cotan.numpy.selection import searchsorted as searchsorted
from cotan.numpy.selection import select as select
from cotan.numpy.selection import sort as sort
from cotan.numpy.selection import take as take
from cotan.numpy.selection import take_along_axis as take_along_axis
from cotan.numpy.selection import trapezoid as trapezoid
from cotan.numpy.selection import unravel_index as unravel_index
from cotan.numpy.selection import where as where
from cotan.numpy.setops import intersect1d as intersect1d
from cotan.numpy.setops import isin as isin
from cotan.numpy.setops import setdiff1d as setdiff1d
from cotan.numpy.setops import setxor1d as setxor1d
from cotan.numpy.setops import union1d as union1d
from cotan.numpy.setops import unique as unique
from cotan.numpy.setops import unique_all as unique_all
from cotan.numpy.setops import unique_counts as unique_counts
from cotan.numpy.setops import unique_inverse as unique_inverse
from cotan.numpy.setops import unique_values as unique_values
from cotan.numpy.statistics import corrcoef as corrcoef
from cotan.numpy.statistics import cov as cov
from cotan.numpy.statistics import iscomplex as iscomplex
from cotan.numpy.statistics import iscomplexobj as iscomplexobj
from cotan.numpy.statistics import isreal as isreal
from cotan.numpy.statistics import isrealobj as isrealobj
from cotan.numpy.statistics import isscalar as isscalar
from cotan.numpy.statistics import nanargmax as nanargmax
from cotan.numpy.statistics import nanargmin as nanargmin
from cotan.numpy.statistics import nancumprod as nancumprod
from cotan.numpy.statistics import nancumsum as nancumsum
from cotan.numpy.ufunc_objects import add as add
from cotan.numpy.ufunc_objects import bitwise_and as bitwise_and
from cotan.numpy.ufunc_objects import bitwise_or as bitwise_or
from cotan.numpy.ufunc_objects import bitwise_xor as bitwise_xor
from cotan.numpy.ufunc_objects import frompyfunc as frompyfunc
from cotan.numpy.ufunc_objects import gcd as gcd
from cotan.numpy.ufunc_objects import lcm as lcm
from cotan.numpy.ufunc_objects import logaddexp as logaddexp
from cotan.numpy.ufunc_objects import logaddexp2 as logaddexp2
from cotan.numpy.ufunc_objects import logical_and as logical_and
from cotan.numpy.ufunc_objects import logical_or as logical_or
from cotan.numpy.ufunc_objects import logical_xor as logical_xor
from cotan.numpy.ufunc_objects import maximum as maximum
from cotan.numpy.ufunc_objects import minimum as minimum
from cotan.numpy.ufunc_objects import multiply as multiply
from cotan.numpy.ufunc_objects import negative as negative
from cotan.numpy.ufunc_objects import subtract as subtract
from cotan.numpy.ufunc_objects import ufunc as ufunc
from cotan.numpy.ufuncs import abs as abs
from cotan.numpy.ufuncs import absolute as absolute
from cotan.numpy.ufuncs import acos as acos
from cotan.numpy.ufuncs import acosh as acosh
from cotan.numpy.ufuncs import angle as angle
from cotan.numpy.ufuncs import arccos as arccos
from cotan.numpy.ufuncs import arccosh as arccosh
from cotan.numpy.ufuncs import arcsin as arcsin
from cotan.numpy.ufuncs import arcsinh as arcsinh
from cotan.numpy.ufuncs import arctan as arctan
from cotan.numpy.ufuncs import arctan2 as arctan2
from cotan.numpy.ufuncs import arctanh as arctanh
from cotan.numpy.ufuncs import around as around
from cotan.numpy.ufuncs import asin as asin
from cotan.numpy.ufuncs import asinh as asinh
from cotan.numpy.ufuncs import atan as atan
from cotan.numpy.ufuncs import atan2 as atan2
from cotan.numpy.ufuncs import atanh as atanh
from cotan.numpy.ufuncs import bitwise_count as bitwise_count
from cotan.numpy.ufuncs import bitwise_invert as bitwise_invert
from cotan.numpy.ufuncs import bitwise_left_shift as bitwise_left_shift
from cotan.numpy.ufuncs import bitwise_not as bitwise_not
from cotan.numpy.ufuncs import bitwise_right_shift as bitwise_right_shift
from cotan.numpy.ufuncs import cbrt as cbrt
from cotan.numpy.ufuncs import ceil as ceil
from cotan.numpy.ufuncs import clip as clip
from cotan.numpy.ufuncs import conj as conj
from cotan.numpy.ufuncs import conjugate as conjugate
from cotan.numpy.ufuncs import copysign as copysign
from cotan.numpy.ufuncs import cos as cos
from cotan.numpy.ufuncs import cosh as cosh
from cotan.numpy.ufuncs import deg2rad as deg2rad
from cotan.numpy.ufuncs import degrees as degrees
from cotan.numpy.ufuncs import divide as divide
from cotan.numpy.ufuncs import divmod as divmod
from cotan.numpy.ufuncs import equal as equal
from cotan.numpy.ufuncs import exp as exp
from cotan.numpy.ufuncs import exp2 as exp2
from cotan.numpy.ufuncs import expm1 as expm1
from cotan.numpy.ufuncs import fabs as fabs
from cotan.numpy.ufuncs import fix as fix
from cotan.numpy.ufuncs import float_power as float_power
from cotan.numpy.ufuncs import floor as floor
from cotan.numpy.ufuncs import floor_divide as floor_divide
from cotan.numpy.ufuncs import fmax as fmax
from cotan.numpy.ufuncs import fmin as fmin
from cotan.numpy.ufuncs import fmod as fmod
from cotan.numpy.ufuncs import greater as greater
from cotan.numpy.ufuncs import greater_equal as greater_equal
from cotan.numpy.ufuncs import heaviside as heaviside
from cotan.numpy.ufuncs import hypot as hypot
from cotan.numpy.ufuncs import imag as imag
from cotan.numpy.ufuncs import invert as invert
from cotan.numpy.ufuncs import isfinite as isfinite
from cotan.numpy.ufuncs import isinf as isinf
from cotan.numpy.ufuncs import isnan as isnan
from cotan.numpy.ufuncs import isneginf as isneginf
from cotan.numpy.ufuncs import isposinf as isposinf
from cotan.numpy.ufuncs import left_shift as left_shift
from cotan.numpy.ufuncs import less as less
from cotan.numpy.ufuncs import less_equal as less_equal
from cotan.numpy.ufuncs import log as log
from cotan.numpy.ufuncs import log1p as log1p
from cotan.numpy.ufuncs import log2 as log2
from cotan.numpy.ufuncs import log10 as log10
from cotan.numpy.ufuncs import logical_not as logical_not
from cotan.numpy.ufuncs import mod as mod
from cotan.numpy.ufuncs import modf as modf
from cotan.numpy.ufuncs import nextafter as nextafter
from cotan.numpy.ufuncs import not_equal as not_equal
from cotan.numpy.ufuncs import positive as positive
from cotan.numpy.ufuncs import pow as pow
from cotan.numpy.ufuncs import power as power
from cotan.numpy.ufuncs import rad2deg as rad2deg
from cotan.numpy.ufuncs import radians as radians
from cotan.numpy.ufuncs import real as real
from cotan.numpy.ufuncs import reciprocal as reciprocal
from cotan.numpy.ufuncs import remainder as remainder
from cotan.numpy.ufuncs import right_shift as right_shift
from cotan.numpy.ufuncs import rint as rint
from cotan.numpy.ufuncs import round as round
from cotan.numpy.ufuncs import sign as sign
from cotan.numpy.ufuncs import signbit as signbit
from cotan.numpy.ufuncs import sin as sin
from cotan.numpy.ufuncs import sinc as sinc
from cotan.numpy.ufuncs import sinh as sinh
from cotan.numpy.ufuncs import sqrt as sqrt
from cotan.numpy.ufuncs import square as square
from cotan.numpy.ufuncs import tan as tan
from cotan.numpy.ufuncs import tanh as tanh
from cotan.numpy.ufuncs import true_divide as true_divide
from cotan.numpy.ufuncs import trunc as trunc
from cotan.numpy.windows import bartlett as bartlett
from cotan.numpy.windows import blackman as blackman
from cotan.numpy.windows import hamming as hamming
from cotan.numpy.windows import hanning as hanning
from cotan.numpy.windows import i0 as i0
from cotan.numpy.windows import kaiser as kaiser
from cotan.numpy.windows import unwrap as unwrap
from cotan.runtime.array import Array as _Array

# Dtypes are NumPy's own scalar types; `dtype` objects compare equal to them.
bool_, int8, int16, int32, int64 = _np.bool_, _np.int8, _np.int16, _np.int32, _np.int64
uint8, uint16, uint32, uint64 = _np.uint8, _np.uint16, _np.uint32, _np.uint64
float16, float32, float64, bfloat16 = _np.float16, _np.float32, _np.float64, _ml_dtypes.bfloat16
complex64, complex128 = _np.complex64, _np.complex128
int_, uint, float_, double, single = _np.int64, _np.uint64, _np.float64, _np.float64, _np.float32
floating, integer, inexact, number = _np.floating, _np.integer, _np.inexact, _np.number
signedinteger, unsignedinteger, complexfloating, generic = (
    _np.signedinteger,
    _np.unsignedinteger,
    _np.complexfloating,
    _np.generic,
)
dtype = _np.dtype
ndarray = _Array
bool = _np.bool_

pi, e, euler_gamma, inf, nan, newaxis = _np.pi, _np.e, _np.euler_gamma, _np.inf, _np.nan, None

int2, int4, uint2, uint4 = _ml_dtypes.int2, _ml_dtypes.int4, _ml_dtypes.uint2, _ml_dtypes.uint4
float8_e3m4, float8_e4m3, float8_e5m2 = _ml_dtypes.float8_e3m4, _ml_dtypes.float8_e4m3, _ml_dtypes.float8_e5m2
float8_e4m3fn, float8_e4m3fnuz = _ml_dtypes.float8_e4m3fn, _ml_dtypes.float8_e4m3fnuz
float8_e5m2fnuz, float8_e4m3b11fnuz = _ml_dtypes.float8_e5m2fnuz, _ml_dtypes.float8_e4m3b11fnuz
float8_e8m0fnu, float4_e2m1fn = _ml_dtypes.float8_e8m0fnu, _ml_dtypes.float4_e2m1fn
float6_e2m3fn, float6_e3m2fn = _ml_dtypes.float6_e2m3fn, _ml_dtypes.float6_e3m2fn
complex_, csingle, cdouble = _np.complex128, _np.complex64, _np.complex128
generic, flexible, character, object_ = _np.generic, _np.flexible, _np.character, _np.object_
can_cast = _np.can_cast
ComplexWarning = _np.exceptions.ComplexWarning
__array_api_version__ = "2024.12"

_tracebacks.guard(globals())


def __getattr__(name: str) -> _Any:
    raise AttributeError(_missing(__name__, name))
