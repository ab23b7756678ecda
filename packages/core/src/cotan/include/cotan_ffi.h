/* The type of foreign functions that cotan.ffi calls on the CPU.
 *
 * in:  one address for each operand, in order: its elements in row-major order.
 * out: of a call with one result, the address of its memory; of a call with several, an array of one address for each.
 *
 * Shapes and dtypes are those that the program declares; a function that depends on them takes them as operands.
 * It runs without the interpreter's lock, and may be called by several threads at once.
 */
#ifndef COTAN_FFI_H
#define COTAN_FFI_H

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*cotan_ffi_target)(void *out, const void **in);

#ifdef __cplusplus
}
#endif

#endif
