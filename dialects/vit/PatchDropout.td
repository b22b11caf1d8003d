//===- PatchDropout.td - training on a part of the patches -------------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_VIT_PATCHDROPOUT_TD
#define VITC_DIALECTS_VIT_PATCHDROPOUT_TD

include "dialects/vit/VitBase.td"

def Vit_DropPatchesOp : Vit_DifferentiableOp<"drop_patches"> {
  let summary = "of each image's patches so many at random, in their order, behind the prefix tokens";
  let description = [{
    input [B, P + N, D] -> [B, P + K, D]: the first P = `prefix` rows, then K of the N others (patch dropout, Li et al. 2023; timm's
    `PatchDropout(ordered=True)`). Patch e draws the upper 24 bits of w, as `vit.dropout` draws w for element e; the K smallest numbers are
    kept, the earlier of two equal ones. So each patch is kept with probability K / N, and nothing is scaled.

    Constraints:
    - (C1) The key is [B, 4].
    - (C2) `prefix` is at least 0, and 1 <= K <= N.
    - (C3) Input and result are [B, T, D] of one B and D.
  }];
  let arguments = (ins Vit_Tokens:$input, Vit_Tokens:$key, I64Attr:$prefix, I64Attr:$stream);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$input `,` $key attr-dict `:` type($input) `,` type($key) `->` type($value)";
  let hasVerifier = 1;
}

def Vit_DropPatchesGradOp : Vit_ReferenceOp<"drop_patches_grad"> {
  let summary = "gradient of `vit.drop_patches` with respect to its input: kept rows back in their places, the others 0";
  let description = [{
    upstream [B, P + K, D] -> [B, P + N, D]; the numbers are drawn again.

    Constraints: those of `vit.drop_patches`, of the upstream gradient in its result's place.
  }];
  let arguments = (ins Vit_Tokens:$upstream, Vit_Tokens:$key, I64Attr:$prefix, I64Attr:$stream);
  let results = (outs Vit_Tokens:$value);
  let assemblyFormat = "$upstream `,` $key attr-dict `:` type($upstream) `,` type($key) `->` type($value)";
  let hasVerifier = 1;
}

#endif // VITC_DIALECTS_VIT_PATCHDROPOUT_TD
