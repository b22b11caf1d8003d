//===- PixelOps.td - images as they are decoded -----------------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_PIXELOPS_TD
#define VITC_DIALECTS_VIT_PIXELOPS_TD

include "dialects/vit/VitBase.td"

def Vit_Pixels : Vit_Tensor<"isPixels", "pixels: an i8 tensor [B, H, W, C] of unsigned numbers, of which only the batch may be dynamic">;

def Vit_NormalizeImagesOp : Vit_ReferenceOp<"normalize_images"> {
  let summary = "decoded pictures as a network's images";
  let description = [{
    pixels [B, H, W, C], bytes from 0 to 255 -> images [B, C, H, W]: (pixel / 255 - mean[c]) / std[c], each step rounded to f32, as torchvision's ToTensor
    and Normalize; with `multiply` pixel / 255 is f32(f64(pixel) * (1 / 255)), as transformers' rescale.

    ```mlir
    %x = vit.normalize_images %p {mean = array<f32: 0.5, 0.5, 0.5>, std = array<f32: 0.5, 0.5, 0.5>} : tensor<?x224x224x3xi8> -> tensor<?x3x224x224xf32>
    ```
    Constraints:
    - (C1) Pixels and images have the same numbers of images, rows, columns and channels.
    - (C2) There is one mean and one standard deviation, other than 0, for each channel.
  }];
  let arguments = (ins Vit_Pixels:$pixels, DenseF32ArrayAttr:$mean, DenseF32ArrayAttr:$std, UnitAttr:$multiply);
  let results = (outs Vit_Images:$images);
  let assemblyFormat = "$pixels attr-dict `:` type($pixels) `->` type($images)";
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_VIT_PIXELOPS_TD
