"""Sorted stretches of one line become one: merges in native code, each cut into segments that threads share.

Where a segment of the result begins in both stretches is found by halving (O. Green, S. Odeh and Y. Birk, Merge Path: a
visually intuitive approach to parallel merging, 2014). A segment is merged from both ends at once, without branches on
values: two chains of dependent loads, which take a processor no longer than one. Knows ndarrays only.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import numpy as np

from cotan.config import config
from cotan_cpu import native
from cotan_cpu.pool import pool

# Values are moved as words: of floats, a select would be a branch.
_FLOAT = """
  %NAMEx = load FLOAT, ptr %NAMEa_at
  %NAMEy = load FLOAT, ptr %NAMEb_at
  %NAMEless = fcmp olt FLOAT %NAMEy, %NAMEx
"""
_INTEGER = "  %NAMEless = icmp ORDER TYPE %NAMEb, %NAMEa"
_LESS = {"f": _FLOAT, "i": _INTEGER.replace("ORDER", "slt"), "u": _INTEGER.replace("ORDER", "ult")}
_FLOATS = {"4": "float", "8": "double"}

_TEXT = """
define void @cotan_merge(ptr %table, i64 %begin, i64 %end) {
entry:
  br label %unit
unit:
  %number = phi i64 [ %begin, %entry ], [ %next, %done ]
  %more = icmp slt i64 %number, %end
  br i1 %more, label %one, label %leave
one:
  %next = add i64 %number, 1
  %at = mul i64 %number, 40
  %words = getelementptr i8, ptr %table, i64 %at
  %a = load ptr, ptr %words
  %second = getelementptr i8, ptr %words, i64 8
  %na = load i64, ptr %second
  %third = getelementptr i8, ptr %words, i64 16
  %b = load ptr, ptr %third
  %fourth = getelementptr i8, ptr %words, i64 24
  %nb = load i64, ptr %fourth
  %fifth = getelementptr i8, ptr %words, i64 32
  %out = load ptr, ptr %fifth
  %total = add i64 %na, %nb
  %half = lshr i64 %total, 1
  %last = sub i64 %total, 1
  %last_a = sub i64 %na, 1
  %last_b = sub i64 %nb, 1
  %no_a = icmp eq i64 %na, 0
  br i1 %no_a, label %copy_b, label %some
some:
  %no_b = icmp eq i64 %nb, 0
  br i1 %no_b, label %copy_a, label %check
copy_a:
  %bytes_a = mul i64 %na, SIZE
  call void @llvm.memcpy.p0.p0.i64(ptr %out, ptr %a, i64 %bytes_a, i1 false)
  br label %done
copy_b:
  %bytes_b = mul i64 %nb, SIZE
  call void @llvm.memcpy.p0.p0.i64(ptr %out, ptr %b, i64 %bytes_b, i1 false)
  br label %done
check:
; So many elements are left in either stretch, whichever they are taken from.
  %shorter = call i64 @llvm.umin.i64(i64 %na, i64 %nb)
  %sure = call i64 @llvm.umin.i64(i64 %shorter, i64 %half)
  %any = icmp ne i64 %half, 0
  br i1 %any, label %quick, label %odd
quick:
  %qk = phi i64 [ 0, %check ], [ %qk1, %quick ]
  %qi = phi i64 [ 0, %check ], [ %qi1, %quick ]
  %qp = phi i64 [ %last_a, %check ], [ %qp1, %quick ]
  %qj = sub i64 %qk, %qi
  %ua_at = getelementptr TYPE, ptr %a, i64 %qi
  %ua = load TYPE, ptr %ua_at
  %ub_at = getelementptr TYPE, ptr %b, i64 %qj
  %ub = load TYPE, ptr %ub_at
QUICK_FRONT
  %u_value = select i1 %uless, TYPE %ub, TYPE %ua
  %u_at = getelementptr TYPE, ptr %out, i64 %qk
  store TYPE %u_value, ptr %u_at
  %u_other = xor i1 %uless, true
  %u_step = zext i1 %u_other to i64
  %qi1 = add i64 %qi, %u_step
  %qm = sub i64 %last, %qk
  %qq_and = sub i64 %qm, %qp
  %qq = sub i64 %qq_and, 1
  %va_at = getelementptr TYPE, ptr %a, i64 %qp
  %va = load TYPE, ptr %va_at
  %vb_at = getelementptr TYPE, ptr %b, i64 %qq
  %vb = load TYPE, ptr %vb_at
QUICK_BACK
  %v_value = select i1 %vless, TYPE %va, TYPE %vb
  %v_at = getelementptr TYPE, ptr %out, i64 %qm
  store TYPE %v_value, ptr %v_at
  %v_step = zext i1 %vless to i64
  %qp1 = sub i64 %qp, %v_step
  %qk1 = add i64 %qk, 1
  %surely = icmp ult i64 %qk1, %sure
  br i1 %surely, label %quick, label %slower
slower:
  %unsure = icmp ult i64 %qk1, %half
  br i1 %unsure, label %step, label %odd
step:
  %k = phi i64 [ %qk1, %slower ], [ %k1, %step ]
  %i = phi i64 [ %qi1, %slower ], [ %i1, %step ]
  %p = phi i64 [ %qp1, %slower ], [ %p1, %step ]
  %m = sub i64 %last, %k
; The smaller of the first elements that are left; of equal ones that of a.
  %j = sub i64 %k, %i
  %fi = call i64 @llvm.umin.i64(i64 %i, i64 %last_a)
  %fj = call i64 @llvm.umin.i64(i64 %j, i64 %last_b)
  %fa_at = getelementptr TYPE, ptr %a, i64 %fi
  %fa = load TYPE, ptr %fa_at
  %fb_at = getelementptr TYPE, ptr %b, i64 %fj
  %fb = load TYPE, ptr %fb_at
FRONT
  %fa_gone = icmp sgt i64 %i, %last_a
  %fb_left = icmp sle i64 %j, %last_b
  %f_either = or i1 %fless, %fa_gone
  %take_b = and i1 %f_either, %fb_left
  %f_value = select i1 %take_b, TYPE %fb, TYPE %fa
  %f_at = getelementptr TYPE, ptr %out, i64 %k
  store TYPE %f_value, ptr %f_at
  %f_other = xor i1 %take_b, true
  %f_step = zext i1 %f_other to i64
  %i1 = add i64 %i, %f_step
; The larger of the last elements that are left; of equal ones that of b. m = p + q + 1.
  %q_and = sub i64 %m, %p
  %q = sub i64 %q_and, 1
  %gp = call i64 @llvm.smax.i64(i64 %p, i64 0)
  %gq = call i64 @llvm.smax.i64(i64 %q, i64 0)
  %ga_at = getelementptr TYPE, ptr %a, i64 %gp
  %ga = load TYPE, ptr %ga_at
  %gb_at = getelementptr TYPE, ptr %b, i64 %gq
  %gb = load TYPE, ptr %gb_at
BACK
  %ga_left = icmp sge i64 %p, 0
  %gb_gone = icmp slt i64 %q, 0
  %g_either = or i1 %gless, %gb_gone
  %take_a = and i1 %g_either, %ga_left
  %g_value = select i1 %take_a, TYPE %ga, TYPE %gb
  %g_at = getelementptr TYPE, ptr %out, i64 %m
  store TYPE %g_value, ptr %g_at
  %g_step = zext i1 %take_a to i64
  %p1 = sub i64 %p, %g_step
  %k1 = add i64 %k, 1
  %again = icmp ult i64 %k1, %half
  br i1 %again, label %step, label %odd
odd:
  %i_end = phi i64 [ 0, %check ], [ %qi1, %slower ], [ %i1, %step ]
  %p_end = phi i64 [ %last_a, %check ], [ %qp1, %slower ], [ %p1, %step ]
  %is_odd = trunc i64 %total to i1
  br i1 %is_odd, label %middle, label %done
middle:
; One element is left: that of a, if a has one.
  %left_a = icmp sle i64 %i_end, %p_end
  %j_end = sub i64 %half, %i_end
  %a_end = getelementptr TYPE, ptr %a, i64 %i_end
  %b_end = getelementptr TYPE, ptr %b, i64 %j_end
  %where = select i1 %left_a, ptr %a_end, ptr %b_end
  %value = load TYPE, ptr %where
  %to = getelementptr TYPE, ptr %out, i64 %half
  store TYPE %value, ptr %to
  br label %done
done:
  br label %unit
leave:
  ret void
}
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""


def can_merge(dtype: np.dtype) -> bool:
    """Whether there is native code for elements of this dtype."""
    return dtype.kind in _LESS and dtype.itemsize in (4, 8)


@functools.cache
def _module(name: str) -> tuple[object, int]:
    """The code for elements of a type, and its address."""
    from cotan_cpu.codegen import jit

    less = _LESS[name[0]].replace("FLOAT", _FLOATS[name[1]])
    text = _TEXT
    for mark, name_of in (("QUICK_FRONT", "u"), ("QUICK_BACK", "v"), ("FRONT", "f"), ("BACK", "g")):
        text = text.replace(mark, less.replace("NAME", name_of))
    module = jit.load(text.replace("TYPE", f"i{8 * int(name[1])}").replace("SIZE", name[1]))
    return module, module.address("cotan_merge")


def _place(a: np.ndarray, b: np.ndarray, count: int) -> int:
    """How many of the first ``count`` elements of the merged stretches are of ``a``; of equal ones those come first."""
    low, high = max(0, count - len(b)), min(count, len(a))
    while low < high:
        middle = (low + high) // 2
        if b[count - middle - 1] < a[middle]:
            high = middle
        else:
            low = middle + 1
    return low


def merge(line: np.ndarray, bounds: Sequence[int]) -> None:
    """Merge the sorted stretches ``bounds[k]:bounds[k + 1]`` of a line without gaps, where it lies; NaN is last."""
    threads = native.thread_count(config.num_threads)
    runtime = native.runtime()
    runtime.ensure_threads(threads)
    _, address = _module(line.dtype.str[1:])
    source, target = line, pool.empty(line.shape, line.dtype, line.nbytes)
    while len(bounds) > 2:
        words = _segments(source, target, bounds, threads)
        runtime.parallel_for(address, words.ctypes.data, len(words), len(words), threads)
        source, target = target, source
        bounds = [*bounds[:-1:2], bounds[-1]]
    if source is not line:
        line[...] = source


def _segments(source: np.ndarray, target: np.ndarray, bounds: Sequence[int], threads: int) -> np.ndarray:
    """Rows of (place and length in one stretch, in its neighbour, place of the result) for pairs of stretches."""
    found: list[tuple[int, ...]] = []
    size, start, result = source.itemsize, source.ctypes.data, target.ctypes.data
    pairs = [bounds[k : k + 3] for k in range(0, len(bounds) - 1, 2)]
    cuts = max(1, -(-2 * threads // len(pairs)))
    for begin, middle, *rest in pairs:
        end = rest[0] if rest else middle
        a, b = _numbers(source[begin:middle]), _numbers(source[middle:end])
        total = len(a) + len(b)
        counts = np.linspace(0, total, cuts + 1).astype(int).tolist()
        places = [(_place(a, b, count), count) for count in counts]
        # What is no number follows all that are.
        places += [(middle - begin, middle - begin + len(b)), (middle - begin, end - begin)]
        for (i, count), (next_i, next_count) in itertools.pairwise(places):
            left, right = start + size * (begin + i), start + size * (middle + count - i)
            here = next_i - i
            found.append((left, here, right, next_count - count - here, result + size * (begin + count)))
    return np.array(found, np.int64)


def _numbers(stretch: np.ndarray) -> np.ndarray:
    """The part of a sorted stretch before its NaN."""
    if stretch.dtype.kind != "f":
        return stretch
    # A NaN of another dtype would have all of the stretch converted.
    return stretch[: np.searchsorted(stretch, stretch.dtype.type(np.nan))]
