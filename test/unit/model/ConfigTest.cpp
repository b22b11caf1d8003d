//===- ConfigTest.cpp - keys, JSON, overrides, contradictions ---------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "TestModels.h"

#include "compiler/model/ConfigJson.h"
#include "compiler/model/Presets.h"

#include "gmock/gmock.h"

using namespace vitc;
using namespace vitc::test;
using testing::HasSubstr;

namespace {

constexpr const char *tiny = "vit_tiny_patch16_224";

std::string parseRefusal(const std::string &text) {
  llvm::Expected<ModelConfig> config = parseConfig(text, "m.json");
  if (!config)
    return llvm::toString(config.takeError());
  ADD_FAILURE() << text << " is not refused";
  return "";
}

TEST(Config, PrintedConfigsReadBackTheSame) {
  for (ModelConfig config : presets()) {
    config.labels = {"cat", "\"dog\""};
    std::string printed = printConfig(config);
    llvm::Expected<ModelConfig> again = parseConfig(printed, "printed");
    ASSERT_TRUE(static_cast<bool>(again)) << llvm::toString(again.takeError());
    EXPECT_EQ(printConfig(*again), printed);
  }
}

TEST(Config, EveryFieldSurvivesPrinting) {
  // Any value that differs from the default must differ in print, else a field is missing from the table's writers.
  std::string defaults = printConfig(ModelConfig());
  for (const char *assignment : {"name=x",
                                 "family=flax",
                                 "image_size=[32, 48]",
                                 "patch_size=[8, 4]",
                                 "in_channels=1",
                                 "patch_bias=false",
                                 "stem=resnetv2",
                                 "stem_layers=[3, 4]",
                                 "stem_width=0.5",
                                 "class_token=false",
                                 "distillation_token=true",
                                 "reg_tokens=4",
                                 "position=none",
                                 "position_on=patches",
                                 "position_rows=5000",
                                 "sincos_layout=halves",
                                 "sincos_first=row",
                                 "relative_position=mlp",
                                 "relative_position_hidden=7",
                                 "rope=cat",
                                 "rope_offset=1",
                                 "rope_indexing=xy",
                                 "rope_rotate_half=true",
                                 "rope_reference_grid=16",
                                 "patch_norm=true",
                                 "weight_patch_size=8",
                                 "position_grid=[7, 9]",
                                 "position_resize=bilinear",
                                 "position_square=true",
                                 "parallel_fused=true",
                                 "attention=differential",
                                 "qkv_fused=false",
                                 "attention_norm=true",
                                 "window_size=14",
                                 "global_blocks=[2, 5]",
                                 "gate_packed=false",
                                 "pool_heads=3",
                                 "pool_mlp_ratio=2",
                                 "pool_include_prefix=true",
                                 "neck_channels=256",
                                 "attention=talking_heads",
                                 "class_blocks=2",
                                 "final_norm_eps=0.001",
                                 "rope_theta=100",
                                 "norm_pre=true",
                                 "embed_dim=8",
                                 "depth=3",
                                 "num_heads=2",
                                 "head_dim=5",
                                 "mlp_ratio=2",
                                 "mlp_dim=7",
                                 "transformer=false",
                                 "block=post_norm",
                                 "parallel_branches=2",
                                 "qkv_bias=qv",
                                 "qkv_packing=heads",
                                 "qk_norm=true",
                                 "proj_bias=false",
                                 "attention_scale=heads",
                                 "attention_scale=0.5",
                                 "activation=relu",
                                 "gated_mlp=true",
                                 "mlp_bias=false",
                                 "gate_bias=false",
                                 "mlp_norm=true",
                                 "norm=rms",
                                 "norm_eps=0",
                                 "layer_scale=0.1",
                                 "final_norm=false",
                                 "fc_norm=true",
                                 "pool=avg",
                                 "head_hidden=4",
                                 "head_activation=relu",
                                 "head_bias=false",
                                 "head_distillation=true",
                                 "num_classes=0",
                                 "dropout=0.1",
                                 "attention_dropout=0.1",
                                 "embedding_dropout=0.1",
                                 "drop_path=0.1",
                                 "patch_dropout=0.5",
                                 "resize=false",
                                 "crop_pct=1",
                                 "resize_size=300",
                                 "crop_mode=squash",
                                 "crop=false",
                                 "crop_rounding=floor",
                                 "interpolation=bilinear",
                                 "rescale=multiply",
                                 "mean=0",
                                 "std=2",
                                 "labels=[\"a\"]",
                                 "classifier=gap",
                                 "no_embed_class=true",
                                 "num_patch_row=2"}) {
    ModelConfig config;
    llvm::Error error = applyOverride(config, assignment);
    EXPECT_FALSE(static_cast<bool>(error)) << llvm::toString(std::move(error));
    EXPECT_NE(printConfig(config), defaults) << assignment;
    llvm::Expected<ModelConfig> again = parseConfig(printConfig(config), "printed");
    ASSERT_TRUE(static_cast<bool>(again)) << llvm::toString(again.takeError());
    EXPECT_EQ(printConfig(*again), printConfig(config)) << assignment;
  }
}

TEST(Config, NamesOfTimmAndTransformersAreAliases) {
  ModelConfig config = resolve(tiny, {"img_size=96", "hidden_size=96", "num_attention_heads=4", "intermediate_size=100",
                                      "layer_norm_eps=1e-5", "drop_rate=0.2", "act_layer=gelu_tanh", "init_values=1e-5", "global_pool=avg"})
                           .config;
  EXPECT_EQ(config.imageWidth, 96);
  EXPECT_EQ(config.embedDim, 96);
  EXPECT_EQ(config.headWidth(), 24);
  EXPECT_EQ(config.mlpWidth(), 100);
  EXPECT_EQ(config.normEps, 1e-5);
  EXPECT_EQ(config.dropout, 0.2);
  EXPECT_EQ(config.activation, Activation::GeluTanh);
  EXPECT_EQ(config.layerScale, 1e-5);
  EXPECT_EQ(config.pool, Pool::Avg);
}

TEST(Config, ARatioThatComesAfterAWidthReplacesIt) {
  EXPECT_EQ(resolve(tiny, {"mlp_dim=100", "mlp_ratio=2"}).config.mlpWidth(), 384);
  EXPECT_EQ(resolve(tiny, {"mlp_ratio=2", "mlp_dim=100"}).config.mlpWidth(), 100);
}

TEST(Config, AnUnknownKeyIsAnsweredWithTheNearest) {
  EXPECT_EQ(refusal(tiny, {"num_class=10"}), "--set num_class=10: there is no config key 'num_class'; the nearest is 'num_classes'");
  EXPECT_THAT(refusal(tiny, {"hiddensize=10"}), HasSubstr("the nearest is 'hidden_size'"));
  EXPECT_THAT(parseRefusal(R"({"depht": 3, "embed": 4})"), testing::AllOf(HasSubstr("the nearest is 'depth'"), HasSubstr("'embed'")));
}

TEST(Config, WrongValuesNameKeyValueAndExpectation) {
  EXPECT_EQ(refusal(tiny, {"depth=many"}), "--set depth=many: depth is \"many\", expected an integer from 0 to 4096");
  EXPECT_THAT(refusal(tiny, {"depth=-1"}), HasSubstr("depth is -1, expected an integer"));
  EXPECT_THAT(refusal(tiny, {"depth=18446744073709551615"}), HasSubstr("expected an integer"));
  EXPECT_THAT(refusal(tiny, {"depth=1.5"}), HasSubstr("expected an integer"));
  EXPECT_THAT(refusal(tiny, {"activation=gelus"}), HasSubstr("expected one of identity, relu, gelu, gelu_tanh"));
  EXPECT_THAT(refusal(tiny, {"image_size=[224]"}), HasSubstr("or [height, width]"));
  EXPECT_THAT(refusal(tiny, {"std=0"}), HasSubstr("expected a positive number"));
  EXPECT_THAT(refusal(tiny, {"norm_eps=nan"}), HasSubstr("expected a number from 0 to 1"));
  EXPECT_THAT(refusal(tiny, {"class_token=1"}), HasSubstr("expected true or false"));
  EXPECT_THAT(refusal(tiny, {"attention_scale=-2"}), HasSubstr("1/sqrt(head_dim)"));
  EXPECT_EQ(refusal(tiny, {"depth"}), "--set depth has no value, expected KEY=VALUE");
}

TEST(Config, HeadsThatDoNotDivide) {
  EXPECT_THAT(refusal(tiny, {"num_heads=5"}), HasSubstr("embed_dim 192 is not divisible by num_heads 5"));
  EXPECT_EQ(resolve(tiny, {"num_heads=5", "head_dim=40"}).config.attentionWidth(), 200);
}

TEST(Config, PixelsThatFillNoPatchAreDroppedAsTheHomeDoes) {
  LoadedModel timm = resolve(tiny, {"image_size=230"});
  EXPECT_EQ(timm.config.patches(), 14 * 14);
  ASSERT_EQ(timm.warnings.size(), 1u);
  EXPECT_THAT(timm.warnings[0], HasSubstr("the last 6 rows and 6 columns of pixels fill no patch"));
  EXPECT_TRUE(resolve(tiny).warnings.empty());
  EXPECT_THAT(refusal("vit_b_16", {"image_size=230"}), HasSubstr("not a multiple of patch_size 16x16, which a torchvision model requires"));
  EXPECT_THAT(refusal(tiny, {"image_size=8"}), HasSubstr("patch_size 16x16 is larger than image_size 8x8"));
}

TEST(Config, ContradictionsAreAllListed) {
  std::string text = refusal(tiny, {"num_heads=5", "class_token=false", "labels=[\"a\"]"});
  EXPECT_THAT(text, HasSubstr("num_heads 5"));
  EXPECT_THAT(text, HasSubstr("pool=token needs a class token"));
  EXPECT_THAT(text, HasSubstr("1 labels for num_classes 1000"));
  EXPECT_THAT(refusal("vit_base_patch16_224_dino", {"in_channels=1"}), HasSubstr("mean has 3 values, but in_channels is 1"));
  EXPECT_EQ(resolve(tiny, {"in_channels=1"}).config.preprocess.mean, std::vector<double>{0.5});
  EXPECT_THAT(refusal("labml-vit", {"position_rows=10"}), HasSubstr("position_rows is 10, but image_size 32x32 needs 64 rows"));
  EXPECT_THAT(refusal(tiny, {"crop=false"}), HasSubstr("no centre crop"));
  EXPECT_THAT(refusal("notebook-vit", {"image_size=10", "num_patch_row=4"}), HasSubstr("cuts image_size into exactly so many rows"));
}

TEST(Config, SwitchesThatExcludeEachOther) {
  for (auto [overrides, text] : std::vector<std::pair<std::vector<std::string>, const char *>>{
           {{"attention=differential", "rope=cat"}, "attention=differential has neither qk_norm, rope nor relative positions"},
           {{"attention=differential", "num_heads=64"}, "head width 3 is odd"},
           {{"block=parallel", "qkv_bias=qv"}, "block=parallel has a bias for all of qkv or for none"},
           {{"attention=differential", "attention_scale=0.5"}, "attention_scale must be head_dim"},
           {{"block=parallel", "mlp_bias=false"}, "mlp_bias must be true"},
           {{"rope=dinov3", "rope_reference_grid=16"}, "rope_reference_grid is defined for rope=cat only"},
           {{"global_blocks=[1]"}, "global_blocks needs window_size"},
           {{"stem=resnetv2", "stem_width=0.3", "patch_size=1"}, "no multiple of GroupNorm's 32 groups"},
           {{"block=parallel", "mlp_norm=true"}, "block=parallel has neither gated_mlp, mlp_norm nor attention_norm"},
           {{"parallel_fused=true"}, "parallel_fused is defined for block=parallel only"},
           {{"rope=mixed", "rope_rotate_half=true"}, "rope_rotate_half must be false"},
           {{"rope=mixed", "parallel_branches=2"}, "rope=mixed has frequencies for one attention a block, not for 2"},
           {{"rope=cat", "num_heads=32"}, "head width 6 is not a multiple of 4"},
           {{"relative_position=shared_table", "reg_tokens=1"}, "entries for the class token and no other prefix token"},
           {{"pool=map", "pool_heads=5"}, "is not divisible by the 5 heads of pool=map"},
           {{"position=factorized", "position_on=patches", "position_resize=bicubic"}, "position_resize must be home"},
           {{"position=factorized"}, "position=factorized has rows for the patches alone"},
           {{"position_rows=5000", "position_grid=14"}, "position_rows and position_grid contradict each other"}})
    EXPECT_THAT(refusal(tiny, overrides), HasSubstr(text));
}

TEST(Config, FilesMayStartFromAPreset) {
  TemporaryFolder folder;
  LoadedModel loaded =
      resolve(folder.write("mine.json", R"({"base": "vit_tiny_patch16_224", "num_classes": 10, "mlp_dim": 100, "mlp_ratio": 2})"));
  EXPECT_EQ(loaded.config.name, "mine");
  EXPECT_EQ(loaded.config.embedDim, 192);
  EXPECT_EQ(loaded.config.mlpWidth(), 100); // whatever the order of keys in the file
  EXPECT_THAT(parseRefusal(R"({"base": "vit_tinny"})"), HasSubstr("there is no model 'vit_tinny'"));
  EXPECT_THAT(parseRefusal(R"({"base": 3})"), HasSubstr("expected the name of a preset"));
}

TEST(Config, BrokenFilesAreRefusedWithASentence) {
  EXPECT_THAT(parseRefusal("{\"depth\": 3"), HasSubstr("m.json is not valid JSON: parse error at line 1, column"));
  EXPECT_THAT(parseRefusal("[1]"), HasSubstr("m.json holds array, expected an object"));
  EXPECT_THAT(parseRefusal(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(parseRefusal(R"({"hidden_size": 8, "embed_dim": 8})"), HasSubstr("are names of the same key"));
  EXPECT_THAT(refusal("no-such-file.json"), HasSubstr("cannot read no-such-file.json"));
  TemporaryFolder folder;
  EXPECT_THAT(refusal(folder.path.string()), HasSubstr("is no model: it has neither a config.json"));
}

TEST(Config, DeepNestingIsRefusedBeforeItCanOverflowTheStack) {
  auto lists = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  for (size_t depth : {size_t{65}, size_t{500'000}}) {
    EXPECT_EQ(parseRefusal("{\"mean\": " + lists(depth) + "}"),
              "m.json nests lists or objects deeper than 64 levels, expected at most that many");
    EXPECT_EQ(refusal(tiny, {"mean=" + lists(depth)}),
              "--set mean: the value nests lists or objects deeper than 64 levels, expected at most that many");
  }
  std::string objects;
  for (int i = 0; i < 500'000; ++i)
    objects += "{\"depth\":";
  EXPECT_THAT(parseRefusal(objects), HasSubstr("deeper than 64 levels"));
  TemporaryFolder folder;
  EXPECT_THAT(refusal(folder.write("deep.json", lists(500'000))), HasSubstr("deep.json nests lists or objects deeper than 64 levels"));
}

TEST(Config, BracketsCountWhereTheyNest) {
  std::string brackets(100, '[');
  EXPECT_EQ(resolve(tiny, {"num_classes=1", "labels=[\"" + brackets + "\"]"}).config.labels, std::vector<std::string>{brackets});
  EXPECT_EQ(resolve(tiny, {"num_classes=1", "labels=[\"\\\"" + brackets + "\"]"}).config.labels, std::vector<std::string>{'"' + brackets});
  std::string sideBySide;
  for (int i = 0; i < 100; ++i)
    sideBySide += i ? ",[]" : "[]";
  EXPECT_THAT(refusal(tiny, {"mean=[" + sideBySide + "]"}), HasSubstr("expected a number, or one for each channel"));
  EXPECT_THAT(refusal(tiny, {"mean=" + std::string(64, '[') + std::string(64, ']')}),
              HasSubstr("expected a number, or one for each channel"));
}

/// docs/config.md ends with the table of keys, docs/config.schema.json is the schema; both are written anew where VITC_UPDATE_DOCS is set.
TEST(Config, DocumentationIsCurrent) {
  std::filesystem::path docs = VITC_DOCS_DIR;
  std::string text = readText(docs / "config.md"), marker = "<!-- keys -->\n";
  size_t at = text.find(marker);
  ASSERT_NE(at, std::string::npos);
  std::string wanted = text.substr(0, at) + marker + configReference();
  if (std::getenv("VITC_UPDATE_DOCS")) {
    std::ofstream(docs / "config.md") << wanted;
    std::ofstream(docs / "config.schema.json") << configSchema();
  }
  EXPECT_EQ(readText(docs / "config.md"), wanted);
  EXPECT_EQ(readText(docs / "config.schema.json"), configSchema());
}

} // namespace
