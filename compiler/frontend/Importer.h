//===- Importer.h - what builds a model as vit IR ---------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_FRONTEND_IMPORTER_H
#define VITC_COMPILER_FRONTEND_IMPORTER_H

#include "compiler/frontend/Import.h"
#include "compiler/frontend/ResizeMatrix.h"
#include "compiler/frontend/Sources.h"
#include "compiler/model/ModelConfig.h"
#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"

namespace vitc {

/// Builds the program of one config. Values are named by locations: the model's layers.
class Importer {
public:
  Importer(mlir::MLIRContext &context, const ModelConfig &config, llvm::ArrayRef<std::string> take, ImageType imageType = ImageType::F32)
      : config(config), take(take), imageType(imageType), builder(&context) {
    for (const PlacedSource &source : describeSources(config))
      shapes[source.name] = source.shape;
  }
  /// Null, after an error, if the model has no output of a name that is to be taken.
  mlir::OwningOpRef<mlir::ModuleOp> import();
  /// The training function; null, after an error, if the model has no classifier.
  mlir::OwningOpRef<mlir::ModuleOp> importTraining();

private:
  mlir::NameLoc loc(const llvm::Twine &layer) { return mlir::NameLoc::get(builder.getStringAttr(layer)); }
  mlir::RankedTensorType type(llvm::ArrayRef<int64_t> shape) { return mlir::RankedTensorType::get(shape, builder.getF32Type()); }
  static llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) { return mlir::cast<mlir::RankedTensorType>(value.getType()).getShape(); }

  /// The weight of that name, null if the model has none.
  mlir::Value weight(mlir::Location loc, const llvm::Twine &name);
  mlir::Value reshape(mlir::Location loc, mlir::Value value, llvm::ArrayRef<int64_t> shape);
  mlir::Value concat(mlir::Location loc, llvm::ArrayRef<mlir::Value> parts);
  mlir::Value rows(mlir::Location loc, mlir::Value value, int64_t first, int64_t count);
  /// Numbers that follow from the config, row by row.
  mlir::Value constant(mlir::Location loc, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<float> numbers);
  mlir::Value resample(mlir::Location loc, mlir::Value value, const Matrix &matrix, int64_t axis);

  mlir::FloatAttr number(double value) { return builder.getF32FloatAttr(static_cast<float>(value)); }
  mlir::FloatAttr eps() { return number(config.normEps); }
  vit::NormKindAttr normKind() {
    return vit::NormKindAttr::get(builder.getContext(), config.norm == NormKind::Layer ? vit::NormKind::Layer : vit::NormKind::Rms);
  }
  vit::ActivationAttr activation(Activation kind);

  mlir::Value normalize(const llvm::Twine &name, mlir::Value input) { return normalize(name, input, config.normEps); }
  mlir::Value normalize(const llvm::Twine &name, mlir::Value input, double eps);
  double finalNormEps() const { return config.finalNormEps == 0.0 ? config.normEps : config.finalNormEps; }
  mlir::Value linear(mlir::Location at, const std::string &name, mlir::Value input);
  mlir::Value linear(mlir::Location at, mlir::Value input, mlir::Value matrix, mlir::Value bias);
  mlir::Value residual(mlir::Location at, mlir::Value skip, mlir::Value branch, const std::string &scale);

  // Training (ImportTraining.cpp). In inference these return what they are given.
  /// Elements, or the whole of an image's branch, set to zero at random.
  mlir::Value dropout(mlir::Location at, mlir::Value value, double rate, bool perImage = false);
  /// Without the share of the patches that `patch_dropout` says, others in each image.
  mlir::Value dropPatches(mlir::Value tokens);
  /// Stochastic depth of block `index`: the rate grows from 0 in the first to `drop_path` in the last (timm's `drop_path_rate`).
  mlir::Value dropPath(mlir::Location at, mlir::Value branch, int64_t index);
  /// What stands between the heads' query, key and value and the projection, where probabilities are dropped.
  mlir::Value attentionWithDropout(const BranchNames &names, mlir::Value input);
  mlir::Value mlpWithDropout(const BranchNames &names, mlir::Value input);
  mlir::Value normalizedImages(mlir::Value pixels, mlir::RankedTensorType images);
  mlir::Value encode(mlir::Value images);
  mlir::Value classifierLoss(mlir::Value tokens, mlir::Value targets, mlir::Value teacher);

  using Body = mlir::Value (Importer::*)(const BranchNames &names, mlir::Value input, int64_t index);
  using Names = BranchNames (*)(const ModelConfig &config, int64_t block, int64_t branch);
  mlir::Value attention(const BranchNames &names, mlir::Value input, int64_t index);
  mlir::Value differentialAttention(const BranchNames &names, mlir::Value input, int64_t index);
  mlir::Value talkingHeads(const BranchNames &names, mlir::Value input);
  mlir::Value gridAttention(const BranchNames &names, mlir::Value input, int64_t index);
  mlir::Value classBlocks(mlir::Value patches);
  mlir::Value classBlock(const std::string &layer, mlir::Value token, mlir::Value all);
  /// Query, key and value as one product's weight [3 h d, D] and bias; parts of half a head are filled up with zeros.
  std::pair<mlir::Value, mlir::Value> projection(const BranchNames &names, llvm::ArrayRef<const char *> parts);
  mlir::Value relativeBias(mlir::Location at, const std::string &name);
  mlir::Value distanceTable(mlir::Location at, const std::string &name, int64_t size);
  std::pair<mlir::Value, mlir::Value> rotary(mlir::Location at, const std::string &name);
  mlir::Value parallelBlock(int64_t index, mlir::Value x);
  mlir::Value mlp(const BranchNames &names, mlir::Value input, int64_t index);
  mlir::Value half(mlir::Value x, Body body, Names names, int64_t index, const std::string &layer);
  mlir::Value block(int64_t index, mlir::Value x);

  class Stem;
  mlir::Value stem(mlir::Value images);
  mlir::Value positions(mlir::Location at);
  mlir::Value learnedPositions(mlir::Location at);
  mlir::Value factorizedPositions(mlir::Location at);
  /// How positions of another grid are resized: the config's rule, or that of the home of the weights.
  PositionResize resizeKind() const;
  mlir::Value patchKernel(mlir::Location at);
  mlir::Value tokens(mlir::Value images);
  mlir::Value pool(const llvm::Twine &name, mlir::Value input, vit::Pool kind, int64_t index);
  mlir::Value neck(mlir::Value tokens);
  mlir::Value attentionPool(mlir::Value tokens);
  mlir::Value head(mlir::Value tokens);
  mlir::Value headOfTokenAndMean(mlir::Value tokens);
  mlir::Value headOfTwoTokens(mlir::Value tokens);
  /// Half the answer of one of two heads.
  mlir::Value halfAnswer(const std::string &name, const char *pooled, mlir::Value tokens, int64_t index, double factor);

  // Outputs (ImportOutputs.cpp). Layers offer what they compute by the names of `vitc --take`.
  /// Whether the value of that name is to be returned; for what is computed only then.
  bool wants(const llvm::Twine &name);
  void offer(const llvm::Twine &name, mlir::Value value);
  /// What the program returns if nothing is asked for: `answer`, by its name.
  std::string nameOfAnswer() const;
  mlir::LogicalResult returnOutputs(mlir::func::FuncOp function, mlir::Value answer);

  const ModelConfig &config;
  llvm::ArrayRef<std::string> take;
  ImageType imageType;
  llvm::StringMap<mlir::Value> offered; ///< null: known by `wants` alone
  mlir::OpBuilder builder;
  llvm::StringMap<std::vector<int64_t>> shapes;
  mlir::Value sharedBias;                           ///< relative positions of all blocks
  std::pair<mlir::Value, mlir::Value> sharedRotary; ///< sines and cosines of all blocks
  mlir::Value randomness;                           ///< keys of the images' random numbers, [?, 4]; null in inference
  int64_t randomStreams = 0;                        ///< places that draw random numbers so far
};

} // namespace vitc

#endif // VITC_COMPILER_FRONTEND_IMPORTER_H
