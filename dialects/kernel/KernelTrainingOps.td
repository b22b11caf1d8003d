//===- KernelTrainingOps.td - launches of training programs -----------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights change at each step here, so products read them as they lie in parameter memory. A result of static shape is a sum over all images
// of the group, and is added to what its memory holds: the groups of a step add up.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_KERNELTRAININGOPS_TD
#define VITC_DIALECTS_KERNEL_KERNELTRAININGOPS_TD

include "dialects/kernel/KernelDialect.td"
include "dialects/kernel/KernelInterfaces.td"
include "dialects/vit/VitBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Kernel_TrainingOp<string mnemonic, list<Trait> traits = []> : Op<Kernel_Dialect, mnemonic, !listconcat([Pure], traits)>;

def Kernel_F32Tensor : TensorOf<[F32]>;
def Kernel_BF16Tensor : TensorOf<[BF16]>;
def Kernel_FloatTensor : TensorOf<[F32, BF16]>;

def Kernel_StateOp : Kernel_TrainingOp<"state"> {
  let summary = "a tensor that outlives a program's run, by name";
  let description = [{
    `region` says in which of the training state's memories it lies: `parameter`, `gradient` or `derived` (docs/training.md).
  }];
  let arguments = (ins StrAttr:$name, Kernel_StateRegionAttr:$region);
  let results = (outs Kernel_FloatTensor:$value);
  let assemblyFormat = "$region $name attr-dict `:` type($value)";
}

def Kernel_MatmulOp : Kernel_TrainingOp<"matmul", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getFlopPerImage", "getOperandRole", "getInPlaceOperand"]>]> {
  let summary = "rows times a weight that lies as its framework has it: residual + factor * activation(x W' + b), or of x W";
  let description = [{
    input [B, .., K], weight [N, K] -> [B, .., N]; with `transposed` the weight is [K, N], which is the gradient of a product with
    respect to its input. bias [N], residual and factor of the result's shape, whose memory the result may share. `derivative` is the
    activation's, of the result's shape, for a `factor` of the way back. Each task copies the panel of the
    weight that it works on into scratch, transposed where need be. With `bf16` input and weight are bf16, or f32 and rounded to it as they
    are copied; sums and everything else are f32, but for the result, which may be bf16 if there is no residual, factor and derivative.
  }];
  let arguments = (ins Kernel_FloatTensor:$input, Kernel_FloatTensor:$weight, Optional<Kernel_F32Tensor>:$bias,
                       Optional<Kernel_F32Tensor>:$residual, Optional<Kernel_FloatTensor>:$factor, UnitAttr:$transposed,
                       OptionalAttr<Kernel_GemmScheduleAttr>:$schedule, UnitAttr:$bf16,
                       DefaultValuedAttr<Vit_ActivationAttr, "::vitc::vit::Activation::None">:$activation);
  let results = (outs Kernel_FloatTensor:$value, Optional<Kernel_FloatTensor>:$derivative);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `:` type($bias) `)`)? (`residual` `(` $residual^ `:` type($residual) `)`)?
    (`factor` `(` $factor^ `:` type($factor) `)`)? attr-dict
    `:` type($input) `,` type($weight) `->` type($value) (`,` type($derivative)^)?
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$value, "::mlir::Value":$input, "::mlir::Value":$weight, "::mlir::Value":$bias,
                                 "::mlir::Value":$residual, "bool":$transposed, "::vitc::kernel::GemmScheduleAttr":$schedule), [{
    build($_builder, $_state, value, /*derivative=*/::mlir::Type(), input, weight, bias, residual, /*factor=*/::mlir::Value(), transposed,
          schedule, /*bf16=*/false, ::vitc::vit::Activation::None);
  }]>];
  let hasVerifier = 1;
}

def Kernel_ContractRowsOp : Kernel_TrainingOp<"contract_rows",
    [DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getFlopPerImage"]>]> {
  let summary = "`vit.contract_rows`: result[n, k] += sum over rows r of lhs[r, n] rhs[r, k]";
  let description = [{
    lhs [B, .., N], rhs [B, .., K] -> [N, K]. lhs is read in place by columns, rhs copied panel by panel; `bf16` as of `kernel.matmul`.
  }];
  let arguments = (ins Kernel_FloatTensor:$lhs, Kernel_FloatTensor:$rhs, OptionalAttr<Kernel_GemmScheduleAttr>:$schedule, UnitAttr:$bf16);
  let results = (outs Kernel_F32Tensor:$value);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($value)";
  let hasVerifier = 1;
}

def Kernel_SumRowsOp : Kernel_TrainingOp<"sum_rows", [DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule"]>]> {
  let summary = "`vit.sum_rows`: result[d] += sum of all rows";
  let description = [{
    [B, .., D] -> [D], or [B, .., T, D] -> [T, D], whose rows are T D wide: the result has the input's last axes. A task is some columns of all
    rows, on a GPU or of a part of them.
  }];
  let arguments = (ins Kernel_FloatTensor:$input, OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_F32Tensor:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
}

def Kernel_ActivationOp : Kernel_TrainingOp<"activation", [AllTypesMatch<["input", "value"]>, DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule"]>]> {
  let summary = "`vit.activation` of rows";
  let arguments = (ins Kernel_F32Tensor:$input, Vit_ActivationAttr:$kind, OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_F32Tensor:$value);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Kernel_ActivationGradOp : Kernel_TrainingOp<"activation_grad", [AllTypesMatch<["input", "upstream", "value"]>,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getInPlaceOperand"]>]> {
  let summary = "`vit.activation_grad` of rows; the result may share the upstream's memory";
  let arguments = (ins Kernel_F32Tensor:$input, Kernel_F32Tensor:$upstream, Vit_ActivationAttr:$kind,
                       OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_F32Tensor:$value);
  let assemblyFormat = "$input `,` $upstream attr-dict `:` type($input)";
}

def Kernel_AddOp : Kernel_TrainingOp<"add", [AllTypesMatch<["lhs", "rhs", "value"]>,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getInPlaceOperand"]>]> {
  let summary = "element-wise sum of two activations; the result may share the first one's memory";
  let arguments = (ins Kernel_F32Tensor:$lhs, Kernel_F32Tensor:$rhs, OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_F32Tensor:$value);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs)";
}

def Kernel_NormalizeGradOp : Kernel_TrainingOp<"normalize_grad", [AttrSizedOperandSegments, AttrSizedResultSegments, AllTypesMatch<["input", "upstream"]>,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getOperandRole", "getInPlaceOperand"]>]> {
  let summary = "residual + `vit.normalize_grad`, and if asked for each row's mean and inverse deviation";
  let description = [{
    input, upstream, residual, result [B, .., D], gain [D]. `statistics` [B, .., 2] are (mean, 1 / deviation) of each row, of `rms` (0, 1 /
    root mean square), for `kernel.normalize_weight_grad`. `rounded` is the result once more for products that read bf16; a GPU's alone. The
    result may share the residual's memory.
  }];
  let arguments = (ins Kernel_F32Tensor:$input, Kernel_F32Tensor:$upstream, Optional<Kernel_F32Tensor>:$gain,
                       Optional<Kernel_F32Tensor>:$residual,
                       DefaultValuedAttr<Vit_NormKindAttr, "::vitc::vit::NormKind::Layer">:$kind, F32Attr:$eps,
                       OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_F32Tensor:$value, Optional<Kernel_F32Tensor>:$statistics, Optional<Kernel_BF16Tensor>:$rounded);
  let assemblyFormat = [{
    $input `,` $upstream (`gain` `(` $gain^ `:` type($gain) `)`)? (`residual` `(` $residual^ `:` type($residual) `)`)? attr-dict
    `:` type($input) `->` type($value) (`,` type($statistics)^)? (`rounded` type($rounded)^)?
  }];
  let hasVerifier = 1;
}

def Kernel_NormalizeWeightGradOp : Kernel_TrainingOp<"normalize_weight_grad", [AllTypesMatch<["input", "upstream"]>,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule"]>]> {
  let summary = "`vit.normalize_weight_grad` from each row's statistics: gain[d] += sum of upstream x^, shift[d] += sum of upstream";
  let description = [{ input, upstream [B, .., D], statistics [B, .., 2] -> [D], [D]. Tasks are those of `kernel.sum_rows`. }];
  let arguments = (ins Kernel_F32Tensor:$input, Kernel_F32Tensor:$upstream, Kernel_F32Tensor:$statistics,
                       OptionalAttr<Kernel_RowScheduleAttr>:$schedule);
  let results = (outs Kernel_F32Tensor:$gain, Kernel_F32Tensor:$shift);
  let assemblyFormat = [{
    $input `,` $upstream `,` $statistics attr-dict `:` type($input) `,` type($statistics) `->` type($gain) `,` type($shift)
  }];
  let hasVerifier = 1;
}

def Kernel_AttentionGradOp : Kernel_TrainingOp<"attention_grad", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getFlopPerImage"]>]> {
  let summary = "`vit.sdpa_grad`: a head's probabilities and their gradients in the cache";
  let description = [{
    qkv [B, T, 3 h d], upstream [B, T, h d] -> [B, T, 3 h d]. A task is one head of one image. The probabilities are computed again, or are
    those of `weights`, a result of the `kernel.attention` of the same qkv. Of a qkv of bf16 all products multiply bf16; softmax and sums are f32.

    With a query [B, Q, h d] of its own the first operand and its gradient are [B, T, 2 h d], upstream and the query's gradient [B, Q, h d]. All
    scores of a head are kept, so there are few: Q T is at most `mostScores`. Products are f32 then. No CPU has this form.

    Gradients are f32, or rounded once: a GPU's are bf16 where operands are.
  }];
  let arguments = (ins Kernel_FloatTensor:$qkv, Kernel_F32Tensor:$upstream, Optional<Kernel_FloatTensor>:$query,
                       Optional<Kernel_F32Tensor>:$weights, I64Attr:$heads, F32Attr:$scale,
                       OptionalAttr<Kernel_AttentionScheduleAttr>:$schedule);
  let results = (outs Kernel_FloatTensor:$value, Optional<Kernel_FloatTensor>:$query_gradient);
  let assemblyFormat = [{
    $qkv `,` $upstream (`query` `(` $query^ `:` type($query) `)`)? (`weights` `(` $weights^ `:` type($weights) `)`)? attr-dict
    `:` type($qkv) `,` type($upstream) `->` type($value) (`,` type($query_gradient)^)?
  }];
  let extraClassDeclaration = [{
    /// Scores of a head of an image with queries of its own, queries times tokens.
    static constexpr int64_t mostScores = 16384;
  }];
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_KERNEL_KERNELTRAININGOPS_TD
