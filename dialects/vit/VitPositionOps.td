//===- VitPositionOps.td - tables of positions, made from weights ----------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITPOSITIONOPS_TD
#define VITC_DIALECTS_VIT_VITPOSITIONOPS_TD

include "dialects/vit/VitBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"

def Vit_ConstantOp : Vit_ReferenceOp<"constant", [AllTypesMatch<["data", "value"]>]> {
  let summary = "numbers that follow from the config alone: sine tables, coordinates, matrices of a resize";
  let description = [{
    ```mlir
    %m = vit.constant dense<[[0.5, 0.5]]> : tensor<1x2xf32>
    ```
  }];
  let arguments = (ins TypedAttrInterface:$data);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$data attr-dict";
}

def Vit_ResampleOp : Vit_PulledBackOp<"resample"> {
  let summary = "a weight resampled along one axis: value[.., o, ..] = sum over i of matrix[o, i] input[.., i, ..]";
  let description = [{
    Any linear resize of a grid is one of these for each axis: a table of positions for another image size (timm's `resample_abs_pos_embed`,
    transformers' `interpolate_pos_encoding`, `scipy.ndimage.zoom`), FlexiViT's pseudo-inverse of a patch kernel. The matrix, a
    `vit.constant`, says which.

    ```mlir
    %y = vit.resample %x by %m {axis = 0 : i64} : tensor<14x14x8xf32>, tensor<24x14xf32> -> tensor<24x14x8xf32>
    ```
    Constraints:
    - (C1) `axis` is one of the input's axes.
    - (C2) The matrix is [O, I], I the input's length along that axis.
    - (C3) The result is the input with O in place of I.
  }];
  let arguments = (ins Vit_Weight:$input, Vit_Weight:$matrix, I64Attr:$axis);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input `by` $matrix attr-dict `:` type($input) `,` type($matrix) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_RelativeBiasOp : Vit_PulledBackOp<"relative_bias"> {
  let summary = "a bias of the scores by the distance of two patches, looked up in a table";
  let description = [{
    table [(2H-1)(2W-1), h] or with three more rows, `grid` = [H, W] -> [h, T, T], T = `prefix` + H W: for the patches of query (y, x) and
    key (y', x') the row (y - y' + H - 1)(2W - 1) + x - x' + W - 1 (Liu et al. 2021, section 3.2). The prefix tokens' rows and columns are 0;
    with three more rows there is one prefix token, whose row reads the first of them, its column the second, both the third (BEiT).

    Constraints:
    - (C1) `grid` has two elements of at least 1, `prefix` is not negative.
    - (C2) The table is [(2H-1)(2W-1), h], or with one prefix token [(2H-1)(2W-1) + 3, h].
    - (C3) The result is [h, T, T].
  }];
  let arguments = (ins Vit_Weight:$table, DenseI64ArrayAttr:$grid, I64Attr:$prefix);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$table attr-dict `:` type($table) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_RotaryTableOp : Vit_PulledBackOp<"rotary_table"> {
  let summary = "sines or cosines of rotary positions with learned frequencies";
  let description = [{
    frequencies [2, h, d/2], coordinates [N, 2] -> [h, N, d]: for pair k of head j and patch n the sine, or with `cosine` the cosine, of
    coordinates[n, 0] frequencies[0, j, k] + coordinates[n, 1] frequencies[1, j, k] (Heo et al. 2024, equation 14), at both of the pair's
    elements 2k and 2k + 1.

    Constraints:
    - (C1) The frequencies are [2, h, d/2], the coordinates [N, 2].
    - (C2) The result is [h, N, d].
  }];
  let arguments = (ins Vit_Weight:$frequencies, Vit_Weight:$coordinates, UnitAttr:$cosine);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$frequencies `at` $coordinates attr-dict `:` type($frequencies) `,` type($coordinates) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_DifferentialLambdaOp : Vit_PulledBackOp<"differential_lambda", [AllTypesMatch<["q1", "k1", "q2", "k2"]>]> {
  let summary = "the weight of a differential attention's second softmax, as a vector of equal elements";
  let description = [{
    exp(q1 . k1) - exp(q2 . k2) + init (Ye et al. 2024, equation 2), all four vectors of one length -> [n].

    Constraints:
    - (C1) q1, k1, q2 and k2 are vectors.
    - (C2) The result is a vector.
  }];
  let arguments = (ins Vit_Weight:$q1, Vit_Weight:$k1, Vit_Weight:$q2, Vit_Weight:$k2, F32Attr:$init);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$q1 `,` $k1 `,` $q2 `,` $k2 attr-dict `:` type($q1) `->` type($value)";
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_VIT_VITPOSITIONOPS_TD
