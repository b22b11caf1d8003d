//===- VitWeightOps.td - weights, and arithmetic on weights alone ----------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITWEIGHTOPS_TD
#define VITC_DIALECTS_VIT_VITWEIGHTOPS_TD

include "dialects/vit/VitBase.td"

def Vit_WeightOp : Vit_Op<"weight"> {
  let summary = "a tensor of the model, by name";
  let description = [{
    The name is one of the model's weight table (`compiler/frontend/WeightNaming.h`); the data is bound later and never part of the IR.

    ```mlir
    %w = vit.weight @blocks.0.mlp.fc1.weight : tensor<768x192xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$source);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$source attr-dict `:` type($value)";
}

def Vit_ZerosOp : Vit_ReferenceOp<"zeros"> {
  let summary = "a tensor of zeros, such as the key bias of a model that has none";
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "attr-dict `:` type($value)";
}

def Vit_ConcatOp : Vit_DifferentiableOp<"concat"> {
  let summary = "weights one below the other (along axis 0)";
  let description = [{
    ```mlir
    %qkv = vit.concat %q, %k, %v : (tensor<192x192xf32>, tensor<192x192xf32>, tensor<192x192xf32>) -> tensor<576x192xf32>
    ```
    Constraints:
    - (C1) There is at least one part.
    - (C2) Parts and result agree in every axis but 0.
    - (C3) The result has as many rows as its parts together.
  }];
  let arguments = (ins Variadic<Vit_Weight>:$parts);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$parts attr-dict `:` functional-type($parts, $value)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
}

def Vit_ReshapeOp : Vit_DifferentiableOp<"reshape"> {
  let summary = "the same elements in row-major order under another static shape";
  let description = [{
    Constraints:
    - (C1) Input and result have the same number of elements.
  }];
  let arguments = (ins Vit_Weight:$input);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
}

def Vit_ScaleOp : Vit_PulledBackOp<"scale", [AllTypesMatch<["input", "value"]>]> {
  let summary = "a weight times a vector along one axis: value[.., i, ..] = input[.., i, ..] * factor[i]";
  let description = [{
    Constraints:
    - (C1) `axis` is one of the input's axes.
    - (C2) `factor` is a vector with one element for each index of that axis.
  }];
  let arguments = (ins Vit_Weight:$input, Vit_Weight:$factor, I64Attr:$axis);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input `by` $factor attr-dict `:` type($input) `,` type($factor)";
  let hasVerifier = 1;
}

def Vit_ScaleRowsByConstantOp : Vit_PulledBackOp<"scale_rows", [AllTypesMatch<["input", "value"]>]> {
  let summary = "the first `rows` rows (axis 0) times a constant: the score scale folded into the query's weights";
  let description = [{
    Constraints:
    - (C1) The input has at least `rows` rows, and `rows` is not negative.
  }];
  let arguments = (ins Vit_Weight:$input, I64Attr:$rows, F32Attr:$factor);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Vit_AddOp : Vit_PulledBackOp<"add"> {
  let summary = "sum of two weights of one shape, or of a weight [.., D] and a vector [D]";
  let description = [{
    Constraints:
    - (C1) `rhs` has the type of `lhs`, or is a vector as long as the last axis of `lhs`.
    - (C2) The result has the type of `lhs`.
  }];
  let arguments = (ins Vit_Weight:$lhs, Vit_Weight:$rhs);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($value)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Vit_MatvecOp : Vit_PulledBackOp<"matvec"> {
  let summary = "weight [N, K] times vector [K]: a shift carried through a linear layer";
  let description = [{
    Constraints:
    - (C1) `matrix` is [N, K] and `vector` [K].
    - (C2) The result is [N].
  }];
  let arguments = (ins Vit_Weight:$matrix, Vit_Weight:$vector);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$matrix `,` $vector attr-dict `:` type($matrix) `,` type($vector) `->` type($value)";
  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def Vit_SliceRowsOp : Vit_DifferentiableOp<"slice_rows"> {
  let summary = "rows [first, first + n) of a weight (axis 0), n by the result's type";
  let description = [{
    Constraints:
    - (C1) Input and result agree in every axis but 0.
    - (C2) The rows lie within the input.
  }];
  let arguments = (ins Vit_Weight:$input, I64Attr:$first);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
}

def Vit_TransposeOp : Vit_DifferentiableOp<"transpose"> {
  let summary = "a weight's axes in another order: axis i of the value is axis `permutation`[i] of the input";
  let description = [{
    ```mlir
    %hwc = vit.transpose %kernel {permutation = array<i64: 0, 2, 3, 1>} : tensor<64x3x7x7xf32> -> tensor<64x7x7x3xf32>
    ```
    Constraints:
    - (C1) `permutation` names each of the input's axes once.
    - (C2) The result has the input's sizes in that order.
  }];
  let arguments = (ins Vit_Weight:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_InverseDeviationOp : Vit_PulledBackOp<"inverse_deviation", [AllTypesMatch<["input", "value"]>]> {
  let summary = "1 / sqrt(variance + eps) of each element: what a batch normalization multiplies by";
  let description = [{
    Constraints:
    - (C1) `eps` is finite and not negative.
  }];
  let arguments = (ins Vit_Weight:$input, F32Attr:$eps);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Vit_StandardizeOp : Vit_PulledBackOp<"standardize", [AllTypesMatch<["input", "value"]>]> {
  let summary = "a kernel with mean 0 and deviation 1 in each output channel (weight standardization)";
  let description = [{
    value = (w - mean) / sqrt(variance + eps), mean and biased variance over all axes but 0 (Qiao et al. 2019, equation 3; timm's
    StdConv2d), or with `eps_on_deviation` value = (w - mean) / (sqrt(variance) + eps) (Flax's StdConv).

    Constraints:
    - (C1) `eps` is finite and not negative.
  }];
  let arguments = (ins Vit_Weight:$input, F32Attr:$eps, UnitAttr:$eps_on_deviation);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_VIT_VITWEIGHTOPS_TD
