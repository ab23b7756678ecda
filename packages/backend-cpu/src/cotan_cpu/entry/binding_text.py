"""The native ``bind`` of primitives, as LLVM IR text: one operation at once on Arrays and numbers, by a row of a table.

It does what ``cotan.runtime.dispatch`` does on its shortest way. A table has rows of what is known of a primitive at
given abstract operands and parameters, found by their addresses and hashes; where no row fits, or anything else is
unusual, the call goes to the Python function that it stands for. Tables are made by ``binding``; short forms as in
``layout``.
"""

from __future__ import annotations

from collections.abc import Mapping

from cotan_cpu.entry import layout, results
from cotan_cpu.entry.arguments import PLAIN

HEAD = ("USUAL", "PLAIN")
"""The function that it stands for; the one that makes a result of a rule a C-contiguous ndarray."""
ROW = (
    "COUNT",  # of operands; 0 in a row that is free
    "OPERANDS", "SECOND", "THIRD",  # their abstract values
    "NAMES", "VALUES",  # of parameters, tuples; null if there are none
    "DEVICE", "OUT",  # where it runs; the abstract result
    "KIND", "RUN",  # how, see WAYS: the address of native code, or a function
    "PASSED",  # RULE: the names of parameters that it takes, or null
    "DATA", "EXTENT", "STEPS",  # LOOP, FOLD: its data, and where the numbers of elements and the bytes between are
    "START", "ELEMENT",  # FOLD: where the first state is (null: it is the operand's first element), and its bytes
    "DTYPE", "EXTENTS",  # of the result, but of a RULE's; their number and they
)  # fmt: skip
WAYS = (
    "LOOP",  # an inner loop of a ufunc
    "FOLD",  # such a loop of two operands, of which one is the result: all elements of an operand become one
    "SPAN",  # a native builtin of the operands and the result
    "RULE",  # a function of the operands and the parameters, which makes the result
)
NUMBER = ("NUMBER_TYPE", "BITS", "MARK", "NUMBER_ARRAY")
"""A number, or an ndarray that is a constant, that is known as an Array under a configuration."""
ROWS, NUMBERS, MOST_PARAMETERS = 64, 256, 16
MULTIPLIER = -7046029254386353131
"""What hashes are multiplied with: odd, and 2**64 by the golden ratio."""

_DECLARATIONS = r"""
declare i64 @PyObject_Hash(ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyObject_CallOneArg(ptr, ptr)
declare i32 @PyErr_ExceptionMatches(ptr)
@error_exception = external global i8
@name_numbers = external global i8
@number_table = external global i8
"""
_TEXT = r"""
; The Array that stands for a number, if it is known; else null.
define internal ptr @cotan_number(ptr %x, ptr %type, ptr %where) {
entry:
  %beyond = alloca i32, align 4
  %mark = call ptr @PyObject_GetAttr(ptr %where, ptr @name_numbers)
  %no_mark = icmp eq ptr %mark, null
  br i1 %no_mark, label %clear, label %marked
clear:
  call void @PyErr_Clear()
  ret ptr null
marked:
  call void @Py_DecRef(ptr %mark)
  %is_float = icmp eq ptr %type, @type_float
  br i1 %is_float, label %float, label %no_float
no_float:
  %is_int = icmp eq ptr %type, @type_int
  br i1 %is_int, label %int, label %constant
constant:
  %constant_bits = ptrtoint ptr %x to i64
  br label %look
float:
  %double = call double @PyFloat_AsDouble(ptr %x)
  %float_bits = bitcast double %double to i64
  br label %look
int:
  %int_bits = call i64 @PyLong_AsLongLongAndOverflow(ptr %x, ptr %beyond)
  %over = load i32, ptr %beyond
  %within = icmp eq i32 %over, 0
  br i1 %within, label %look, label %clear
look:
  %bits = phi i64 [ %float_bits, %float ], [ %int_bits, %int ], [ %constant_bits, %constant ]
  %mixed = mul i64 %bits, MULTIPLIER
  %number = lshr i64 %mixed, 56
  %offset = mul i64 %number, NUMBER_BYTES
  %row = getelementptr i8, ptr @number_table, i64 %offset
  %row_type = word %row NUMBER_TYPE
  %row_bits = count %row BITS
  %row_mark = word %row MARK
  %same_type = icmp eq ptr %row_type, %type
  %same_bits = icmp eq i64 %row_bits, %bits
  %same_mark = icmp eq ptr %row_mark, %mark
  %both = and i1 %same_type, %same_bits
  %all = and i1 %both, %same_mark
  %array = word %row NUMBER_ARRAY
  %found = select i1 %all, ptr %array, ptr null
  ret ptr %found
}

; Whether a row is for these operands and parameters.
define internal i1 @cotan_fits(ptr %row, ptr %xs, i64 %argc, ptr %argv, ptr %names) {
entry:
  %count = count %row COUNT
  %as_many = icmp eq i64 %count, %argc
  br i1 %as_many, label %operand, label %no
operand:
  %k = phi i64 [ 0, %entry ], [ %k1, %alike ]
  %k1 = add i64 %k, 1
  %x_at = getelementptr ptr, ptr %xs, i64 %k
  %x = load ptr, ptr %x_at
  %aval = field %x AVAL
  %place = add i64 %k, OPERANDS
  %wanted_at = getelementptr ptr, ptr %row, i64 %place
  %wanted = load ptr, ptr %wanted_at
  %same = icmp eq ptr %aval, %wanted
  br i1 %same, label %alike, label %no
alike:
  %more = icmp ult i64 %k1, %argc
  br i1 %more, label %operand, label %parameters
parameters:
  %row_names = word %row NAMES
  %none = icmp eq ptr %names, null
  br i1 %none, label %without, label %with
without:
  %neither = icmp eq ptr %row_names, null
  ret i1 %neither
with:
  %row_none = icmp eq ptr %row_names, null
  br i1 %row_none, label %no, label %lengths
lengths:
  %given = call i64 @PyTuple_Size(ptr %names)
  %known = call i64 @PyTuple_Size(ptr %row_names)
  %as_long = icmp eq i64 %given, %known
  br i1 %as_long, label %values, label %no
values:
  %row_values = word %row VALUES
  br label %value
value:
  %j = phi i64 [ 0, %values ], [ %j1, %equal ]
  %over = icmp eq i64 %j, %given
  br i1 %over, label %yes, label %name
name:
  %j1 = add i64 %j, 1
  %name_given = call ptr @PyTuple_GetItem(ptr %names, i64 %j)
  %name_known = call ptr @PyTuple_GetItem(ptr %row_names, i64 %j)
  %same_name = icmp eq ptr %name_given, %name_known
  br i1 %same_name, label %compare, label %no
compare:
  %value_place = add i64 %argc, %j
  %value_at = getelementptr ptr, ptr %argv, i64 %value_place
  %value_given = load ptr, ptr %value_at
  %value_known = call ptr @PyTuple_GetItem(ptr %row_values, i64 %j)
  %identical = icmp eq ptr %value_given, %value_known
  br i1 %identical, label %equal, label %types
types:
  ; 0, 0.0 and False are equal, and do not compute the same.
  %type_given = field %value_given 8
  %type_known = field %value_known 8
  %same_type = icmp eq ptr %type_given, %type_known
  br i1 %same_type, label %contents, label %no
contents:
  %compared = call i32 @PyObject_RichCompareBool(ptr %value_given, ptr %value_known, i32 2)
  %is_equal = icmp eq i32 %compared, 1
  br i1 %is_equal, label %equal, label %clear
equal:
  br label %value
clear:
  call void @PyErr_Clear()
  br label %no
yes:
  ret i1 true
no:
  ret i1 false
}

; The ndarrays of the operands: 0 or 1, whether one is committed to its device; -1 if one is elsewhere or deleted.
define internal i32 @cotan_memory(ptr %device, ptr %xs, i64 %argc, ptr %arrays) {
entry:
  br label %loop
loop:
  %k = phi i64 [ 0, %entry ], [ %k1, %found ]
  %committed = phi i32 [ 0, %entry ], [ %either, %found ]
  %over = icmp eq i64 %k, %argc
  br i1 %over, label %done, label %step
done:
  ret i32 %committed
step:
  %k1 = add i64 %k, 1
  %x_at = getelementptr ptr, ptr %xs, i64 %k
  %x = load ptr, ptr %x_at
  %x_device = field %x DEVICE_OF
  %here = icmp eq ptr %x_device, %device
  br i1 %here, label %buffer, label %differs
buffer:
  %x_buffer = field %x BUFFER
  %gone = icmp eq ptr %x_buffer, @object_none
  br i1 %gone, label %differs, label %look
look:
  %memory = field %x_buffer MEMORY
  %deleted = icmp eq ptr %memory, null
  br i1 %deleted, label %differs, label %found
found:
  %to = getelementptr ptr, ptr %arrays, i64 %k
  store ptr %memory, ptr %to
  %chosen = field %x COMMITTED
  %is_chosen = icmp eq ptr %chosen, @object_true
  %commits = zext i1 %is_chosen to i32
  %either = or i32 %committed, %commits
  br label %loop
differs:
  ret i32 -1
}

; A new ndarray for the result of a row; null after an error.
define internal ptr @cotan_new_result(ptr %row) {
  %dtype = word %row DTYPE
  %extents = word %row EXTENTS
  %rank64 = load i64, ptr %extents
  %rank = trunc i64 %rank64 to i32
  %dims = getelementptr i64, ptr %extents, i64 1
  call void @Py_IncRef(ptr %dtype)
  %made = call ptr @cotan_new_ndarray(ptr @type_ndarray, ptr %dtype, i32 %rank, ptr %dims, ptr null, ptr null, i32 0,
    ptr null)
  ret ptr %made
}

; The result of a function of the operands, which may do anything meanwhile; null after an error.
define internal ptr @cotan_by_rule(ptr %table, ptr %row, ptr %arrays, i64 %argc, ptr %argv) {
entry:
  %rule = word %row RUN
  %names = word %row PASSED
  call void @Py_IncRef(ptr %rule)
  br label %hold
hold:
  %k = phi i64 [ 0, %entry ], [ %k1, %hold ]
  %k1 = add i64 %k, 1
  %held_at = getelementptr ptr, ptr %arrays, i64 %k
  %held = load ptr, ptr %held_at
  call void @Py_IncRef(ptr %held)
  %more = icmp ult i64 %k1, %argc
  br i1 %more, label %hold, label %parameters
parameters:
  %none = icmp eq ptr %names, null
  br i1 %none, label %call, label %named
named:
  call void @Py_IncRef(ptr %names)
  %count = call i64 @PyTuple_Size(ptr %names)
  %values = getelementptr ptr, ptr %argv, i64 %argc
  %to = getelementptr ptr, ptr %arrays, i64 %argc
  %bytes = mul i64 %count, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %values, i64 %bytes, i1 false)
  br label %call
call:
  %result = call ptr @PyObject_Vectorcall(ptr %rule, ptr %arrays, i64 %argc, ptr %names)
  call void @Py_DecRef(ptr %rule)
  call void @Py_DecRef(ptr %names)
  br label %release
release:
  %n = phi i64 [ 0, %call ], [ %n1, %release ]
  %n1 = add i64 %n, 1
  %released_at = getelementptr ptr, ptr %arrays, i64 %n
  %released = load ptr, ptr %released_at
  call void @Py_DecRef(ptr %released)
  %others = icmp ult i64 %n1, %argc
  br i1 %others, label %release, label %look
look:
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %error, label %typed
error:
  ret ptr null
typed:
  %type = field %result 8
  %is_ndarray = icmp eq ptr %type, @type_ndarray
  br i1 %is_ndarray, label %gaps, label %other
gaps:
  %flags = number %result 64
  %contiguous = and i32 %flags, 1
  %plain = icmp ne i32 %contiguous, 0
  br i1 %plain, label %done, label %other
done:
  ret ptr %result
other:
  %make = word %table PLAIN
  %made = call ptr @PyObject_CallOneArg(ptr %make, ptr %result)
  call void @Py_DecRef(ptr %result)
  ret ptr %made
}

define ptr @cotan_bind(ptr %self, ptr %argv, i64 %argc, ptr %names) {
entry:
  %xs = alloca [3 x ptr], align 8
  %arrays = alloca [24 x ptr], align 8
  %data = alloca [4 x ptr], align 8
  %table = field %self 16
  %less = sub i64 %argc, 1
  %few = icmp ult i64 %less, 3
  br i1 %few, label %type, label %usual
usual:
  %stands_for = word %table USUAL
  %by_usual = call ptr @PyObject_Vectorcall(ptr %stands_for, ptr %argv, i64 %argc, ptr %names)
  ret ptr %by_usual

type:
  %t = phi i64 [ 0, %entry ], [ %t1, %typed ]
  %placed = phi i1 [ false, %entry ], [ %t_placed, %typed ]
  %t1 = add i64 %t, 1
  %t_at = getelementptr ptr, ptr %argv, i64 %t
  %t_x = load ptr, ptr %t_at
  %t_type = field %t_x 8
  %t_array = icmp eq ptr %t_type, @type_array
  %t_float = icmp eq ptr %t_type, @type_float
  %t_int = icmp eq ptr %t_type, @type_int
  %t_number = or i1 %t_float, %t_int
  %t_constant = icmp eq ptr %t_type, @type_ndarray
  %t_value = or i1 %t_number, %t_constant
  %t_known = or i1 %t_array, %t_value
  br i1 %t_known, label %typed, label %usual
typed:
  ; Where nothing but numbers is given, the configuration says on which device.
  %t_placed = or i1 %placed, %t_array
  %t_more = icmp ult i64 %t1, %argc
  br i1 %t_more, label %type, label %settled
settled:
  br i1 %t_placed, label %guard, label %usual
guard:
  %where = call ptr @cotan_plain()
  %not_plain = icmp eq ptr %where, null
  br i1 %not_plain, label %usual, label %find

find:
  %k = phi i64 [ 0, %guard ], [ %k1, %found ]
  %hash = phi i64 [ 0, %guard ], [ %hashed, %found ]
  %k1 = add i64 %k, 1
  %x_at = getelementptr ptr, ptr %argv, i64 %k
  %x_given = load ptr, ptr %x_at
  %x_type = field %x_given 8
  %x_is_array = icmp eq ptr %x_type, @type_array
  br i1 %x_is_array, label %found, label %number
number:
  %x_number = call ptr @cotan_number(ptr %x_given, ptr %x_type, ptr %where)
  %unknown = icmp eq ptr %x_number, null
  br i1 %unknown, label %usual, label %found
found:
  %x = phi ptr [ %x_given, %find ], [ %x_number, %number ]
  %x_to = getelementptr ptr, ptr %xs, i64 %k
  store ptr %x, ptr %x_to
  %aval = field %x AVAL
  %address = ptrtoint ptr %aval to i64
  %with = xor i64 %hash, %address
  %hashed = mul i64 %with, MULTIPLIER
  %x_more = icmp ult i64 %k1, %argc
  br i1 %x_more, label %find, label %parameters

parameters:
  %unnamed = icmp eq ptr %names, null
  br i1 %unnamed, label %probe, label %named
named:
  %name_count = call i64 @PyTuple_Size(ptr %names)
  %not_many = icmp ule i64 %name_count, MOST_PARAMETERS
  br i1 %not_many, label %value, label %usual
value:
  %j = phi i64 [ 0, %named ], [ %j1, %mixed ]
  %p_hash = phi i64 [ %hashed, %named ], [ %p_hashed, %mixed ]
  %j_over = icmp eq i64 %j, %name_count
  br i1 %j_over, label %probe, label %mix
mix:
  %j1 = add i64 %j, 1
  %value_place = add i64 %argc, %j
  %value_at = getelementptr ptr, ptr %argv, i64 %value_place
  %value_given = load ptr, ptr %value_at
  %value_hash = call i64 @PyObject_Hash(ptr %value_given)
  %no_hash = icmp eq i64 %value_hash, -1
  br i1 %no_hash, label %clear, label %mixed
mixed:
  %p_with = xor i64 %p_hash, %value_hash
  %p_hashed = mul i64 %p_with, MULTIPLIER
  br label %value
clear:
  call void @PyErr_Clear()
  br label %usual

probe:
  %whole_hash = phi i64 [ %hashed, %parameters ], [ %p_hash, %value ]
  %first = lshr i64 %whole_hash, 58
  %first_offset = mul i64 %first, ROW_BYTES
  %rows = getelementptr i8, ptr %table, i64 HEAD_BYTES
  %first_row = getelementptr i8, ptr %rows, i64 %first_offset
  %first_fits = call i1 @cotan_fits(ptr %first_row, ptr %xs, i64 %argc, ptr %argv, ptr %names)
  br i1 %first_fits, label %memory, label %again
again:
  %second = xor i64 %first, 1
  %second_offset = mul i64 %second, ROW_BYTES
  %second_row = getelementptr i8, ptr %rows, i64 %second_offset
  %second_fits = call i1 @cotan_fits(ptr %second_row, ptr %xs, i64 %argc, ptr %argv, ptr %names)
  br i1 %second_fits, label %memory, label %usual

memory:
  %row = phi ptr [ %first_row, %probe ], [ %second_row, %again ]
  %device = word %row DEVICE
  %out = word %row OUT
  %run = word %row RUN
  %kind = count %row KIND
  %committed = call i32 @cotan_memory(ptr %device, ptr %xs, i64 %argc, ptr %arrays)
  %there = icmp sge i32 %committed, 0
  br i1 %there, label %ways, label %usual
ways:
  %is_rule = icmp eq i64 %kind, RULE
  br i1 %is_rule, label %rule, label %new
new:
  %made = call ptr @cotan_new_result(ptr %row)
  %not_made = icmp eq ptr %made, null
  br i1 %not_made, label %error, label %made_new
error:
  ret ptr null
made_new:
  %made_to = getelementptr ptr, ptr %arrays, i64 %argc
  store ptr %made, ptr %made_to
  %is_span = icmp eq i64 %kind, SPAN
  br i1 %is_span, label %span, label %point
span:
  %all = add i64 %argc, 1
  %none = call ptr %run(ptr null, ptr %arrays, i64 %all)
  call void @Py_DecRef(ptr %none)
  br label %wrap_new
point:
  %m = phi i64 [ 0, %made_new ], [ %m1, %point ]
  %m1 = add i64 %m, 1
  %array_at = getelementptr ptr, ptr %arrays, i64 %m
  %array = load ptr, ptr %array_at
  %memory_of = field %array 16
  %data_at = getelementptr ptr, ptr %data, i64 %m
  store ptr %memory_of, ptr %data_at
  %points_more = icmp ult i64 %m, %argc
  br i1 %points_more, label %point, label %pointed
pointed:
  %is_fold = icmp eq i64 %kind, FOLD
  br i1 %is_fold, label %fold, label %loop
fold:
  ; The operand is the second one of the loop, between the state before and after.
  %folded = load ptr, ptr %data
  %state_at = getelementptr ptr, ptr %data, i64 1
  %state = load ptr, ptr %state_at
  %given_start = word %row START
  %from_operand = icmp eq ptr %given_start, null
  %start = select i1 %from_operand, ptr %folded, ptr %given_start
  %element = count %row ELEMENT
  call void @llvm.memcpy.p0.p0.i64(ptr %state, ptr %start, i64 %element, i1 false)
  %after_at = getelementptr ptr, ptr %data, i64 2
  store ptr %state, ptr %data
  store ptr %folded, ptr %state_at
  store ptr %state, ptr %after_at
  br label %loop
loop:
  %loop_data = word %row DATA
  %extent = word %row EXTENT
  %steps = word %row STEPS
  call void %run(ptr %data, ptr %extent, ptr %steps, ptr %loop_data)
  br label %wrap_new
wrap_new:
  %new_chosen = icmp eq i32 %committed, 1
  %new_committed = select i1 %new_chosen, ptr @object_true, ptr @object_false
  %new_result = call ptr @cotan_wrap(ptr %made, ptr %out, ptr %device, ptr %new_committed)
  ret ptr %new_result

rule:
  call void @Py_IncRef(ptr %out)
  call void @Py_IncRef(ptr %device)
  %by_rule = call ptr @cotan_by_rule(ptr %table, ptr %row, ptr %arrays, i64 %argc, ptr %argv)
  %rule_failed = icmp eq ptr %by_rule, null
  br i1 %rule_failed, label %release, label %wrap
wrap:
  %chosen = icmp eq i32 %committed, 1
  %is_committed = select i1 %chosen, ptr @object_true, ptr @object_false
  %result = call ptr @cotan_wrap(ptr %by_rule, ptr %out, ptr %device, ptr %is_committed)
  br label %release
release:
  %returned = phi ptr [ null, %rule ], [ %result, %wrap ]
  call void @Py_DecRef(ptr %out)
  call void @Py_DecRef(ptr %device)
  %fine = icmp ne ptr %returned, null
  br i1 %fine, label %return, label %refused
return:
  ret ptr %returned
refused:
  ; The usual way raises it again, and says where; it may also know another way. Interrupts go through.
  %ordinary = call i32 @PyErr_ExceptionMatches(ptr @error_exception)
  %is_ordinary = icmp ne i32 %ordinary, 0
  br i1 %is_ordinary, label %clear, label %error
}
"""


def text(offsets: Mapping[str, int]) -> str:
    """The module; ``offsets`` as of ``layout.text``."""
    numbers = {
        "HEAD_BYTES": 8 * len(HEAD), "ROW_BYTES": 8 * len(ROW), "NUMBER_BYTES": 8 * len(NUMBER),
        "MOST_PARAMETERS": MOST_PARAMETERS, "MULTIPLIER": MULTIPLIER, **offsets,
    }  # fmt: skip
    for names in (HEAD, ROW, WAYS, NUMBER):
        numbers.update((name, number) for number, name in enumerate(names))
    return layout.spelled_out(layout.DECLARATIONS + _DECLARATIONS + PLAIN + results.WRAP + _TEXT, numbers)
