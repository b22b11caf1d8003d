//===- Import.cpp - a model's config as vit IR ------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Import.h"

#include "compiler/frontend/Importer.h"
#include "compiler/frontend/WeightNaming.h"
#include "dialects/vit/PixelOps.h"

#include "fmt/format.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace vitc;

std::string vitc::unsupportedSwitches(const ModelConfig &config) {
  std::vector<std::string> switches;
  auto refuse = [&](bool unsupported, std::string text) {
    if (unsupported)
      switches.push_back(std::move(text));
  };
  refuse(config.pool == Pool::TokenAvg && (config.headHidden || !config.numClasses), "pool=token_avg without a linear classifier");
  refuse(!config.transformer && (config.pool == Pool::TokenAvg || config.pool == Pool::Map), "transformer=false with that pool");
  if (switches.empty())
    return "";
  return fmt::format("the model '{}' needs what this version of vitc does not compile: {}", config.name, llvm::join(switches, ", "));
}

//===--------------------------------------------------------------------------------------===//
// Parts of every layer
//===--------------------------------------------------------------------------------------===//

static vit::Activation convert(Activation activation) {
  switch (activation) {
  case Activation::Identity:
    return vit::Activation::None;
  case Activation::Relu:
    return vit::Activation::Relu;
  case Activation::Gelu:
    return vit::Activation::GeluErf;
  case Activation::GeluTanh:
    return vit::Activation::GeluTanh;
  case Activation::QuickGelu:
    return vit::Activation::QuickGelu;
  case Activation::Silu:
    return vit::Activation::Silu;
  case Activation::Tanh:
    return vit::Activation::Tanh;
  case Activation::Sigmoid:
    return vit::Activation::Sigmoid;
  }
  return vit::Activation::None;
}

vit::ActivationAttr Importer::activation(Activation kind) { return vit::ActivationAttr::get(builder.getContext(), convert(kind)); }

Value Importer::weight(Location loc, const Twine &name) {
  std::string key = name.str();
  auto found = shapes.find(key);
  if (found == shapes.end())
    return {};
  return vit::WeightOp::create(builder, loc, type(found->second), FlatSymbolRefAttr::get(builder.getContext(), key));
}

Value Importer::reshape(Location loc, Value value, ArrayRef<int64_t> shape) {
  return shapeOf(value) == shape ? value : vit::ReshapeOp::create(builder, loc, type(shape), value);
}

Value Importer::concat(Location loc, ArrayRef<Value> parts) {
  SmallVector<int64_t> shape(shapeOf(parts.front()));
  shape.front() = 0;
  for (Value part : parts)
    shape.front() += shapeOf(part).front();
  return vit::ConcatOp::create(builder, loc, type(shape), parts);
}

Value Importer::rows(Location loc, Value value, int64_t first, int64_t count) {
  SmallVector<int64_t> shape(shapeOf(value));
  if (shape.front() == count)
    return value;
  shape.front() = count;
  return vit::SliceRowsOp::create(builder, loc, type(shape), value, builder.getI64IntegerAttr(first));
}

Value Importer::constant(Location loc, ArrayRef<int64_t> shape, ArrayRef<float> numbers) {
  return vit::ConstantOp::create(builder, loc, DenseElementsAttr::get(type(shape), numbers));
}

Value Importer::resample(Location loc, Value value, const Matrix &matrix, int64_t axis) {
  SmallVector<int64_t> shape(shapeOf(value));
  shape[axis] = matrix.rows;
  return vit::ResampleOp::create(builder, loc, type(shape), value, constant(loc, {matrix.rows, matrix.columns}, matrix.rounded()),
                                 builder.getI64IntegerAttr(axis));
}

Value Importer::normalize(const Twine &name, Value input, double eps) {
  std::string layer = name.str();
  Location at = loc(layer);
  return vit::NormalizeOp::create(builder, at, input.getType(), input, weight(at, layer + ".weight"), weight(at, layer + ".bias"),
                                  normKind(), number(eps));
}

Value Importer::linear(Location at, const std::string &name, Value input) {
  Value matrix = weight(at, name + ".weight");
  return linear(at, input, matrix, weight(at, name + ".bias"));
}

Value Importer::linear(Location at, Value input, Value matrix, Value bias) {
  SmallVector<int64_t> shape(shapeOf(input));
  shape.back() = shapeOf(matrix)[0];
  return vit::LinearOp::create(builder, at, type(shape), input, matrix, bias, /*residual=*/Value(), activation(Activation::Identity));
}

Value Importer::residual(Location at, Value skip, Value branch, const std::string &scale) {
  return vit::ResidualOp::create(builder, at, skip.getType(), skip, branch, weight(at, scale + ".gamma"));
}

//===--------------------------------------------------------------------------------------===//
// The whole model
//===--------------------------------------------------------------------------------------===//

OwningOpRef<ModuleOp> Importer::import() {
  Location at = loc(config.name);
  OwningOpRef<ModuleOp> module = ModuleOp::create(at);
  builder.setInsertionPointToEnd(module->getBody());
  RankedTensorType images = type({ShapedType::kDynamic, config.inChannels, config.imageHeight, config.imageWidth}), given = images;
  if (imageType == ImageType::U8)
    given = RankedTensorType::get({ShapedType::kDynamic, config.imageHeight, config.imageWidth, config.inChannels}, builder.getI8Type());
  auto function = func::FuncOp::create(builder, at, "infer", builder.getFunctionType({given}, {}));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToEnd(body);

  Value input = body->getArgument(0);
  if (imageType == ImageType::U8)
    input = normalizedImages(input, images);
  if (failed(returnOutputs(function, head(encode(input)))))
    return {};
  return module;
}

Value Importer::normalizedImages(Value pixels, RankedTensorType images) {
  auto numbers = [&](const std::vector<double> &values) {
    SmallVector<float> each(static_cast<size_t>(config.inChannels), static_cast<float>(values.front()));
    if (values.size() > 1)
      llvm::transform(values, each.begin(), [](double value) { return static_cast<float>(value); });
    return builder.getDenseF32ArrayAttr(each);
  };
  const Preprocess &preprocess = config.preprocess;
  return vit::NormalizeImagesOp::create(builder, loc("images"), images, pixels, numbers(preprocess.mean), numbers(preprocess.std),
                                        preprocess.rescale == Rescale::Multiply255);
}

Value Importer::encode(Value images) {
  Value x = tokens(images);
  for (int64_t index = 0; index < config.blocks(); ++index)
    offer("block." + Twine(index), x = block(index, x));
  if (config.classBlocks)
    x = classBlocks(x);
  if (config.finalNorm && config.transformer)
    x = normalize("norm", x, finalNormEps());
  if (config.neckChannels)
    x = neck(x);
  offer("tokens", x);
  return x;
}

OwningOpRef<ModuleOp> vitc::importModel(MLIRContext &context, const ModelConfig &config, ArrayRef<std::string> take, ImageType images) {
  context.loadDialect<func::FuncDialect, vit::VitDialect>();
  return Importer(context, config, take, images).import();
}

OwningOpRef<ModuleOp> vitc::importTrainingModel(MLIRContext &context, const ModelConfig &config) {
  context.loadDialect<func::FuncDialect, vit::VitDialect>();
  return Importer(context, config, {}).importTraining();
}
