//===- KernelOps.td - the operations of the kernel dialect -----------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_KERNELOPS_TD
#define VITC_DIALECTS_KERNEL_KERNELOPS_TD

include "dialects/kernel/KernelDialect.td"
include "dialects/kernel/KernelInterfaces.td"
include "dialects/kernel/KernelTrainingOps.td"
include "dialects/vit/VitBase.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Kernel_Op<string mnemonic, list<Trait> traits = []> : Op<Kernel_Dialect, mnemonic, traits>;

/// bf16, f16, tf32 and i8 are what activations and weights are stored as for products of a reduced precision; everything else is f32. A tf32 is an
/// f32 whose lower 13 bits of significand are zero, and takes as much memory. Products of f16 and tf32 are for GPUs.
def Kernel_Tensor : TensorOf<[F32, BF16, F16, TF32, I8]>;

//===--------------------------------------------------------------------------------------===//
// Weights
//===--------------------------------------------------------------------------------------===//

def Kernel_PackOp : Kernel_Op<"pack", [Pure, DeclareOpInterfaceMethods<ReferenceLoweringInterface>]> {
  let summary = "a weight [N, K] in the layout that a scheduled product reads";
  let description = [{
    A product counts K in words of 32 bits: e = 1 f32, 2 bf16 or 4 i8 elements. The result is [ceil(K / (e k_block)), ceil(N / columns),
    k_block, columns], for e > 1 with e elements as one more axis:
    packed[b, p, k, j, i] = weight[p * columns + j, (b * k_block + k) * e + i], zero outside.
  }];
  let arguments = (ins Kernel_Tensor:$weight);
  let results = (outs Kernel_Tensor:$packed);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `->` type($packed)";
  let hasVerifier = 1;
}

def Kernel_ConvertWeightOp : Kernel_Op<"convert_weight", [Pure, DeclareOpInterfaceMethods<ReferenceLoweringInterface>]> {
  let summary = "a weight rounded to bf16, f16 or tf32, as by `kernel.convert`";
  let arguments = (ins Kernel_Tensor:$weight);
  let results = (outs Kernel_Tensor:$value);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `->` type($value)";
  let hasVerifier = 1;
}

def Kernel_QuantizeWeightOp : Kernel_Op<"quantize_weight", [Pure, DeclareOpInterfaceMethods<ReferenceLoweringInterface>]> {
  let summary = "a weight [N, K] as i8, symmetric, with a scale for each output";
  let description = [{
    scales[0, n] = max over k of |weight[n, k]| / 127 (1 where that is subnormal), value[n, k] = round(weight[n, k] / scales[0, n]), ties to even;
    scales[1, n] = the sum over k of value[n, k], by which a product corrects for its input's zero point.
  }];
  let arguments = (ins Kernel_Tensor:$weight);
  let results = (outs Kernel_Tensor:$value, Kernel_Tensor:$scales);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `->` type($value) `,` type($scales)";
  let hasVerifier = 1;
}

def Kernel_BindingOp : Kernel_Op<"binding", [Symbol, IsolatedFromAbove, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "how one packed weight is made from the model's tensors";
  let description = [{
    The region takes one argument for each name in `sources` and yields the packed weight. It is compiled to a bind function
    (docs/abi.md), which vitc
    runs while compiling, or the runtime when it loads external weights.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, ArrayAttr:$sources);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name $sources attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Kernel_WeightOp : Kernel_Op<"weight", [Pure]> {
  let summary = "a packed weight, by the name of its binding";
  let arguments = (ins FlatSymbolRefAttr:$binding);
  let results = (outs Kernel_Tensor:$value);
  let assemblyFormat = "$binding attr-dict `:` type($value)";
}

//===--------------------------------------------------------------------------------------===//
// Launches
//===--------------------------------------------------------------------------------------===//

def Kernel_GemmOp : Kernel_Op<"gemm", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getFlopPerImage", "getOperandRole", "getInPlaceOperand"]>]> {
  let summary = "rows times a weight, with an epilogue: residual + activation(x W' + b)";
  let description = [{
    input [B, .., K]; weight [N, K], or packed once a schedule is there; bias [N]; residual and result [B, .., N]. The residual may share
    its memory with the result. With `activation_last` the epilogue is activation(residual + x W' + b).

    The input's element type is the product's: f32; bf16, f16 or tf32, summed in f32; i8, summed in i32. An f32 input may meet a bf16 weight, which is widened
    where it is used. An i8 input holds unsigned bytes q of rows quantized by `kernel.quantize`: x[r, k] = row_scales[r, 0] (q[r, k] -
    row_scales[r, 1]); its weight and `column_scales` [2, N] are those of `kernel.quantize_weight`. Without row_scales one scale and zero point,
    `input_grid`, serve all rows. The result is f32, bf16, f16, tf32, or bytes on the `result_grid`, out of which values are cut off at its ends.

    With a `window` the product is a convolution: the input is a padded feature map [B, height width, C], a row of the product a window of
    P x Q pixels that is read where it lies, K = P Q C in this order, and the result has a row for each window.
  }];
  let arguments = (ins Kernel_Tensor:$input, Kernel_Tensor:$weight, Optional<Kernel_Tensor>:$bias, Optional<Kernel_Tensor>:$residual,
                       Optional<Kernel_Tensor>:$row_scales, Optional<Kernel_Tensor>:$column_scales,
                       DefaultValuedAttr<Vit_ActivationAttr, "::vitc::vit::Activation::None">:$activation,
                       OptionalAttr<Kernel_GemmScheduleAttr>:$schedule, OptionalAttr<Kernel_WindowAttr>:$window, UnitAttr:$activation_last,
                       OptionalAttr<DenseF32ArrayAttr>:$input_grid, OptionalAttr<DenseF32ArrayAttr>:$result_grid);
  let results = (outs Kernel_Tensor:$value);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `:` type($bias) `)`)? (`residual` `(` $residual^ `:` type($residual) `)`)?
    (`row_scales` `(` $row_scales^ `:` type($row_scales) `)`)? (`column_scales` `(` $column_scales^ `:` type($column_scales) `)`)? attr-dict
    `:` type($input) `,` type($weight) `->` type($value)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Multiply-adds of one element of the result.
    int64_t getDepth();
  }];
}

def Kernel_PatchEmbedOp : Kernel_Op<"patch_embed", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getFlopPerImage", "getOperandRole"]>]> {
  let summary = "patch embedding as a product that reads the image in place, with prefix tokens and positions";
  let description = [{
    images [B, C, H, W]; weight [D, C P Q] with columns in (C, P, Q) order, or packed; position [N, D] is added to the patches' rows (the
    projection's bias is part of it);
    prefix [K, D] are the rows before them, complete. -> [B, K + N, D]. No copy of the image is made: element (c, y, x) of a patch is read
    where it lies.
  }];
  let arguments = (ins Kernel_Tensor:$images, Kernel_Tensor:$weight, Optional<Kernel_Tensor>:$position, Optional<Kernel_Tensor>:$prefix,
                       DenseI64ArrayAttr:$patch, OptionalAttr<Kernel_GemmScheduleAttr>:$schedule);
  let results = (outs Kernel_Tensor:$value);
  let assemblyFormat = [{
    $images `,` $weight (`position` `(` $position^ `:` type($position) `)`)? (`prefix` `(` $prefix^ `:` type($prefix) `)`)? attr-dict
    `:` type($images) `,` type($weight) `->` type($value)
  }];
  let hasVerifier = 1;
}

def Kernel_AttentionOp : Kernel_Op<"attention", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getFlopPerImage", "getOperandRole"]>]> {
  let summary = "softmax(scale Q K' + bias) V for each head, scores in the cache";
  let description = [{
    qkv [B, n T, 3 h d], columns Q | K | V, each head by head, n = `windows`; bias [h, Q, T]; tables [d, 2H - 1] and [d, 2W - 1] of decomposed
    relative positions as in `vit.sdpa`. -> [B, n Q, h d], the queries [first_query, first_query + Q) of each window. With a query [B, Q, h d]
    of its own the first operand is [B, T, 2 h d], columns K | V. The operands are f32, bf16, f16 or tf32; the result is one of these, or bytes on
    the `result_grid`, as of `kernel.gemm`.

    `weights` [B, h, T, T'], T' being T rounded up to 16, are for `kernel.attention_grad`: exp(scale q k' + bias - the row's maximum), not yet
    divided by their sum, and whatever beyond T. They are f32, and of all queries of an image without windows.
  }];
  let arguments = (ins Kernel_Tensor:$qkv, Optional<Kernel_Tensor>:$query, Optional<Kernel_Tensor>:$bias, Optional<Kernel_Tensor>:$row_table,
                       Optional<Kernel_Tensor>:$column_table, I64Attr:$heads, F32Attr:$scale, DefaultValuedAttr<I64Attr, "1">:$windows,
                       DefaultValuedAttr<I64Attr, "0">:$first_query, OptionalAttr<Kernel_AttentionScheduleAttr>:$schedule,
                       OptionalAttr<DenseF32ArrayAttr>:$result_grid);
  let results = (outs Kernel_Tensor:$value, Optional<Kernel_Tensor>:$weights);
  let assemblyFormat = [{
    $qkv (`query` `(` $query^ `:` type($query) `)`)? (`bias` `(` $bias^ `:` type($bias) `)`)?
    (`decomposed` `(` $row_table^ `:` type($row_table) `,` $column_table `:` type($column_table) `)`)? attr-dict
    `:` type($qkv) `->` type($value) (`,` type($weights)^)?
  }];
  let extraClassDeclaration = [{
    /// The type of the weights of images whose qkv is [B, T, ..].
    static ::mlir::RankedTensorType weightsType(::mlir::RankedTensorType qkv, int64_t heads);
  }];
  let hasVerifier = 1;
}

def Kernel_NormalizeOp : Kernel_Op<"normalize", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getOperandRole"]>]> {
  let summary = "LayerNorm or RMSNorm of each row";
  let description = [{
    Computed in f32; the result is f32, bf16, f16, tf32, or i8 with `scales` [B, .., 2], quantized as by `kernel.quantize`.
  }];
  let arguments = (ins Kernel_Tensor:$input, Optional<Kernel_Tensor>:$gain, Optional<Kernel_Tensor>:$shift,
                       DefaultValuedAttr<Vit_NormKindAttr, "::vitc::vit::NormKind::Layer">:$kind, F32Attr:$eps,
                       OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_Tensor:$value, Optional<Kernel_Tensor>:$scales);
  let assemblyFormat = [{
    $input (`gain` `(` $gain^ `:` type($gain) `)`)? (`shift` `(` $shift^ `:` type($shift) `)`)? attr-dict `:` type($input) `->` type($value) (`,` type($scales)^)?
  }];
  let hasVerifier = 1;
}

def Kernel_ConvertOp : Kernel_Op<"convert", [Pure, DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule"]>]> {
  let summary = "rows rounded from f32 to bf16, f16 or tf32";
  let description = [{
    To the nearest; what lies in the middle to the even one, of tf32 to the one farther from zero, as GPUs do (`cvt.rna.tf32.f32`). What is too large for
    f16, 65520 or more, becomes infinite.
  }];
  let arguments = (ins Kernel_Tensor:$input, OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_Tensor:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
}

def Kernel_QuantizeOp : Kernel_Op<"quantize", [Pure, DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule"]>]> {
  let summary = "rows as unsigned bytes, each with a scale and a zero point of its own";
  let description = [{
    For a row with the least element a <= 0 and the greatest b >= 0 (0 is among both): scales[r, 0] = s = (b - a) / 255, or 1 where that is
    subnormal, scales[r, 1] = z = round(-a / s), value[r, k] = round(x[r, k] / s + z), from 0 to 255. So 0 is exact (Jacob et al. 2018,
    arXiv:1712.05877, section 2.1, here for each row). The scale of a row that is not finite is NaN. The input is f32 or bf16.
  }];
  let arguments = (ins Kernel_Tensor:$input, OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_Tensor:$value, Kernel_Tensor:$scales);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value) `,` type($scales)";
  let hasVerifier = 1;
}

def Kernel_PadRowsOp : Kernel_Op<"pad_rows", [Pure, DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule"]>]> {
  let summary = "a feature map [B, H W, C] with zeros around its `grid` [H, W]";
  let description = [{ `padding` is [top, bottom, left, right]; the result is [B, (H + top + bottom) (W + left + right), C]. }];
  let arguments = (ins Kernel_Tensor:$input, DenseI64ArrayAttr:$grid, DenseI64ArrayAttr:$padding,
                       OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_Tensor:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
}

def Kernel_PoolRowsOp : Kernel_Op<"pool_rows", [Pure, DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule"]>]> {
  let summary = "`vit.pool_rows`: the maximum or mean of each window of a feature map";
  let arguments = (ins Kernel_Tensor:$input, Vit_WindowPoolAttr:$kind, DenseI64ArrayAttr:$grid, DenseI64ArrayAttr:$window,
                       DenseI64ArrayAttr:$stride, DenseI64ArrayAttr:$padding, OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_Tensor:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
}

def Kernel_GroupNormOp : Kernel_Op<"group_norm", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getOperandRole", "getInPlaceOperand"]>]> {
  let summary = "activation(residual + GroupNorm) of a feature map [B, N, C]";
  let description = [{ As `vit.group_norm_rows`. The input or the residual may share its memory with the result. }];
  let arguments = (ins Kernel_Tensor:$input, Optional<Kernel_Tensor>:$gain, Optional<Kernel_Tensor>:$shift,
                       Optional<Kernel_Tensor>:$residual,
                       DefaultValuedAttr<Vit_ActivationAttr, "::vitc::vit::Activation::None">:$activation, I64Attr:$groups, F32Attr:$eps,
                       OptionalAttr<Kernel_GroupScheduleAttr>:$schedule);
  let results = (outs Kernel_Tensor:$value);
  let assemblyFormat = [{
    $input (`gain` `(` $gain^ `:` type($gain) `)`)? (`shift` `(` $shift^ `:` type($shift) `)`)?
    (`residual` `(` $residual^ `:` type($residual) `)`)? attr-dict `:` type($input) `->` type($value)
  }];
  let hasVerifier = 1;
}

def Kernel_ReferenceOp : Kernel_Op<"reference", [Pure, IsolatedFromAbove,
    DeclareOpInterfaceMethods<KernelLaunchInterface>, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "any computation by its reference lowering, one image a task";
  let description = [{
    The region computes one image: its arguments are the operands with a batch of 1 (weights as they are), it yields the results with a
    batch of 1.
    All of `--target=reference` is made of these; other targets use them for rare operations.
  }];
  let arguments = (ins Variadic<Kernel_Tensor>:$inputs);
  let results = (outs Variadic<Kernel_Tensor>:$values);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$inputs attr-dict `:` functional-type($inputs, $values) $body";
  let hasVerifier = 1;
}

def Kernel_YieldOp : Kernel_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["ReferenceOp", "BindingOp"]>]> {
  let summary = "the results of a region";
  let arguments = (ins Variadic<Kernel_Tensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
}

#endif // VITC_DIALECTS_KERNEL_KERNELOPS_TD
