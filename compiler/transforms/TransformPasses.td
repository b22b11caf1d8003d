//===- TransformPasses.td - passes on the vit and kernel dialects -------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TRANSFORMS_TRANSFORMPASSES_TD
#define VITC_COMPILER_TRANSFORMS_TRANSFORMPASSES_TD

include "mlir/Pass/PassBase.td"

def VitDecompose : Pass<"vit-decompose"> {
  let summary = "split attention and mlp into the products and row operations they stand for";
  let description = [{
    ```mlir
    %1 = vit.attention %0 qkv(%w, %b) proj(%pw, %pb) {heads = 3, scale = 0.125}
    // ->
    %2 = vit.linear %0, %w bias(%b)
    %3 = vit.sdpa %2 {heads = 3, scale = 0.125}
    %1 = vit.linear %3, %pw bias(%pb)
    ```
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"decomposed", "decomposed", "composite operations split">];
}

def VitFoldBatchNorm : Pass<"vit-fold-batch-norm"> {
  let summary = "fold a batch normalization's statistics into the convolution before it";
  let description = [{
    gain (x * w + b - mean) / sqrt(variance + eps) + shift = x * (f w) + f (b - mean) + shift, f = gain / sqrt(variance + eps) (Ioffe and
    Szegedy 2015, algorithm 2, step 11). For inference only.
    ```mlir
    %1 = vit.conv %0, %w
    %2 = vit.batch_norm %1 mean(%m) variance(%v) gain(%g) shift(%s)
    // ->
    %i = vit.inverse_deviation %v
    %f = vit.scale %i by %g {axis = 0}
    %n = vit.scale_rows %m {factor = -1.0}
    %fn = vit.scale %n by %f {axis = 0}
    %b = vit.add %s, %fn
    %fw = vit.scale %w by %f {axis = 0}
    %2 = vit.conv %0, %fw bias(%b)
    ```
    Reports each fold, done or missed and why, as a remark of category "fold".
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"folded", "folded", "normalizations folded">, Statistic<"missed", "missed", "normalizations left">];
}

def VitLowerConvolution : Pass<"vit-lower-convolution"> {
  let summary = "turn a stem's feature maps into rows and its convolutions into products";
  let description = [{
    A pixel becomes a row [B, H W, C], as a token is one. A convolution is the product of windows with its kernel as a matrix, a 1 x 1
    convolution the product of the rows themselves; normalization, pooling, activations and sums follow, and changes of layout between
    them cancel.
    ```mlir
    %1 = vit.conv %0, %w {stride = [1, 1], padding = [1, 1, 1, 1]} : tensor<?x64x56x56xf32>, tensor<32x64x3x3xf32> -> tensor<?x32x56x56xf32>
    // ->
    %r = vit.channels_last %0 : tensor<?x64x56x56xf32> -> tensor<?x3136x64xf32>
    %c = vit.im2col %r {grid = [56, 56], window = [3, 3], stride = [1, 1], padding = [1, 1, 1, 1]}
    %t = vit.transpose %w {permutation = [0, 2, 3, 1]}
    %m = vit.reshape %t : tensor<32x3x3x64xf32> -> tensor<32x576xf32>
    %y = vit.linear %c, %m : tensor<?x3136x576xf32>, tensor<32x576xf32> -> tensor<?x3136x32xf32>
    %1 = vit.channels_first %y : tensor<?x3136x32xf32> -> tensor<?x32x56x56xf32>
    ```
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"lowered", "lowered", "convolutions turned into products">];
}

def VitFoldLayerScale : Pass<"vit-fold-layer-scale"> {
  let summary = "fold LayerScale's gamma into the product before it";
  let description = [{
    gamma o (x W' + b) = x (gamma o W)' + gamma o b (Touvron et al. 2021, equation 2). For inference only: a training program needs
    gamma's own gradient.
    ```mlir
    %1 = vit.linear %0, %w bias(%b)
    %2 = vit.residual %x, %1 gamma(%g)
    // ->
    %ws = vit.scale %w by %g {axis = 0}
    %bs = vit.scale %b by %g {axis = 0}
    %1 = vit.linear %0, %ws bias(%bs)
    %2 = vit.residual %x, %1
    ```
    Reports each fold, done or missed and why, as a remark of category "fold".
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"folded", "folded", "gammas folded">, Statistic<"missed", "missed", "gammas left">];
}

def VitFoldNormalize : Pass<"vit-fold-normalize"> {
  let summary = "fold LayerNorm's gain and shift into the products that read it";
  let description = [{
    (g o n + s) W' + b = n (W diag(g))' + (b + W s). For inference only. The normalization that is left has no vectors to read.
    ```mlir
    %1 = vit.normalize %0 gain(%g) shift(%s)
    %2 = vit.linear %1, %w bias(%b)
    // ->
    %1 = vit.normalize %0
    %wg = vit.scale %w by %g {axis = 1}
    %ws = vit.matvec %w, %s
    %bs = vit.add %b, %ws
    %2 = vit.linear %1, %wg bias(%bs)
    ```
    Reports each fold, done or missed and why, as a remark of category "fold".
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"folded", "folded", "normalizations folded">, Statistic<"missed", "missed", "normalizations left">];
}

def VitFoldScoreScale : Pass<"vit-fold-score-scale", "::mlir::func::FuncOp"> {
  let summary = "fold attention's scale into the query's weights";
  let description = [{
    s (x Wq' + bq) K' = (x (s Wq)' + s bq) K'. A rotation between product and scores is linear and lets the factor through; QK-norm takes it
    in the query's gain and shift. Decomposed relative positions are made of the unscaled query, so these scores are scaled at run time.
    For inference only.
    ```mlir
    %1 = vit.linear %0, %w bias(%b)
    %2 = vit.sdpa %1 {heads = 3, scale = 0.125}
    // ->
    %ws = vit.scale_rows %w {rows = 192, factor = 0.125}
    %bs = vit.scale_rows %b {rows = 192, factor = 0.125}
    %1 = vit.linear %0, %ws bias(%bs)
    %2 = vit.sdpa %1 {heads = 3, scale = 1.0}
    ```
    Reports each fold, done or missed and why, as a remark of category "fold".
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"folded", "folded", "scales folded">, Statistic<"missed", "missed", "scales left">];
}

def VitDropKeyBias : Pass<"vit-drop-key-bias", "::mlir::func::FuncOp"> {
  let summary = "drop the key's bias, which a softmax does not see";
  let description = [{
    q (k + b)' = q k' + q b': the same for all keys of a query, and a softmax takes no notice of what is added to all its elements; mixing
    the scores of several heads before it does not change that. A bias that is normalized or rotated with the key is another for every key
    and stays. For inference only: what has no effect has no gradient but takes part in weight decay.
    ```mlir
    %1 = vit.linear %0, %w bias(%b)
    %2 = vit.sdpa %1 {heads = 3}
    // ->
    %q = vit.slice_rows %b {first = 0} : tensor<576xf32> -> tensor<192xf32>
    %z = vit.zeros : tensor<192xf32>
    %v = vit.slice_rows %b {first = 384} : tensor<576xf32> -> tensor<192xf32>
    %bz = vit.concat %q, %z, %v
    %1 = vit.linear %0, %w bias(%bz)
    %2 = vit.sdpa %1 {heads = 3}
    ```
    Reports each bias, dropped or missed and why, as a remark of category "fold".
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"dropped", "dropped", "biases dropped">, Statistic<"missed", "missed", "biases left">];
}

def VitFoldValueBias : Pass<"vit-fold-value-bias", "::mlir::func::FuncOp"> {
  let summary = "fold the value's bias into the bias of the product that follows the attention";
  let description = [{
    P (V + 1 b') = P V + 1 b', because the rows of a softmax sum to 1; so W (P V + b) + c = W (P V) + (c + W b). Not where something else
    than a product reads the heads (a normalization, a gate, the difference of two attentions), nor with talking heads, whose mixed
    shares do not sum to 1. For inference only.
    ```mlir
    %1 = vit.linear %0, %w bias(%b)
    %2 = vit.sdpa %1 {heads = 3}
    %3 = vit.linear %2, %p bias(%c)
    // ->
    %v = vit.slice_rows %b {first = 384} : tensor<576xf32> -> tensor<192xf32>
    %qk = vit.slice_rows %b {first = 0} : tensor<576xf32> -> tensor<384xf32>
    %z = vit.zeros : tensor<192xf32>
    %bz = vit.concat %qk, %z
    %1 = vit.linear %0, %w bias(%bz)
    %2 = vit.sdpa %1 {heads = 3}
    %pv = vit.matvec %p, %v
    %cv = vit.add %c, %pv
    %3 = vit.linear %2, %p bias(%cv)
    ```
    Reports each fold, done or missed and why, as a remark of category "fold".
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"folded", "folded", "biases folded">, Statistic<"missed", "missed", "biases left">];
}

def VitFuseEpilogue : Pass<"vit-fuse-epilogue"> {
  let summary = "compute an activation or a residual sum in the product before it";
  let description = [{
    ```mlir
    %1 = vit.linear %0, %w bias(%b)
    %2 = vit.activation %1 {kind = #vit.activation<gelu_erf>}
    %3 = vit.linear %2, %v bias(%c)
    %4 = vit.residual %x, %3
    // ->
    %2 = vit.linear %0, %w bias(%b) {activation = #vit.activation<gelu_erf>}
    %4 = vit.linear %2, %v bias(%c) residual(%x)
    ```
    A `vit.group_norm_rows` takes both as well. An activation behind the sum, as in a ResNet, is fused too: a product with
    `activation_last`.
    Reports each fusion, done or missed and why, as a remark of category "fusion".
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"fused", "fused", "operations fused into a product">, Statistic<"missed", "missed", "operations left alone">];
}

def VitDropDeadRows : Pass<"vit-drop-dead-rows", "::mlir::func::FuncOp"> {
  let summary = "compute the tokens that the results need, and no others";
  let description = [{
    With a class token the last block's query, projection and mlp and the norm after it are needed for one token alone; its keys and values
    come from all of them. The analysis goes backwards from the results with a range of rows for each value: row-wise operations hand it on,
    attention asks for all keys and values, an operation that it does not know asks for everything. A product that computes query, key and
    value is split in two; rows of a normalization or an activation are computed again rather than copied. What is computed in part is called so ("blocks.11.mlp.row0").
    ```mlir
    %1 = vit.linear %0, %w : tensor<?x197x192xf32>, tensor<576x192xf32> -> tensor<?x197x576xf32>
    %2 = vit.sdpa %1 {heads = 3, scale = 0.125} : tensor<?x197x576xf32> -> tensor<?x197x192xf32>
    %3 = vit.linear %2, %p residual(%x) : tensor<?x197x192xf32>, tensor<192x192xf32> -> tensor<?x197x192xf32>
    %4 = vit.pool %3 {kind = #vit.pool<token>} : tensor<?x197x192xf32> -> tensor<?x192xf32>
    // ->
    %0a = vit.slice_tokens %0 {first = 0} : tensor<?x197x192xf32> -> tensor<?x1x192xf32>
    %wq = vit.slice_rows %w {first = 0} : tensor<576x192xf32> -> tensor<192x192xf32>
    %q = vit.linear %0a, %wq : tensor<?x1x192xf32>, tensor<192x192xf32> -> tensor<?x1x192xf32>
    %wkv = vit.slice_rows %w {first = 192} : tensor<576x192xf32> -> tensor<384x192xf32>
    %kv = vit.linear %0, %wkv : tensor<?x197x192xf32>, tensor<384x192xf32> -> tensor<?x197x384xf32>
    %2 = vit.sdpa %kv query(%q : tensor<?x1x192xf32>) {heads = 3, scale = 0.125} : tensor<?x197x384xf32> -> tensor<?x1x192xf32>
    %xa = vit.slice_tokens %x {first = 0} : tensor<?x197x192xf32> -> tensor<?x1x192xf32>
    %3 = vit.linear %2, %p residual(%xa) : tensor<?x1x192xf32>, tensor<192x192xf32> -> tensor<?x1x192xf32>
    %4 = vit.pool %3 {kind = #vit.pool<token>} : tensor<?x1x192xf32> -> tensor<?x192xf32>
    ```
    Reports each operation that computes less, and each that could not and why, as a remark of category "rows".
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let options = [Option<"largestShare", "largest-share", "int64_t", "50",
                        "narrow operations of which at most this percentage of the rows is needed">];
  let statistics = [Statistic<"narrowed", "narrowed", "operations that compute some rows only">,
                    Statistic<"missed", "missed", "operations that compute rows which nothing needs">];
}

def KernelReducePrecision : Pass<"kernel-reduce-precision"> {
  let summary = "products of bf16, f16, tf32 or int8, with what they read stored as such";
  let description = [{
    bf16: both sides of each product are rounded to bf16, sums and everything else stay f32. What only products read is stored as bf16 by the
    launch that computes it; what other launches read too (the residual rows) stays f32 and is rounded by a launch of its own. Without
    `bf16-products` weights alone are bf16 and meet f32 rows. Products of a training program keep operands of f32, weights are the master
    copies, and round them by themselves; with `stored-operands` they too read what was stored as bf16, weights' copies among them.

    `element`: f16 or tf32 in the place of bf16, for targets that multiply them.

    int8: weights have a scale for each output, rows a scale and zero point each, found while the program runs. A normalization quantizes its result as it
    writes it; other rows are quantized by a launch of their own. Where the module's attribute `kernel.ranges`, a dictionary of [least, greatest,
    range of a row] by layer, knows a product's or attention's result, and all rows together have a range at most three times as large as one has, that range
    serves all of them and the result is bytes from the start (`vitc --calibration`). Products whose rows are no whole words of four bytes, convolutions, the patches' product and
    those that compute a result of the program (the logits) stay at bf16.
    ```mlir
    %1 = kernel.normalize %0 {eps = 1.0e-06 : f32} : tensor<?x197x192xf32> -> tensor<?x197x192xf32>
    %2 = kernel.gemm %1, %w : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>
    // -> {bf16-products=true}
    %1 = kernel.normalize %0 {eps = 1.0e-06 : f32} : tensor<?x197x192xf32> -> tensor<?x197x192xbf16>
    %c = kernel.convert_weight %w : tensor<768x192xf32> -> tensor<768x192xbf16>
    %2 = kernel.gemm %1, %c : tensor<?x197x192xbf16>, tensor<768x192xbf16> -> tensor<?x197x768xf32>
    // -> {int8=true}
    %1, %s = kernel.normalize %0 {eps = 1.0e-06 : f32} : tensor<?x197x192xf32> -> tensor<?x197x192xi8>, tensor<?x197x2xf32>
    %q, %t = kernel.quantize_weight %w : tensor<768x192xf32> -> tensor<768x192xi8>, tensor<2x768xf32>
    %2 = kernel.gemm %1, %q row_scales(%s : tensor<?x197x2xf32>) column_scales(%t : tensor<2x768xf32>) : tensor<?x197x192xi8>, tensor<768x192xi8> -> ...
    ```
  }];
  let dependentDialects = ["::vitc::kernel::KernelDialect"];
  let options = [Option<"int8", "int8", "bool", "false", "int8 where it can be, otherwise bf16">,
                 Option<"bf16Products", "bf16-products", "bool", "false", "the target multiplies bf16">,
                 Option<"storedOperands", "stored-operands", "bool", "false", "training's products round nothing themselves: a GPU's">,
                 Option<"element", "element", "std::string", "\"bf16\"", "what is multiplied: bf16, f16 or tf32; the last two by any target">];
  let statistics = [Statistic<"bytes", "int8", "products of int8">, Statistic<"halves", "bf16", "products of the element, such as bf16">,
                    Statistic<"conversions", "conversions", "launches that convert rows">,
                    Statistic<"grids", "grids", "results that are stored as bytes of a range known beforehand">];
}

def KernelFuseActivation : Pass<"kernel-fuse-activation"> {
  let summary = "activations of training programs into the products before them, their gradients into the products behind";
  let description = [{
    The product's results are the activation and its derivative instead of its sums, which nothing but the two reads: as much memory, and no pass
    over it. The way back multiplies by the derivative.
    ```mlir
    %z = kernel.matmul %x, %w : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>
    %y = kernel.activation %z {kind = #vit.activation<gelu_erf>} : tensor<?x197x768xf32>
    %g = kernel.matmul %u, %v {transposed} : tensor<?x197x192xf32>, tensor<192x768xf32> -> tensor<?x197x768xf32>
    %d = kernel.activation_grad %z, %g {kind = #vit.activation<gelu_erf>} : tensor<?x197x768xf32>
    // ->
    %y, %f = kernel.matmul %x, %w {activation = #vit.activation<gelu_erf>} : .. -> tensor<?x197x768xf32>, tensor<?x197x768xf32>
    %d = kernel.matmul %u, %v factor(%f : tensor<?x197x768xf32>) {transposed} : .. -> tensor<?x197x768xf32>
    ```
  }];
  let dependentDialects = ["::vitc::kernel::KernelDialect"];
  let statistics = [Statistic<"fused", "fused", "activations that a product computes">,
                    Statistic<"missed", "missed", "activations that stay launches">];
}

def KernelFusePixels : Pass<"kernel-fuse-pixels"> {
  let summary = "normalisation of decoded pictures into their patch embedding";
  let description = [{
    For GPUs: the images are never written. The weight's columns change places, so that a patch's row of pixels is read as it lies.
    ```mlir
    %x = kernel.reference %p { vit.normalize_images } : (tensor<?x224x224x3xi8>) -> tensor<?x3x224x224xf32>
    %t = kernel.patch_embed %x, %w {patch = [16, 16]} : tensor<?x3x224x224xf32>, tensor<192x768xf32> -> tensor<?x196x192xf32>
    // ->
    %t = kernel.pixel_embed %p, %v {patch = [16, 16], mean = .., std = ..} : tensor<?x224x224x3xi8>, tensor<192x768xf32> -> tensor<?x196x192xf32>
    ```
  }];
  let dependentDialects = ["::vitc::kernel::KernelDialect", "::vitc::vit::VitDialect"];
  let statistics = [Statistic<"fused", "fused", "embeddings that normalise">];
}

def KernelSchedule : Pass<"kernel-schedule"> {
  let summary = "choose how each launch is tiled, and pack its weights accordingly";
  let description = [{
    Attaches a schedule to each launch that has none, by the vector registers of the target, and puts a `kernel.pack` before each
    product's weight. A schedule that was measured on `machine` and is kept in the file `tuning-cache` (docs/schedules.md) goes before the
    default; one that cannot be used is ignored with a warning.
    ```mlir
    %1 = kernel.gemm %0, %w : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>
    // ->
    %p = kernel.pack %w : tensor<768x192xf32> -> tensor<1x12x192x64xf32>
    %1 = kernel.gemm %0, %p {schedule = #kernel.gemm_schedule<rows = 6, columns = 64, ...>}
    ```
  }];
  let dependentDialects = ["::vitc::kernel::KernelDialect"];
  let options = [Option<"vectorLanes", "vector-lanes", "int64_t", "16", "f32 lanes of a vector register: 16, 8 or 4">,
                 Option<"vectorRegisters", "vector-registers", "int64_t", "0", "vector registers (0: 32 with 16 lanes, 16 otherwise)">,
                 Option<"cacheBytes", "cache-bytes", "int64_t", "1 << 20", "bytes of a core's second-level cache">,
                 Option<"tuningCache", "tuning-cache", "std::string", "", "file of measured schedules">,
                 Option<"machine", "machine", "std::string", "", "the machine whose schedules are taken from the file">];
  let statistics = [Statistic<"tuned", "tuned", "launches with a measured schedule">];
}

def KernelOutlineBinding : Pass<"kernel-outline-binding", "::mlir::ModuleOp"> {
  let summary = "move what is computed from weights alone into bindings";
  let description = [{
    ```mlir
    %w = vit.weight @head.weight : tensor<10x64xf32>
    %p = kernel.pack %w : tensor<10x64xf32> -> tensor<1x1x64x64xf32>
    %1 = kernel.gemm %0, %p
    // ->
    kernel.binding @head.weight.packed [@head.weight] {
    ^bb0(%w: tensor<10x64xf32>):
      %p = kernel.pack %w : tensor<10x64xf32> -> tensor<1x1x64x64xf32>
      kernel.yield %p : tensor<1x1x64x64xf32>
    }
    %p = kernel.weight @head.weight.packed : tensor<1x1x64x64xf32>
    %1 = kernel.gemm %0, %p
    ```
  }];
  let dependentDialects = ["::vitc::kernel::KernelDialect"];
  let statistics = [Statistic<"bindings", "bindings", "packed weights">];
}

def VitUnfoldPatches : Pass<"vit-unfold-patches"> {
  let summary = "make patch embedding a product of unfolded patches, as training wants it";
  let description = [{
    The gradient of the projection is a product with the patches as rows, which therefore exist.
    ```mlir
    %1 = vit.patchify %0, %w bias(%b) : tensor<?x3x224x224xf32>, tensor<192x3x16x16xf32> -> tensor<?x196x192xf32>
    // ->
    %r = vit.unfold_patches %0 {patch = array<i64: 16, 16>} : tensor<?x3x224x224xf32> -> tensor<?x196x768xf32>
    %m = vit.reshape %w : tensor<192x3x16x16xf32> -> tensor<192x768xf32>
    %1 = vit.linear %r, %m bias(%b)
    ```
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"unfolded", "unfolded", "patch embeddings turned into products">];
}

def VitDifferentiate : Pass<"vit-differentiate", "::mlir::func::FuncOp"> {
  let summary = "extend a function that returns losses by their gradients with respect to its weights";
  let description = [{
    The function's first result is the loss of each image, [B, 1]. It gets one more argument of that type, `loss_weights`, and returns the
    gradients of the sum over images of loss_weights * loss with respect to all `vit.weight` without the attribute `vit.frozen`, as results
    with the attribute `vit.gradient`. Reverse accumulation over the rules of `GradientInterface`; where nothing that is trained lies
    behind an operand, nothing is built.
    ```mlir
    %w = vit.weight @head.weight : tensor<10x64xf32>
    %1 = vit.linear %0, %w
    %2 = vit.cross_entropy %1, %targets
    return %2
    // ->
    ...
    %3 = vit.cross_entropy_grad %1, %targets, %loss_weights
    %4 = vit.contract_rows %3, %0
    return %2, %4 : tensor<?x1xf32>, tensor<10x64xf32>      // {vit.gradient = @head.weight}
    ```
    An operation without a rule on the way is an error that names it.
  }];
  let dependentDialects = ["::vitc::vit::VitDialect"];
  let statistics = [Statistic<"rules", "rules", "operations differentiated">,
                    Statistic<"pullbacks", "pullbacks", "of these, by their reference lowering">];
}

def VitRecompute : Pass<"vit-recompute", "::mlir::func::FuncOp"> {
  let summary = "compute activations again in the backward half instead of keeping them";
  let description = [{
    Of a differentiated function. By default what costs little: normalized rows, whose inputs are kept for the normalization's own gradient,
    and attention's weights, whose gradient gets the attribute `vit.recomputed` and computes them again, so that no launch keeps them. With `blocks` each block of the model (by its layers' names, "blocks.N") but the last keeps only its input:
    what its gradients read is computed again just before the first of them, by clones with the attribute `vit.recomputed`, which tells them
    from their originals (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174). The clones compute the same
    bits, dropout too, whose generator has no state.
    ```mlir
    %1 = vit.activation %0 {kind = gelu} loc("blocks.0.mlp.act")
    ...
    %8 = vit.contract_rows %7, %1
    // -> {blocks=true}
    %1 = vit.activation %0 {kind = gelu} loc("blocks.0.mlp.act")
    ...
    %c = vit.activation %0 {kind = gelu, vit.recomputed} loc("blocks.0.mlp.act")
    %8 = vit.contract_rows %7, %c
    ```
  }];
  let options = [Option<"blocks", "blocks", "bool", "false", "whole blocks from their inputs">];
  let statistics = [Statistic<"attentions", "attentions", "gradients that compute attention's weights again">,
                    Statistic<"recomputed", "recomputed", "operations that are computed again">];
}

def KernelOutlineTraining : Pass<"kernel-outline-training", "::mlir::ModuleOp"> {
  let summary = "split a training function by what runs once a step and what runs for each group of images";
  let description = [{
    Of a function whose results have the attribute `vit.gradient`: what is computed from weights alone goes into `NAME.prepare`, what is
    computed from sums over images alone into `NAME.finish`; the three share the training state (docs/training.md), whose layout is left in
    the module's attributes `kernel.parameters`, `kernel.gradients` and `kernel.derived`, each a name's first element and length, beside
    `kernel.trained`, the weights with a gradient. Weights
    that are only joined lie side by side, so that the joined one, and its gradient, need no copy.
  }];
  let dependentDialects = ["::vitc::kernel::KernelDialect"];
  let statistics = [Statistic<"prepared", "prepared", "weights derived once a step">,
                    Statistic<"finished", "finished", "gradients derived once a step">];
}

#endif // VITC_COMPILER_TRANSFORMS_TRANSFORMPASSES_TD
