//===- VitBase.td - what all operations of the vit dialect have in common --*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITBASE_TD
#define VITC_DIALECTS_VIT_VITBASE_TD

include "dialects/vit/VitDialect.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Vit_Op<string mnemonic, list<Trait> traits = []> : Op<Vit_Dialect, mnemonic, !listconcat([Pure], traits)>;
class Vit_ReferenceOp<string mnemonic, list<Trait> traits = []>
    : Vit_Op<mnemonic, !listconcat([DeclareOpInterfaceMethods<ReferenceLoweringInterface>], traits)>;
/// With the gradient that follows from the reference lowering (vit.pullback).
class Vit_PulledBackOp<string mnemonic, list<Trait> traits = []> : Vit_ReferenceOp<mnemonic, !listconcat([GradientInterface], traits)>;
/// With a rule of its own, beside its lowering.
class Vit_DifferentiableOp<string mnemonic, list<Trait> traits = []>
    : Vit_ReferenceOp<mnemonic, !listconcat([DeclareOpInterfaceMethods<GradientInterface, ["buildGradient"]>], traits)>;
class Vit_CompositeOp<string mnemonic, list<Trait> traits = []>
    : Vit_Op<mnemonic, !listconcat([DeclareOpInterfaceMethods<DecomposableInterface>], traits)>;

#endif // VITC_DIALECTS_VIT_VITBASE_TD
