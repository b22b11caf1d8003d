//===- VitRowOps.td - feature maps with a row for each pixel ---------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// What vit-lower-convolution makes of a stem: pixels are rows [B, H W, C], channels innermost, as tokens are, so that a convolution is
// vit.im2col and vit.linear.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITROWOPS_TD
#define VITC_DIALECTS_VIT_VITROWOPS_TD

include "dialects/vit/VitBase.td"

def Vit_ChannelsLastOp : Vit_PulledBackOp<"channels_last"> {
  let summary = "images [B, C, H, W] as rows [B, H W, C]";
  let description = [{
    Constraints:
    - (C1) The result is [B, H W, C].
  }];
  let arguments = (ins Vit_Images:$images);
  let results = (outs Vit_Tokens:$rows);
  let assemblyFormat = "$images attr-dict `:` type($images) `->` type($rows)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Vit_ChannelsFirstOp : Vit_PulledBackOp<"channels_first"> {
  let summary = "rows [B, H W, C] as images [B, C, H, W]";
  let description = [{
    Constraints:
    - (C1) The rows are [B, H W, C].
  }];
  let arguments = (ins Vit_Tokens:$rows);
  let results = (outs Vit_Images:$images);
  let assemblyFormat = "$rows attr-dict `:` type($rows) `->` type($images)";
  let hasVerifier = 1;
}

def Vit_Im2colOp : Vit_PulledBackOp<"im2col"> {
  let summary = "the window of pixels that each output pixel of a convolution sees, as a row";
  let description = [{
    rows [B, H W, C] of a `grid` [H, W] -> [B, H' W', P Q C] for windows of P x Q, H' = (H + top + bottom - P) / stride + 1, rounded down.
    Element (p Q + q) C + c of row (y, x) is channel c of pixel (y stride + p - top, x stride + q - left), or 0 in the padding. A product
    with this is a convolution, and the CPU's reads the windows where they lie.

    ```mlir
    %w = vit.im2col %x {grid = array<i64: 56, 56>, window = array<i64: 3, 3>, stride = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>}
           : tensor<?x3136x64xf32> -> tensor<?x3136x576xf32>
    ```
    Constraints:
    - (C1) `grid`, `window` and `stride` have two elements of at least 1, `padding` four that are not negative.
    - (C2) The rows are [B, H W, C].
    - (C3) The padded grid holds the window.
    - (C4) The result has the shape above.
  }];
  let arguments = (ins Vit_Tokens:$rows, DenseI64ArrayAttr:$grid, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$stride,
                       DenseI64ArrayAttr:$padding);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$rows attr-dict `:` type($rows) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_PoolRowsOp : Vit_PulledBackOp<"pool_rows"> {
  let summary = "`vit.max_pool` or `vit.avg_pool` of rows";
  let description = [{
    rows [B, H W, C] of a `grid` [H, W] -> [B, H' W', C], H' = (H + top + bottom - P) / stride + 1, rounded down. The padding never wins
    a maximum and does not count in a mean.

    Constraints:
    - (C1) `grid`, `window` and `stride` have two elements of at least 1, `padding` four that are not negative.
    - (C2) The rows are [B, H W, C].
    - (C3) The padding is smaller than the window, so that each window has a pixel, and the padded grid holds the window.
    - (C4) The result has the shape above.
  }];
  let arguments = (ins Vit_Tokens:$rows, Vit_WindowPoolAttr:$kind, DenseI64ArrayAttr:$grid, DenseI64ArrayAttr:$window,
                       DenseI64ArrayAttr:$stride, DenseI64ArrayAttr:$padding);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$rows attr-dict `:` type($rows) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_GroupNormRowsOp : Vit_PulledBackOp<"group_norm_rows", [AttrSizedOperandSegments, AllTypesMatch<["rows", "value"]>]> {
  let summary = "activation(residual + `vit.group_norm` of rows)";
  let description = [{
    rows [B, N, C]; mean and variance are over the N rows and C / `groups` consecutive columns of an image's group. Residual and activation
    are there once `vit-fuse-epilogue` has put them there.

    Constraints:
    - (C1) The rows are [B, N, C], C a multiple of `groups`, and `groups` is positive.
    - (C2) Gain and shift are [C].
    - (C3) The residual has the rows' type.
    - (C4) `eps` is finite and not negative.
  }];
  let arguments = (ins Vit_Tokens:$rows, Optional<Vit_Weight>:$gain, Optional<Vit_Weight>:$shift, Optional<Vit_Tokens>:$residual,
                       DefaultValuedAttr<Vit_ActivationAttr, "::vitc::vit::Activation::None">:$activation, I64Attr:$groups, F32Attr:$eps);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $rows (`gain` `(` $gain^ `:` type($gain) `)`)? (`shift` `(` $shift^ `:` type($shift) `)`)?
    (`residual` `(` $residual^ `:` type($residual) `)`)? attr-dict `:` type($rows)
  }];
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_VIT_VITROWOPS_TD
