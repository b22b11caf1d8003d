//===- VitInterfaces.td - what the compiler asks of an operation -----------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITINTERFACES_TD
#define VITC_DIALECTS_VIT_VITINTERFACES_TD

include "mlir/IR/Interfaces.td"

def ReferenceLoweringInterface : OpInterface<"ReferenceLoweringInterface"> {
  let cppNamespace = "::vitc::vit";
  let description = [{
    The plain meaning of an operation in linalg, tensor, arith and math: slow and obviously right. It serves as the oracle of every fused
    kernel, as the fallback for rare operations and as the way a new operation works on its first day.
  }];
  let methods = [
    InterfaceMethod<[{
        Builds the operation's results from its operands before it; returns one value a result, or failure after an error was emitted.
        Works for a dynamic and for a static batch.
      }],
      "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "lowerToReference", (ins "::mlir::OpBuilder &":$builder)>
  ];
}

def DecomposableInterface : OpInterface<"DecomposableInterface"> {
  let cppNamespace = "::vitc::vit";
  let description = [{
    A composite operation that says which smaller `vit` operations it stands for. Its reference lowering is that of its parts.
  }];
  let methods = [
    InterfaceMethod<"Builds the parts before the operation; returns one value a result.",
      "::llvm::SmallVector<::mlir::Value>", "decompose", (ins "::mlir::OpBuilder &":$builder)>
  ];
}

def GradientInterface : OpInterface<"GradientInterface"> {
  let cppNamespace = "::vitc::vit";
  let description = [{
    What an operation's results pass back to its operands: the rule that `vit-differentiate` applies. An operation without it cannot be
    trained through.
  }];
  let methods = [
    InterfaceMethod<[{
        Builds the loss's gradients with respect to the operands for which `needed` says so, and returns one value an operand, null where it
        is not needed. `upstream` is the gradient with respect to each result. Weights' gradients are summed over all images. Failure after
        an error was emitted.
      }],
      "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "buildGradient",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$upstream, "::llvm::function_ref<bool(unsigned)>":$needed), "",
      "return ::vitc::vit::buildPullback($_op, builder, upstream, needed);">
  ];
}

#endif // VITC_DIALECTS_VIT_VITINTERFACES_TD
