//===- VitOps.td - the operations of the vit dialect -----------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITOPS_TD
#define VITC_DIALECTS_VIT_VITOPS_TD

include "dialects/vit/VitDialect.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Vit_Op<string mnemonic, list<Trait> traits = []> : Op<Vit_Dialect, mnemonic, !listconcat([Pure], traits)>;
class Vit_ReferenceOp<string mnemonic, list<Trait> traits = []>
    : Vit_Op<mnemonic, !listconcat([DeclareOpInterfaceMethods<ReferenceLoweringInterface>], traits)>;
class Vit_CompositeOp<string mnemonic, list<Trait> traits = []>
    : Vit_Op<mnemonic, !listconcat([DeclareOpInterfaceMethods<DecomposableInterface>], traits)>;

def Vit_Images : TensorOf<[F32]>;   // [B, C, H, W]
def Vit_Tokens : TensorOf<[F32]>;   // [B, T, D] (or [B, D] after pooling)
def Vit_Weight : TensorOf<[F32]>;   // static shape

//===--------------------------------------------------------------------------------------===//
// Weights
//===--------------------------------------------------------------------------------------===//

def Vit_WeightOp : Vit_Op<"weight"> {
  let summary = "a tensor of the model, by name";
  let arguments = (ins FlatSymbolRefAttr:$name);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$name attr-dict `:` type($value)";
}

def Vit_ZerosOp : Vit_ReferenceOp<"zeros"> {
  let summary = "a tensor of zeros, such as the key bias of a model that has none";
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "attr-dict `:` type($value)";
}

def Vit_ConcatOp : Vit_ReferenceOp<"concat"> {
  let summary = "weights one below the other (along axis 0)";
  let arguments = (ins Variadic<Vit_Weight>:$parts);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$parts attr-dict `:` functional-type($parts, $value)";
}

def Vit_ReshapeOp : Vit_ReferenceOp<"reshape"> {
  let summary = "the same elements in row-major order under another static shape";
  let arguments = (ins Vit_Weight:$input);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
}

def Vit_ScaleOp : Vit_ReferenceOp<"scale", [AllTypesMatch<["input", "value"]>]> {
  let summary = "a weight times a vector along one axis: value[.., i, ..] = input[.., i, ..] * factor[i]";
  let arguments = (ins Vit_Weight:$input, Vit_Weight:$factor, I64Attr:$axis);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input `by` $factor attr-dict `:` type($input) `,` type($factor)";
}

def Vit_ScaleRowsByConstantOp : Vit_ReferenceOp<"scale_rows", [AllTypesMatch<["input", "value"]>]> {
  let summary = "the first `rows` rows (axis 0) times a constant: the score scale folded into the query's weights";
  let arguments = (ins Vit_Weight:$input, I64Attr:$rows, F32Attr:$factor);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Vit_AddOp : Vit_ReferenceOp<"add"> {
  let summary = "sum of two weights of one shape, or of a weight [.., D] and a vector [D]";
  let arguments = (ins Vit_Weight:$lhs, Vit_Weight:$rhs);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($value)";
}

def Vit_MatvecOp : Vit_ReferenceOp<"matvec"> {
  let summary = "weight [N, K] times vector [K]: a shift carried through a linear layer";
  let arguments = (ins Vit_Weight:$matrix, Vit_Weight:$vector);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$matrix `,` $vector attr-dict `:` type($matrix) `,` type($vector) `->` type($value)";
}

def Vit_SliceRowsOp : Vit_ReferenceOp<"slice_rows"> {
  let summary = "rows [first, first + n) of a weight (axis 0), n by the result's type";
  let arguments = (ins Vit_Weight:$input, I64Attr:$first);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
}

//===--------------------------------------------------------------------------------------===//
// From an image to tokens
//===--------------------------------------------------------------------------------------===//

def Vit_PatchifyOp : Vit_ReferenceOp<"patchify"> {
  let summary = "patch embedding: each P x Q patch times a matrix";
  let description = [{
    images [B, C, H, W], kernel [D, C, P, Q], bias [D] or none -> [B, (H/P) (W/Q), D], patches row by row; pixels that do not fill a patch are
    dropped (a convolution with stride = kernel size, as `torch.nn.Conv2d` and `flax.linen.Conv(padding='VALID')`).
  }];
  let arguments = (ins Vit_Images:$images, Vit_Weight:$kernel, Optional<Vit_Weight>:$bias);
  let results = (outs Vit_Tokens:$tokens);
  let assemblyFormat = "$images `,` $kernel (`bias` `(` $bias^ `:` type($bias) `)`)? attr-dict `:` type($images) `,` type($kernel) `->` type($tokens)";
  let hasVerifier = 1;
}

def Vit_EmbedOp : Vit_ReferenceOp<"embed", [AttrSizedOperandSegments]> {
  let summary = "prefix tokens before the patches, positions added";
  let description = [{
    patches [B, N, D]; prefix: any number of [k, D] (class token, registers), in order; position [T, D] for all T = K + N tokens, or, with
    `patches_only`, [N, D] for the patches alone (labml, DeiT-3, sine tables). -> [B, K + N, D].
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

def Vit_NormalizeOp : Vit_ReferenceOp<"normalize", [AttrSizedOperandSegments, AllTypesMatch<["input", "value"]>]> {
  let summary = "LayerNorm or RMSNorm of each row (last axis)";
  let arguments = (ins Vit_Tokens:$input, Optional<Vit_Weight>:$gain, Optional<Vit_Weight>:$shift,
                       DefaultValuedAttr<Vit_NormKindAttr, "::vitc::vit::NormKind::Layer">:$kind, F32Attr:$eps);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $input (`gain` `(` $gain^ `:` type($gain) `)`)? (`shift` `(` $shift^ `:` type($shift) `)`)? attr-dict `:` type($input)
  }];
  let hasVerifier = 1;
}

def Vit_LinearOp : Vit_ReferenceOp<"linear", [AttrSizedOperandSegments]> {
  let summary = "y = residual + activation(x W' + b), row by row";
  let description = [{
    input [B, .., K], weight [N, K] (torch's layout), bias [N], residual of the result's shape. The last three parts are there once
    `vit-fuse-epilogue` has put them there; import builds the plain product.
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_Weight:$weight, Optional<Vit_Weight>:$bias, Optional<Vit_Tokens>:$residual,
                       DefaultValuedAttr<Vit_ActivationAttr, "::vitc::vit::Activation::None">:$activation);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `:` type($bias) `)`)? (`residual` `(` $residual^ `:` type($residual) `)`)? attr-dict
    `:` type($input) `,` type($weight) `->` type($value)
  }];
  let hasVerifier = 1;
}

def Vit_ActivationOp : Vit_ReferenceOp<"activation", [AllTypesMatch<["input", "value"]>]> {
  let summary = "a point-wise function";
  let arguments = (ins Vit_Tokens:$input, Vit_ActivationAttr:$kind);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Vit_MulOp : Vit_ReferenceOp<"mul", [AllTypesMatch<["lhs", "rhs", "value"]>]> {
  let summary = "element-wise product of two activations: the gate of a gated mlp";
  let arguments = (ins Vit_Tokens:$lhs, Vit_Tokens:$rhs);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs)";
}

def Vit_SdpaOp : Vit_ReferenceOp<"sdpa"> {
  let summary = "softmax(scale Q K' + bias) V for each head";
  let description = [{
    qkv [B, T, 3 h d]: columns Q | K | V, each head by head; bias [h, T, T] or none -> [B, T, h d]. Softmax in f32 with the row's maximum subtracted
    (Vaswani et al. 2017, equation 1).
  }];
  let arguments = (ins Vit_Tokens:$qkv, Optional<Vit_Weight>:$bias, I64Attr:$heads, F32Attr:$scale);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$qkv (`bias` `(` $bias^ `:` type($bias) `)`)? attr-dict `:` type($qkv) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_HeadNormalizeOp : Vit_ReferenceOp<"head_normalize", [AttrSizedOperandSegments, AllTypesMatch<["qkv", "value"]>]> {
  let summary = "query and key of each head normalized over the head's width (QK-norm)";
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

def Vit_RotaryOp : Vit_ReferenceOp<"rotary", [AllTypesMatch<["qkv", "value"]>]> {
  let summary = "query and key turned by position (rotary embedding); the first `prefix` tokens are left alone";
  let description = [{
    qkv [B, T, 3 h d]; sin, cos [T - prefix, d]. x' = x cos + turn(x) sin, where turn maps a pair (a, b) to (-b, a) (Su et al. 2021, equation 34).
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
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_Weight:$qkv_weight, Optional<Vit_Weight>:$qkv_bias, Vit_Weight:$proj_weight, Optional<Vit_Weight>:$proj_bias,
                       Optional<Vit_Weight>:$position_bias, Optional<Vit_Weight>:$rotary_sin, Optional<Vit_Weight>:$rotary_cos,
                       I64Attr:$heads, F32Attr:$scale,
                       DefaultValuedAttr<I64Attr, "0">:$prefix,
                       DefaultValuedAttr<Vit_RotaryLayoutAttr, "::vitc::vit::RotaryLayout::Interleaved">:$rotary_layout);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $input `qkv` `(` $qkv_weight `:` type($qkv_weight) (`,` $qkv_bias^ `:` type($qkv_bias))? `)`
    `proj` `(` $proj_weight `:` type($proj_weight) (`,` $proj_bias^ `:` type($proj_bias))? `)`
    (`position_bias` `(` $position_bias^ `:` type($position_bias) `)`)?
    (`rotary` `(` $rotary_sin^ `:` type($rotary_sin) `,` $rotary_cos `:` type($rotary_cos) `)`)?
    attr-dict `:` type($input) `->` type($value)
  }];
  let hasVerifier = 1;
}

def Vit_MlpOp : Vit_CompositeOp<"mlp", [AttrSizedOperandSegments]> {
  let summary = "the block's two-layer perceptron, gated or not";
  let description = [{
    h = activation(x fc1' + b1), times (x gate' + bg) if there is a gate (GLU, SwiGLU, GEGLU...); normalized over its width if there are
    norm gains (sub-LN); y = h fc2' + b2. fc1, gate [M, D]; fc2 [E, M].
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_Weight:$fc1_weight, Optional<Vit_Weight>:$fc1_bias, Optional<Vit_Weight>:$gate_weight,
                       Optional<Vit_Weight>:$gate_bias, Optional<Vit_Weight>:$norm_gain, Optional<Vit_Weight>:$norm_shift,
                       Vit_Weight:$fc2_weight, Optional<Vit_Weight>:$fc2_bias, Vit_ActivationAttr:$activation,
                       DefaultValuedAttr<F32Attr, "1.0e-6f">:$norm_eps);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = [{
    $input `fc1` `(` $fc1_weight `:` type($fc1_weight) (`,` $fc1_bias^ `:` type($fc1_bias))? `)`
    (`gate` `(` $gate_weight^ `:` type($gate_weight) (`,` $gate_bias^ `:` type($gate_bias))? `)`)?
    (`norm` `(` $norm_gain^ `:` type($norm_gain) `,` $norm_shift `:` type($norm_shift) `)`)?
    `fc2` `(` $fc2_weight `:` type($fc2_weight) (`,` $fc2_bias^ `:` type($fc2_bias))? `)` attr-dict `:` type($input) `->` type($value)
  }];
  let hasVerifier = 1;
}

def Vit_ResidualOp : Vit_ReferenceOp<"residual", [AllTypesMatch<["skip", "branch", "value"]>]> {
  let summary = "skip + gamma * branch (LayerScale if there is a gamma [D])";
  let arguments = (ins Vit_Tokens:$skip, Vit_Tokens:$branch, Optional<Vit_Weight>:$gamma);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$skip `,` $branch (`gamma` `(` $gamma^ `:` type($gamma) `)`)? attr-dict `:` type($skip)";
  let hasVerifier = 1;
}

//===--------------------------------------------------------------------------------------===//
// From tokens to an answer
//===--------------------------------------------------------------------------------------===//

def Vit_PoolOp : Vit_ReferenceOp<"pool"> {
  let summary = "one row of each image: token `index`, or the mean of the tokens from `index` on";
  let arguments = (ins Vit_Tokens:$input, Vit_PoolAttr:$kind, DefaultValuedAttr<I64Attr, "0">:$index);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_VIT_VITOPS_TD
