//===- DeviceSchedules.td - how blocks of threads share a launch ------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_DEVICE_DEVICESCHEDULES_TD
#define VITC_DIALECTS_DEVICE_DEVICESCHEDULES_TD

include "dialects/device/DeviceDialect.td"

class Device_Schedule<string name, string mnemonic_> : AttrDef<Device_Dialect, name> {
  let mnemonic = mnemonic_;
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Device_WarpProductAttr : Device_Schedule<"WarpProduct", "warp_product"> {
  let summary = "a product whose warps multiply with `mma.sync`";
  let description = [{
    A block has a tile of `rows` x `columns`, divided among `warps_down` x `warps_across` warps; `stages` steps of `depth` elements of K are in
    shared memory or on their way there. With `parts` > 1 so many blocks have a tile, each a part of K; the last of them that is done adds up
    what all have left in global memory, in their order.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "int64_t":$depth, "int64_t":$warps_down, "int64_t":$warps_across,
                        "int64_t":$stages, DefaultValuedParameter<"int64_t", "1">:$parts);
}

def Device_WarpgroupProductAttr : Device_Schedule<"WarpgroupProduct", "warpgroup_product"> {
  let summary = "a product whose warpgroups multiply with `wgmma`";
  let description = [{
    A tile has 64 rows for each of `consumers` warpgroups and `columns` columns; `stages` steps of 128 bytes of K are in shared memory or on
    their way there; `parts` as in warp_product.
  }];
  let parameters = (ins "int64_t":$consumers, "int64_t":$columns, "int64_t":$stages, DefaultValuedParameter<"int64_t", "1">:$parts);
}

#endif // VITC_DIALECTS_DEVICE_DEVICESCHEDULES_TD
