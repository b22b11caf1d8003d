//===- ConfigFields.cpp - the keys of a config, one row each ---------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/ConfigFields.h"

#include "compiler/model/FieldKinds.h"
#include "compiler/model/Nearest.h"

using namespace vitc;
using namespace vitc::fields;

//===--------------------------------------------------------------------------------------===//
// The table
//===--------------------------------------------------------------------------------------===//

#define REF(member) [](auto &c) -> auto & { return c.member; }

static std::vector<ConfigField> identityFields() {
  Names<Family> families = {{"timm", Family::Timm},
                            {"timm-eva", Family::TimmEva},
                            {"timm-beit", Family::TimmBeit},
                            {"timm-naflex", Family::TimmNaFlex},
                            {"timm-sam", Family::TimmSam},
                            {"timm-cait", Family::TimmCait},
                            {"huggingface-vit", Family::HuggingFaceVit},
                            {"huggingface-deit", Family::HuggingFaceDeit},
                            {"huggingface-beit", Family::HuggingFaceBeit},
                            {"huggingface-dinov2", Family::HuggingFaceDinov2},
                            {"huggingface-dinov3", Family::HuggingFaceDinov3},
                            {"huggingface-clip", Family::HuggingFaceClip},
                            {"huggingface-siglip", Family::HuggingFaceSiglip},
                            {"torchvision", Family::Torchvision},
                            {"flax", Family::Flax},
                            {"labml", Family::Labml},
                            {"slides", Family::Slides},
                            {"csdn", Family::Csdn},
                            {"notebook", Family::Notebook}};
  return {text("name", REF(name), "what the model is called"),
          choice("family", REF(family), families, "whose tensor names are the model's own, and whose habits decide in doubtful cases"),
          text("weight_prefix", REF(weightPrefix), "of the encoder's tensors in files of a Hugging Face family: vit., vision_model.")};
}

static std::vector<ConfigField> imageFields() {
  return {
      size("image_size", REF(imageHeight), REF(imageWidth), "the network's input in pixels", {"img_size"}),
      size("patch_size", REF(patchHeight), REF(patchWidth), "a patch in pixels (with a stem: in elements of its feature map)"),
      integer("in_channels", REF(inChannels), 1, 4096, "channels of the image", {"in_chans", "num_channels"}),
      boolean("patch_bias", REF(patchBias), "bias of the patch embedding"),
      choice(
          "stem", REF(stem),
          Names<Stem>{{"none", Stem::None}, {"resnetv2", Stem::ResNetV2}, {"resnetd", Stem::ResNetD}, {"convolutions", Stem::Convolutions}},
          "convolutions before the patches"),
      stemLayersField(),
      number("stem_width", REF(stemWidth), 0.125, 16, "factor on the stem's 64 channels", {"width_factor"}),
      number("stem_norm_eps", REF(stemNormEps), 0, 1, "epsilon of the stem's GroupNorm or BatchNorm"),
      number("stem_standardize_eps", REF(stemStandardizeEps), 0, 1, "epsilon of the stem's standardized kernels (stem=resnetv2)"),
      boolean("stem_eps_on_deviation", REF(stemEpsOnDeviation), "add it to the deviation (Flax), not to the variance"),
      boolean("patch_norm", REF(patchNorm), "a normalization of the patches before positions (AIMv2)"),
      size("weight_patch_size", REF(weightPatchHeight), REF(weightPatchWidth),
           "patch_size of the weight file, whose kernel is then resized (FlexiViT); null: the same", {}, true),
  };
}

static std::vector<ConfigField> tokenFields() {
  return {
      boolean("class_token", REF(classToken), "a learned token before the patches"),
      boolean("distillation_token", REF(distillationToken), "a second one (DeiT)"),
      integer("reg_tokens", REF(regTokens), 0, 4096, "register tokens between class token and patches", {"num_register_tokens"}),
      choice("position", REF(position),
             Names<Position>{{"learned", Position::Learned},
                             {"learn", Position::Learned},
                             {"none", Position::None},
                             {"factorized", Position::Factorized},
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
      size("position_grid", REF(positionGridHeight), REF(positionGridWidth),
           "grid of the positions in the weight file, which are then resized; null: found in the file, or the model's own", {}, true),
      choice("position_resize", REF(positionResize),
             Names<PositionResize>{{"home", PositionResize::Home},
                                   {"bicubic", PositionResize::Bicubic},
                                   {"bicubic_antialias", PositionResize::BicubicAntialias},
                                   {"bicubic_aligned", PositionResize::BicubicAligned},
                                   {"bilinear", PositionResize::Bilinear},
                                   {"bilinear_antialias", PositionResize::BilinearAntialias},
                                   {"bilinear_aligned", PositionResize::BilinearAligned}},
             "how; home: as the framework of the weights does"),
      boolean("position_square", REF(positionSquare), "they are resized to a square of the longer side, and cut (NaFlex)"),
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
                                     {"table", RelativePosition::Table},
                                     {"shared_table", RelativePosition::SharedTable},
                                     {"decomposed", RelativePosition::Decomposed}},
             "a bias of the scores by distance"),
      integer("relative_position_hidden", REF(relativePositionHidden), 1, 65536, "hidden width of its network"),
      choice("rope", REF(rope), Names<Rope>{{"none", Rope::None}, {"cat", Rope::Cat}, {"dinov3", Rope::DinoV3}, {"mixed", Rope::Mixed}},
             "rotary positions: of indices, of coordinates from -1 to 1, with learned frequencies", {"rope_type"}),
      number("rope_theta", REF(ropeTheta), 1e-3, 1e9, "base of their frequencies", {"rope_temperature"}),
      number("rope_offset", REF(ropeOffset), -65536, 65536, "added to the indices of rows and columns", {"rope_grid_offset"}),
      choice("rope_indexing", REF(ropeIndexing), Names<RopeIndexing>{{"ij", RopeIndexing::RowFirst}, {"xy", RopeIndexing::ColumnFirst}},
             "which coordinate turns the first half of a head: row or column", {"rope_grid_indexing"}),
      boolean("rope_rotate_half", REF(ropeRotateHalf), "pairs are (k, k + d/2) instead of (2k, 2k + 1)"),
      size("rope_reference_grid", REF(ropeReferenceHeight), REF(ropeReferenceWidth), "grid to which the indices are scaled; null: none",
           {"ref_feat_shape"}, true),
      boolean("norm_pre", REF(normPre), "a normalization before the first block (CLIP)", {"pre_norm", "use_pre_transformer_norm"}),
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
      choice("block", REF(block),
             Names<BlockKind>{{"pre_norm", BlockKind::PreNorm}, {"post_norm", BlockKind::PostNorm}, {"parallel", BlockKind::Parallel}},
             "x + f(norm(x)); x + norm(f(x)) (timm's rpn); x + attention(norm(x)) + mlp(norm(x)) (ViT-22B)"),
      boolean("parallel_fused", REF(parallelFused), "block=parallel: attention's and mlp's outputs are one product with both side by side"),
      choice("attention", REF(attention),
             Names<AttentionKind>{{"softmax", AttentionKind::Softmax},
                                  {"differential", AttentionKind::Differential},
                                  {"diff", AttentionKind::Differential},
                                  {"talking_heads", AttentionKind::TalkingHeads}},
             "differential: the difference of two softmaxes; talking_heads: heads mixed before and after the softmax (CaiT)",
             {"attn_layer"}),
      integer("parallel_branches", REF(parallelBranches), 1, 16,
              "attentions, then mlps, that a block computes side by side (timm's ParallelBlock)"),
      qkvBiasField(),
      boolean("qkv_fused", REF(qkvFused), "timm-eva: query, key and value are one weight, or three"),
      choice("qkv_packing", REF(qkvPacking),
             Names<QkvPacking>{{"parts", QkvPacking::Parts},
                               {"q k v, heads inside", QkvPacking::Parts},
                               {"heads", QkvPacking::Heads},
                               {"(q k v) per head", QkvPacking::Heads}},
             "order inside a slides model's U: query, key, value, or head by head"),
      boolean("qk_norm", REF(qkNorm), "queries and keys normalized over the head's width"),
      boolean("proj_bias", REF(projBias), "bias of the attention's output", {"out_bias"}),
      attentionScaleField(),
      boolean("attention_norm", REF(attentionNorm), "a normalization of the heads' output (sub-LN: EVA-02 CLIP, BEiT-3)",
              {"scale_attn_inner", "scale_attn_norm"}),
      integer("window_size", REF(windowSize), 1, 65536, "attention within squares of so many patches (SAM); null: over all", {}, true),
      globalBlocksField(),
      integer("class_blocks", REF(classBlocks), 0, 4096,
              "blocks behind the others in which the class token, which the others do not have, attends to the patches (CaiT)",
              {"depth_token_only"}),
      choice("activation", REF(activation), activationNames(), "of the mlp", {"act_layer", "hidden_act"}),
      boolean("gated_mlp", REF(gatedMlp), "activation(x fc1') * (x gate'): GLU, GEGLU, SwiGLU...",
              {"gated", "use_swiglu_ffn", "use_gated_mlp", "swiglu_mlp"}),
      boolean("gate_packed", REF(gatePacked), "timm: fc1 holds gate and value (GluMlp), or each has a weight (SwiGLU)"),
      boolean("mlp_bias", REF(mlpBias), "biases of the mlp's two layers"),
      boolean("gate_bias", REF(gateBias), "bias of its gate", {"bias_gate"}),
      boolean("mlp_norm", REF(mlpNorm), "a normalization of the mlp's hidden width (sub-LN)", {"scale_mlp_norm", "scale_mlp"}),
      choice("norm", REF(norm), Names<NormKind>{{"layer", NormKind::Layer}, {"rms", NormKind::Rms}}, "kind of all normalizations"),
      number("norm_eps", REF(normEps), 0, 1, "added to the variance", {"layer_norm_eps", "eps"}),
      layerScaleField(),
  };
}

static std::vector<ConfigField> headFields() {
  return {
      boolean("final_norm", REF(finalNorm), "a normalization of all tokens after the last block"),
      optionalNumber("final_norm_eps", REF(finalNormEps), 1e-30, 1,
                     "norm_eps of that normalization and of the neck's; null: that of the blocks"),
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
      integer("pool_heads", REF(poolHeads), 1, 1 << 16, "heads of pool=map; null: num_heads", {"attn_pool_num_heads"}, true),
      optionalNumber("pool_mlp_ratio", REF(poolMlpRatio), 1e-3, 1024, "mlp_ratio of pool=map; null: that of the blocks",
                     {"attn_pool_mlp_ratio"}),
      boolean("pool_include_prefix", REF(poolIncludesPrefix), "pool=map sees class token and registers too"),
      integer("neck_channels", REF(neckChannels), 1, 65536, "two convolutions to so many channels behind the blocks (SAM); null: none",
              {"neck_chans"}, true),
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
      number("patch_dropout", REF(patchDropout), 0, 1, "share of the patches that each image is trained without", {"patch_drop_rate"}),
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
      boolean("antialias", REF(preprocess.antialias), "false: the filter does not widen when the picture shrinks (tf.image.resize)"),
      boolean("resize_rounding", REF(preprocess.resizeRounding),
              "true: resized pixels are rounded to bytes, as in Pillow; false: they stay floats (tf.image.resize, DINOv3)"),
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
    for (auto part : {identityFields, imageFields, tokenFields, blockFields, headFields, trainingFields, preprocessFields, shorthandFields})
      llvm::append_range(all, part());
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
