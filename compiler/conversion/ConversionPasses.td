//===- ConversionPasses.td - passes between dialects -----------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_CONVERSION_CONVERSIONPASSES_TD
#define VITC_COMPILER_CONVERSION_CONVERSIONPASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertVitToLinalg : Pass<"convert-vit-to-linalg"> {
  let summary = "Replace vit operations by their reference lowering in linalg, tensor, arith and math";
  let description = [{
    Composite operations are decomposed first (`DecomposableInterface`), everything else lowers by `ReferenceLoweringInterface`, operations of other
    dialects that have it included. `vit.weight` stays: its data comes from outside.

    ```mlir
    %y = vit.mul %a, %b : tensor<?x5x8xf32>
    ```
    becomes
    ```mlir
    #id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
    %c0 = arith.constant 0 : index
    %batch = tensor.dim %a, %c0 : tensor<?x5x8xf32>
    %to = tensor.empty(%batch) : tensor<?x5x8xf32>
    %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
           ins(%a, %b : tensor<?x5x8xf32>, tensor<?x5x8xf32>) outs(%to : tensor<?x5x8xf32>) {
    ^bb0(%x: f32, %z: f32, %old: f32):
      %product = arith.mulf %x, %z : f32
      linalg.yield %product : f32
    } -> tensor<?x5x8xf32>
    ```
  }];
  let statistics = [
    Statistic<"decomposed", "decomposed", "composite operations taken apart">,
    Statistic<"lowered", "lowered", "operations replaced by their reference lowering">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

def ConvertVitToKernel : Pass<"convert-vit-to-kernel"> {
  let summary = "Turn vit operations into launches";
  let description = [{
    Products, attention, normalization and patch embedding have kernels of their own; any other operation becomes a `kernel.reference`, as all do with
    `reference`. A patchify and the embed that alone reads it become one launch.
    ```mlir
    %1 = vit.linear %0, %w bias(%b : tensor<768xf32>) : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>
    // ->
    %1 = kernel.gemm %0, %w bias(%b : tensor<768xf32>) : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>
    ```
    An operation without a kernel reports itself as a missed remark of category "kernel".
  }];
  let dependentDialects = ["::vitc::kernel::KernelDialect", "::vitc::vit::VitDialect"];
  let options = [Option<"reference", "reference", "bool", "false", "make every launch a reference lowering">,
                 Option<"training", "training", "bool", "false",
                        "launches of a training program: weights are read as they lie, gradients have kernels">,
                 Option<"keepAttention", "keep-attention", "bool", "true",
                        "attention of a training program keeps its weights for its gradient where they are few">,
                 Option<"queryGradients", "query-gradients", "bool", "false",
                        "attention's gradient with few queries of their own has a kernel: a GPU's">];
  let statistics = [Statistic<"launches", "launches", "operations with a kernel of their own">,
                    Statistic<"references", "references", "operations that run by their reference lowering">];
}

#endif // VITC_COMPILER_CONVERSION_CONVERSIONPASSES_TD
