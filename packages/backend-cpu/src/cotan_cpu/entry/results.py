"""The second half of the native call, as LLVM IR text: memory for results, running the program, Arrays and their tree.

Short forms as in ``arguments``; all references are in ``objects`` until they belong to a result.
"""

WRAP = r"""
; An Array of an ndarray, whose reference it takes; null after an error.
define internal ptr @cotan_wrap(ptr %array, ptr %aval, ptr %device, ptr %committed) {
  %buffer = call ptr @PyType_GenericAlloc(ptr @type_buffer, i64 0)
  %no_buffer = icmp eq ptr %buffer, null
  br i1 %no_buffer, label %error, label %fill_buffer
error:
  call void @Py_DecRef(ptr %array)
  ret ptr null
fill_buffer:
  set %buffer MEMORY %array
  call void @Py_IncRef(ptr %device)
  set %buffer BUFFER_DEVICE %device
  %x = call ptr @PyType_GenericAlloc(ptr @type_array, i64 0)
  %no_x = icmp eq ptr %x, null
  br i1 %no_x, label %drop, label %fill
drop:
  call void @Py_DecRef(ptr %buffer)
  ret ptr null
fill:
  call void @Py_IncRef(ptr %aval)
  set %x AVAL %aval
  set %x BUFFER %buffer
  call void @Py_IncRef(ptr %device)
  set %x DEVICE_OF %device
  call void @Py_IncRef(ptr %committed)
  set %x COMMITTED %committed
  ret ptr %x
}
"""

TEXT = r"""
; Delete the donated arguments: their Arrays have no buffer any more, and no copy on the host.
define internal void @cotan_give(ptr %table, ptr %nodes) {
entry:
  %given = count %table GIVEN
  %first = word %table GIVEN_TABLE
  br label %loop
loop:
  %n = phi i64 [ 0, %entry ], [ %n1, %step ]
  %over = icmp eq i64 %n, %given
  br i1 %over, label %done, label %step
step:
  %n1 = add i64 %n, 1
  %offset = mul i64 %n, GIVEN_WORDS
  %here = getelementptr i64, ptr %first, i64 %offset
  %node = load i64, ptr %here
  %node_at = getelementptr ptr, ptr %nodes, i64 %node
  %x = load ptr, ptr %node_at
  %buffer = field %x BUFFER
  %host = field %x HOST
  %gone = bitcast ptr @object_none to ptr
  %nothing = bitcast ptr null to ptr
  call void @Py_IncRef(ptr %gone)
  set %x BUFFER %gone
  set %x HOST %nothing
  call void @Py_DecRef(ptr %buffer)
  call void @Py_DecRef(ptr %host)
  br label %loop
done:
  ret void
}

; The ndarrays of all results; false after an error.
define internal i1 @cotan_make(ptr %table, ptr %objects, ptr %pointers) {
entry:
  %inputs = count %table INPUTS
  %results = count %table RESULTS
  %first = word %table RESULT_TABLE
  br label %loop
loop:
  %n = phi i64 [ 0, %entry ], [ %n1, %found ]
  %over = icmp eq i64 %n, %results
  br i1 %over, label %done, label %step
done:
  ret i1 true
step:
  %n1 = add i64 %n, 1
  %offset = mul i64 %n, RESULT_WORDS
  %here = getelementptr i64, ptr %first, i64 %offset
  %kind = load i64, ptr %here
  %what = word %here 2
  switch i64 %kind, label %new [
    i64 POOLED, label %pooled
    i64 TAKEN, label %input
    i64 INPUT, label %input
    i64 CONST, label %const
  ]
new:
  %extents = word %here 3
  %rank64 = load i64, ptr %extents
  %rank = trunc i64 %rank64 to i32
  %dims = getelementptr i64, ptr %extents, i64 1
  call void @Py_IncRef(ptr %what)
  %made_new = call ptr @cotan_new_ndarray(ptr @type_ndarray, ptr %what, i32 %rank, ptr %dims, ptr null, ptr null,
    i32 0, ptr null)
  br label %made
pooled:
  %made_pooled = call ptr @PyObject_Call(ptr @pool_empty, ptr %what, ptr null)
  br label %made
input:
  %number = ptrtoint ptr %what to i64
  %input_at = getelementptr ptr, ptr %objects, i64 %number
  %shared = load ptr, ptr %input_at
  call void @Py_IncRef(ptr %shared)
  br label %made
const:
  call void @Py_IncRef(ptr %what)
  br label %made
made:
  %array = phi ptr [ %made_new, %new ], [ %made_pooled, %pooled ], [ %shared, %input ], [ %what, %const ]
  %failed = icmp eq ptr %array, null
  br i1 %failed, label %error, label %found
found:
  %slot = add i64 %inputs, %n
  %object_at = getelementptr ptr, ptr %objects, i64 %slot
  store ptr %array, ptr %object_at
  br label %loop
error:
  ret i1 false
}

; Where the program writes: a result that is not there already has a place among its pointers.
define internal void @cotan_point(ptr %table, ptr %objects, ptr %pointers) {
entry:
  %inputs = count %table INPUTS
  %results = count %table RESULTS
  %first = word %table RESULT_TABLE
  br label %loop
loop:
  %n = phi i64 [ 0, %entry ], [ %n1, %next ]
  %over = icmp eq i64 %n, %results
  br i1 %over, label %done, label %step
done:
  ret void
step:
  %n1 = add i64 %n, 1
  %offset = mul i64 %n, RESULT_WORDS
  %here = getelementptr i64, ptr %first, i64 %offset
  %kind = load i64, ptr %here
  %is_new = icmp ule i64 %kind, TAKEN
  br i1 %is_new, label %new, label %next
new:
  %place = count %here 4
  %from = add i64 %inputs, %n
  %object_at = getelementptr ptr, ptr %objects, i64 %from
  %array = load ptr, ptr %object_at
  %data = field %array 16
  %pointer_at = getelementptr ptr, ptr %pointers, i64 %place
  store ptr %data, ptr %pointer_at
  br label %next
next:
  br label %loop
}

; Give back the references in a list of objects, of which some may be null.
define internal void @cotan_drop(ptr %objects, i64 %count) {
entry:
  br label %loop
loop:
  %n = phi i64 [ 0, %entry ], [ %n1, %step ]
  %over = icmp eq i64 %n, %count
  br i1 %over, label %done, label %step
step:
  %n1 = add i64 %n, 1
  %at = getelementptr ptr, ptr %objects, i64 %n
  %object = load ptr, ptr %at
  call void @Py_DecRef(ptr %object)
  br label %loop
done:
  ret void
}

; The results as Arrays, in a tree; null after an error. Takes the references of their ndarrays.
define internal ptr @cotan_results(ptr %table, ptr %arrays, i32 %commits) {
entry:
  %results = count %table RESULTS
  %first = word %table RESULT_TABLE
  %device = word %table DEVICE
  %together = word %table TOGETHER
  %chosen = icmp eq i32 %commits, 1
  %committed = select i1 %chosen, ptr @object_true, ptr @object_false
  %single = icmp eq ptr %together, null
  br i1 %single, label %one, label %several
one:
  %only_aval = word %first 1
  %only_array = load ptr, ptr %arrays
  store ptr null, ptr %arrays
  %only = call ptr @cotan_wrap(ptr %only_array, ptr %only_aval, ptr %device, ptr %committed)
  ret ptr %only
several:
  %tuple = call ptr @PyTuple_New(i64 %results)
  %no_tuple = icmp eq ptr %tuple, null
  br i1 %no_tuple, label %error, label %loop
loop:
  %n = phi i64 [ 0, %several ], [ %n1, %next ]
  %over = icmp eq i64 %n, %results
  br i1 %over, label %all, label %step
step:
  %n1 = add i64 %n, 1
  %offset = mul i64 %n, RESULT_WORDS
  %here = getelementptr i64, ptr %first, i64 %offset
  %aval = word %here 1
  %array_at = getelementptr ptr, ptr %arrays, i64 %n
  %array = load ptr, ptr %array_at
  store ptr null, ptr %array_at
  %x = call ptr @cotan_wrap(ptr %array, ptr %aval, ptr %device, ptr %committed)
  %failed = icmp eq ptr %x, null
  br i1 %failed, label %lost, label %next
next:
  call i32 @PyTuple_SetItem(ptr %tuple, i64 %n, ptr %x)
  br label %loop
all:
  %as_it_is = icmp eq ptr %together, @type_tuple
  br i1 %as_it_is, label %flat, label %tree
flat:
  ret ptr %tuple
tree:
  %made = call ptr @PyObject_Call(ptr %together, ptr %tuple, ptr null)
  call void @Py_DecRef(ptr %tuple)
  ret ptr %made
lost:
  call void @Py_DecRef(ptr %tuple)
  br label %error
error:
  ret ptr null
}

; Run the program on its pointers; false after an error.
define internal i1 @cotan_run(ptr %table, ptr %pointers) {
entry:
  %main = word %table MAIN
  %consts = word %table CONSTS
  %releases = count %table RELEASES
  %asked = word %table WORKSPACE
  %no_workspace = icmp eq ptr %asked, null
  br i1 %no_workspace, label %ready, label %ask
ask:
  %workspace = call ptr @PyObject_Call(ptr @pool_take, ptr %asked, ptr null)
  %failed = icmp eq ptr %workspace, null
  br i1 %failed, label %error, label %lend
error:
  ret i1 false
lend:
  %lent = field %workspace 16
  br label %ready
ready:
  %held = phi ptr [ null, %entry ], [ %workspace, %lend ]
  %arena = phi ptr [ null, %entry ], [ %lent, %lend ]
  %long = icmp ne i64 %releases, 0
  br i1 %long, label %released, label %locked
locked:
  %locked_status = call i32 %main(ptr %pointers, ptr %consts, ptr %arena)
  br label %ran
released:
  %thread = call ptr @PyEval_SaveThread()
  %released_status = call i32 %main(ptr %pointers, ptr %consts, ptr %arena)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %ran
ran:
  %had_workspace = icmp ne ptr %held, null
  br i1 %had_workspace, label %return, label %done
return:
  %given = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr @pool_give, ptr %held, ptr null)
  call void @Py_DecRef(ptr %held)
  %refused = icmp eq ptr %given, null
  br i1 %refused, label %error, label %taken
taken:
  call void @Py_DecRef(ptr %given)
  br label %done
done:
  ret i1 true
}
"""
