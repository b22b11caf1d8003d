//===- VitGradientOps.td - losses, dropout, and what gradients are made of --*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What `vit-differentiate` leaves beside the operations of the model itself. Gradients of activations have the activations' types, those of
// weights, sums over all images of a group, have the weights'.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITGRADIENTOPS_TD
#define VITC_DIALECTS_VIT_VITGRADIENTOPS_TD

include "dialects/vit/VitBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

//===--------------------------------------------------------------------------------------===//
// Training only
//===--------------------------------------------------------------------------------------===//

def Vit_CrossEntropyOp : Vit_DifferentiableOp<"cross_entropy"> {
  let summary = "the loss of each image: -sum over k of targets[k] log softmax(logits)[k]";
  let description = [{
    logits and targets [B, K] -> [B, 1]. Targets are shares of the classes: a row of zeros and a one for a label, smoothed, or mixed of two
    images (Szegedy et al. 2016, section 7; Zhang et al. 2018). Computed with the row's maximum subtracted.

    Constraints:
    - (C1) logits and targets are [B, K] of one type.
    - (C2) The result is [B, 1].
  }];
  let arguments = (ins Vit_Tokens:$logits, Vit_Tokens:$targets);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$logits `,` $targets attr-dict `:` type($logits) `,` type($targets) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_DropoutOp : Vit_DifferentiableOp<"dropout", [AllTypesMatch<["input", "value"]>]> {
  let summary = "elements (or, with `per_image`, whole images) set to zero at random, the others divided by 1 - rate";
  let description = [{
    Element e of an image is kept where u >= rate, u = w / 2^32 with w the first word of Philox4x32-10 of counter (e, `stream`, key[2],
    key[0]) and key (key[1], key[3]) (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). `key` [B, 4] holds for each image,
    as the bits of an f32, its number in the data's order, the seed's lower word, the step and the seed's upper word. `stream` tells the model's
    places apart. Nothing is stored: the gradient makes the same decisions again. `per_image` decides once for an image, e = 0 (stochastic
    depth, Huang et al. 2016).

    Constraints:
    - (C1) The key is [B, 4].
    - (C2) `rate` is at least 0 and less than 1.
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_Tokens:$key, F32Attr:$rate, I64Attr:$stream, UnitAttr:$per_image);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$input `,` $key attr-dict `:` type($input) `,` type($key)";
  let hasVerifier = 1;
}

def Vit_WeighValuesOp : Vit_PulledBackOp<"weigh_values"> {
  let summary = "each head's values mixed by given shares: the second half of `vit.sdpa`";
  let description = [{
    shares [B, h, T, T] and qkv [B, T, 3 h d] -> [B, T, h d]: row t of head j is the sum over u of shares[j, t, u] V[j, u]. Attention whose
    probabilities are dropped at random is `vit.attention_probabilities`, `vit.dropout` and this.

    Constraints:
    - (C1) qkv is [B, T, 3 h d] for the h heads of the shares [B, h, T, T].
    - (C2) The result is [B, T, h d].
  }];
  let arguments = (ins Vit_Tokens:$shares, Vit_Tokens:$qkv);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$shares `,` $qkv attr-dict `:` type($shares) `,` type($qkv) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_UnfoldPatchesOp : Vit_PulledBackOp<"unfold_patches"> {
  let summary = "the pixels of each patch as a row, so that patch embedding is a product";
  let description = [{
    images [B, C, H, W], `patch` = [P, Q] -> [B, (H/P) (W/Q), C P Q], patches row by row, element (c P + p) Q + q of a row is channel c of
    the patch's pixel (p, q).

    Constraints:
    - (C1) `patch` has two elements of at least 1, and the image holds at least one patch.
    - (C2) The result has the shape above.
  }];
  let arguments = (ins Vit_Images:$images, DenseI64ArrayAttr:$patch);
  let results = (outs Vit_Tokens:$rows);
  let assemblyFormat = "$images attr-dict `:` type($images) `->` type($rows)";
  let hasVerifier = 1;
}

//===--------------------------------------------------------------------------------------===//
// Sums over rows
//===--------------------------------------------------------------------------------------===//

def Vit_ContractRowsOp : Vit_ReferenceOp<"contract_rows"> {
  let summary = "sum over all rows r of lhs[r, n] rhs[r, k]: the gradient of a product's weight";
  let description = [{
    lhs [B, .., N] and rhs [B, .., K] with the same rows -> [N, K].

    Constraints:
    - (C1) Operands agree in every axis but the last.
    - (C2) The result is [N, K].
  }];
  let arguments = (ins Vit_Tokens:$lhs, Vit_Tokens:$rhs);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_SumRowsOp : Vit_ReferenceOp<"sum_rows"> {
  let summary = "sum over images and leading axes: the gradient of a bias [D], of a table of positions [T, D]";
  let description = [{
    Constraints:
    - (C1) The result has the input's last axes: one at least, and not that of the images.
  }];
  let arguments = (ins Vit_Tokens:$input);
  let results = (outs Vit_Weight:$value);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($value)";
  let hasVerifier = 1;
}

//===--------------------------------------------------------------------------------------===//
// Gradients with kernels of their own
//===--------------------------------------------------------------------------------------===//

def Vit_ActivationGradOp : Vit_ReferenceOp<"activation_grad", [AllTypesMatch<["input", "upstream", "value"]>]> {
  let summary = "upstream times the derivative of `vit.activation` at the input";
  let description = [{ The derivative of `relu` at 0 is 0. }];
  let arguments = (ins Vit_Tokens:$input, Vit_Tokens:$upstream, Vit_ActivationAttr:$kind);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$input `,` $upstream attr-dict `:` type($input)";
}

def Vit_NormalizeGradOp : Vit_ReferenceOp<"normalize_grad", [AllTypesMatch<["input", "upstream", "value"]>]> {
  let summary = "the gradient of `vit.normalize` with respect to its input";
  let description = [{
    With x^ the normalized row, s its deviation and g = gain * upstream: (g - mean(g) - x^ mean(g x^)) / s; of `rms` without mean(g).

    Constraints:
    - (C1) The gain is [D], D the length of the last axis.
    - (C2) `eps` is finite and not negative.
    - (C3) `groups` is positive and divides D.
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_Tokens:$upstream, Optional<Vit_Weight>:$gain,
                       DefaultValuedAttr<Vit_NormKindAttr, "::vitc::vit::NormKind::Layer">:$kind, F32Attr:$eps,
                       DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$input `,` $upstream (`gain` `(` $gain^ `:` type($gain) `)`)? attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Vit_NormalizeWeightGradOp : Vit_ReferenceOp<"normalize_weight_grad", [AllTypesMatch<["input", "upstream"]>]> {
  let summary = "the gradients of `vit.normalize` with respect to its gain and shift";
  let description = [{
    With x^ the normalized row: the sums over all rows of upstream * x^ and of upstream, both [D].

    Constraints:
    - (C1) The results are [D], D the length of the last axis.
    - (C2) `eps` is finite and not negative.
    - (C3) `groups` is positive and divides D.
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_Tokens:$upstream,
                       DefaultValuedAttr<Vit_NormKindAttr, "::vitc::vit::NormKind::Layer">:$kind, F32Attr:$eps,
                       DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs Vit_Weight:$gain, Vit_Weight:$shift);
  let assemblyFormat = "$input `,` $upstream attr-dict `:` type($input) `->` type($gain) `,` type($shift)";
  let hasVerifier = 1;
}

def Vit_SdpaGradOp : Vit_ReferenceOp<"sdpa_grad", [AllTypesMatch<["qkv", "value"]>]> {
  let summary = "the gradients of `vit.sdpa` with respect to its qkv and its query, the probabilities computed again";
  let description = [{
    Of attention to all tokens without bias, tables or windows: of all tokens, or of queries of their own. With P = softmax(scale Q K'), dO the upstream of a head and
    dP = dO V': dV = P' dO, dS = P (dP - rowsum(P dP)), dQ = scale dS K, dK = scale dS' Q (Dao et al. 2022, "FlashAttention", appendix B.2).

    Constraints:
    - (C1) qkv is [B, T, 3 h d]: its width is a multiple of 3 `heads`, and `heads` is positive. With a query it is [B, T, 2 h d].
    - (C2) The upstream is [B, T, h d], with a query [B, Q, h d], as the query and its gradient.
    - (C3) There is a query's gradient if there is a query.
  }];
  let arguments = (ins Vit_Tokens:$qkv, Vit_Tokens:$upstream, Optional<Vit_Tokens>:$query, I64Attr:$heads, F32Attr:$scale);
  let results = (outs Vit_Tokens:$value, Optional<Vit_Tokens>:$query_gradient);
  let assemblyFormat = [{
    $qkv `,` $upstream (`query` `(` $query^ `:` type($query) `)`)? attr-dict `:` type($qkv) `,` type($upstream) (`->` type($query_gradient)^)?
  }];
  let hasVerifier = 1;
}

def Vit_CrossEntropyGradOp : Vit_ReferenceOp<"cross_entropy_grad", [AllTypesMatch<["logits", "targets", "value"]>]> {
  let summary = "the gradient of `vit.cross_entropy` with respect to its logits";
  let description = [{
    upstream [B, 1] times (softmax(logits) sum(targets) - targets).

    Constraints:
    - (C1) logits are [B, K], the upstream is [B, 1].
  }];
  let arguments = (ins Vit_Tokens:$logits, Vit_Tokens:$targets, Vit_Tokens:$upstream);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$logits `,` $targets `,` $upstream attr-dict `:` type($logits) `,` type($upstream)";
  let hasVerifier = 1;
}

//===--------------------------------------------------------------------------------------===//
// Gradients of everything else
//===--------------------------------------------------------------------------------------===//

def Vit_PullbackOp : Vit_Op<"pullback", [AttrSizedOperandSegments, IsolatedFromAbove, SingleBlockImplicitTerminator<"YieldOp">,
                                        DeclareOpInterfaceMethods<ReferenceLoweringInterface>]> {
  let summary = "the gradient of any computation with respect to some of its operands";
  let description = [{
    The region computes results from the inputs; `upstream` has a gradient for each of them. -> the gradients with respect to the inputs
    `wrt`, in this order. Its reference lowering is that of the region, differentiated operation by operation in reverse (Griewank and
    Walther 2008, chapter 3), so that an operation with a reference lowering has a gradient on its first day.

    ```mlir
    %dx = vit.pullback(%x) of (%dy) {wrt = array<i64: 0>} : (tensor<?x4x8xf32>, tensor<?x8xf32>) -> tensor<?x4x8xf32> {
    ^bb0(%a: tensor<?x4x8xf32>):
      %y = vit.pool %a {kind = #vit.pool<avg>} : tensor<?x4x8xf32> -> tensor<?x8xf32>
      vit.yield %y : tensor<?x8xf32>
    }
    ```
    Constraints:
    - (C1) The region's arguments have the inputs' types, what it yields has the upstream's.
    - (C2) `wrt` names inputs, each once, and there is a result of the input's type for each.
  }];
  let arguments = (ins Variadic<AnyTypeOf<[Vit_Weight, Vit_Tokens]>>:$inputs, Variadic<AnyTypeOf<[Vit_Weight, Vit_Tokens]>>:$upstream,
                       DenseI64ArrayAttr:$wrt);
  let results = (outs Variadic<AnyTypeOf<[Vit_Weight, Vit_Tokens]>>:$values);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "`(` $inputs `)` `of` `(` $upstream `)` attr-dict `:` functional-type(operands, results) $body";
  let hasVerifier = 1;
}

def Vit_YieldOp : Vit_Op<"yield", [Terminator, ReturnLike, ParentOneOf<["PullbackOp"]>]> {
  let summary = "the results of a pullback's region";
  let arguments = (ins Variadic<AnyTypeOf<[Vit_Weight, Vit_Tokens]>>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
}

#endif // VITC_DIALECTS_VIT_VITGRADIENTOPS_TD
