//===- LayerName.cpp - locations are the model's layer names ------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/LayerName.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

StringRef vitc::layerName(Location loc) {
  return TypeSwitch<LocationAttr, StringRef>(loc)
      .Case([](NameLoc name) { return name.getName().getValue(); })
      .Case([](CallSiteLoc call) { return layerName(call.getCallee()); })
      .Case([](FusedLoc fused) -> StringRef {
        for (Location part : llvm::reverse(fused.getLocations()))
          if (StringRef name = layerName(part); !name.empty())
            return name;
        return {};
      })
      .Default([](LocationAttr) -> StringRef { return {}; });
}

Location vitc::childLoc(Location loc, StringRef part) {
  StringRef layer = layerName(loc);
  MLIRContext *context = loc.getContext();
  return NameLoc::get(layer.empty() ? StringAttr::get(context, part) : StringAttr::get(context, layer + "." + part));
}
