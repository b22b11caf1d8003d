//===- ImportStem.cpp - the convolutions before the patches -----------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Importer.h"

#include "compiler/model/StemLayout.h"

using namespace mlir;
using namespace vitc;

/// Import's own spelling of a stem: maps [B, C, H, W], every step an operation.
class Importer::Stem {
public:
  explicit Stem(Importer &importer) : importer(importer), b(importer.builder), layout(stemLayout(importer.config)) {}

  Value build(Value x) {
    for (const StemConvolution &convolution : layout.root)
      x = convolve(convolution, x);
    if (layout.maxPool)
      x = pool<vit::MaxPoolOp>(*layout.maxPool, x);
    for (const StemUnit &unit : layout.units)
      x = bottleneck(unit, x);
    return x;
  }

private:
  DenseI64ArrayAttr numbers(ArrayRef<int64_t> values) { return b.getDenseI64ArrayAttr(values); }
  RankedTensorType mapType(int64_t channels, MapSize size) { return importer.type({ShapedType::kDynamic, channels, size[0], size[1]}); }

  Value convolve(const StemConvolution &convolution, Value x) {
    Location at = importer.loc(convolution.conv);
    Value kernel = importer.weight(at, convolution.conv + ".weight");
    if (layout.standardized)
      kernel = vit::StandardizeOp::create(b, at, kernel.getType(), kernel, importer.number(importer.config.stemStandardizeEps),
                                          importer.config.stemEpsOnDeviation ? b.getUnitAttr() : UnitAttr());
    const StemWindow &window = convolution.window;
    x = vit::ConvOp::create(b, at, mapType(convolution.outputs, window.to), x, kernel, /*bias=*/Value(), numbers(window.stride),
                            numbers(window.padding));
    bool activated = convolution.activation != Activation::Identity;
    // With GroupNorm the activation is part of timm's module of that name.
    x = normalize(convolution.norm, activated && convolution.result == convolution.norm ? ".normalized" : "", x);
    return activated ? activate(convolution.result, convolution.activation, x) : x;
  }

  Value normalize(const std::string &name, StringRef suffix, Value x) {
    Location at = importer.loc(name + suffix);
    auto vector = [&](const char *part) { return importer.weight(at, name + part); };
    Value gain = vector(".weight"), shift = vector(".bias");
    FloatAttr eps = importer.number(importer.config.stemNormEps);
    if (!layout.batchNorm)
      return vit::GroupNormOp::create(b, at, x.getType(), x, gain, shift, b.getI64IntegerAttr(StemLayout::groups), eps);
    Value mean = vector(".running_mean"), variance = vector(".running_var");
    return vit::BatchNormOp::create(b, at, x.getType(), x, mean, variance, gain, shift, eps);
  }

  Value activate(const std::string &name, Activation kind, Value x) {
    return vit::ActivationOp::create(b, importer.loc(name), x.getType(), x, importer.activation(kind));
  }

  template <typename PoolOp> Value pool(const StemPool &pool, Value x) {
    const StemWindow &window = pool.window;
    return PoolOp::create(b, importer.loc(pool.name), mapType(Importer::shapeOf(x)[1], window.to), x, numbers(window.size),
                          numbers(window.stride), numbers(window.padding));
  }

  Value bottleneck(const StemUnit &unit, Value x) {
    Value skip = x, branch = x;
    if (unit.shortcutPool)
      skip = pool<vit::AvgPoolOp>(*unit.shortcutPool, skip);
    if (unit.shortcut)
      skip = convolve(*unit.shortcut, skip);
    for (const StemConvolution &convolution : unit.branch)
      branch = convolve(convolution, branch);
    Value sum = vit::ResidualOp::create(b, importer.loc(unit.name + ".sum"), branch.getType(), skip, branch, /*gamma=*/Value());
    return activate(unit.name, Activation::Relu, sum);
  }

  Importer &importer;
  OpBuilder &b;
  StemLayout layout;
};

Value Importer::stem(Value images) { return Stem(*this).build(images); }
