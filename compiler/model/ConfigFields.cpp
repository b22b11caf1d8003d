//===- ConfigFields.cpp - the keys of a config, one row each ---------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/ConfigFields.h"

#include "compiler/model/Nearest.h"

#include "fmt/format.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace vitc;

namespace {
using Aliases = std::vector<llvm::StringRef>;
template <typename T> using Names = std::vector<std::pair<llvm::StringRef, T>>; // a value's first name is the one that is written
} // namespace

//===--------------------------------------------------------------------------------------===//
// Kinds of fields
//===--------------------------------------------------------------------------------------===//

static bool isInteger(const Json &value, int64_t low, int64_t high) {
  return value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(high)) &&
         value.get<int64_t>() >= low && value.get<int64_t>() <= high;
}

/// `none` writes and reads 0 as null: "derived from other fields".
template <typename Ref>
static ConfigField integer(llvm::StringRef key, Ref ref, int64_t low, int64_t high, llvm::StringRef description, Aliases aliases = {},
                           bool none = false) {
  std::string expectation = fmt::format("an integer from {} to {}{}", low, high, none ? ", or null" : "");
  Json schema = {{"type", none ? Json::array({"integer", "null"}) : Json("integer")}, {"minimum", low}, {"maximum", high}};
  return {key,
          std::move(aliases),
          expectation,
          description,
          schema,
          [=](ModelConfig &config, const Json &value) {
            if (none && value.is_null()) {
              ref(config) = 0;
              return true;
            }
            if (!isInteger(value, low, high))
              return false;
            ref(config) = value.get<int64_t>();
            return true;
          },
          [=](const ModelConfig &config) {
            int64_t value = ref(const_cast<ModelConfig &>(config));
            return none && value == 0 ? Json() : Json(value);
          }};
}

template <typename Ref>
static ConfigField number(llvm::StringRef key, Ref ref, double low, double high, llvm::StringRef description, Aliases aliases = {}) {
  return {key,
          std::move(aliases),
          fmt::format("a number from {} to {}", low, high),
          description,
          Json{{"type", "number"}, {"minimum", low}, {"maximum", high}},
          [=](ModelConfig &config, const Json &value) {
            if (!value.is_number() || !(value.get<double>() >= low && value.get<double>() <= high))
              return false;
            ref(config) = value.get<double>();
            return true;
          },
          [=](const ModelConfig &config) { return Json(ref(const_cast<ModelConfig &>(config))); }};
}

template <typename Ref> static ConfigField boolean(llvm::StringRef key, Ref ref, llvm::StringRef description, Aliases aliases = {}) {
  return {key,
          std::move(aliases),
          "true or false",
          description,
          Json{{"type", "boolean"}},
          [=](ModelConfig &config, const Json &value) {
            if (!value.is_boolean())
              return false;
            ref(config) = value.get<bool>();
            return true;
          },
          [=](const ModelConfig &config) { return Json(ref(const_cast<ModelConfig &>(config))); }};
}

template <typename Ref> static ConfigField text(llvm::StringRef key, Ref ref, llvm::StringRef description) {
  return {key,
          {},
          "a string",
          description,
          Json{{"type", "string"}},
          [=](ModelConfig &config, const Json &value) {
            if (!value.is_string())
              return false;
            ref(config) = value.get<std::string>();
            return true;
          },
          [=](const ModelConfig &config) { return Json(ref(const_cast<ModelConfig &>(config))); }};
}

template <typename T, typename Ref>
static ConfigField choice(llvm::StringRef key, Ref ref, Names<T> names, llvm::StringRef description, Aliases aliases = {}) {
  std::vector<std::string> canonical;
  Json all = Json::array();
  for (auto &[name, value] : names) {
    all.push_back(name.str());
    if (llvm::find_if(names, [v = value](auto &entry) { return entry.second == v; })->first == name)
      canonical.push_back(name.str());
  }
  return {key,
          std::move(aliases),
          "one of " + llvm::join(canonical, ", "),
          description,
          Json{{"enum", all}},
          [=](ModelConfig &config, const Json &value) {
            if (!value.is_string())
              return false;
            for (auto &[name, meant] : names)
              if (name == value.get_ref<const std::string &>()) {
                ref(config) = meant;
                return true;
              }
            return false;
          },
          [=](const ModelConfig &config) {
            for (auto &[name, meant] : names)
              if (meant == ref(const_cast<ModelConfig &>(config)))
                return Json(name.str());
            return Json();
          }};
}

/// An integer for both axes, or [height, width]. With `none`, 0 is null.
template <typename HeightRef, typename WidthRef>
static ConfigField size(llvm::StringRef key, HeightRef height, WidthRef width, llvm::StringRef description, Aliases aliases = {},
                        bool none = false) {
  constexpr int64_t most = 65536;
  Json side = {{"type", "integer"}, {"minimum", 1}, {"maximum", most}};
  Json schema = {{"oneOf", Json::array({side, {{"type", "array"}, {"items", side}, {"minItems", 2}, {"maxItems", 2}}})}};
  if (none)
    schema["oneOf"].push_back({{"type", "null"}});
  return {key,
          std::move(aliases),
          fmt::format("an integer from 1 to {}, or [height, width]{}", most, none ? ", or null" : ""),
          description,
          schema,
          [=](ModelConfig &config, const Json &value) {
            bool pair = value.is_array() && value.size() == 2 && isInteger(value[0], 1, most) && isInteger(value[1], 1, most);
            bool empty = none && value.is_null();
            if (!pair && !empty && !isInteger(value, 1, most))
              return false;
            height(config) = empty ? 0 : pair ? value[0].get<int64_t>() : value.get<int64_t>();
            width(config) = empty ? 0 : pair ? value[1].get<int64_t>() : value.get<int64_t>();
            return true;
          },
          [=](const ModelConfig &config) {
            auto &mutableConfig = const_cast<ModelConfig &>(config);
            int64_t h = height(mutableConfig), w = width(mutableConfig);
            return none && h == 0 ? Json() : h == w ? Json(h) : Json::array({h, w});
          }};
}

/// A number for all channels, or one for each.
template <typename Ref>
static ConfigField channels(llvm::StringRef key, Ref ref, bool positive, llvm::StringRef description, Aliases aliases = {}) {
  Json one = {{"type", "number"}};
  if (positive)
    one["exclusiveMinimum"] = 0;
  Json schema = {{"oneOf", Json::array({one, {{"type", "array"}, {"items", one}, {"minItems", 1}}})}};
  return {key,
          std::move(aliases),
          positive ? "a positive number, or one for each channel" : "a number, or one for each channel",
          description,
          schema,
          [=](ModelConfig &config, const Json &value) {
            Json list = value.is_array() ? value : Json::array({value});
            if (list.empty() || !llvm::all_of(list, [&](const Json &v) { return v.is_number() && (!positive || v.get<double>() > 0.0); }))
              return false;
            ref(config) = list.get<std::vector<double>>();
            return true;
          },
          [=](const ModelConfig &config) { return Json(ref(const_cast<ModelConfig &>(config))); }};
}

//===--------------------------------------------------------------------------------------===//
// Fields of their own kind
//===--------------------------------------------------------------------------------------===//

static ConfigField qkvBiasField() {
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

static ConfigField attentionScaleField() {
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

static ConfigField layerScaleField() {
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

static ConfigField mlpRatioField() {
  // A ratio that is given after a width replaces it.
  ConfigField field =
      number("mlp_ratio", [](ModelConfig &c) -> double & { return c.mlpRatio; }, 1e-3, 1024, "hidden width of the mlp over embed_dim");
  field.read = [read = field.read](ModelConfig &config, const Json &value) {
    if (!read(config, value))
      return false;
    config.mlpDim = 0;
    return true;
  };
  return field;
}

static ConfigField stemLayersField() {
  return {"stem_layers",
          {},
          "a list of at most 4 integers from 1 to 64",
          "bottlenecks in each stage of the stem",
          Json{{"type", "array"}, {"maxItems", 4}, {"items", {{"type", "integer"}, {"minimum", 1}, {"maximum", 64}}}},
          [](ModelConfig &config, const Json &value) {
            if (!value.is_array() || value.size() > 4 || !llvm::all_of(value, [](const Json &v) { return isInteger(v, 1, 64); }))
              return false;
            config.stemLayers = value.get<std::vector<int64_t>>();
            return true;
          },
          [](const ModelConfig &config) { return Json(config.stemLayers); }};
}

static ConfigField labelsField() {
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
            // The notebook's table has num_patch_row^2 + 1 rows, its convolution floor(image / patch)^2 patches; where they differ its own code fails.
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

//===--------------------------------------------------------------------------------------===//
// The table
//===--------------------------------------------------------------------------------------===//

#define REF(member) [](ModelConfig &c) -> auto & { return c.member; }

static std::vector<ConfigField> identityFields() {
  Names<Family> families = {{"timm", Family::Timm},
                            {"huggingface-vit", Family::HuggingFaceVit},
                            {"huggingface-deit", Family::HuggingFaceDeit},
                            {"huggingface-dinov2", Family::HuggingFaceDinov2},
                            {"huggingface-clip", Family::HuggingFaceClip},
                            {"torchvision", Family::Torchvision},
                            {"flax", Family::Flax},
                            {"labml", Family::Labml},
                            {"slides", Family::Slides},
                            {"csdn", Family::Csdn},
                            {"notebook", Family::Notebook}};
  return {text("name", REF(name), "what the model is called"),
          choice("family", REF(family), families, "whose tensor names are the model's own, and whose habits decide in doubtful cases")};
}

static std::vector<ConfigField> imageFields() {
  return {
      size("image_size", REF(imageHeight), REF(imageWidth), "the network's input in pixels", {"img_size"}),
      size("patch_size", REF(patchHeight), REF(patchWidth), "a patch in pixels (with a stem: in elements of its feature map)"),
      integer("in_channels", REF(inChannels), 1, 4096, "channels of the image", {"in_chans", "num_channels"}),
      boolean("patch_bias", REF(patchBias), "bias of the patch embedding"),
      choice("stem", REF(stem), Names<Stem>{{"none", Stem::None}, {"resnetv2", Stem::ResNetV2}, {"resnetd", Stem::ResNetD}},
             "convolutions before the patches"),
      stemLayersField(),
      number("stem_width", REF(stemWidth), 0.125, 16, "factor on the stem's channels", {"width_factor"}),
  };
}

static std::vector<ConfigField> tokenFields() {
  return {
      boolean("class_token", REF(classToken), "a learned token before the patches"),
      boolean("distillation_token", REF(distillationToken), "a second one (DeiT)"),
      integer("reg_tokens", REF(regTokens), 0, 4096, "register tokens between class token and patches", {"num_register_tokens"}),
      choice("position", REF(position),
             Names<Position>{{"learned", Position::Learned},
                             {"none", Position::None},
                             {"sincos1d", Position::Sincos1d},
                             {"sincos-1d", Position::Sincos1d},
                             {"sincos2d", Position::Sincos2d},
                             {"sincos-2d", Position::Sincos2d}},
             "absolute positions", {"positions", "pos_embed"}),
      choice(
          "position_on", REF(positionOn),
          Names<PositionOn>{{"all", PositionOn::All}, {"patches", PositionOn::Patches}, {"class_and_patches", PositionOn::ClassAndPatches}},
          "which tokens get a position"),
      integer("position_rows", REF(positionRows), 1, 1 << 24, "rows of the position table in the weight file; null: as many as are needed",
              {"max_len"}, true),
      choice("sincos_layout", REF(sincosLayout),
             Names<SincosLayout>{
                 {"interleaved", SincosLayout::Interleaved}, {"halves", SincosLayout::Halves}, {"big_vision", SincosLayout::BigVision}},
             "columns of a 2-D sine table"),
      choice("sincos_first", REF(sincosFirst), Names<SincosFirst>{{"column", SincosFirst::Column}, {"row", SincosFirst::Row}},
             "coordinate in the first half of a 2-D sine table", {"first_coordinate"}),
      choice("relative_position", REF(relativePosition),
             Names<RelativePosition>{{"none", RelativePosition::None},
                                     {"mlp", RelativePosition::Mlp},
                                     {"shared_mlp", RelativePosition::SharedMlp},
                                     {"table", RelativePosition::Table}},
             "a bias of the scores by distance"),
      integer("relative_position_hidden", REF(relativePositionHidden), 1, 65536, "hidden width of its network"),
      choice("rope", REF(rope), Names<Rope>{{"none", Rope::None}, {"eva", Rope::Eva}, {"dinov3", Rope::DinoV3}}, "rotary positions"),
      number("rope_theta", REF(ropeTheta), 1e-3, 1e9, "their largest period"),
      boolean("norm_pre", REF(normPre), "a normalization before the first block (CLIP)", {"pre_norm"}),
  };
}

static Names<Activation> activationNames() {
  return {{"identity", Activation::Identity},
          {"relu", Activation::Relu},
          {"gelu", Activation::Gelu},
          {"gelu_erf", Activation::Gelu},
          {"gelu-erf", Activation::Gelu},
          {"gelu_tanh", Activation::GeluTanh},
          {"gelu-tanh", Activation::GeluTanh},
          {"gelu_new", Activation::GeluTanh},
          {"gelu_pytorch_tanh", Activation::GeluTanh},
          {"quick_gelu", Activation::QuickGelu},
          {"silu", Activation::Silu},
          {"swish", Activation::Silu},
          {"tanh", Activation::Tanh},
          {"sigmoid", Activation::Sigmoid}};
}

static std::vector<ConfigField> blockFields() {
  return {
      integer("embed_dim", REF(embedDim), 1, 1 << 16, "width of a token", {"hidden_size", "d_model", "D", "embedding_dim", "emb_dim"}),
      integer("depth", REF(depth), 0, 4096, "number of blocks", {"num_hidden_layers", "num_layers", "num_blocks", "layers"}),
      integer("num_heads", REF(numHeads), 1, 1 << 16, "attention heads of a block", {"num_attention_heads", "heads"}),
      integer("head_dim", REF(headDim), 1, 1 << 16, "width of a head; null: embed_dim / num_heads", {}, true),
      mlpRatioField(),
      integer("mlp_dim", REF(mlpDim), 1, 1 << 20, "hidden width of the mlp; null: embed_dim * mlp_ratio",
              {"intermediate_size", "d_ff", "hidden_dim", "M"}, true),
      boolean("transformer", REF(transformer),
              "false: patches go to pooling without positions, blocks and final norm (Flax's transformer=None)"),
      choice("block", REF(block), Names<BlockKind>{{"pre_norm", BlockKind::PreNorm}, {"post_norm", BlockKind::PostNorm}},
             "x + f(norm(x)), or x + norm(f(x)) (timm's rpn)"),
      integer("parallel_branches", REF(parallelBranches), 1, 16,
              "attentions, then mlps, that a block computes side by side (timm's ParallelBlock)"),
      qkvBiasField(),
      choice("qkv_packing", REF(qkvPacking),
             Names<QkvPacking>{{"parts", QkvPacking::Parts},
                               {"q k v, heads inside", QkvPacking::Parts},
                               {"heads", QkvPacking::Heads},
                               {"(q k v) per head", QkvPacking::Heads}},
             "order inside a slides model's U: query, key, value, or head by head"),
      boolean("qk_norm", REF(qkNorm), "queries and keys normalized over the head's width"),
      boolean("proj_bias", REF(projBias), "bias of the attention's output", {"out_bias"}),
      attentionScaleField(),
      choice("activation", REF(activation), activationNames(), "of the mlp", {"act_layer", "hidden_act"}),
      boolean("gated_mlp", REF(gatedMlp), "activation(x fc1') * (x gate'): GLU, GEGLU, SwiGLU...",
              {"gated", "use_swiglu_ffn", "use_gated_mlp"}),
      boolean("mlp_bias", REF(mlpBias), "biases of the mlp's two layers"),
      boolean("gate_bias", REF(gateBias), "bias of its gate", {"bias_gate"}),
      boolean("mlp_norm", REF(mlpNorm), "a normalization of the mlp's hidden width (sub-LN)", {"scale_mlp_norm"}),
      choice("norm", REF(norm), Names<NormKind>{{"layer", NormKind::Layer}, {"rms", NormKind::Rms}}, "kind of all normalizations"),
      number("norm_eps", REF(normEps), 0, 1, "added to the variance", {"layer_norm_eps", "eps"}),
      layerScaleField(),
  };
}

static std::vector<ConfigField> headFields() {
  return {
      boolean("final_norm", REF(finalNorm), "a normalization of all tokens after the last block"),
      boolean("fc_norm", REF(fcNorm), "a normalization of the pooled row"),
      choice("pool", REF(pool),
             Names<Pool>{{"token", Pool::Token},
                         {"avg", Pool::Avg},
                         {"gap", Pool::Avg},
                         {"avg_all", Pool::AvgAll},
                         {"token_avg", Pool::TokenAvg},
                         {"map", Pool::Map},
                         {"none", Pool::None},
                         {"unpooled", Pool::None}},
             "class token; mean of the patches; of all tokens; class token and mean side by side; attention pooling; every token",
             {"global_pool"}),
      integer("head_hidden", REF(headHidden), 1, 1 << 20,
              "width of a layer before the classifier (MLP head, pre_logits, pooler); null: none",
              {"representation_size", "pretrain_dim", "n_hidden", "n_hidden_classification"}, true),
      choice("head_activation", REF(headActivation), activationNames(), "of that layer", {"pooler_act"}),
      boolean("head_bias", REF(headBias), "biases of the head"),
      boolean("head_distillation", REF(headDistillation), "a second classifier on the distillation token; the answer is the mean of both"),
      integer("num_classes", REF(numClasses), 0, 1 << 24, "0: no classifier", {"num_labels", "classes", "n_classes"}),
  };
}

static std::vector<ConfigField> trainingFields() {
  return {
      number("dropout", REF(dropout), 0, 1, "rate on both branches and in the mlp, in training",
             {"drop_rate", "hidden_dropout_prob", "dropout_rate"}),
      number("attention_dropout", REF(attentionDropout), 0, 1, "rate on the attention's probabilities",
             {"attn_drop_rate", "attention_probs_dropout_prob", "attention_dropout_rate"}),
      number("embedding_dropout", REF(embeddingDropout), 0, 1, "rate after the positions", {"pos_drop_rate"}),
      number("drop_path", REF(dropPath), 0, 1, "rate of whole branches (stochastic depth)", {"drop_path_rate"}),
  };
}

static std::vector<ConfigField> preprocessFields() {
  return {
      boolean("resize", REF(preprocess.resize), "false: pictures come in the network's size", {"do_resize"}),
      number("crop_pct", REF(preprocess.cropPct), 0.01, 16, "resize to floor(image_size / crop_pct)"),
      size("resize_size", REF(preprocess.resizeHeight), REF(preprocess.resizeWidth), "resize to so many pixels instead", {}, true),
      choice("crop_mode", REF(preprocess.cropMode),
             Names<CropMode>{{"center", CropMode::Center}, {"squash", CropMode::Squash}, {"border", CropMode::Border}},
             "resize the shorter edge, both edges, or the longer edge"),
      boolean("crop", REF(preprocess.crop), "then cut out the centre", {"do_center_crop"}),
      choice("crop_rounding", REF(preprocess.cropRounding),
             Names<CropRounding>{{"half_to_even", CropRounding::HalfToEven}, {"floor", CropRounding::Floor}},
             "half a pixel of the crop's offset"),
      choice("interpolation", REF(preprocess.interpolation),
             Names<Interpolation>{{"nearest", Interpolation::Nearest},
                                  {"bilinear", Interpolation::Bilinear},
                                  {"bicubic", Interpolation::Bicubic},
                                  {"lanczos", Interpolation::Lanczos},
                                  {"box", Interpolation::Box},
                                  {"hamming", Interpolation::Hamming}},
             "filter of the resize, as in Pillow"),
      choice("rescale", REF(preprocess.rescale), Names<Rescale>{{"divide", Rescale::Divide255}, {"multiply", Rescale::Multiply255}},
             "x / 255 (torchvision) or x * (1 / 255) (transformers)"),
      channels("mean", REF(preprocess.mean), false, "subtracted from each channel", {"image_mean"}),
      channels("std", REF(preprocess.std), true, "then divided by", {"image_std"}),
      labelsField(),
  };
}

#undef REF

llvm::ArrayRef<ConfigField> vitc::configFields() {
  static const std::vector<ConfigField> table = [] {
    std::vector<ConfigField> all;
    for (auto part : {identityFields, imageFields, tokenFields, blockFields, headFields, trainingFields, preprocessFields})
      llvm::append_range(all, part());
    llvm::append_range(all, std::vector<ConfigField>{classifierShorthand(), noEmbedClassShorthand(), patchRowsShorthand()});
    return all;
  }();
  return table;
}

//===--------------------------------------------------------------------------------------===//
// Looking up and setting
//===--------------------------------------------------------------------------------------===//

const ConfigField *vitc::findConfigField(llvm::StringRef key) {
  for (const ConfigField &field : configFields())
    if (field.key == key || llvm::is_contained(field.aliases, key))
      return &field;
  return nullptr;
}

llvm::Error vitc::setConfigField(ModelConfig &config, llvm::StringRef key, const Json &value) {
  const ConfigField *field = findConfigField(key);
  if (!field) {
    std::vector<llvm::StringRef> names;
    for (const ConfigField &known : configFields()) {
      names.push_back(known.key);
      llvm::append_range(names, known.aliases);
    }
    return sentence(fmt::format("there is no config key '{}'; the nearest is '{}'", key.str(), nearest(key, names, 1).front()));
  }
  if (!field->read(config, value))
    return sentence(fmt::format("{} is {}, expected {}", key.str(), value.dump(), field->expectation));
  return llvm::Error::success();
}
