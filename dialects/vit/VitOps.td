//===- VitOps.td - the operations of the vit dialect -----------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITOPS_TD
#define VITC_DIALECTS_VIT_VITOPS_TD

include "dialects/vit/VitGradientOps.td"
include "dialects/vit/VitPositionOps.td"
include "dialects/vit/VitRowOps.td"
include "dialects/vit/VitStemOps.td"
include "dialects/vit/VitTokenOps.td"
include "dialects/vit/VitWeightOps.td"

//===--------------------------------------------------------------------------------------===//
// From an image to tokens
//===--------------------------------------------------------------------------------------===//

def Vit_PatchifyOp : Vit_PulledBackOp<"patchify"> {
  let summary = "patch embedding: each P x Q patch times a matrix";
  let description = [{
    images [B, C, H, W], kernel [D, C, P, Q], bias [D] or none -> [B, (H/P) (W/Q), D], patches row by row; pixels that do not fill a patch
    are dropped (a convolution with stride = kernel size, as `torch.nn.Conv2d` and `flax.linen.Conv(padding='VALID')`).

    ```mlir
    %t = vit.patchify %images, %kernel bias(%bias : tensor<192xf32>)
           : tensor<?x3x224x224xf32>, tensor<192x3x16x16xf32> -> tensor<?x196x192xf32>
    ```
    Constraints:
    - (C1) The kernel has four axes and the images' channels.
    - (C2) The image holds at least one patch.
    - (C3) The bias is [D].
    - (C4) The result is [B, (H/P) (W/Q), D].
  }];
  let arguments = (ins Vit_Images:$images, Vit_Weight:$kernel, Optional<Vit_Weight>:$bias);
  let results = (outs Vit_Tokens:$tokens);
  let assemblyFormat = [{
    $images `,` $kernel (`bias` `(` $bias^ `:` type($bias) `)`)? attr-dict `:` type($images) `,` type($kernel) `->` type($tokens)
  }];
  let hasVerifier = 1;
}

def Vit_EmbedOp : Vit_DifferentiableOp<"embed", [AttrSizedOperandSegments]> {
  let summary = "prefix tokens before the patches, positions added";
  let description = [{
    patches [B, N, D]; prefix: any number of [k, D] (class token, registers), in order; position [T, D] for all T = K + N tokens, or, with
    `patches_only`, [N, D] for the patches alone (labml, DeiT-3, sine tables). -> [B, K + N, D].

    Constraints:
    - (C1) The patches are [B, N, D].
    - (C2) Each prefix is [k, D].
    - (C3) The result is [B, K + N, D].
    - (C4) The position table is [K + N, D], with `patches_only` [N, D].
  }];
  let arguments = (ins Vit_Tokens:$patches, Variadic<Vit_Weight>:$prefix, Optional<Vit_Weight>:$position, UnitAttr:$patches_only);
  let results = (outs Vit_Tokens:$tokens);
  let assemblyFormat = [{
    $patches (`prefix` `(` $prefix^ `:` type($prefix) `)`)? (`position` `(` $position^ `:` type($position) `)`)? attr-dict
    `:` type($patches) `->` type($tokens)
  }];
  let hasVerifier = 1;
}

//===--------------------------------------------------------------------------------------===//
// Blocks
//===--------------------------------------------------------------------------------------===//

def Vit_NormalizeOp : Vit_DifferentiableOp<"normalize", [AttrSizedOperandSegments, AllTypesMatch<["input", "value"]>]> {
  let summary = "LayerNorm or RMSNorm of each row (last axis)";
  let description = [{
    value = gain * (x - mean) / sqrt(variance + eps) + shift, the variance biased (Ba et al. 2016, equation 4); `rms`: value = gain * x /
    sqrt(mean(x^2) + eps) + shift (Zhang and Sennrich 2019, equation 4). Without a gain it is 1, without a shift 0. With `groups` each row
    is so many rows of D / `groups` one after the other, with mean and variance of their own.

    Constraints:
    - (C1) Gain and shift are [D], D the length of the last axis.
    - (C2) `eps` is finite and not negative.
    - (C3) `groups` is positive and divides D.
  }];
  let arguments = (ins Vit_Tokens:$input, Optional<Vit_Weight>:$gain, Optional<Vit_Weight>:$shift,
                       DefaultValuedAttr<Vit_NormKindAttr, "::vitc::vit::NormKind::Layer">:$kind, F32Attr:$eps,
                       DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $input (`gain` `(` $gain^ `:` type($gain) `)`)? (`shift` `(` $shift^ `:` type($shift) `)`)? attr-dict `:` type($input)
  }];  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def Vit_LinearOp : Vit_DifferentiableOp<"linear", [AttrSizedOperandSegments]> {
  let summary = "y = residual + activation(x W' + b), row by row";
  let description = [{
    input [B, .., K], weight [N, K] (torch's layout), bias [N], residual of the result's shape. With `activation_last` it is y =
    activation(residual + x W' + b), as in a ResNet. The epilogue is there once `vit-fuse-epilogue` has put it there; import builds the
    plain product.

    Constraints:
    - (C1) The weight is [N, K], K the width of the input.
    - (C2) The bias is [N].
    - (C3) The result is the input with N in place of K.
    - (C4) The residual has the result's type.
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_Weight:$weight, Optional<Vit_Weight>:$bias, Optional<Vit_Tokens>:$residual,
                       DefaultValuedAttr<Vit_ActivationAttr, "::vitc::vit::Activation::None">:$activation, UnitAttr:$activation_last);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `:` type($bias) `)`)? (`residual` `(` $residual^ `:` type($residual) `)`)? attr-dict
    `:` type($input) `,` type($weight) `->` type($value)
  }];
  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def Vit_ActivationOp : Vit_DifferentiableOp<"activation", [AllTypesMatch<["input", "value"]>]> {
  let summary = "a point-wise function";
  let description = [{
    | kind | value |
    |---|---|
    | `none` | x |
    | `relu` | max(x, 0) |
    | `gelu_erf` | x/2 (1 + erf(x / sqrt(2))) (Hendrycks and Gimpel 2016) |
    | `gelu_tanh` | x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) |
    | `quick_gelu` | x / (1 + exp(-1.702 x)) |
    | `silu` | x / (1 + exp(-x)) |
    | `tanh` | tanh(x) |
    | `sigmoid` | 1 / (1 + exp(-x)) |
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_ActivationAttr:$kind);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasFolder = 1;
}

def Vit_MulOp : Vit_DifferentiableOp<"mul", [AllTypesMatch<["lhs", "rhs", "value"]>]> {
  let summary = "element-wise product of two activations: the gate of a gated mlp";
  let arguments = (ins Vit_Tokens:$lhs, Vit_Tokens:$rhs);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs)";
}

def Vit_SdpaOp : Vit_DifferentiableOp<"sdpa", [AttrSizedOperandSegments]> {
  let summary = "softmax(scale Q K' + bias) V for each head";
  let description = [{
    qkv [B, T, 3 h d]: columns Q | K | V, each head by head; bias [h, T, T] or none -> [B, T, h d]. Softmax in f32 with the row's maximum
    subtracted (Vaswani et al. 2017, equation 1).

    Rows of the result [B, Q, h d] with Q less than T are those of the queries [first_query, first_query + Q) alone; all keys are seen. With
    a `query` [B, Q, h d] of its own the first operand is [B, T, 2 h d], columns K | V: `vit-drop-dead-rows` leaves both forms where few
    rows of a block are needed.

    With `windows` = n the rows are so many windows of T tokens one after the other, [B, n T, 3 h d], each of which attends to itself alone.

    With row_table [d, 2H - 1] and column_table [d, 2W - 1] the tokens are a grid of H x W patches, T = H W, and the score of query (y, x)
    and key (y', x') gets Q . row_table[:, y' - y + H - 1] + Q . column_table[:, x' - x + W - 1] with the unscaled query: decomposed
    relative positions (Li et al. 2022, equation 4; `get_decomposed_rel_pos_bias` of timm/models/vision_transformer_sam.py).

    Constraints:
    - (C1) qkv is [B, n T, 3 h d], with a query [B, T, 2 h d]: its width is a multiple of 3 (2) `heads`, and `heads` is positive.
    - (C2) The bias is [h, Q, T].
    - (C3) The result is [B, n Q, h d], and so is the query.
    - (C4) `windows` is positive and divides n T.
    - (C5) There are both tables or none; they are [d, 2H - 1] and [d, 2W - 1] with H W = T.
    - (C6) Windows and tables need all queries, Q = T, of qkv.
    - (C7) The queries lie within the tokens; `first_query` is 0 with a query of its own.
  }];
  let arguments = (ins Vit_Tokens:$qkv, Optional<Vit_Tokens>:$query, Optional<Vit_Weight>:$bias, Optional<Vit_Weight>:$row_table,
                       Optional<Vit_Weight>:$column_table, I64Attr:$heads, F32Attr:$scale, DefaultValuedAttr<I64Attr, "1">:$windows,
                       DefaultValuedAttr<I64Attr, "0">:$first_query);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $qkv (`query` `(` $query^ `:` type($query) `)`)? (`bias` `(` $bias^ `:` type($bias) `)`)?
    (`decomposed` `(` $row_table^ `:` type($row_table) `,` $column_table `:` type($column_table) `)`)? attr-dict
    `:` type($qkv) `->` type($value)
  }];
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins "::mlir::Type":$value, "::mlir::Value":$qkv, "::mlir::Value":$bias, "::mlir::IntegerAttr":$heads,
                             "::mlir::FloatAttr":$scale), [{
    build($_builder, $_state, value, qkv, /*query=*/::mlir::Value(), bias, /*row_table=*/::mlir::Value(),
          /*column_table=*/::mlir::Value(), heads, scale, $_builder.getI64IntegerAttr(1), $_builder.getI64IntegerAttr(0));
  }]>];
  let extraClassDeclaration = [{
    /// Queries of a window: rows of its result.
    int64_t getQueries() { return getValue().getType().getDimSize(1) / static_cast<int64_t>(getWindows()); }
  }];
}

def Vit_AttentionProbabilitiesOp : Vit_PulledBackOp<"attention_probabilities"> {
  let summary = "softmax(scale Q K' + bias) of each head: how much each query's value is made of each token";
  let description = [{
    The shares with which `vit.sdpa` of the same operands mixes the values; each row sums to 1. qkv [B, T, 3 h d], bias [h, T, T] or none ->
    [B, h, T, T], the last axis over the keys. Beside `vit.sdpa`, whose kernel never holds the whole square.

    Constraints:
    - (C1) qkv is [B, T, 3 h d]: its width is a multiple of 3 `heads`, and `heads` is positive.
    - (C2) The bias is [h, T, T].
    - (C3) The result is [B, h, T, T].
  }];
  let arguments = (ins Vit_Tokens:$qkv, Optional<Vit_Weight>:$bias, I64Attr:$heads, F32Attr:$scale);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$qkv (`bias` `(` $bias^ `:` type($bias) `)`)? attr-dict `:` type($qkv) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_HeadNormalizeOp : Vit_PulledBackOp<"head_normalize", [AttrSizedOperandSegments, AllTypesMatch<["qkv", "value"]>]> {
  let summary = "query and key of each head normalized over the head's width (QK-norm)";
  let description = [{
    Columns of qkv [B, T, 3 h d] as in `vit.sdpa`; the value's pass unchanged. The formula is that of `vit.normalize` with D = d (Dehghani
    et al. 2023, section 2).

    Constraints:
    - (C1) qkv is [B, T, 3 h d]: its width is a multiple of 3 `heads`, and `heads` is positive.
    - (C2) Gains and shifts are [d].
    - (C3) `eps` is finite and not negative.
  }];
  let arguments = (ins Vit_Tokens:$qkv, Optional<Vit_Weight>:$q_gain, Optional<Vit_Weight>:$q_shift, Optional<Vit_Weight>:$k_gain,
                       Optional<Vit_Weight>:$k_shift, I64Attr:$heads,
                       DefaultValuedAttr<Vit_NormKindAttr, "::vitc::vit::NormKind::Layer">:$kind, F32Attr:$eps);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $qkv (`q_gain` `(` $q_gain^ `:` type($q_gain) `)`)? (`q_shift` `(` $q_shift^ `:` type($q_shift) `)`)?
    (`k_gain` `(` $k_gain^ `:` type($k_gain) `)`)? (`k_shift` `(` $k_shift^ `:` type($k_shift) `)`)? attr-dict `:` type($qkv)
  }];
  let hasVerifier = 1;
}

def Vit_RotaryOp : Vit_PulledBackOp<"rotary", [AllTypesMatch<["qkv", "value"]>]> {
  let summary = "query and key turned by position (rotary embedding); the first `prefix` tokens are left alone";
  let description = [{
    qkv [B, T, 3 h d]; sin, cos [T - prefix, d]. x' = x cos + turn(x) sin, where turn maps a pair (a, b) to (-b, a) (Su et al. 2021,
    equation 34). Tables [h, T - prefix, d] give each head its own (learned frequencies).

    Constraints:
    - (C1) qkv is [B, T, 3 h d]: its width is a multiple of 3 `heads`, and `heads` is positive.
    - (C2) The head width d is even.
    - (C3) `prefix` is at least 0 and less than T.
    - (C4) sin and cos are both [T - prefix, d] or both [h, T - prefix, d].
  }];
  let arguments = (ins Vit_Tokens:$qkv, Vit_Weight:$sin, Vit_Weight:$cos, I64Attr:$heads, I64Attr:$prefix, Vit_RotaryLayoutAttr:$layout);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$qkv `sin` `(` $sin `:` type($sin) `)` `cos` `(` $cos `:` type($cos) `)` attr-dict `:` type($qkv)";
  let hasVerifier = 1;
}

def Vit_AttentionOp : Vit_CompositeOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "multi-head self-attention with its two projections";
  let description = [{
    input [B, T, D]; qkv_weight [3 h d, D] with rows Q | K | V, each head by head; qkv_bias [3 h d]; proj_weight [E, h d], proj_bias [E];
    position_bias [h, T, T] is added to the scaled scores; rotary_sin and rotary_cos [T - prefix, d] turn query and key. -> [B, T, E].
    `scale` is free: 1/sqrt(d) in most models, 1/sqrt(h) in the notebook's.
    Query and key are normalized over the head's width if there are q_gain and k_gain (QK-norm, before the rotation); the heads' output is
    normalized over h d before the second projection if there is a norm_gain (sub-LN); `norm_kind` and `norm_eps` are of both.

    ```mlir
    %y = vit.attention %x qkv(%w : tensor<576x192xf32>, %b : tensor<576xf32>) proj(%v : tensor<192x192xf32>, %c : tensor<192xf32>)
           {heads = 3 : i64, scale = 1.250000e-01 : f32} : tensor<?x197x192xf32> -> tensor<?x197x192xf32>
    ```
    It stands for `vit.linear` "qkv", `vit.head_normalize` "qk_norm", `vit.rotary` "rotary", `vit.sdpa` "heads", `vit.normalize` "norm" and
    a last `vit.linear`. A second result are the probabilities [B, h, T, T], `vit.attention_probabilities` "probabilities".

    Constraints:
    - (C1) The input is [B, T, D].
    - (C2) qkv_weight is [3 h d, D]: its rows are a multiple of 3 `heads`, and `heads` is positive; qkv_bias is [3 h d].
    - (C3) proj_weight is [E, h d], proj_bias [E].
    - (C4) The result is [B, T, E].
    - (C5) position_bias is [h, T, T].
    - (C6) rotary_sin and rotary_cos fit `vit.rotary`: there are both or none, d is even, `prefix` is at least 0 and less than T.
    - (C7) q_gain, q_shift, k_gain and k_shift are [d]; there are both gains or none, and no shift without them.
    - (C8) norm_gain and norm_shift are [h d]; there is no shift without the gain.
    - (C9) `norm_eps` is finite and not negative.
    - (C10) The probabilities are [B, h, T, T].
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_Weight:$qkv_weight, Optional<Vit_Weight>:$qkv_bias,
                       Vit_Weight:$proj_weight, Optional<Vit_Weight>:$proj_bias, Optional<Vit_Weight>:$position_bias,
                       Optional<Vit_Weight>:$rotary_sin, Optional<Vit_Weight>:$rotary_cos,
                       Optional<Vit_Weight>:$q_gain, Optional<Vit_Weight>:$q_shift,
                       Optional<Vit_Weight>:$k_gain, Optional<Vit_Weight>:$k_shift,
                       Optional<Vit_Weight>:$norm_gain, Optional<Vit_Weight>:$norm_shift,
                       I64Attr:$heads, F32Attr:$scale,
                       DefaultValuedAttr<I64Attr, "0">:$prefix,
                       DefaultValuedAttr<Vit_RotaryLayoutAttr, "::vitc::vit::RotaryLayout::Interleaved">:$rotary_layout,
                       DefaultValuedAttr<Vit_NormKindAttr, "::vitc::vit::NormKind::Layer">:$norm_kind,
                       DefaultValuedAttr<F32Attr, "1.0e-6f">:$norm_eps);
  let results = (outs Vit_Tokens:$value, Optional<Vit_Tokens>:$probabilities);
  let assemblyFormat = [{
    $input `qkv` `(` $qkv_weight `:` type($qkv_weight) (`,` $qkv_bias^ `:` type($qkv_bias))? `)`
    (`q_norm` `(` $q_gain^ `:` type($q_gain) (`,` $q_shift^ `:` type($q_shift))? `)`)?
    (`k_norm` `(` $k_gain^ `:` type($k_gain) (`,` $k_shift^ `:` type($k_shift))? `)`)?
    (`rotary` `(` $rotary_sin^ `:` type($rotary_sin) `,` $rotary_cos `:` type($rotary_cos) `)`)?
    (`position_bias` `(` $position_bias^ `:` type($position_bias) `)`)?
    (`norm` `(` $norm_gain^ `:` type($norm_gain) (`,` $norm_shift^ `:` type($norm_shift))? `)`)?
    `proj` `(` $proj_weight `:` type($proj_weight) (`,` $proj_bias^ `:` type($proj_bias))? `)`
    attr-dict `:` type($input) `->` type($value) (`,` type($probabilities)^)?
  }];
  let hasVerifier = 1;
}

def Vit_MlpOp : Vit_CompositeOp<"mlp", [AttrSizedOperandSegments]> {
  let summary = "the block's two-layer perceptron, gated or not";
  let description = [{
    h = activation(x fc1' + b1), times (x gate' + bg) if there is a gate (GLU, SwiGLU, GEGLU...; Shazeer 2020, equation 6); normalized over
    its width if there is a norm_gain (sub-LN); y = h fc2' + b2. fc1, gate [M, D]; fc2 [E, M].

    ```mlir
    %y = vit.mlp %x fc1(%w1 : tensor<768x192xf32>, %b1 : tensor<768xf32>) fc2(%w2 : tensor<192x768xf32>, %b2 : tensor<192xf32>)
           {activation = #vit.activation<gelu_erf>} : tensor<?x197x192xf32> -> tensor<?x197x192xf32>
    ```
    It stands for `vit.linear` "fc1", `vit.activation` "act", `vit.linear` "gate", `vit.mul` "gated", `vit.normalize` "norm" and a last
    `vit.linear`.

    Constraints:
    - (C1) fc1_weight is [M, D], D the input's width; fc1_bias is [M].
    - (C2) gate_weight is [M, D], gate_bias [M]; there is no bias without the weight.
    - (C3) norm_gain and norm_shift are [M]; there is no shift without the gain.
    - (C4) fc2_weight is [E, M], fc2_bias [E].
    - (C5) The result is the input with E in place of D.
    - (C6) `norm_eps` is finite and not negative.
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_Weight:$fc1_weight, Optional<Vit_Weight>:$fc1_bias, Optional<Vit_Weight>:$gate_weight,
                       Optional<Vit_Weight>:$gate_bias, Optional<Vit_Weight>:$norm_gain, Optional<Vit_Weight>:$norm_shift,
                       Vit_Weight:$fc2_weight, Optional<Vit_Weight>:$fc2_bias, Vit_ActivationAttr:$activation,
                       DefaultValuedAttr<Vit_NormKindAttr, "::vitc::vit::NormKind::Layer">:$norm_kind,
                       DefaultValuedAttr<F32Attr, "1.0e-6f">:$norm_eps);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $input `fc1` `(` $fc1_weight `:` type($fc1_weight) (`,` $fc1_bias^ `:` type($fc1_bias))? `)`
    (`gate` `(` $gate_weight^ `:` type($gate_weight) (`,` $gate_bias^ `:` type($gate_bias))? `)`)?
    (`norm` `(` $norm_gain^ `:` type($norm_gain) (`,` $norm_shift^ `:` type($norm_shift))? `)`)?
    `fc2` `(` $fc2_weight `:` type($fc2_weight) (`,` $fc2_bias^ `:` type($fc2_bias))? `)` attr-dict `:` type($input) `->` type($value)
  }];
  let hasVerifier = 1;
}

def Vit_ResidualOp : Vit_DifferentiableOp<"residual", [AllTypesMatch<["skip", "branch", "value"]>]> {
  let summary = "skip + gamma * branch (LayerScale if there is a gamma [D])";
  let description = [{
    Constraints:
    - (C1) Gamma is [D], D the length of the last axis (Touvron et al. 2021, equation 2).
  }];
  let arguments = (ins Vit_Tokens:$skip, Vit_Tokens:$branch, Optional<Vit_Weight>:$gamma);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$skip `,` $branch (`gamma` `(` $gamma^ `:` type($gamma) `)`)? attr-dict `:` type($skip)";
  let hasVerifier = 1;
}

//===--------------------------------------------------------------------------------------===//
// From tokens to an answer
//===--------------------------------------------------------------------------------------===//

def Vit_PoolOp : Vit_PulledBackOp<"pool"> {
  let summary = "one row of each image: token `index`, or the mean of the tokens from `index` on";
  let description = [{
    Constraints:
    - (C1) The input is [B, T, D].
    - (C2) `index` is at least 0 and less than T.
    - (C3) The result is [B, D].
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_PoolAttr:$kind, DefaultValuedAttr<I64Attr, "0">:$index);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_AttentionPoolOp : Vit_PulledBackOp<"attention_pool"> {
  let summary = "tokens weighed by a few queries: the middle of a MAP head, a class token's attention";
  let description = [{
    softmax(scale Q K') V for each head, with queries [L, h d] that are weights (the probe through its projection) and kv [B, T, 2 h d],
    columns K | V, each head by head -> [B, L, h d] (Zhai et al. 2022, appendix; Lee et al. 2019, equation 12). The projections around it
    are `vit.linear`. The first `first` tokens (class token, registers) are left out. Queries [B, L, h d] are each image's own: a class
    token's attention (Touvron et al. 2021, "Going deeper with Image Transformers", equation 5).

    ```mlir
    %y = vit.attention_pool %q, %kv {heads = 12 : i64, scale = 1.250000e-01 : f32} : tensor<1x768xf32>, tensor<?x196x1536xf32> ->
    tensor<?x1x768xf32>
    ```
    Constraints:
    - (C1) `heads` is positive, the queries are [L, h d] or [B, L, h d] and their width is a multiple of `heads`.
    - (C2) kv is [B, T, 2 h d].
    - (C3) The result is [B, L, h d].
    - (C4) `first` is at least 0 and less than T.
  }];
  let arguments = (ins AnyTypeOf<[Vit_Weight, Vit_Tokens]>:$query, Vit_Tokens:$kv, I64Attr:$heads, F32Attr:$scale, DefaultValuedAttr<I64Attr, "0">:$first);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$query `,` $kv attr-dict `:` type($query) `,` type($kv) `->` type($value)";
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_VIT_VITOPS_TD
