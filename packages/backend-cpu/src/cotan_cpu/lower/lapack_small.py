"""Factorisations of small real matrices as LLVM IR text: plain loops over rows, as they lie.

What LAPACK does before it begins takes longer than all of a small factorisation. Algorithms: Golub and Van Loan, Matrix
Computations, 4th edition, 3.1 (triangular systems), 3.4.4 (outer products, partial pivoting), 4.2.6 (Cholesky by outer
products). Knows no recipes.
"""

from __future__ import annotations

LARGEST = 20
"""Rows or columns of a matrix up to which it is small."""

HELPERS = """
; The LU factors of a matrix in its place, and the row that each row was exchanged with. A zero pivot stays.
define internal void @cotan_eliminate(ptr %a, ptr %pivots, i64 %m, i64 %n) {
entry:
  %steps = call i64 @llvm.umin.i64(i64 %m, i64 %n)
  br label %step
step:
  %k = phi i64 [0, %entry], [%k.next, %step.next]
  %k.more = icmp ult i64 %k, %steps
  br i1 %k.more, label %find.begin, label %exit
find.begin:
  %k.next = add i64 %k, 1
  %k.start = mul i64 %k, %n
  %k.row = getelementptr PART, ptr %a, i64 %k.start
  %corner.at = getelementptr PART, ptr %k.row, i64 %k
  %corner = load PART, ptr %corner.at
  %corner.size = call PART @llvm.fabs.FKIND(PART %corner)
  br label %find
find:
  %f = phi i64 [%k.next, %find.begin], [%f.next, %find.body]
  %best = phi i64 [%k, %find.begin], [%best.next, %find.body]
  %size = phi PART [%corner.size, %find.begin], [%size.next, %find.body]
  %f.more = icmp ult i64 %f, %m
  br i1 %f.more, label %find.body, label %found
find.body:
  %f.start = mul i64 %f, %n
  %f.at = add i64 %f.start, %k
  %f.place = getelementptr PART, ptr %a, i64 %f.at
  %f.value = load PART, ptr %f.place
  %f.size = call PART @llvm.fabs.FKIND(PART %f.value)
  %larger = fcmp ogt PART %f.size, %size
  %best.next = select i1 %larger, i64 %f, i64 %best
  %size.next = select i1 %larger, PART %f.size, PART %size
  %f.next = add i64 %f, 1
  br label %find
found:
  %pivot.at = getelementptr i32, ptr %pivots, i64 %k
  %best32 = trunc i64 %best to i32
  store i32 %best32, ptr %pivot.at
  %best.start = mul i64 %best, %n
  %best.row = getelementptr PART, ptr %a, i64 %best.start
  %same = icmp eq i64 %best, %k
  br i1 %same, label %divide, label %swap
swap:
  %s = phi i64 [0, %found], [%s.next, %swap]
  %s.k = getelementptr PART, ptr %k.row, i64 %s
  %s.best = getelementptr PART, ptr %best.row, i64 %s
  %one = load PART, ptr %s.k
  %other = load PART, ptr %s.best
  store PART %other, ptr %s.k
  store PART %one, ptr %s.best
  %s.next = add i64 %s, 1
  %s.more = icmp ult i64 %s.next, %n
  br i1 %s.more, label %swap, label %divide
divide:
  %pivot = load PART, ptr %corner.at
  %nothing = fcmp oeq PART %pivot, 0.0
  br i1 %nothing, label %step.next, label %row
row:
  %i = phi i64 [%k.next, %divide], [%i.next, %row.done]
  %i.more = icmp ult i64 %i, %m
  br i1 %i.more, label %row.begin, label %step.next
row.begin:
  %i.start = mul i64 %i, %n
  %i.row = getelementptr PART, ptr %a, i64 %i.start
  %l.at = getelementptr PART, ptr %i.row, i64 %k
  %l.old = load PART, ptr %l.at
  %l = fdiv PART %l.old, %pivot
  store PART %l, ptr %l.at
  %l.neg = fneg PART %l
  br label %column
column:
  %j = phi i64 [%k.next, %row.begin], [%j.next, %column.body]
  %j.more = icmp ult i64 %j, %n
  br i1 %j.more, label %column.body, label %row.done
column.body:
  %u.at = getelementptr PART, ptr %k.row, i64 %j
  %u = load PART, ptr %u.at
  %x.at = getelementptr PART, ptr %i.row, i64 %j
  %x = load PART, ptr %x.at
  %x.new = call PART @llvm.fmuladd.FKIND(PART %l.neg, PART %u, PART %x)
  store PART %x.new, ptr %x.at
  %j.next = add i64 %j, 1
  br label %column
row.done:
  %i.next = add i64 %i, 1
  br label %row
step.next:
  br label %step
exit:
  ret void
}

; The Cholesky factor of a matrix in its lower half.
define internal void @cotan_root(ptr %a, i64 %n, ptr %failed) {
entry:
  br label %step
step:
  %k = phi i64 [0, %entry], [%k.next, %step.next]
  %k.more = icmp ult i64 %k, %n
  br i1 %k.more, label %step.begin, label %exit
step.begin:
  %k.next = add i64 %k, 1
  %k.start = mul i64 %k, %n
  %k.k = add i64 %k.start, %k
  %corner.at = getelementptr PART, ptr %a, i64 %k.k
  %corner = load PART, ptr %corner.at
  %positive = fcmp ogt PART %corner, 0.0
  br i1 %positive, label %take, label %fail
fail:
  store i1 true, ptr %failed
  ret void
take:
  %root = call PART @llvm.sqrt.FKIND(PART %corner)
  store PART %root, ptr %corner.at
  br label %row
row:
  %i = phi i64 [%k.next, %take], [%i.next, %row.done]
  %i.more = icmp ult i64 %i, %n
  br i1 %i.more, label %row.begin, label %step.next
row.begin:
  %i.start = mul i64 %i, %n
  %i.row = getelementptr PART, ptr %a, i64 %i.start
  %l.at = getelementptr PART, ptr %i.row, i64 %k
  %l.old = load PART, ptr %l.at
  %l = fdiv PART %l.old, %root
  store PART %l, ptr %l.at
  %l.neg = fneg PART %l
  br label %column
column:
  %j = phi i64 [%k.next, %row.begin], [%j.next, %column.body]
  %j.more = icmp ule i64 %j, %i
  br i1 %j.more, label %column.body, label %row.done
column.body:
  %j.start = mul i64 %j, %n
  %j.k = add i64 %j.start, %k
  %m.at = getelementptr PART, ptr %a, i64 %j.k
  %m = load PART, ptr %m.at
  %x.at = getelementptr PART, ptr %i.row, i64 %j
  %x = load PART, ptr %x.at
  %x.new = call PART @llvm.fmuladd.FKIND(PART %l.neg, PART %m, PART %x)
  store PART %x.new, ptr %x.at
  %j.next = add i64 %j, 1
  br label %column
row.done:
  %i.next = add i64 %i, 1
  br label %row
step.next:
  br label %step
exit:
  ret void
}

; x in M x = b for %count vectors b, in their place. Neighbours in M's columns are %down apart, in its rows %along, in a
; vector %step, and vectors %apart. Rows are done from the first (%forward 1) or from the last. %unit 1: the diagonal is
; one.
define internal void @cotan_substitute(
  ptr %a, i64 %down, i64 %along, ptr %b, i64 %step, i64 %apart, i64 %n, i64 %count, i64 %forward, i64 %unit
) {
entry:
  %upwards = icmp eq i64 %forward, 0
  %whole = icmp ne i64 %unit, 0
  %last = sub i64 %n, 1
  %first = select i1 %upwards, i64 %last, i64 0
  %next = select i1 %upwards, i64 -1, i64 1
  %a.row = mul i64 %next, %down
  %a.column = mul i64 %next, %along
  %b.row = mul i64 %next, %step
  %corner = add i64 %down, %along
  %a.first = mul i64 %first, %corner
  %b.first = mul i64 %first, %step
  br label %vector
vector:
  %c = phi i64 [0, %entry], [%c.next, %vector.next]
  %c.more = icmp ult i64 %c, %count
  br i1 %c.more, label %vector.begin, label %exit
vector.begin:
  %c.next = add i64 %c, 1
  %c.apart = mul i64 %c, %apart
  %c.first = add i64 %c.apart, %b.first
  %top = getelementptr PART, ptr %b, i64 %c.first
  br label %row
row:
  %i = phi i64 [0, %vector.begin], [%i.next, %row.done]
  %i.more = icmp ult i64 %i, %n
  br i1 %i.more, label %row.begin, label %vector.next
row.begin:
  %i.a = mul i64 %i, %a.row
  %i.start = add i64 %i.a, %a.first
  %i.row = getelementptr PART, ptr %a, i64 %i.start
  %i.b = mul i64 %i, %b.row
  %x.at = getelementptr PART, ptr %top, i64 %i.b
  %x = load PART, ptr %x.at
  br label %dot
dot:
  %k = phi i64 [0, %row.begin], [%k.next, %dot.body]
  %left = phi PART [%x, %row.begin], [%left.next, %dot.body]
  %k.more = icmp ult i64 %k, %i
  br i1 %k.more, label %dot.body, label %dotted
dot.body:
  %k.a = mul i64 %k, %a.column
  %m.at = getelementptr PART, ptr %i.row, i64 %k.a
  %m = load PART, ptr %m.at
  %k.b = mul i64 %k, %b.row
  %y.at = getelementptr PART, ptr %top, i64 %k.b
  %y = load PART, ptr %y.at
  %m.neg = fneg PART %m
  %left.next = call PART @llvm.fmuladd.FKIND(PART %m.neg, PART %y, PART %left)
  %k.next = add i64 %k, 1
  br label %dot
dotted:
  %d.a = mul i64 %i, %a.column
  %d.at = getelementptr PART, ptr %i.row, i64 %d.a
  %d.read = load PART, ptr %d.at
  %d = select i1 %whole, PART 1.0, PART %d.read
  %quotient = fdiv PART %left, %d
  store PART %quotient, ptr %x.at
  br label %row.done
row.done:
  %i.next = add i64 %i, 1
  br label %row
vector.next:
  br label %vector
exit:
  ret void
}
"""
