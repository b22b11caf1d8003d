//===- LayerNameTest.cpp - locations as layer names ---------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/vit/LayerName.h"

#include "mlir/IR/Builders.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace vitc;

namespace {

struct LayerName : testing::Test {
  MLIRContext context;
  Location unknown = UnknownLoc::get(&context);
  Location named(StringRef name) { return NameLoc::get(StringAttr::get(&context, name), unknown); }
};

TEST_F(LayerName, IsTheLocationsName) {
  EXPECT_EQ(layerName(named("blocks.0.attn")), "blocks.0.attn");
  EXPECT_EQ(layerName(unknown), "");
  EXPECT_EQ(layerName(FileLineColLoc::get(&context, "model.mlir", 3, 1)), "");
}

TEST_F(LayerName, OfAFusionIsThatOfItsLastNamedPart) {
  EXPECT_EQ(layerName(FusedLoc::get(&context, {named("blocks.0.mlp.fc1"), named("blocks.0.mlp.act"), unknown})), "blocks.0.mlp.act");
}

TEST_F(LayerName, OfACallIsTheCalleesName) { EXPECT_EQ(layerName(CallSiteLoc::get(named("callee"), named("caller"))), "callee"); }

TEST_F(LayerName, OfAPartIsDotted) {
  EXPECT_EQ(layerName(childLoc(named("blocks.0.attn"), "qkv")), "blocks.0.attn.qkv");
  EXPECT_EQ(layerName(childLoc(unknown, "qkv")), "qkv");
}

} // namespace
