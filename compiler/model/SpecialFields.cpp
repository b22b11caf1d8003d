//===- SpecialFields.cpp - config fields of a kind of their own, and shorthands ---------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/FieldKinds.h"

#include <algorithm>

using namespace vitc;
using namespace vitc::fields;

//===--------------------------------------------------------------------------------------===//
// Fields of their own kind
//===--------------------------------------------------------------------------------------===//

ConfigField fields::qkvBiasField() {
  return {
      "qkv_bias",
      {"query_bias"},
      "true, false or \"qv\"",
      "biases of query, key and value; qv: of query and value alone (BEiT, EVA)",
      Json{{"enum", {true, false, "qv"}}},
      [](ModelConfig &config, const Json &value) {
        if (!value.is_boolean() && value != "qv")
          return false;
        config.qkvBias = !value.is_boolean() ? QkvBias::QueryValue : value.get<bool>() ? QkvBias::All : QkvBias::None;
        return true;
      },
      [](const ModelConfig &config) { return config.qkvBias == QkvBias::QueryValue ? Json("qv") : Json(config.qkvBias == QkvBias::All); }};
}

ConfigField fields::attentionScaleField() {
  return {"attention_scale",
          {"scale"},
          "head_dim for 1/sqrt(head_dim), heads for 1/sqrt(num_heads), or a number",
          "factor on the scores",
          Json{{"oneOf", Json::array({{{"enum", {"head_dim", "heads", "1/sqrt(head_dim)", "1/sqrt(heads)"}}},
                                      {{"type", "number"}, {"exclusiveMinimum", 0}}})}},
          [](ModelConfig &config, const Json &value) {
            if (value == "head_dim" || value == "1/sqrt(head_dim)") {
              config.attentionScale = AttentionScale::HeadDim;
            } else if (value == "heads" || value == "1/sqrt(heads)") {
              config.attentionScale = AttentionScale::Heads;
            } else if (value.is_number() && value.get<double>() > 0.0) {
              config.attentionScale = AttentionScale::Value;
              config.attentionScaleValue = value.get<double>();
            } else {
              return false;
            }
            return true;
          },
          [](const ModelConfig &config) {
            return config.attentionScale == AttentionScale::HeadDim ? Json("head_dim")
                   : config.attentionScale == AttentionScale::Heads ? Json("heads")
                                                                    : Json(config.attentionScaleValue);
          }};
}

ConfigField fields::layerScaleField() {
  return {"layer_scale",
          {"init_values", "layerscale_value", "layer_scale_init_value"},
          "a number from 0 to 1000, false or null",
          "a learned factor a channel on each branch, by its initial value; 0, false or null: none",
          Json{{"type", Json::array({"number", "boolean", "null"})}},
          [](ModelConfig &config, const Json &value) {
            bool none = value.is_null() || value == false;
            if (!none && (!value.is_number() || !(value.get<double>() >= 0.0 && value.get<double>() <= 1000.0)))
              return false;
            config.layerScale = none ? 0.0 : value.get<double>();
            return true;
          },
          [](const ModelConfig &config) { return config.layerScale == 0.0 ? Json() : Json(config.layerScale); }};
}

ConfigField fields::mlpRatioField() {
  // A ratio that is given after a width replaces it.
  ConfigField field =
      number("mlp_ratio", [](auto &c) -> auto & { return c.mlpRatio; }, 1e-3, 1024, "hidden width of the mlp over embed_dim");
  field.read = [read = field.read](ModelConfig &config, const Json &value) {
    if (!read(config, value))
      return false;
    config.mlpDim = 0;
    return true;
  };
  return field;
}

ConfigField fields::stemLayersField() {
  return {"stem_layers",
          {},
          "a list of at most 4 integers from 1 to 64",
          "bottlenecks in each stage of the stem; of stem=convolutions: stride and kernel size of each",
          Json{{"type", "array"}, {"maxItems", 4}, {"items", {{"type", "integer"}, {"minimum", 1}, {"maximum", 64}}}},
          [](ModelConfig &config, const Json &value) {
            if (!value.is_array() || value.size() > 4 || !llvm::all_of(value, [](const Json &v) { return isInteger(v, 1, 64); }))
              return false;
            config.stemLayers = value.get<std::vector<int64_t>>();
            return true;
          },
          [](const ModelConfig &config) { return Json(config.stemLayers); }};
}

ConfigField fields::globalBlocksField() {
  return {"global_blocks",
          {"global_attn_indexes"},
          "a list of integers from 0 to 4095",
          "blocks whose attention has no windows",
          Json{{"type", "array"}, {"items", {{"type", "integer"}, {"minimum", 0}, {"maximum", 4095}}}},
          [](ModelConfig &config, const Json &value) {
            if (!value.is_array() || !llvm::all_of(value, [](const Json &v) { return isInteger(v, 0, 4095); }))
              return false;
            config.globalBlocks = value.get<std::vector<int64_t>>();
            return true;
          },
          [](const ModelConfig &config) { return Json(config.globalBlocks); }};
}

ConfigField fields::labelsField() {
  return {"labels",
          {},
          "a list of strings",
          "names of the classes",
          Json{{"type", "array"}, {"items", {{"type", "string"}}}},
          [](ModelConfig &config, const Json &value) {
            if (!value.is_array() || !llvm::all_of(value, [](const Json &v) { return v.is_string(); }))
              return false;
            config.labels = value.get<std::vector<std::string>>();
            return true;
          },
          [](const ModelConfig &config) { return Json(config.labels); }};
}

//===--------------------------------------------------------------------------------------===//
// Shorthands
//===--------------------------------------------------------------------------------------===//

static ConfigField classifierShorthand() {
  return {"classifier",
          {},
          "one of token, gap, unpooled, token_unpooled",
          "Flax's name for pool and class_token together",
          Json{{"enum", {"token", "gap", "unpooled", "token_unpooled"}}},
          [](ModelConfig &config, const Json &value) {
            if (value != "token" && value != "gap" && value != "unpooled" && value != "token_unpooled")
              return false;
            config.classToken = value == "token" || value == "token_unpooled";
            config.pool = value == "token" ? Pool::Token : value == "gap" ? Pool::Avg : Pool::None;
            return true;
          },
          {}};
}

static ConfigField noEmbedClassShorthand() {
  return {"no_embed_class",
          {},
          "true or false",
          "timm's name for position_on=patches",
          Json{{"type", "boolean"}},
          [](ModelConfig &config, const Json &value) {
            if (!value.is_boolean())
              return false;
            config.positionOn = value.get<bool>() ? PositionOn::Patches : PositionOn::All;
            return true;
          },
          {}};
}

static ConfigField patchRowsShorthand() {
  return {"num_patch_row",
          {},
          "an integer that cuts image_size into exactly so many rows of patches",
          "the notebook's name: patch_size = image_size // num_patch_row",
          Json{{"type", "integer"}, {"minimum", 1}},
          [](ModelConfig &config, const Json &value) {
            // The notebook's table has num_patch_row^2 + 1 rows, its convolution floor(image / patch)^2 patches; where they differ its own
            // code fails.
            if (!isInteger(value, 1, std::min(config.imageHeight, config.imageWidth)))
              return false;
            int64_t rows = value.get<int64_t>(), height = config.imageHeight / rows, width = config.imageWidth / rows;
            if (config.imageHeight / height != rows || config.imageWidth / width != rows)
              return false;
            config.patchHeight = height;
            config.patchWidth = width;
            return true;
          },
          {}};
}

std::vector<ConfigField> fields::shorthandFields() { return {classifierShorthand(), noEmbedClassShorthand(), patchRowsShorthand()}; }
