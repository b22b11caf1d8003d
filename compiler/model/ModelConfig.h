//===- ModelConfig.h - everything that tells one Vision Transformer from another -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_MODELCONFIG_H
#define VITC_COMPILER_MODEL_MODELCONFIG_H

#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vitc {

/// The framework or system that a model comes from: whose tensor names are its home (WeightNaming.h) and whose habits decide in
/// doubtful cases.
enum class Family {
  Timm,
  TimmEva,
  TimmBeit,
  TimmNaFlex,
  TimmSam,
  TimmCait,
  HuggingFaceVit,
  HuggingFaceDeit,
  HuggingFaceBeit,
  HuggingFaceDinov2,
  HuggingFaceDinov3,
  HuggingFaceClip,
  HuggingFaceSiglip,
  Torchvision,
  Flax,
  Labml,
  Slides,
  Csdn,
  Notebook
};

/// What turns pixels into a grid of features before the patch embedding.
enum class Stem {
  None,        ///< the patches are cut from the image
  ResNetV2,    ///< weight-standardised convolutions, GroupNorm(32), ReLU: timm's ResNetV2 hybrids, Flax's R50+ViT-B_16
  ResNetD,     ///< 3x3 convolutions, BatchNorm, average-pooled shortcuts: timm's resnet26d and resnet50d hybrids
  Convolutions ///< convolutions of stride = kernel size, BatchNorm, GELU: MobileCLIP's ViT
};

enum class Position {
  Learned,    ///< a table of the weight file
  None,       ///< no absolute position
  Factorized, ///< NaFlex: a table for the rows of the grid and one for its columns, added
  Sincos1d,   ///< sin and cos of the patch's number, interleaved
  Sincos2d    ///< sin and cos of the patch's column and row; SincosLayout says where
};

/// How a table of positions for one grid becomes one for another; "home" is what the framework of the weights does.
enum class PositionResize {
  Home,
  Bicubic,          ///< torch, a = -0.75, no antialias: timm 0.6, transformers
  BicubicAntialias, ///< torch, a = -0.5 and a support that widens when shrinking: timm since 0.8
  BicubicAligned,   ///< torch, a = -0.75, corners aligned: torchvision
  Bilinear,         ///< torch, no antialias: timm for files of the original Flax code
  BilinearAntialias,
  BilinearAligned ///< corners aligned: scipy.ndimage.zoom(order=1), the original Flax code
};

/// Columns of a 2-D sine table (reference: each system's own source).
enum class SincosLayout {
  Interleaved, ///< slides: [sin, cos, sin, cos, ... of x | the same of y], frequency 10000^(-4i/D)
  Halves,      ///< MAE: [sin... cos... of x | sin... cos... of y], frequency 10000^(-k/(D/4))
  BigVision    ///< big_vision, MoCo v3: [sin x, cos x, sin y, cos y], frequency 10000^(-k/(D/4 - 1))
};
enum class SincosFirst { Column, Row };

/// Which tokens get a position.
enum class PositionOn {
  All,            ///< prefix and patches: one row of the table each
  Patches,        ///< labml, DeiT-3, sine tables: the prefix has none
  ClassAndPatches ///< DINOv2 with registers: the registers, which stand between, have none
};

/// A term added to the scaled scores that depends on the distance of two patches.
enum class RelativePosition {
  None,
  Mlp,         ///< timm's RelPosMlp, one small network a block
  SharedMlp,   ///< the same, one for all blocks
  Table,       ///< BEiT: a table of (2H-1)(2W-1)+3 rows a block
  SharedTable, ///< the same, one for all blocks
  Decomposed   ///< SAM: the query times a table of row and one of column distances
};

/// Rotary positions (timm's `rope_type`; timm/layers/pos_embed_sincos.py).
enum class Rope {
  None,
  Cat,    ///< angle = index * theta^(-k / (d/4)): EVA-02, Perception Encoder
  DinoV3, ///< angle = 2 pi c / theta^(2k / (d/2)), c from -1 to 1 over the grid
  Mixed   ///< learned frequencies for each block and head (Heo et al. 2024)
};
enum class RopeIndexing { RowFirst, ColumnFirst }; ///< which coordinate turns the first half of a head: timm's "ij", "xy"

enum class QkvBias { All, None, QueryValue };
enum class QkvPacking {
  Parts, ///< query rows, key rows, value rows
  Heads  ///< q k v of the first head, q k v of the second, ...: the slides' figure
};

enum class AttentionScale { HeadDim, Heads, Value }; ///< 1/sqrt(head_dim), 1/sqrt(num_heads), a number

enum class Activation { Identity, Relu, Gelu, GeluTanh, QuickGelu, Silu, Tanh, Sigmoid };
enum class NormKind { Layer, Rms };
enum class BlockKind {
  PreNorm,  ///< x + f(norm(x))
  PostNorm, ///< x + norm(f(x)): timm's rpn models
  Parallel  ///< x + attention(norm(x)) + mlp(norm(x)), one norm (Dehghani et al. 2023): timm's ParallelScalingBlock
};
enum class AttentionKind {
  Softmax,
  Differential, ///< the difference of two softmaxes (Ye et al. 2024, equation 1)
  TalkingHeads  ///< heads mixed by a matrix before and by one after the softmax (Shazeer et al. 2020): CaiT
};

enum class Pool {
  Token,    ///< the class token
  Avg,      ///< mean of the patches (the prefix left out)
  AvgAll,   ///< mean of all tokens
  TokenAvg, ///< class token and mean of the patches side by side: DINOv2's classifier
  Map,      ///< attention pooling with a learned query: SigLIP
  None      ///< every token is classified: Flax's `unpooled` and `token_unpooled`
};

enum class CropMode {
  Center, ///< shorter edge to the resize size, then the centre
  Squash, ///< both edges to the resize size, then the centre
  Border  ///< longer edge to the resize size, the rest filled
};
enum class Interpolation { Nearest, Bilinear, Bicubic, Lanczos, Box, Hamming };
enum class CropRounding { HalfToEven, Floor }; ///< torchvision and timm; transformers
enum class Rescale { Divide255, Multiply255 }; ///< u8/255 in f32; f32(f64(u8) * (1/255)), transformers

/// From a picture to the network's input. `steps()` of the struct below turns it into numbers of pixels.
struct Preprocess {
  CropMode cropMode = CropMode::Center;
  double cropPct = 0.9;     ///< resize size = floor(image size / crop_pct), timm's rule
  int64_t resizeHeight = 0; ///< overrides crop_pct where it is not 0
  int64_t resizeWidth = 0;
  bool resize = true;
  bool crop = true;
  Interpolation interpolation = Interpolation::Bicubic;
  bool antialias = true;      ///< false: the filter does not widen when shrinking, as tf.image.resize
  bool resizeRounding = true; ///< bytes after each pass, as Pillow; false: floats, as tf.image.resize
  CropRounding cropRounding = CropRounding::HalfToEven;
  Rescale rescale = Rescale::Divide255;
  std::vector<double> mean = {0.5, 0.5, 0.5}; ///< one a channel
  std::vector<double> std = {0.5, 0.5, 0.5};
};

/// Preprocessing in pixels.
struct PreprocessSteps {
  enum class Resize { None, ShorterEdge, Squash, LongestEdge } resize;
  int64_t resizeHeight, resizeWidth; ///< ShorterEdge and LongestEdge use resizeHeight alone
  int64_t cropHeight, cropWidth;     ///< 0: no crop
};

/// A model. Made by a preset, a JSON file or a Hugging Face folder (ResolveModel.h), changed by `--set` (ConfigJson.h), then validated.
/// The defaults are timm's `vit_base_patch16_224`. docs/config.md lists the keys by which JSON and `--set` name the fields.
struct ModelConfig {
  std::string name = "model";
  Family family = Family::Timm;
  std::string weightPrefix; ///< of the encoder's tensors in files of transformers: "vit.", "vision_model."

  // Image and patches.
  int64_t imageHeight = 224, imageWidth = 224;
  int64_t patchHeight = 16, patchWidth = 16;
  int64_t inChannels = 3;
  bool patchBias = true;
  Stem stem = Stem::None;
  std::vector<int64_t> stemLayers;  ///< bottlenecks of each stage; of stem=convolutions: stride of each
  double stemWidth = 1.0;           ///< factor on 64 channels
  double stemNormEps = 1e-5;        ///< of GroupNorm or BatchNorm
  double stemStandardizeEps = 1e-8; ///< of standardized kernels
  bool stemEpsOnDeviation = false;  ///< (w - mean) / (sqrt(variance) + eps), Flax's StdConv; otherwise eps is within the root
  bool patchNorm = false;           ///< a normalization of the patches before positions: AIMv2
  int64_t weightPatchHeight = 0;    ///< of the patch kernel in the weight file, where it is resized (FlexiViT); 0: patch_size
  int64_t weightPatchWidth = 0;

  // Tokens and positions.
  bool classToken = true;
  bool distillationToken = false;
  int64_t regTokens = 0;
  Position position = Position::Learned;
  PositionOn positionOn = PositionOn::All;
  int64_t positionRows = 0;       ///< rows of the learned table where it is longer than needed (labml: 5000); 0: as many as needed
  int64_t positionGridHeight = 0; ///< grid of the positions in the weight file, where they are resized; 0: the model's own
  int64_t positionGridWidth = 0;
  PositionResize positionResize = PositionResize::Home;
  bool positionSquare = false; ///< resized to a square of the longer side, of which the grid is a part: NaFlex
  SincosLayout sincosLayout = SincosLayout::Interleaved;
  SincosFirst sincosFirst = SincosFirst::Column;
  RelativePosition relativePosition = RelativePosition::None;
  int64_t relativePositionHidden = 512;
  Rope rope = Rope::None;
  double ropeTheta = 10000.0;
  double ropeOffset = 0.0; ///< added to the indices of rows and columns
  RopeIndexing ropeIndexing = RopeIndexing::RowFirst;
  bool ropeRotateHalf = false;     ///< pairs are (k, k + d/2) instead of (2k, 2k + 1)
  int64_t ropeReferenceHeight = 0; ///< grid to which indices are scaled (`ref_feat_shape`); 0: none
  int64_t ropeReferenceWidth = 0;
  bool normPre = false;

  // Blocks.
  int64_t embedDim = 768, depth = 12, numHeads = 12;
  int64_t headDim = 0; ///< 0: embed_dim / num_heads
  double mlpRatio = 4.0;
  int64_t mlpDim = 0;      ///< 0: embed_dim * mlp_ratio, rounded towards zero
  bool transformer = true; ///< false: Flax's `transformer=None`, patches go straight to pooling
  BlockKind block = BlockKind::PreNorm;
  bool parallelFused = false; ///< block=parallel: one weight for both outputs (timm's DiffParallelScalingBlock)
  AttentionKind attention = AttentionKind::Softmax;
  int64_t parallelBranches = 1; ///< timm's ParallelBlock: sums of so many attentions, then of so many mlps
  QkvBias qkvBias = QkvBias::All;
  bool qkvFused = true; ///< of timm-eva: one weight, or three
  QkvPacking qkvPacking = QkvPacking::Parts;
  bool attentionNorm = false;        ///< a normalization of the heads' output (sub-LN): EVA-02 CLIP, BEiT-3
  int64_t windowSize = 0;            ///< attention within squares of so many patches; 0: all patches
  std::vector<int64_t> globalBlocks; ///< blocks without windows
  int64_t classBlocks = 0;           ///< CaiT: so many blocks behind the others in which the class token, there for the first time, attends
  bool qkNorm = false;
  bool projBias = true;
  AttentionScale attentionScale = AttentionScale::HeadDim;
  double attentionScaleValue = 1.0;
  Activation activation = Activation::Gelu;
  bool gatedMlp = false;  ///< activation(x fc1') * (x gate'); the GLU family
  bool gatePacked = true; ///< of timm: fc1 holds both (GluMlp), or each has a weight (SwiGLU)
  bool mlpBias = true, gateBias = true;
  bool mlpNorm = false; ///< LayerNorm over the hidden width (sub-LN)
  NormKind norm = NormKind::Layer;
  double normEps = 1e-6;
  double layerScale = 0.0; ///< initial value; 0: no LayerScale

  // From tokens to an answer.
  bool finalNorm = true;     ///< on all tokens, before pooling
  double finalNormEps = 0.0; ///< of that norm and of the neck's; 0: norm_eps
  bool fcNorm = false;       ///< on the pooled row
  Pool pool = Pool::Token;
  int64_t poolHeads = 0;           ///< of pool=map; 0: num_heads
  double poolMlpRatio = 0;         ///< of pool=map; 0: mlp_ratio
  bool poolIncludesPrefix = false; ///< pool=map sees class token and registers too
  int64_t neckChannels = 0;        ///< SAM: two convolutions to so many channels behind the blocks; 0: none
  int64_t headHidden = 0;          ///< width of a layer before the last: MLP head, `pre_logits`, pooler; 0: none
  Activation headActivation = Activation::Tanh;
  bool headBias = true;
  bool headDistillation = false; ///< a second head on the distillation token; the answer is the mean of both
  int64_t numClasses = 1000;     ///< 0: no classifier, features are the answer

  // Training.
  double dropout = 0.0, attentionDropout = 0.0, embeddingDropout = 0.0, dropPath = 0.0;
  double patchDropout = 0.0; ///< share of the patches that each image is without

  Preprocess preprocess;
  std::vector<std::string> labels;

  int64_t gridHeight() const;
  int64_t gridWidth() const;
  int64_t patches() const { return gridHeight() * gridWidth(); }
  int64_t prefixTokens() const { return int64_t(classToken) + int64_t(distillationToken) + regTokens; }
  int64_t tokens() const { return prefixTokens() + patches(); }
  /// Patches of an image in training: timm's max(1, int(patches * (1 - rate))).
  int64_t keptPatches() const;
  /// Tokens of the blocks: without the class token where it joins them later.
  int64_t blockTokens() const { return classBlocks ? patches() : tokens(); }
  /// Side of the attention's windows in that block; 0: it is over all patches.
  int64_t windowOf(int64_t block) const;
  /// Rows of the position table that are used; 0 if there is none.
  int64_t usedPositionRows() const;
  int64_t headWidth() const { return headDim ? headDim : numHeads ? embedDim / numHeads : 0; }
  int64_t attentionWidth() const { return headWidth() * numHeads; }
  int64_t mlpWidth() const { return mlpDim ? mlpDim : static_cast<int64_t>(static_cast<double>(embedDim) * mlpRatio); }
  double scoreScale() const;
  /// Hidden width of the mlp of pool=map.
  int64_t poolMlpWidth() const {
    return poolMlpRatio == 0.0 ? mlpWidth() : static_cast<int64_t>(static_cast<double>(embedDim) * poolMlpRatio);
  }
  int64_t weightGridHeight() const { return positionGridHeight ? positionGridHeight : gridHeight(); }
  int64_t weightGridWidth() const { return positionGridWidth ? positionGridWidth : gridWidth(); }
  /// Rows of the position table in the weight file.
  int64_t weightPositionRows() const;
  /// Width of the row that the head gets.
  int64_t pooledWidth() const { return neckChannels ? neckChannels : pool == Pool::TokenAvg ? 2 * embedDim : embedDim; }
  int64_t outputWidth() const { return numClasses ? numClasses : headHidden ? headHidden : pooledWidth(); }
  int64_t blocks() const { return transformer ? depth : 0; }
  PreprocessSteps preprocessSteps() const;
};

/// Checks that the parts fit together; expands a mean or std of one value, or of equal values, to all channels. An error lists every
/// contradiction, a sentence each.
llvm::Error validate(ModelConfig &config);

/// What a user may want to know about a valid config, a sentence each: pixels that are dropped, ...
std::vector<std::string> configWarnings(const ModelConfig &config);

/// Two operations for each multiply-add of all matrix products and convolutions, as the model's home defines them, for one image: also those
/// whose result nothing needs. Normalization, softmax, activations, biases and residuals do not count.
uint64_t nominalFlopPerImage(const ModelConfig &config);

/// An error of one sentence.
llvm::Error sentence(const llvm::Twine &text);

} // namespace vitc

#endif // VITC_COMPILER_MODEL_MODELCONFIG_H
