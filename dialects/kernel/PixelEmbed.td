//===- PixelEmbed.td - patch embedding of pictures as they are decoded ------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_PIXELEMBED_TD
#define VITC_DIALECTS_KERNEL_PIXELEMBED_TD

include "dialects/kernel/KernelDialect.td"
include "dialects/kernel/KernelInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_Pixels : TensorOf<[I8]>;
def Kernel_PixelEmbedTensor : TensorOf<[F32, BF16, F16]>;

def Kernel_PixelEmbedOp : Op<Kernel_Dialect, "pixel_embed",
                             [Pure, AttrSizedOperandSegments,
                              DeclareOpInterfaceMethods<KernelLaunchInterface, ["chooseSchedule", "getFlopPerImage", "getOperandRole"]>]> {
  let summary = "`kernel.patch_embed` of `vit.normalize_images`: pixels are read in place, and normalised on their way into the product";
  let description = [{
    pixels [B, H, W, C]; weight [D, P Q C] with columns in (P, Q, C) order, as pixels lie; position, prefix and result as those of `kernel.patch_embed`;
    `mean`, `std` and `multiply` as those of `vit.normalize_images`. For GPUs.
  }];
  let arguments = (ins Kernel_Pixels:$pixels, Kernel_PixelEmbedTensor:$weight, Optional<Kernel_PixelEmbedTensor>:$position,
      Optional<Kernel_PixelEmbedTensor>:$prefix, DenseI64ArrayAttr:$patch, DenseF32ArrayAttr:$mean, DenseF32ArrayAttr:$std,
      UnitAttr:$multiply);
  let results = (outs Kernel_PixelEmbedTensor:$value);
  let assemblyFormat = [{
    $pixels `,` $weight (`position` `(` $position^ `:` type($position) `)`)? (`prefix` `(` $prefix^ `:` type($prefix) `)`)? attr-dict
    `:` type($pixels) `,` type($weight) `->` type($value)
  }];
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_KERNEL_PIXELEMBED_TD
