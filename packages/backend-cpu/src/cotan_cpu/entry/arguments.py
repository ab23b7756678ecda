"""The first half of the native call, as LLVM IR text: what must hold, finding the leaves, checking and reading them.

``%x = word %table NAME``, ``count``, ``field``, ``number`` and ``set`` are short for loads and stores; see ``layout``.
"""

PLAIN = r"""
; Whether an attribute of ``object`` is ``wanted``.
define internal i1 @cotan_has(ptr %object, ptr %name, ptr %wanted) {
  %value = call ptr @PyObject_GetAttr(ptr %object, ptr %name)
  %none = icmp eq ptr %value, null
  br i1 %none, label %absent, label %present
absent:
  call void @PyErr_Clear()
  ret i1 false
present:
  call void @Py_DecRef(ptr %value)
  %same = icmp eq ptr %value, %wanted
  ret i1 %same
}

; The configuration to look at; null where something is being traced, or a flag asks for more than the shortest way.
define internal ptr @cotan_plain() {
  %place = alloca ptr, align 8
  %status = call i32 @PyContextVar_Get(ptr @guard_variable, ptr null, ptr %place)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %error, label %traced
error:
  call void @PyErr_Clear()
  ret ptr null
traced:
  %trace = load ptr, ptr %place
  call void @Py_DecRef(ptr %trace)
  %at_once = icmp eq ptr %trace, @guard_trace
  br i1 %at_once, label %flags, label %no
flags:
  %threads = call i64 @PyDict_Size(ptr @guard_overriding)
  %shared = icmp eq i64 %threads, 0
  %where = select i1 %shared, ptr @guard_shared, ptr @guard_own
  %plain = call i1 @cotan_has(ptr %where, ptr @name_plain, ptr @object_true)
  br i1 %plain, label %yes, label %no
yes:
  ret ptr %where
no:
  ret ptr null
}
"""

TEXT = r"""
; Whether nothing is being traced, and the configuration is that for which the program was made.
define internal i1 @cotan_guard(ptr %table) {
  %where = call ptr @cotan_plain()
  %not_plain = icmp eq ptr %where, null
  br i1 %not_plain, label %no, label %flags
flags:
  %key = word %table KEY
  %known = call i1 @cotan_has(ptr %where, ptr @name_key, ptr %key)
  ret i1 %known
no:
  ret i1 false
}

; Whether an ndarray has this dtype and these extents.
define internal i1 @cotan_is_like(ptr %array, ptr %dtype, ptr %extents) {
entry:
  %type = field %array 8
  %exact = icmp eq ptr %type, @type_ndarray
  br i1 %exact, label %typed, label %no
typed:
  %descr = field %array 56
  %same_dtype = icmp eq ptr %descr, %dtype
  br i1 %same_dtype, label %ranked, label %compared
compared:
  ; Arrays that were pickled have dtypes of their own, which are equal.
  %equal_dtype = call i32 @PyObject_RichCompareBool(ptr %descr, ptr %dtype, i32 2)
  %equal = icmp eq i32 %equal_dtype, 1
  br i1 %equal, label %ranked, label %other
other:
  call void @PyErr_Clear()
  ret i1 false
ranked:
  %nd = number %array 24
  %rank = load i64, ptr %extents
  %nd64 = sext i32 %nd to i64
  %same_rank = icmp eq i64 %nd64, %rank
  br i1 %same_rank, label %look, label %no
look:
  %dims = field %array 32
  br label %loop
loop:
  %k = phi i64 [ 0, %look ], [ %next, %step ]
  %over = icmp eq i64 %k, %rank
  br i1 %over, label %yes, label %step
step:
  %next = add i64 %k, 1
  %dim_at = getelementptr i64, ptr %dims, i64 %k
  %dim = load i64, ptr %dim_at
  %wanted_at = getelementptr i64, ptr %extents, i64 %next
  %wanted = load i64, ptr %wanted_at
  %same = icmp eq i64 %dim, %wanted
  br i1 %same, label %loop, label %no
yes:
  ret i1 true
no:
  ret i1 false
}

; Find the leaves: 0 or 1, whether one is committed to its device; -1 if something is different, -2 after an error.
define internal i32 @cotan_take(ptr %table, ptr %nodes, ptr %objects, ptr %pointers, ptr %numbers) {
entry:
  %overflow = alloca i32, align 4
  %steps = count %table STEPS
  %first = word %table STEP_TABLE
  br label %loop
loop:
  %n = phi i64 [ 0, %entry ], [ %n1, %next ]
  %committed = phi i32 [ 0, %entry ], [ %either, %next ]
  %over = icmp eq i64 %n, %steps
  br i1 %over, label %done, label %step
done:
  ret i32 %committed
step:
  %n1 = add i64 %n, 1
  %offset = mul i64 %n, STEP_WORDS
  %here = getelementptr i64, ptr %first, i64 %offset
  %kind = load i64, ptr %here
  %a = count %here 1
  %b = count %here 2
  %c = word %here 3
  %b_pointer = word %here 2
  %node_at = getelementptr ptr, ptr %nodes, i64 %a
  %other_at = getelementptr ptr, ptr %nodes, i64 %b
  switch i64 %kind, label %differs [
    i64 TUPLE, label %tuple
    i64 LIST, label %list
    i64 DICT, label %dict
    i64 TUPLE_ITEM, label %tuple_item
    i64 LIST_ITEM, label %list_item
    i64 DICT_ITEM, label %dict_item
    i64 OPENED, label %opened
    i64 SAME, label %same
    i64 EQUAL, label %equal
    i64 HELD, label %held
    i64 ARRAY, label %array
    i64 FLOAT32, label %float
    i64 FLOAT64, label %float
    i64 INT32, label %int
    i64 INT64, label %int
    i64 BOOL, label %bool
    i64 NDARRAY, label %ndarray
    i64 PUT_NDARRAY, label %put_ndarray
  ]

tuple:
  %tuple_node = load ptr, ptr %node_at
  %tuple_type = field %tuple_node 8
  %tuple_is = icmp eq ptr %tuple_type, %c
  br i1 %tuple_is, label %tuple_size, label %differs
tuple_size:
  %tuple_length = call i64 @PyTuple_Size(ptr %tuple_node)
  %tuple_fits = icmp eq i64 %tuple_length, %b
  br i1 %tuple_fits, label %next, label %differs

list:
  %list_node = load ptr, ptr %node_at
  %list_type = field %list_node 8
  %list_is = icmp eq ptr %list_type, @type_list
  br i1 %list_is, label %list_size, label %differs
list_size:
  %list_length = call i64 @PyList_Size(ptr %list_node)
  %list_fits = icmp eq i64 %list_length, %b
  br i1 %list_fits, label %next, label %differs

dict:
  %dict_node = load ptr, ptr %node_at
  %dict_type = field %dict_node 8
  %dict_is = icmp eq ptr %dict_type, @type_dict
  br i1 %dict_is, label %dict_size, label %differs
dict_size:
  %dict_length = call i64 @PyDict_Size(ptr %dict_node)
  %dict_fits = icmp eq i64 %dict_length, %b
  br i1 %dict_fits, label %next, label %differs

tuple_item:
  %of_tuple = load ptr, ptr %other_at
  %tuple_index = ptrtoint ptr %c to i64
  %tuple_found = call ptr @PyTuple_GetItem(ptr %of_tuple, i64 %tuple_index)
  store ptr %tuple_found, ptr %node_at
  br label %next

list_item:
  %of_list = load ptr, ptr %other_at
  %list_index = ptrtoint ptr %c to i64
  %list_found = call ptr @PyList_GetItem(ptr %of_list, i64 %list_index)
  br label %keep

dict_item:
  %of_dict = load ptr, ptr %other_at
  %dict_found = call ptr @PyDict_GetItemWithError(ptr %of_dict, ptr %c)
  br label %keep

; What is in a list or dictionary may be taken out of it by Python code that runs before the call ends.
keep:
  %found = phi ptr [ %list_found, %list_item ], [ %dict_found, %dict_item ]
  store ptr %found, ptr %node_at
  %none = icmp eq ptr %found, null
  br i1 %none, label %forget, label %own
own:
  %own_slot = count %here 4
  %own_at = getelementptr ptr, ptr %objects, i64 %own_slot
  store ptr %found, ptr %own_at
  call void @Py_IncRef(ptr %found)
  br label %next

opened:
  %of_closed = load ptr, ptr %other_at
  %slot = count %here 4
  %children = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr %c, ptr %of_closed, ptr null)
  %kept_at = getelementptr ptr, ptr %objects, i64 %slot
  store ptr %children, ptr %kept_at
  store ptr %children, ptr %node_at
  %not_opened = icmp eq ptr %children, null
  br i1 %not_opened, label %failed, label %look_inside
look_inside:
  %another = icmp eq ptr %children, @object_none
  br i1 %another, label %differs, label %next

same:
  %same_node = load ptr, ptr %node_at
  %same_is = icmp eq ptr %same_node, %b_pointer
  br i1 %same_is, label %next, label %differs

equal:
  %equal_node = load ptr, ptr %node_at
  %equal_type = field %equal_node 8
  %wanted_type = field %b_pointer 8
  %equal_kind = icmp eq ptr %equal_type, %wanted_type
  br i1 %equal_kind, label %compare, label %differs
compare:
  %equal_is = call i32 @PyObject_RichCompareBool(ptr %equal_node, ptr %b_pointer, i32 2)
  %equal_yes = icmp eq i32 %equal_is, 1
  br i1 %equal_yes, label %next, label %forget

held:
  %held_at = getelementptr ptr, ptr %objects, i64 %a
  store ptr %b_pointer, ptr %held_at
  call void @Py_IncRef(ptr %b_pointer)
  %held_data = field %b_pointer 16
  %held_to = getelementptr ptr, ptr %pointers, i64 %a
  store ptr %held_data, ptr %held_to
  br label %next

array:
  %x = load ptr, ptr %node_at
  %x_type = field %x 8
  %x_is = icmp eq ptr %x_type, @type_array
  br i1 %x_is, label %array_aval, label %differs
array_aval:
  %x_aval = field %x AVAL
  %aval_same = icmp eq ptr %x_aval, %c
  br i1 %aval_same, label %array_device, label %differs
array_device:
  %x_device = field %x DEVICE_OF
  %device = word %table DEVICE
  %device_same = icmp eq ptr %x_device, %device
  br i1 %device_same, label %array_buffer, label %differs
array_buffer:
  %x_buffer = field %x BUFFER
  %x_gone = icmp eq ptr %x_buffer, @object_none
  br i1 %x_gone, label %differs, label %array_memory
array_memory:
  %x_memory = field %x_buffer MEMORY
  %memory_gone = icmp eq ptr %x_memory, null
  br i1 %memory_gone, label %differs, label %array_found
array_found:
  call void @Py_IncRef(ptr %x_memory)
  %x_object = getelementptr ptr, ptr %objects, i64 %b
  store ptr %x_memory, ptr %x_object
  %x_data = field %x_memory 16
  %x_to = getelementptr ptr, ptr %pointers, i64 %b
  store ptr %x_data, ptr %x_to
  %x_committed = field %x COMMITTED
  %x_chosen = icmp eq ptr %x_committed, @object_true
  %x_commits = zext i1 %x_chosen to i32
  %array_either = or i32 %committed, %x_commits
  br label %next

float:
  %float_node = load ptr, ptr %node_at
  %float_type = field %float_node 8
  %float_is = icmp eq ptr %float_type, @type_float
  br i1 %float_is, label %float_value, label %differs
float_value:
  %double = call double @PyFloat_AsDouble(ptr %float_node)
  %float_at = getelementptr i64, ptr %numbers, i64 %b
  %float_to = getelementptr ptr, ptr %pointers, i64 %b
  store ptr %float_at, ptr %float_to
  %is_float32 = icmp eq i64 %kind, FLOAT32
  br i1 %is_float32, label %single, label %double_precision
single:
  %single_value = fptrunc double %double to float
  store float %single_value, ptr %float_at
  br label %next
double_precision:
  store double %double, ptr %float_at
  br label %next

int:
  %int_node = load ptr, ptr %node_at
  %int_type = field %int_node 8
  %int_is = icmp eq ptr %int_type, @type_int
  br i1 %int_is, label %int_value, label %differs
int_value:
  %long = call i64 @PyLong_AsLongLongAndOverflow(ptr %int_node, ptr %overflow)
  %beyond = load i32, ptr %overflow
  %int_at = getelementptr i64, ptr %numbers, i64 %b
  %int_to = getelementptr ptr, ptr %pointers, i64 %b
  store ptr %int_at, ptr %int_to
  store i64 %long, ptr %int_at
  %within = icmp eq i32 %beyond, 0
  br i1 %within, label %int_width, label %forget
int_width:
  %narrow = trunc i64 %long to i32
  %again = sext i32 %narrow to i64
  %fits = icmp eq i64 %again, %long
  %is_int64 = icmp eq i64 %kind, INT64
  %int_good = or i1 %fits, %is_int64
  br i1 %int_good, label %next, label %differs

bool:
  %bool_node = load ptr, ptr %node_at
  %is_true = icmp eq ptr %bool_node, @object_true
  %is_false = icmp eq ptr %bool_node, @object_false
  %bool_is = or i1 %is_true, %is_false
  br i1 %bool_is, label %bool_value, label %differs
bool_value:
  %bit = zext i1 %is_true to i64
  %bool_at = getelementptr i64, ptr %numbers, i64 %b
  %bool_to = getelementptr ptr, ptr %pointers, i64 %b
  store ptr %bool_at, ptr %bool_to
  store i64 %bit, ptr %bool_at
  br label %next

ndarray:
  %y = load ptr, ptr %node_at
  %y_extents = word %here 4
  %y_like = call i1 @cotan_is_like(ptr %y, ptr %c, ptr %y_extents)
  br i1 %y_like, label %ndarray_flags, label %differs
ndarray_flags:
  %y_flags = number %y 64
  %y_needed = and i32 %y_flags, 257
  %y_plain = icmp eq i32 %y_needed, 257
  br i1 %y_plain, label %ndarray_found, label %put_now
ndarray_found:
  call void @Py_IncRef(ptr %y)
  %y_object = getelementptr ptr, ptr %objects, i64 %b
  store ptr %y, ptr %y_object
  %y_data = field %y 16
  %y_to = getelementptr ptr, ptr %pointers, i64 %b
  store ptr %y_data, ptr %y_to
  br label %next

put_ndarray:
  %z = load ptr, ptr %node_at
  %z_extents = word %here 4
  %z_like = call i1 @cotan_is_like(ptr %z, ptr %c, ptr %z_extents)
  br i1 %z_like, label %put_now, label %differs
put_now:
  %from = phi ptr [ %y, %ndarray_flags ], [ %z, %put_ndarray ]
  %put = word %table PUT
  %put_buffer = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr %put, ptr %from, ptr null)
  %put_failed = icmp eq ptr %put_buffer, null
  br i1 %put_failed, label %failed, label %put_found
put_found:
  %put_memory = field %put_buffer MEMORY
  call void @Py_IncRef(ptr %put_memory)
  call void @Py_DecRef(ptr %put_buffer)
  %put_object = getelementptr ptr, ptr %objects, i64 %b
  store ptr %put_memory, ptr %put_object
  %put_data = field %put_memory 16
  %put_to = getelementptr ptr, ptr %pointers, i64 %b
  store ptr %put_data, ptr %put_to
  br label %next

next:
  %either = phi i32 [ %array_either, %array_found ], [ %committed, %tuple_size ], [ %committed, %list_size ],
    [ %committed, %dict_size ], [ %committed, %tuple_item ], [ %committed, %own ], [ %committed, %look_inside ],
    [ %committed, %same ], [ %committed, %compare ], [ %committed, %held ],
    [ %committed, %single ], [ %committed, %double_precision ], [ %committed, %int_width ], [ %committed, %bool_value ],
    [ %committed, %ndarray_found ], [ %committed, %put_found ]
  br label %loop
forget:
  call void @PyErr_Clear()
  br label %differs
differs:
  ret i32 -1
failed:
  ret i32 -2
}

; Whether nobody else sees the memory of donated arguments that the program overwrites, and no Array but one has any of
; them: its buffer has one reference, the ndarray those of the buffer and of ``objects``.
define internal i1 @cotan_exclusive(ptr %table, ptr %nodes, ptr %objects) {
entry:
  %given = count %table GIVEN
  %first = word %table GIVEN_TABLE
  br label %loop
loop:
  %n = phi i64 [ 0, %entry ], [ %n1, %owned ], [ %n1, %block_alone ], [ %n1, %once ]
  %over = icmp eq i64 %n, %given
  br i1 %over, label %yes, label %step
yes:
  ret i1 true
step:
  %n1 = add i64 %n, 1
  %offset = mul i64 %n, GIVEN_WORDS
  %here = getelementptr i64, ptr %first, i64 %offset
  %node = load i64, ptr %here
  %leaf = count %here 1
  %overwritten = count %here 2
  %node_at = getelementptr ptr, ptr %nodes, i64 %node
  %x = load ptr, ptr %node_at
  %buffer = field %x BUFFER
  %references = number %buffer 0
  %alone = icmp eq i32 %references, 1
  br i1 %alone, label %memory, label %no
memory:
  %object_at = getelementptr ptr, ptr %objects, i64 %leaf
  %array = load ptr, ptr %object_at
  %array_references = number %array 0
  %two = icmp eq i32 %array_references, 2
  %written = icmp ne i64 %overwritten, 0
  br i1 %written, label %seen, label %once
once:
  br label %loop
seen:
  br i1 %two, label %base, label %no
base:
  %base_object = field %array 48
  %whole = icmp eq ptr %base_object, null
  br i1 %whole, label %owned, label %lent
owned:
  %flags = number %array 64
  %needed = and i32 %flags, OWNED_WRITEABLE
  %own = icmp eq i32 %needed, OWNED_WRITEABLE
  br i1 %own, label %loop, label %no
lent:
  %base_type = field %base_object 8
  %is_block = icmp eq ptr %base_type, @type_block
  br i1 %is_block, label %block_alone, label %no
block_alone:
  %block_references = number %base_object 0
  %block_once = icmp eq i32 %block_references, 1
  br i1 %block_once, label %loop, label %no
no:
  ret i1 false
}
"""
