"""The texts of functions of a number, or of each lane of a vector, for languages with OpenCL C's vector types.

float32 by operators alone, for runtimes for CPUs call their library for every vector, which costs more than most
functions do: within 2 ulp, with or without fused multiplication. Half precision is converted by integer
arithmetic: not all devices have it, and some runtimes fail on vectors of it. ``functions`` makes C of them.
"""

from __future__ import annotations

import math

from cotan.compiler.piece_tables import PIECES

OWN = frozenset(
    {"abs", "sqrt", "floor", "ceil", "trunc", "round", "copysign"}
    | {"exp", "expm1", "log", "log1p", "tanh", "logistic", "sin", "cos", "erf"}
    | {"sinh", "cosh", "asin", "acos", "atan", "atan2", "exp2", "ones uint"}
)
"""Operations on float32 that are here, as ``cotan_OPERATION_float`` and the number of lanes; with a type in the name,
on vectors of these integers, as ``cotan_OPERATION_TYPE``."""
OF_DOUBLES = frozenset({"pow", "rem", "tan", "erfc", "lgamma", "digamma", "quotient int", "quotient uint"})
"""Likewise, where there is float64."""
OF_16_LANES = frozenset({"max", "min", "select"})
"""Likewise, of 16 lanes only: instructions of AVX-512 that compilers of OpenCL C do not choose by themselves."""
POLYNOMIALS: dict[str, tuple[float, ...]] = {
    "exp": (0.5, 0.16666577, 0.041666555, 0.00836319, 0.0013926198),
    "log": (
        0.3333333, -0.24999997, 0.20000716, -0.16667802, 0.14249058, -0.12425687, 0.1168542, -0.11479734, 0.069716115,
    ),
    "sin": (-0.16666667, 0.008333332, -0.00019840086, 2.7249848e-06),
    "cos": (0.041666668, -0.0013888888, 2.4800599e-05, -2.7300894e-07),
    "erf": (0.12837917, -0.37612626, 0.11283594, -0.026854211, 0.0051890872, -0.00080168643, 7.875875e-05),
    "root": (
        0.2615224, -0.28886196, 0.09913475, 0.0068968004, -0.012228339, 0.0015633445, 0.0007548099, -0.00021565237,
        -2.0235306e-05, 1.1353527e-05,
    ),
    **{name: PIECES[name][0] for name in ("log_series", "sine_series", "cosine_series")},
    "tanh": (-0.33333063, 0.13314869, -0.0503685),
    "sinh": (0.16666667, 0.00833334, 0.00019838102, 2.8062803e-06),
    "atan": (-0.33333334, 0.19999978, -0.14284152, 0.11071365, -0.08624676, 0.050481386),
    "asin": (0.16666667, 0.074999925, 0.044647664, 0.030269139, 0.023611818, 0.010574416, 0.03097454),
    "erfcx": (
        1.2329951187795825, -0.1396211311625048, 0.015379622549665496, 0.068097847252619, -0.10103762448263112,
        0.09372136007834744, -0.06635619035574324, 0.03721963790840588, -0.016021625685103416, 0.005052447874568228,
        -0.0011288532882512505, -0.0006397137948387266,
    ),
    "power": tuple(1 / math.factorial(k) for k in range(9)),
    "sine": tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(8)),
    "cosine": tuple((-1) ** k / math.factorial(2 * k) for k in range(9)),
    "log_ratio": tuple(2 / (2 * k + 3) for k in range(8)),
    "stirling": (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156),
    "bernoulli": (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12),
}  # fmt: skip
"""Minimax fits, lowest power first: (e**r - 1 - r) / r**2 for half of log(2); (log(1 + m) - m + m**2 / 2) / m**3 for
1 + m between the roots of 1/2 and 2; sine and cosine of pi / 4 less their first terms, in the square; erf(x) / x - 1
up to 1, in the square; the fourth root of 1 - erf(2 + x) from -1 to 2; (tanh(x) - x) / x**3 up to 0.3, in the
square; (sinh(x) - x) / x**3 up to 1, (atan(x) - x) / x**3 up to the tangent of pi / 8, (asin(x) - x) / x**3 up to 1/2,
likewise; erfc(x) * exp(x**2) * (1 + 2 * x) up to 10.2, in (x - 4) / (x + 4). Then series: e**x, sin(x) / x and cos(x)
in the square, log((1 + s) / (1 - s)) / s**3 less 2 / s**2, likewise, and those of the gamma function."""
IN_DOUBLES = OF_DOUBLES - {"tan"} | {"slope"}
"""Functions that compute in doubles, of vectors half as wide."""
BY_AVX512 = frozenset({"scaled", "pieced"})
"""Functions for others here, of 16 lanes."""
# @F, @I, @U, @D and @L are vectors of float, int, uint, double and long, @ alone is the number of lanes; $name(x): a
# polynomial, $$name(x): one in doubles, $name(x, piece): that of a table of pieces. @IF16, as far as its #else: of 16
# lanes, where AVX-512 is.
TEXTS = {
    "max": """@F (@F x, @F y) {
  const @F larger = __builtin_ia32_maxps512(y, x, 4);
  return y != y ? y : larger; }""",
    "min": """@F (@F x, @F y) {
  const @F less = __builtin_ia32_minps512(y, x, 4);
  return y != y ? y : less; }""",
    # Compilers make bits of C's choice between a vector and 0, by VPMOVM2D. On some of Intel's processors that waits
    # for what was in its register before, often the result of the iteration before.
    "select": """@F (@I mask, @F x, @F y) {
  return __builtin_ia32_selectps_512(__builtin_ia32_cvtd2mask512(mask), x, y); }""",
    "abs": "@F (@F x) { return as_float@(as_int@(x) & 0x7fffffff); }",
    # Of a runtime's function of a vector some compilers make more than the one instruction.
    "sqrt": """@F (@F x) {
@IF16
  return __builtin_ia32_sqrtps512(x, 4);
#elif defined(__clang__) && defined(__AVX__) && @ + 0 == 8
  return __builtin_ia32_sqrtps256(x);
#else
  return sqrt(x);
#endif
}""",
    "copysign": """@F (@F x, @F y) {
  return as_float@((as_int@(x) & 0x7fffffff) | (as_int@(y) & (int)0x80000000)); }""",
    "round": """@F (@F x) {
  const @F size = cotan_abs_float@(x), near = cotan_copysign_float@((size + 8388608.0f) - 8388608.0f, x);
  return size < 8388608.0f ? near : x; }""",
    "floor": """@F (@F x) {
  const @F near = cotan_round_float@(x);
  return cotan_copysign_float@(near > x ? near - 1.0f : near, x); }""",
    "ceil": """@F (@F x) {
  const @F near = cotan_round_float@(x);
  return cotan_copysign_float@(near < x ? near + 1.0f : near, x); }""",
    "trunc": """@F (@F x) {
  const @F size = cotan_abs_float@(x), near = cotan_round_float@(size);
  return cotan_copysign_float@(near > size ? near - 1.0f : near, x); }""",
    # x = n log(2) + r: gives e**r - 1. Adding ``magic``, 1.5 * 2**23 and some integer, rounds, and leaves n and that
    # integer in the lowest bits; n times the long part of log(2) is exact.
    "small": """@F (@F x, @F magic, @I *shifted) {
#pragma OPENCL FP_CONTRACT ON
  const @F sum = x * 1.44269504f + magic, n = sum - magic;
  const @F r = (x - n * 0.693115234375f) - n * 3.194618329871446e-05f;
  *shifted = as_int@(sum);
  return r * r * $exp(r) + r; }""",
    # Without a branch for usual arguments, so that compilers work on several vectors at once: 2**n is made as a power
    # that is by 64 nearer to 1, and by 2**64 or its inverse; or by 0 where the result is nothing: some processors take
    # long for products that are rounded to 0.
    "exp": """@F (@F x) {
  const @F below = x > 89.5f ? (@F)89.5f : x;
@IF16
  return cotan_scaled_float@(below);
#else
  const @F near = below < -104.0f ? (@F)(-104.0f) : below;
  const @F magic = x < 0.0f ? (@F)12583103.0f : (@F)12582975.0f;
  const @F least = x < -104.0f ? (@F)0.0f : (@F)5.421010862427522e-20f;
  const @F rest = x < 0.0f ? least : (@F)1.8446744073709552e19f;
  @I shifted;
  const @F y = cotan_small_float@(near, magic, &shifted) + 1.0f;
  return y * as_float@(shifted << 23) * rest;
#endif
}""",
    # By the instruction that multiplies by a power of two, with 0 for what is not 21: not less than the limit.
    "scaled": """@F (@F x) {
  @I shifted;
  const @F y = cotan_small_float@(x, (@F)12582912.0f, &shifted) + 1.0f, n = as_float@(shifted) - 12582912.0f;
  const ushort kept = __builtin_ia32_cmpps512_mask(x, (@F)(-104.0f), 21, -1, 4);
  return __builtin_ia32_scalefps512_mask(y, n, (@F)(0.0f), kept, 4); }""",
    "exp2": """@F (@F x) {
  const @F below = x > 129.0f ? (@F)129.0f : x, near = below < -151.0f ? (@F)(-151.0f) : below;
  const @F shifted = near + (x < 0.0f ? (@F)12583103.0f : (@F)12582975.0f);
  const @F n = shifted - (x < 0.0f ? (@F)12583103.0f : (@F)12582975.0f), r = (near - n) * 0.693147182f;
  const @F least = x < -151.0f ? (@F)0.0f : (@F)5.421010862427522e-20f;
  const @F rest = x < 0.0f ? least : (@F)1.8446744073709552e19f, y = (r * r * $exp(r) + r) + 1.0f;
  return y * as_float@(as_int@(shifted) << 23) * rest; }""",
    # exp of what is not positive.
    "decay": """@F (@F x) {
@IF16
  return cotan_scaled_float@(x);
#else
  const @F near = x < -104.0f ? (@F)(-104.0f) : x, rest = x < -104.0f ? (@F)0.0f : (@F)5.421010862427522e-20f;
  @I shifted;
  const @F y = cotan_small_float@(near, (@F)12583103.0f, &shifted) + 1.0f;
  return y * as_float@(shifted << 23) * rest;
#endif
}""",
    # Half of 2**n, which must not overflow before the result does: its exponent has 126 added.
    "expm1": """@F (@F x) {
#pragma OPENCL FP_CONTRACT ON
  const @F below = x > 88.9f ? (@F)88.9f : x, near = below < -20.0f ? (@F)(-20.0f) : below;
  @I shifted;
  const @F small = cotan_small_float@(near, (@F)12583038.0f, &shifted), half_power = as_float@(shifted << 23);
  return cotan_copysign_float@((half_power * small + (half_power - 0.5f)) * 2.0f, x); }""",
    "exponent": """@I (@F x, @F *rest) {
  const @I bits = as_int@(x), e = (bits - 0x3f3504f3) >> 23;
  *rest = as_float@(bits - (e << 23)) - 1.0f;
  return e; }""",
    "logarithm": """@F (@F e, @F m, @F more) {
#pragma OPENCL FP_CONTRACT ON
  const @F square = m * m, y = square * m * $log(m) + (e * 3.194618329871446e-05f + more);
  return e * 0.693115234375f + ((square * -0.5f + y) + m); }""",
    "ends": """@F (@F x, @F shifted, @F inner) {
  const @F value = shifted > 0.0f ? inner : shifted == 0.0f ? (@F)(-INFINITY) : (@F)NAN;
  return shifted < (@F)INFINITY ? value : x; }""",
    # log(x + lost), where ``lost`` is less than an ulp of x = m 2**e; the ends are what the instructions say of both.
    # 1 / m is c (1 - r) and a little, and 2**-e comes from the bits; infinity has nothing lost.
    "pieced": """@F (@F x, @F lost) {
#pragma OPENCL FP_CONTRACT ON
  const @F e = __builtin_ia32_getexpps512_mask(x, x, -1, 4), m = __builtin_ia32_getmantps512_mask(x, 8, x, -1, 4);
  const @I piece = as_int@(as_uint@(m) >> 19);
  const @F c = $log_inverses(m, piece), r = m * c - 1.0f, low = e * 3.194618329871446e-05f + $log_lows(r, piece);
  const @F part = lost * c * as_float@(0x7f000000 - (as_int@(x) & 0x7f800000));
  const @F more = x < (@F)INFINITY ? low + (part - part * r) : low;
  return (e * 0.693115234375f + $log_highs(r, piece)) + (r + (r * r * $log_series(r) + more)); }""",
    "log": """@F (@F x) {
@IF16
  return cotan_pieced_float@(x, (@F)0.0f);
#else
  const @I tiny = x < 1.17549435e-38f;
  @F m;
  const @I e = cotan_exponent_float@(tiny ? x * 33554432.0f : x, &m);
  const @F moved = convert_float@(e) - (tiny ? (@F)25.0f : (@F)0.0f);
  return cotan_ends_float@(x, x, cotan_logarithm_float@(moved, m, (@F)0.0f));
#endif
}""",
    "log1p": """@F (@F x) {
  const @F total = x + 1.0f, one = total - x, lost = (x - (total - one)) + (1.0f - one);
@IF16
  return cotan_copysign_float@(cotan_pieced_float@(total, lost), x);
#else
  @F m;
  const @I e = cotan_exponent_float@(total, &m);
  const @F inner = cotan_logarithm_float@(convert_float@(e), m, lost / total);
  return cotan_ends_float@(x, total, cotan_abs_float@(x) < 2.9802322e-08f ? x : inner);
#endif
}""",
    "tanh": """@F (@F x) {
#pragma OPENCL FP_CONTRACT ON
  const @F size = cotan_abs_float@(x);
@IF16
  const @F least = size > 9.25f ? (@F)9.25f : size;
  const @I piece = as_int@(as_uint@(least * 1.6f + 1.0f) >> 21);
  const @F rest = least - $tanh_centres(rest, piece);
  return cotan_copysign_float@($tanh(rest, piece), x);
#else
  const @F square = x * x, near = size * square * $tanh(square) + size, least = size > 10.0f ? (@F)10.0f : size;
  @I shifted;
  const @F small = cotan_small_float@(least + least, (@F)12583039.0f, &shifted), power = as_float@(shifted << 23);
  const @F e = power * small + (power - 1.0f);
  return cotan_copysign_float@(size < 0.3f ? near : e / (e + 2.0f), x);
#endif
}""",
    # Half of exp of what is not negative.
    "growth": """@F (@F x) {
  const @F near = x > 89.5f ? (@F)89.5f : x;
  @I shifted;
  const @F y = cotan_small_float@(near, (@F)12582975.0f, &shifted) + 1.0f;
  return y * as_float@(shifted << 23) * 9.223372036854775808e18f; }""",
    "cosh": """@F (@F x) {
  const @F half_power = cotan_growth_float@(cotan_abs_float@(x));
  return half_power + 0.25f / half_power; }""",
    "sinh": """@F (@F x) {
#pragma OPENCL FP_CONTRACT ON
  const @F size = cotan_abs_float@(x), square = size < 1.0f ? x * x : (@F)1.0f, near = x * square * $sinh(square) + x;
  const @F half_power = cotan_growth_float@(size), far = half_power - 0.25f / half_power;
  return size < 1.0f ? near : cotan_copysign_float@(far, x); }""",
    # e / (1 + e) is rounded by more than 2 ulp; what is taken away here is at most half of the rest.
    "logistic": """@F (@F x) {
#pragma OPENCL FP_CONTRACT ON
  const @F e = cotan_decay_float@(-cotan_abs_float@(x)), part = e / (e + 1.0f), value = x < 0.0f ? e : (@F)1.0f;
  return value - part * value; }""",
    # The sine of x + ahead * pi / 2. Products with parts of pi / 2 (Cody and Waite), but the last, are exact.
    "turned": """@F (@F x, int ahead) {
#pragma OPENCL FP_CONTRACT ON
@IF16
  const @F nearest = x * 2.54647909f + 12582912.0f, n = nearest - 12582912.0f;
  const @F d = ((x - n * 0.39269909262657166f) + n * 1.0927847071684482e-8f) + n * 4.2878112750147047e-16f, z = d * d;
  const @I piece = as_int@(nearest) + 4 * ahead, next = piece + 4;
  const @F sine = $sines(d, piece), rest = $sine_rests(d, piece), cosine = $sines(d, next);
  const @F cube = d * z * $sine_series(z), less = z * $cosine_series(z);
  return sine + (cosine * d + (sine * less + (cosine * cube + rest)));
#else
  const @F shifted = x * 0.636619772f + 12582912.0f, n = shifted - 12582912.0f;
  const @F near = ((x - n * 1.5703125f) - n * 4.837512969970703125e-4f) - n * 7.549533620476723e-8f;
  const @F r = near - n * 2.563344151594519e-12f, z = r * r;
  const @I k = as_int@(shifted) + ahead;
  const @F half_square = z * 0.5f, head = 1.0f - half_square;
  const @F sine = r * z * $sin(z) + r, cosine = head + (((1.0f - head) - half_square) + z * z * $cos(z));
  return as_float@(as_int@((k << 31) < (@I)0 ? cosine : sine) ^ ((k >> 1) << 31));
#endif
}""",
    # One instruction where there is one: 15 lanes that move to the first take as long as half of a sine. 21: not less.
    "far": """int (@F x) {
@IF16
  return __builtin_ia32_cmpps512_mask(cotan_abs_float@(x), (@F)4096.0f, 21, -1, 4) != 0;
#elif defined(__clang__) && defined(__AVX__) && @ + 0 == 8
  return __builtin_ia32_movmskps256(as_float@(!(cotan_abs_float@(x) < 4096.0f))) != 0;
#else
  const @I m = !(cotan_abs_float@(x) < 4096.0f);
  return @ANY;
#endif
}""",
    # Runtimes reduce single large numbers well, but not all do it for vectors.
    "sin": """@F (@F x) {
  if (cotan_far_float@(x)) return (@F)(@EACH(sin));
  return x == 0.0f ? x : cotan_turned_float@(x, 0); }""",
    "cos": """@F (@F x) {
  if (cotan_far_float@(x)) return (@F)(@EACH(cos));
  return cotan_turned_float@(x, 1); }""",
    "tan": """@F (@F x) {
  if (cotan_far_float@(x)) return (@F)(@WIDENED(tan));
  return x == 0.0f ? x : cotan_slope_float@(x); }""",
    # The tangent of |x| < 4096: n times the long part of pi / 2 is exact.
    "slope": """@F (@F x) {
#pragma OPENCL FP_CONTRACT ON
  const @D d = convert_double@(x), shifted = d * 0.6366197723675814 + 6755399441055744.0;
  const @D n = shifted - 6755399441055744.0, r = (d - n * 1.5707963267341256) - n * 6.077100506506192e-11, z = r * r;
  const @D sine = r * $$sine(z), cosine = $$cosine(z);
  const @L odd = (as_long@(shifted) << 63) < (@L)0;
  return convert_float@((odd ? -cosine : sine) * cotan_inverse_double@(odd ? sine : cosine)); }""",
    # atan(small / large) for 0 <= small <= large, as a sum of two.
    "angle": """@F (@F small, @F large, @F *rest) {
#pragma OPENCL FP_CONTRACT ON
  const @I steep = small > large * 0.41421357f;
  const @F t = (steep ? small - large : small) / (steep ? small + large : large), z = t * t;
  const @F total = 0.785398185f + t, lost = (t - (total - 0.785398185f)) - 2.1855695e-08f;
  *rest = t * z * $atan(z) + (steep ? lost : (@F)0.0f);
  return steep ? total : t; }""",
    # ``whole`` and ``low`` less x and ``rest``: the sum, and what must be added to it.
    "less": """@F (@F whole, @F low, @F x, @F *rest) {
  const @F total = whole - x;
  *rest = ((whole - total) - x) + (low - *rest);
  return total; }""",
    "atan": """@F (@F x) {
  const @F size = cotan_abs_float@(x);
  const @I steep = size > 1.0f;
  @F rest;
  const @F base = cotan_angle_float@(steep ? (@F)1.0f : size, steep ? size : (@F)1.0f, &rest), sum = base + rest;
  const @F turned = cotan_less_float@((@F)1.57079637f, (@F)(-4.37113900e-08f), base, &rest);
  return cotan_copysign_float@(steep ? turned + rest : sum, x); }""",
    # Scaling keeps sums finite, and tiny numbers from losing bits in products.
    "atan2": """@F (@F y, @F x) {
  const @F height = cotan_abs_float@(y), width = cotan_abs_float@(x);
  const @I steep = height > width;
  const @F lower = steep ? width : height, upper = steep ? height : width;
  const @F factor = upper > 4.2535296e37f ? (@F)0.25f : upper < 7.888609e-31f ? (@F)134217728.0f : (@F)1.0f;
  const @I endless = lower == (@F)INFINITY;
  const @F small = endless ? (@F)1.0f : lower * factor;
  const @F large = (endless | (upper == 0.0f)) ? (@F)1.0f : upper * factor;
  @F rest;
  const @F flat = cotan_angle_float@(small, large, &rest);
  @F other = rest;
  const @F turned = cotan_less_float@((@F)1.57079637f, (@F)(-4.37113900e-08f), flat, &other);
  const @F base = steep ? turned : flat;
  rest = steep ? other : rest;
  const @F sum = base + rest, opposite = cotan_less_float@((@F)3.14159274f, (@F)(-8.74227800e-08f), base, &rest);
  const @F value = as_int@(x) < (@I)0 ? opposite + rest : sum;
  return ((x != x) | (y != y)) ? (@F)NAN : cotan_copysign_float@(value, y); }""",
    # asin(x) is ``base + more`` up to 1/2, where base is x; beyond a quarter turn less twice that, where base is the
    # root of (1 - x) / 2, whose error is found by an exact square of its first half.
    "arc": """@F (@F size, @F *more) {
#pragma OPENCL FP_CONTRACT ON
  const @I far = size > 0.5f;
  const @F z = far ? (1.0f - size) * 0.5f : size * size, root = cotan_sqrt_float@(z);
  const @F head = as_float@(as_int@(root) & -4096), missed = (z - head * head) - (root + head) * (root - head);
  const @F base = far ? root : size, lost = far & (root > 0.0f) ? missed / (root + root) : (@F)0.0f;
  *more = base * z * $asin(z) + lost;
  return base; }""",
    "asin": """@F (@F x) {
  const @F size = cotan_abs_float@(x);
  @F more;
  const @F base = cotan_arc_float@(size, &more), sum = base + more;
  more = more + more;
  const @F turned = cotan_less_float@((@F)1.57079637f, (@F)(-4.37113900e-08f), base + base, &more);
  return cotan_copysign_float@(size > 0.5f ? turned + more : sum, x); }""",
    "acos": """@F (@F x) {
  const @F size = cotan_abs_float@(x);
  @F more;
  const @F base = cotan_arc_float@(size, &more), twice = base + base, sum = twice + (more + more);
  @F rest = cotan_copysign_float@(more, x);
  const @F turned = cotan_less_float@((@F)1.57079637f, (@F)(-4.37113900e-08f), cotan_copysign_float@(base, x), &rest);
  more = more + more;
  const @F opposite = cotan_less_float@((@F)3.14159274f, (@F)(-8.74227800e-08f), twice, &more);
  return size > 0.5f ? (x < 0.0f ? opposite + more : sum) : turned + rest; }""",
    "erf": """@F (@F x) {
#pragma OPENCL FP_CONTRACT ON
  const @F size = cotan_abs_float@(x), z = size < 1.0f ? x * x : (@F)1.0f, clipped = size > 4.0f ? (@F)4.0f : size;
  const @F beyond = clipped - 2.0f, root = $root(beyond), square = root * root, far = 1.0f - square * square;
  const @F near = x * $erf(z) + x;
  return size >= 1.0f ? cotan_copysign_float@(far, x) : near; }""",
    # A division takes as long as a dozen other operations. Right to 3e-16; of 0 and infinity it is NaN.
    "inverse double": """@D (@D x) {
#if defined(COTAN_AVX512) && @ + 0 == 8
#pragma OPENCL FP_CONTRACT ON
  const @D near = __builtin_ia32_rcp14pd512_mask(x, x, -1), nearer = near + near * (1.0 - x * near);
  return nearer + nearer * (1.0 - x * nearer);
#else
  return 1.0 / x;
#endif
}""",
    # Up to -120, which makes nothing of a float.
    "exp double": """@D (@D p) {
#pragma OPENCL FP_CONTRACT ON
  const @D shifted = p * 1.4426950408889634 + 6755399441055744.0, n = shifted - 6755399441055744.0;
  const @D r = (p - n * 0.6931471805601177) + n * 1.7239444525614835e-13;
  return $$power(r) * as_double@((as_long@(shifted) - 0x4338000000000000L + 1023) << 52); }""",
    # Of positive numbers that are normal ones.
    "log double": """@D (@D x) {
#pragma OPENCL FP_CONTRACT ON
  const @L bits = as_long@(x), e = (bits - 0x3FE6A09E667F3BCDL) >> 52;
  const @D m = as_double@(bits - (e << 52)) - 1.0, s = m * cotan_inverse_double@(m + 2.0), z = s * s;
  const @D whole_e = convert_double@(convert_int@(e)), half_square = m * m * 0.5;
  const @D inner = s * (z * $$log_ratio(z) + half_square);
  return whole_e * 0.693147180369123816490 + (m - (half_square - (inner + whole_e * 1.90821492927058770002e-10))); }""",
    # x less the nearest integer.
    "turn double": """@D (@D x) {
  const @D size = as_double@(as_long@(x) & 0x7fffffffffffffffL);
  const @D rest = size - ((size + 4503599627370496.0) - 4503599627370496.0);
  return size < 4503599627370496.0 ? (x < 0.0 ? -rest : rest) : (@D)0.0; }""",
    # In t = (x - 4) / (x + 4), the function times exp(x * x) * (1 + 2 * x).
    "erfc": """@F (@F x) {
#pragma OPENCL FP_CONTRACT ON
  const @F all = cotan_abs_float@(x);
  const @D size = convert_double@(all > 10.2f ? (@F)10.2f : all), above = size + 4.0;
  const @D below = size + size + 1.0, inverse = cotan_inverse_double@(above * below);
  const @D t = (size - 4.0) * below * inverse;
  const @D tail = cotan_exp_double@(-(size * size)) * ($$erfcx(t) * (above * inverse));
  return convert_float@(as_long@(convert_double@(x)) < (@L)0 ? 2.0 - tail : tail); }""",
    # By the asymptotic series at y + 7, where y is x or its mirror image 1 - x; ``product`` is y * ... * (y + 6).
    "lgamma": """@F (@F x) {
#pragma OPENCL FP_CONTRACT ON
  const @D d = convert_double@(x), turn = cotan_turn_double@(d), angle = turn * 3.141592653589793;
  const @L mirrored = d < 0.5;
  const @D y = mirrored ? 1.0 - d : d, above = y + 7.0;
  const @D inverse = cotan_inverse_double@(above), square = inverse * inverse;
  const @D w = y * (y + 6.0), product = w * (w + 5.0) * ((w + 8.0) * (y + 3.0)), z = angle * angle;
  const @D series = inverse * $$stirling(square) + 0.4189385332046727;
  const @D value = (above - 0.5) * (cotan_log_double@(above) - 1.0) + series;
  const @D sine = as_double@(as_long@(angle * $$sine(z)) & 0x7fffffffffffffffL);
  const @D rest = cotan_log_double@(mirrored ? product * 3.141592653589793 * cotan_inverse_double@(sine) : product);
  const @D other = mirrored ? rest - value : value - rest, inner = (mirrored & (turn == 0.0)) ? (@D)INFINITY : other;
  const @F result = convert_float@(((d == 1.0) | (d == 2.0)) ? (@D)0.0 : inner);
  return x == (@F)INFINITY ? x : result; }""",
    # Likewise; 1 / y + ... + 1 / (y + 6) is one quotient.
    "digamma": """@F (@F x) {
#pragma OPENCL FP_CONTRACT ON
  const @D d = convert_double@(x), turn = cotan_turn_double@(d), angle = turn * 3.141592653589793, z = angle * angle;
  const @L mirrored = d < 0.5;
  const @D y = mirrored ? 1.0 - d : d, above = y + 7.0;
  const @D inverse = cotan_inverse_double@(above), square = inverse * inverse;
  const @D h = y + 3.0, w = y * (y + 6.0), product = w * ((w + 5.0) * (w + 8.0));
  const @D back = ((h + h) * h * (w * (w * 3.0 + 26.0) + 40.0) + product) * cotan_inverse_double@(product * h);
  const @D value = cotan_log_double@(above) - (inverse * 0.5 + square * $$bernoulli(square)) - back;
  const @D image = value - 3.141592653589793 * $$cosine(z) * cotan_inverse_double@(angle * $$sine(z));
  const @D inner = mirrored ? (turn == 0.0 ? (@D)NAN : image) : value;
  return x == (@F)INFINITY ? x : convert_float@(inner); }""",
    "ones uint": """@U (@U x) {
  const @U pairs = x - ((x >> 1) & 0x55555555u), fours = (pairs & 0x33333333u) + ((pairs >> 2) & 0x33333333u);
  const @U eights = (fours + (fours >> 4)) & 0x0f0f0f0fu, more = eights + (eights >> 8);
  return (more + (more >> 16)) & 63u; }""",
    # Processors divide no vectors of integers; quotients of these never round to a whole float64 that they are not.
    "quotient int": """@I (@I x, @I y) {
  return convert_int@(convert_double@(x) / convert_double@(y)); }""",
    "quotient uint": """@U (@U x, @U y) {
  return convert_uint@(convert_double@(x) / convert_double@(y)); }""",
    # In float64, where quotients up to 2**29 have exact products. Rounding may make the whole part one too large.
    "rem": """@F (@F x, @F y) {
  const @F x_size = cotan_abs_float@(x), y_size = cotan_abs_float@(y);
  const @D size = convert_double@(x_size), divisor = convert_double@(y_size);
  const @D ratio = size / divisor, near = (ratio + 4503599627370496.0) - 4503599627370496.0;
#if defined(COTAN_AVX512) && @ + 0 == 8
  const int large = __builtin_ia32_cmppd512_mask(ratio, (@D)536870912.0, 21, -1, 4) != 0;
#else
  const @L m = !(ratio < 536870912.0);
  const int large = @ANY;
#endif
  if (large) return (@F)(@PAIRS(fmod));
  const @D rest = size - (near > ratio ? near - 1.0 : near) * divisor;
  const @F value = cotan_copysign_float@(convert_float@(rest < 0.0 ? rest + divisor : rest), x);
  return x_size < y_size ? x : value; }""",
    # In float64, where a logarithm's error of 1e-12 is nothing to the power's; then what C says of special values.
    "pow": """@F (@F x, @F y) {
#pragma OPENCL FP_CONTRACT ON
  const @F size = cotan_abs_float@(x), other = cotan_abs_float@(y);
  const @D d = convert_double@(((size > 0.0f) & (size < (@F)INFINITY)) ? size : (@F)1.0f);
  const @D wanted = cotan_log_double@(d) * convert_double@(y);
  const @D p = wanted > 100.0 ? (@D)100.0 : wanted < -120.0 ? (@D)(-120.0) : wanted;
  @F value = convert_float@(cotan_exp_double@(p));
  const @I grows = y > 0.0f, endless = other == (@F)INFINITY, none = (@I)0;
  const @F at_none = grows ? (@F)0.0f : (@F)INFINITY, at_endless = grows ? (@F)INFINITY : (@F)0.0f;
  value = ((size == 0.0f) | (endless & (size < 1.0f))) ? at_none : value;
  value = ((size == (@F)INFINITY) | (endless & (size > 1.0f))) ? at_endless : value;
  const @I whole = (other >= 8388608.0f) | ((other + 8388608.0f) - 8388608.0f == other);
  const @F half_y = other * 0.5f;
  const @I odd = whole & (other < 16777216.0f) & ((half_y + 8388608.0f) - 8388608.0f != half_y);
  value = ((as_int@(x) < none) & odd) ? -value : value;
  value = ((x < 0.0f) & (size < (@F)INFINITY) & !(whole | endless)) ? (@F)NAN : value;
  value = ((x != x) | (y != y)) ? (@F)NAN : value;
  value = (endless & (size == 1.0f)) ? (@F)1.0f : value;
  return ((y == 0.0f) | (x == 1.0f)) ? (@F)1.0f : value; }""",
}
# 8: without exceptions. Compilers take the other form for an extension of _Float16, and compare that lane by lane.
HALVES = """
static inline @F cotan_float_of_half@(ushort@ h) {
@IF16
  return __builtin_ia32_vcvtph2ps512_mask(as_short@(h), (@F)(0.0f), -1, 8);
#else
  uint@ w = convert_uint@(h), rest = w & 0x7fffu;
  uint@ small = as_uint@(convert_float@(rest) * 5.9604644775390625e-8f);
  uint@ bits = rest < 0x400u ? small : (rest << 13) + 0x38000000u;
  bits = rest >= 0x7c00u ? (rest & 0x3ffu) << 13 | 0x7f800000u : bits;
  return as_float@(bits | (w & 0x8000u) << 16);
#endif
}
static inline ushort@ cotan_half_of_float@(@F x) {
@IF16
  return as_ushort@(__builtin_ia32_vcvtps2ph512_mask(x, 0, (short@)(0), -1));
#else
  uint@ bits = as_uint@(x), rest = bits & 0x7fffffffu;
  uint@ near = (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13;
  near = rest < 0x38800000u ? as_uint@(as_float@(rest) + 0.5f) - 0x3f000000u : near;
  near = rest >= 0x477ff000u ? (uint@)(0x7c00u) : near;
  near = rest > 0x7f800000u ? 0x7e00u | (rest >> 13 & 0x1ffu) : near;
  return convert_ushort@(bits >> 16 & 0x8000u | near);
#endif
}
static inline @F cotan_float_of_bfloat@(ushort@ h) { return as_float@(convert_uint@(h) << 16); }
static inline ushort@ cotan_bfloat_of_float@(@F x) {
  uint@ bits = as_uint@(x);
  uint@ near = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  near = (bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : near;
  return convert_ushort@(near);
}
"""
