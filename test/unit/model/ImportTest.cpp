//===- ImportTest.cpp - configs as vit IR -----------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TestModels.h"

#include "compiler/frontend/Import.h"
#include "compiler/frontend/WeightNaming.h"
#include "compiler/model/Presets.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "gmock/gmock.h"

#include <map>
#include <set>

using namespace vitc;
using namespace vitc::test;
using testing::HasSubstr;

namespace {

std::string typeOf(mlir::Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

/// Imports, verifies, checks that the IR's weights are those that are named, and returns the result's type.
std::string import(const ModelConfig &config) {
  mlir::MLIRContext context;
  EXPECT_EQ(unsupportedSwitches(config), "");
  mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, config);
  EXPECT_TRUE(mlir::succeeded(mlir::verify(*module))) << config.name;
  std::set<std::string> used, named;
  module->walk([&](vit::WeightOp op) { used.insert(op.getSource().str()); });
  for (const Source &source : describeWeights(config).sources)
    named.insert(source.name);
  EXPECT_EQ(used, named) << config.name;
  return typeOf(module->lookupSymbol<mlir::func::FuncOp>("infer").getResultTypes().front());
}

/// Names of all layers, in the order of the operations.
std::vector<std::string> layers(const ModelConfig &config) {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, config);
  std::vector<std::string> names;
  module->walk([&](mlir::Operation *op) {
    if (mlir::isa<vit::VitDialect>(op->getDialect()) && mlir::isa<vit::PatchifyOp, vit::EmbedOp, vit::NormalizeOp, vit::AttentionOp,
                                                                  vit::MlpOp, vit::ResidualOp, vit::PoolOp, vit::LinearOp>(op))
      names.push_back(mlir::cast<mlir::NameLoc>(op->getLoc()).getName().str());
  });
  return names;
}

TEST(Import, EverySupportedPreset) {
  for (const ModelConfig &config : presets()) {
    EXPECT_EQ(unsupportedSwitches(config), "") << config.name;
    std::string width = std::to_string(config.outputWidth());
    if (config.pool != Pool::None)
      EXPECT_EQ(import(config), "tensor<?x" + width + "xf32>") << config.name;
  }
}

TEST(Import, LayersHaveTheModelsNames) {
  ModelConfig config = resolve("vit_tiny_patch16_224", {"depth=1"}).config;
  EXPECT_THAT(layers(config), testing::ElementsAre("patch_embed", "pos_embed", "blocks.0.norm1", "blocks.0.attn", "blocks.0.attn_residual",
                                                   "blocks.0.norm2", "blocks.0.mlp", "blocks.0", "norm", "pool", "head"));
}

TEST(Import, AStemIsImportedAsItsFrameworkComputesIt) {
  auto count = [](llvm::StringRef model, std::vector<std::string> overrides) {
    mlir::MLIRContext context;
    mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, resolve(model, std::move(overrides)).config);
    std::map<std::string, int> operations;
    module->walk([&](mlir::Operation *op) { ++operations[op->getName().getStringRef().str()]; });
    return operations;
  };
  auto v2 = count("vit_base_r50_s16_224", {"stem_layers=[1, 2]", "depth=1"});
  EXPECT_EQ(v2["vit.conv"], 1 + 3 * 3 + 2);
  EXPECT_EQ(v2["vit.standardize"], v2["vit.conv"]);
  EXPECT_EQ(v2["vit.group_norm"], v2["vit.conv"]);
  EXPECT_EQ(v2["vit.activation"], 1 + 3 * 3);
  auto d = count("vit_small_resnet26d_224", {"stem_layers=[1, 2]", "depth=1"});
  EXPECT_EQ(d["vit.conv"], 3 + 3 * 3 + 2);
  EXPECT_EQ(d["vit.batch_norm"], d["vit.conv"]);
  EXPECT_EQ(d["vit.standardize"], 0);
  EXPECT_EQ(d["vit.avg_pool"], 1);
  auto convolutions = count("vit_base_mci_224", {"depth=1"});
  EXPECT_EQ(convolutions["vit.conv"], 2);
  EXPECT_EQ(convolutions["vit.patchify"], 1);
}

TEST(Import, ParallelBranchesAllSeeTheSameInput) {
  ModelConfig config = resolve("vit_small_patch16_18x2_224", {"depth=1"}).config;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, config);
  std::vector<mlir::Value> inputs;
  module->walk([&](vit::NormalizeOp op) { inputs.push_back(op.getInput()); });
  ASSERT_EQ(inputs.size(), 5u); // two attentions, two mlps, the final one
  EXPECT_EQ(inputs[0], inputs[1]);
  EXPECT_EQ(inputs[2], inputs[3]);
  EXPECT_NE(inputs[1], inputs[2]);
}

TEST(Import, PostNormNormalizesTheBranch) {
  ModelConfig config = resolve("vit_base_patch16_rpn_224", {"depth=1"}).config;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, config);
  size_t branches = 0;
  module->walk([&](vit::ResidualOp op) { branches += op.getBranch().getDefiningOp<vit::NormalizeOp>() != nullptr; });
  EXPECT_EQ(branches, 2u);
}

TEST(Import, TheScoreScaleIsFree) {
  auto scaleOf = [](const ModelConfig &config) {
    mlir::MLIRContext context;
    mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, config);
    float scale = 0.0f;
    module->walk([&](vit::AttentionOp op) { scale = op.getScale().convertToFloat(); });
    return scale;
  };
  EXPECT_EQ(scaleOf(resolve("notebook-vit").config), 1.0f / std::sqrt(8.0f));
  EXPECT_EQ(scaleOf(resolve("notebook-vit", {"attention_scale=head_dim"}).config), 1.0f / std::sqrt(48.0f));
  EXPECT_EQ(scaleOf(resolve("notebook-vit", {"attention_scale=0.3"}).config), 0.3f);
}

TEST(Import, OutputsThatAreTaken) {
  mlir::MLIRContext context;
  auto outputs = [&](const ModelConfig &config, std::vector<std::string> take) {
    std::string problem;
    mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) { problem = diagnostic.str(); });
    mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, config, take);
    if (!module)
      return problem;
    std::string text;
    module->walk([&](mlir::func::FuncOp function) {
      for (auto [index, type] : llvm::enumerate(function.getResultTypes()))
        text += function.getResultAttrOfType<mlir::StringAttr>(index, "vit.output").str() + " " + typeOf(type) + "\n";
    });
    return text;
  };
  ModelConfig tiny = resolve("vit_tiny_patch16_224", {"depth=2"}).config;
  EXPECT_EQ(outputs(tiny, {}), "logits tensor<?x1000xf32>\n");
  EXPECT_EQ(outputs(tiny, {"attention.1", "features", "block.0", "tokens", "logits"}),
            "attention.1 tensor<?x3x197x197xf32>\nfeatures tensor<?x192xf32>\nblock.0 tensor<?x197x192xf32>\n"
            "tokens tensor<?x197x192xf32>\nlogits tensor<?x1000xf32>\n");
  EXPECT_EQ(outputs(resolve("vit_tiny_patch16_224", {"depth=2", "num_classes=0"}).config, {}), "features tensor<?x192xf32>\n");
  EXPECT_EQ(outputs(resolve("vit_tiny_patch16_224", {"depth=2", "num_classes=0", "pool=none"}).config, {}),
            "tokens tensor<?x197x192xf32>\n");
  EXPECT_EQ(outputs(tiny, {"block.7"}),
            "'vit_tiny_patch16_224' has no output 'block.7', the nearest is 'block.1'; it has features, logits, "
            "tokens, attention.0 to attention.1, block.0 to block.1");
  EXPECT_THAT(outputs(tiny, {"logits", "feature"}), testing::HasSubstr("has no output 'feature', the nearest is 'features'"));
  EXPECT_THAT(outputs(tiny, {"attention"}), testing::HasSubstr("the nearest is 'attention.0'"));
  EXPECT_THAT(outputs(tiny, {""}), testing::HasSubstr("has no output ''"));
  EXPECT_EQ(outputs(tiny, {"tokens", "tokens"}), "the output 'tokens' is taken twice");
  EXPECT_THAT(outputs(resolve("vit_tiny_patch16_224", {"depth=2", "final_norm=false"}).config, {"tokens", "block.1"}),
              testing::HasSubstr("'tokens' and 'block.1' are the same values"));
  EXPECT_EQ(outputs(resolve("vit_small_patch16_18x2_224", {"depth=1"}).config, {"attention.0.1"}),
            "attention.0.1 tensor<?x6x197x197xf32>\n");
}

TEST(Import, AMissingKeyBiasIsZero) {
  ModelConfig config = resolve("vit_tiny_patch16_224", {"qkv_bias=qv", "depth=1"}).config;
  EXPECT_EQ(import(config), "tensor<?x1000xf32>");
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module = importModel(context, config);
  size_t zeros = 0;
  module->walk([&](vit::ZerosOp op) { zeros += typeOf(op.getType()) == "tensor<3x64xf32>"; });
  EXPECT_EQ(zeros, 1u);
}

TEST(Import, SwitchesOfTheReferenceSystems) {
  EXPECT_EQ(import(resolve("labml-vit", {"activation=silu", "gated_mlp=true", "mlp_bias=false"}).config), "tensor<?x10xf32>");
  EXPECT_EQ(import(resolve("labml-vit", {"position_on=all"}).config), "tensor<?x10xf32>");
  EXPECT_EQ(import(resolve("labml-vit", {"image_size=[29, 43]"}).config), "tensor<?x10xf32>");
  EXPECT_EQ(import(resolve("slides-vit", {"head_hidden=null"}).config), "tensor<?x1000xf32>");
  EXPECT_EQ(import(resolve("csdn-vit", {"head_hidden=null"}).config), "tensor<?x1000xf32>");
  EXPECT_EQ(import(resolve("ViT-B_16", {"classifier=gap"}).config), "tensor<?x1000xf32>");
  EXPECT_EQ(import(resolve("ViT-B_16", {"classifier=unpooled"}).config), "tensor<?x196x1000xf32>");
  EXPECT_EQ(import(resolve("ViT-B_16", {"classifier=token_unpooled", "representation_size=24"}).config), "tensor<?x197x1000xf32>");
  EXPECT_EQ(import(resolve("ViT-B_16", {"representation_size=24", "num_classes=0"}).config), "tensor<?x24xf32>");
  EXPECT_EQ(import(resolve("ViT-B_16", {"position=none"}).config), "tensor<?x1000xf32>");
  EXPECT_EQ(import(resolve("ViT-B_16", {"transformer=false", "classifier=gap"}).config), "tensor<?x1000xf32>");
}

TEST(Import, RefusalListsEverySwitchAtOnce) {
  EXPECT_EQ(
      unsupportedSwitches(resolve("vit_tiny_patch16_224", {"transformer=false", "pool=token_avg", "head_hidden=8"}).config),
      "the model 'vit_tiny_patch16_224' needs what this version of vitc does not compile: pool=token_avg without a linear classifier, "
      "transformer=false with that pool");
}

TEST(Import, HuggingFaceFolders) {
  std::filesystem::path folder = sharedData() / "hf-goldens";
  VITC_SKIP_WITHOUT(folder);
  for (const char *model : {"vit", "deit", "deit_with_teacher", "dinov2", "dinov2_with_registers_swiglu"})
    EXPECT_EQ(import(resolve((folder / model).string()).config), "tensor<?x10xf32>") << model;
  EXPECT_EQ(import(resolve((folder / "vit_model").string()).config), "tensor<?x96xf32>");
  EXPECT_EQ(import(resolve((folder / "clip_vision").string()).config), "tensor<?x32xf32>");
  EXPECT_EQ(import(resolve((folder / "clip").string()).config), "tensor<?x32xf32>");
}

} // namespace
