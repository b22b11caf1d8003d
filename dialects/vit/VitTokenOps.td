//===- VitTokenOps.td - sequences, windows, talking heads ---------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITTOKENOPS_TD
#define VITC_DIALECTS_VIT_VITTOKENOPS_TD

include "dialects/vit/VitBase.td"

//===--------------------------------------------------------------------------------------===//
// Sequences
//===--------------------------------------------------------------------------------------===//

def Vit_SliceTokensOp : Vit_PulledBackOp<"slice_tokens"> {
  let summary = "tokens [first, first + n) of each image, n by the result's type";
  let description = [{
    Constraints:
    - (C1) The input is [B, T, D].
    - (C2) The result is [B, n, D].
    - (C3) The tokens lie within the input.
  }];
  let arguments = (ins Vit_Tokens:$input, I64Attr:$first);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Vit_ReshapeTokensOp : Vit_PulledBackOp<"reshape_tokens"> {
  let summary = "the same elements of each image under another shape: [B, H W, D] as [B, H, W, D]";
  let description = [{
    Constraints:
    - (C1) Input and result have one batch, and as many elements an image.
  }];
  let arguments = (ins Vit_Tokens:$input);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_ConcatTokensOp : Vit_PulledBackOp<"concat_tokens"> {
  let summary = "the tokens of each image one after the other: a class token and the patches that it attends to";
  let description = [{
    Any number of [B, n, D] -> [B, sum of n, D].

    Constraints:
    - (C1) Each input is [B, n, D].
    - (C2) The result is [B, sum of n, D].
  }];
  let arguments = (ins Variadic<Vit_Tokens>:$inputs);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$inputs attr-dict `:` functional-type($inputs, $value)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

//===--------------------------------------------------------------------------------------===//
// Windows
//===--------------------------------------------------------------------------------------===//

def Vit_ToWindowsOp : Vit_PulledBackOp<"to_windows"> {
  let summary = "a grid of tokens as windows, one after the other";
  let description = [{
    tokens [B, H W, D] of a `grid` [H, W] -> [B, M N S S, D] for M x N windows of S x S, M = H / S and N = W / S, both rounded up: windows
    row by row, and row by row the tokens within. Tokens that the grid lacks are `fill` [D], or zeros (`window_partition` of
    timm/models/vision_transformer_sam.py). Behind the projection of a query, key or value that is padded with zeros, `fill` is its bias.

    ```mlir
    %w = vit.to_windows %x fill(%b : tensor<2304xf32>) {grid = array<i64: 64, 64>, size = 14 : i64}
           : tensor<?x4096x2304xf32> -> tensor<?x4900x2304xf32>
    ```
    Constraints:
    - (C1) `grid` has two elements of at least 1, `size` is at least 1.
    - (C2) The tokens are [B, H W, D], the result is [B, M N S S, D].
    - (C3) `fill` is [D].
  }];
  let arguments = (ins Vit_Tokens:$tokens, Optional<Vit_Weight>:$fill, DenseI64ArrayAttr:$grid, I64Attr:$size);
  let results = (outs Vit_Tokens:$windows);
  let assemblyFormat = "$tokens (`fill` `(` $fill^ `:` type($fill) `)`)? attr-dict `:` type($tokens) `->` type($windows)";
  let hasVerifier = 1;
}

def Vit_FromWindowsOp : Vit_PulledBackOp<"from_windows"> {
  let summary = "windows as a grid of tokens; those that the grid lacks are dropped";
  let description = [{
    The inverse of `vit.to_windows`: windows [B, M N S S, D] -> [B, H W, D].

    Constraints:
    - (C1) `grid` has two elements of at least 1, `size` is at least 1.
    - (C2) The windows are [B, M N S S, D], the result is [B, H W, D].
  }];
  let arguments = (ins Vit_Tokens:$windows, DenseI64ArrayAttr:$grid, I64Attr:$size);
  let results = (outs Vit_Tokens:$tokens);
  let assemblyFormat = "$windows attr-dict `:` type($windows) `->` type($tokens)";
  let hasVerifier = 1;
}

//===--------------------------------------------------------------------------------------===//
// Talking heads
//===--------------------------------------------------------------------------------------===//

def Vit_TalkingHeadsOp : Vit_PulledBackOp<"talking_heads"> {
  let summary = "attention whose heads are mixed before and after the softmax";
  let description = [{
    qkv [B, T, 3 h d] as in `vit.sdpa` -> [B, T, h d]. With the scores s[j] = scale Q[j] K[j]' of head j: p[i] = softmax(sum over j of
    before[i, j] s[j] + before_bias[i]), and head i of the value is (sum over j of after[i, j] p[j] + after_bias[i]) V[i] (Shazeer et al.
    2020, section 3; timm/models/cait.py).

    ```mlir
    %y = vit.talking_heads %x before(%w : tensor<4x4xf32>, %b : tensor<4xf32>) after(%v : tensor<4x4xf32>, %c : tensor<4xf32>)
           {heads = 4 : i64, scale = 0.1 : f32} : tensor<?x196x576xf32> -> tensor<?x196x192xf32>
    ```
    Constraints:
    - (C1) qkv is [B, T, 3 h d]: its width is a multiple of 3 `heads`, and `heads` is positive.
    - (C2) `before` and `after` are [h, h], their biases [h].
    - (C3) The result is [B, T, h d].
  }];
  let arguments = (ins Vit_Tokens:$qkv, Vit_Weight:$before, Vit_Weight:$before_bias, Vit_Weight:$after, Vit_Weight:$after_bias,
                       I64Attr:$heads, F32Attr:$scale);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $qkv `before` `(` $before `:` type($before) `,` $before_bias `:` type($before_bias) `)`
    `after` `(` $after `:` type($after) `,` $after_bias `:` type($after_bias) `)` attr-dict `:` type($qkv) `->` type($value)
  }];
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_VIT_VITTOKENOPS_TD
