//===- CpuPasses.td - passes of the CPU code generator ---------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CODEGEN_CPU_CPUPASSES_TD
#define VITC_COMPILER_CODEGEN_CPU_CPUPASSES_TD

include "mlir/Pass/PassBase.td"

def ExpandMath : Pass<"cpu-expand-math"> {
  let summary = "exp, erf and tanh of f32 as polynomials";
  let description = [{
    Generated code calls no library, so `math.exp`, `math.erf` and `math.tanh` of f32 scalars and vectors become the arithmetic of Math.h. Where the target has
    no fused multiply-add, `math.fma` and `vector.fma` become a product and a sum: LLVM would call `fmaf` for each lane.

    ```mlir
    %y = math.exp %x : vector<16xf32>
    // becomes
    %n = math.fma %x, %log2e, %shifter : vector<16xf32>
    ...
    ```
  }];
  let options = [Option<"fma", "fma", "bool", /*default=*/"true", "the target has fused multiply-adds">];
  let statistics = [Statistic<"expanded", "expanded", "functions expanded">, Statistic<"split", "split", "multiply-adds split">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def FloatsAsBits : Pass<"cpu-floats-as-bits"> {
  let summary = "numbers that the target has no instructions for as others that it has";
  let description = [{
    For targets without instructions of bf16 or f16: rounding and widening become arithmetic of integers, and what moves such numbers sees i16. LLVM would do
    both in part by calls of a library, which generated code has not got: it selects between two bf16 in f32, for instance, and rounds the result. No CPU has
    tf32: it becomes f32 whose lower 13 bits are zero.

    ```mlir
    %x = memref.load %m[%i] : memref<8xbf16>
    %y = arith.select %c, %x, %zero : bf16
    // becomes
    %x = memref.load %m[%i] : memref<8xi16>
    %y = arith.select %c, %x, %zero : i16
    ```
  }];
  let options = [Option<"bf16", "bf16", "bool", /*default=*/"true", "the target has no bf16">,
                 Option<"f16", "f16", "bool", /*default=*/"true", "the target has no f16">];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

#endif // VITC_COMPILER_CODEGEN_CPU_CPUPASSES_TD
