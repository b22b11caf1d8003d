//===- VitDialect.td - the vit dialect, its attributes and interfaces ------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_VITDIALECT_TD
#define VITC_DIALECTS_VIT_VITDIALECT_TD

include "dialects/vit/VitInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Vit_Dialect : Dialect {
  let name = "vit";
  let cppNamespace = "::vitc::vit";
  let summary = "what a Vision Transformer computes";
  let description = [{
    Operations on tensors as a person who knows Vision Transformers would name them. Activations are `tensor<?xTxDxf32>`: images (dynamic),
    tokens, width; images are `tensor<?xCxHxWxf32>`. Weights are values too: `vit.weight` names a tensor of the model, its data stays
    outside the IR. Whatever is computed from weights alone becomes the binding program (see docs/architecture.md).

    The location of an operation is a `loc("blocks.0.attn")`: the name of the layer whose value it computes, which plans, traces and
    comparisons show.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

//===--------------------------------------------------------------------------------------===//
// Attributes
//===--------------------------------------------------------------------------------------===//

def Vit_Activation : I32EnumAttr<"Activation", "point-wise function", [
    I32EnumAttrCase<"None", 0, "none">,
    I32EnumAttrCase<"Relu", 1, "relu">,
    I32EnumAttrCase<"GeluErf", 2, "gelu_erf">,     // x Phi(x)
    I32EnumAttrCase<"GeluTanh", 3, "gelu_tanh">,   // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    I32EnumAttrCase<"QuickGelu", 4, "quick_gelu">, // x sigmoid(1.702 x)
    I32EnumAttrCase<"Silu", 5, "silu">,
    I32EnumAttrCase<"Tanh", 6, "tanh">,
    I32EnumAttrCase<"Sigmoid", 7, "sigmoid">]> {
  let cppNamespace = "::vitc::vit";
  let genSpecializedAttr = 0;
}
def Vit_ActivationAttr : EnumAttr<Vit_Dialect, Vit_Activation, "activation"> { let assemblyFormat = "`<` $value `>`"; }

def Vit_NormKind : I32EnumAttr<"NormKind", "what a row is normalized by", [
    I32EnumAttrCase<"Layer", 0, "layer">,          // (x - mean) / sqrt(var + eps), biased variance
    I32EnumAttrCase<"Rms", 1, "rms">]> {           // x / sqrt(mean(x^2) + eps)
  let cppNamespace = "::vitc::vit";
  let genSpecializedAttr = 0;
}
def Vit_NormKindAttr : EnumAttr<Vit_Dialect, Vit_NormKind, "norm"> { let assemblyFormat = "`<` $value `>`"; }

def Vit_Pool : I32EnumAttr<"Pool", "how tokens become one row", [
    I32EnumAttrCase<"Token", 0, "token">,          // row `index`
    I32EnumAttrCase<"Avg", 1, "avg">]> {           // mean of the rows from `index` on
  let cppNamespace = "::vitc::vit";
  let genSpecializedAttr = 0;
}
def Vit_PoolAttr : EnumAttr<Vit_Dialect, Vit_Pool, "pool"> { let assemblyFormat = "`<` $value `>`"; }

def Vit_WindowPool : I32EnumAttr<"WindowPool", "what a window of pixels becomes", [
    I32EnumAttrCase<"Max", 0, "max">,
    I32EnumAttrCase<"Avg", 1, "avg">]> {           // of the pixels that are there
  let cppNamespace = "::vitc::vit";
  let genSpecializedAttr = 0;
}
def Vit_WindowPoolAttr : EnumAttr<Vit_Dialect, Vit_WindowPool, "window_pool"> { let assemblyFormat = "`<` $value `>`"; }

def Vit_RotaryLayout : I32EnumAttr<"RotaryLayout", "which elements of a head form a rotated pair", [
    I32EnumAttrCase<"Interleaved", 0, "interleaved">, // (2i, 2i+1): EVA-02
    I32EnumAttrCase<"Halves", 1, "halves">]> {        // (i, i + d/2): DINOv3
  let cppNamespace = "::vitc::vit";
  let genSpecializedAttr = 0;
}
def Vit_RotaryLayoutAttr : EnumAttr<Vit_Dialect, Vit_RotaryLayout, "rotary_layout"> { let assemblyFormat = "`<` $value `>`"; }

//===--------------------------------------------------------------------------------------===//
// Types
//===--------------------------------------------------------------------------------------===//

class Vit_Tensor<string predicate, string description>
    : Type<CPred<"::vitc::vit::" # predicate # "($_self)">, description, "::mlir::RankedTensorType">;

def Vit_Images : Vit_Tensor<"isImages", "images: an f32 tensor [B, C, H, W], of which only the batch may be dynamic">;
def Vit_Tokens : Vit_Tensor<"isActivation", "an activation: an f32 tensor [B, .., D], of which only the batch may be dynamic">;
def Vit_Weight : Vit_Tensor<"isWeight", "a weight: an f32 tensor of static shape, rank 1 or more">;

#endif // VITC_DIALECTS_VIT_VITDIALECT_TD
