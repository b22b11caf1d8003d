//===- VitStemOps.td - convolutional stems of hybrid models ----------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITSTEMOPS_TD
#define VITC_DIALECTS_VIT_VITSTEMOPS_TD

include "dialects/vit/VitBase.td"

def Vit_ConvOp : Vit_PulledBackOp<"conv"> {
  let summary = "a convolution of feature maps";
  let description = [{
    images [B, C, H, W], kernel [O, C, P, Q], bias [O] or none -> [B, O, (H + top + bottom - P) / stride + 1, ...], rounded down. `padding`
    is zeros [top, bottom, left, right]: TensorFlow's and Flax's SAME puts the smaller half before. A stem's standardized kernel is
    `vit.standardize` of a weight.

    ```mlir
    %y = vit.conv %x, %k {stride = array<i64: 2, 2>, padding = array<i64: 2, 3, 2, 3>} : tensor<?x3x224x224xf32>, tensor<64x3x7x7xf32> ->
    tensor<?x64x112x112xf32>
    ```
    Constraints:
    - (C1) The kernel has four axes and the images' channels.
    - (C2) `stride` has two elements of at least 1, `padding` four that are not negative.
    - (C3) The padded image holds the kernel.
    - (C4) The bias is [O].
    - (C5) The result has the shape above.
  }];
  let arguments = (ins Vit_Images:$images, Vit_Weight:$kernel, Optional<Vit_Weight>:$bias,
                       DenseI64ArrayAttr:$stride, DenseI64ArrayAttr:$padding);
  let results = (outs Vit_Images:$value);
  let assemblyFormat = [{
    $images `,` $kernel (`bias` `(` $bias^ `:` type($bias) `)`)? attr-dict `:` type($images) `,` type($kernel) `->` type($value)
  }];
  let hasVerifier = 1;
}

def Vit_GroupNormOp : Vit_PulledBackOp<"group_norm", [AttrSizedOperandSegments, AllTypesMatch<["images", "value"]>]> {
  let summary = "feature maps normalized over groups of channels and all pixels";
  let description = [{
    value = gain * (x - mean) / sqrt(variance + eps) + shift with mean and biased variance of each image's group of C / `groups`
    consecutive channels, gain and shift of each channel (Wu and He 2018, equations 1 to 3 and 6).

    Constraints:
    - (C1) The number of channels is a multiple of `groups`, and `groups` is positive.
    - (C2) Gain and shift are [C].
    - (C3) `eps` is finite and not negative.
  }];
  let arguments = (ins Vit_Images:$images, Optional<Vit_Weight>:$gain, Optional<Vit_Weight>:$shift, I64Attr:$groups, F32Attr:$eps);
  let results = (outs Vit_Images:$value);
  let assemblyFormat = [{
    $images (`gain` `(` $gain^ `:` type($gain) `)`)? (`shift` `(` $shift^ `:` type($shift) `)`)? attr-dict `:` type($images)
  }];
  let hasVerifier = 1;
}

def Vit_MaxPoolOp : Vit_PulledBackOp<"max_pool"> {
  let summary = "the largest pixel of each window, channel by channel";
  let description = [{
    images [B, C, H, W] -> [B, C, (H + top + bottom - P) / stride + 1, ...], rounded down, for windows of P x Q; `padding` [top, bottom,
    left, right] never wins.

    Constraints:
    - (C1) `window` and `stride` have two elements of at least 1, `padding` four that are not negative.
    - (C2) The padding is smaller than the window, so that each window has a pixel, and the padded image holds the window.
    - (C3) The result has the shape above.
  }];
  let arguments = (ins Vit_Images:$images, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$stride, DenseI64ArrayAttr:$padding);
  let results = (outs Vit_Images:$value);
  let assemblyFormat = "$images attr-dict `:` type($images) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_AvgPoolOp : Vit_PulledBackOp<"avg_pool"> {
  let summary = "the mean of each window, channel by channel";
  let description = [{
    Shapes as in `vit.max_pool`; the padding is left out of sum and count, as with torch's `count_include_pad=False`. Padding below and
    to the right makes the windows of `ceil_mode=True`.

    Constraints:
    - (C1) `window` and `stride` have two elements of at least 1, `padding` four that are not negative.
    - (C2) The padding is smaller than the window, so that each window has a pixel, and the padded image holds the window.
    - (C3) The result has the shape above.
  }];
  let arguments = (ins Vit_Images:$images, DenseI64ArrayAttr:$window, DenseI64ArrayAttr:$stride, DenseI64ArrayAttr:$padding);
  let results = (outs Vit_Images:$value);
  let assemblyFormat = "$images attr-dict `:` type($images) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_BatchNormOp : Vit_ReferenceOp<"batch_norm", [AttrSizedOperandSegments, AllTypesMatch<["images", "value"]>]> {
  let summary = "feature maps normalized by the running statistics of each channel";
  let description = [{
    value = gain * (x - mean) / sqrt(variance + eps) + shift (Ioffe and Szegedy 2015, algorithm 2), all vectors a channel. Mean and
    variance are weights: what training has left behind. `vit-fold-batch-norm` puts it into the convolution before.

    Constraints:
    - (C1) Mean, variance, gain and shift are [C].
    - (C2) `eps` is finite and not negative.
  }];
  let arguments = (ins Vit_Images:$images, Vit_Weight:$mean, Vit_Weight:$variance, Optional<Vit_Weight>:$gain, Optional<Vit_Weight>:$shift,
                       F32Attr:$eps);
  let results = (outs Vit_Images:$value);
  let assemblyFormat = [{
    $images `mean` `(` $mean `:` type($mean) `)` `variance` `(` $variance `:` type($variance) `)`
    (`gain` `(` $gain^ `:` type($gain) `)`)? (`shift` `(` $shift^ `:` type($shift) `)`)? attr-dict `:` type($images)
  }];
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_VIT_VITSTEMOPS_TD
