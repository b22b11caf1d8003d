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

#endif // VITC_DIALECTS_VIT_VITINTERFACES_TD
