//===- StemSources.cpp - the weights of the convolutions before the patches ---------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Sources.h"

#include "compiler/model/StemLayout.h"

using namespace vitc;

std::vector<PlacedSource> vitc::describeStemSources(const ModelConfig &config) {
  StemLayout layout = stemLayout(config);
  std::vector<PlacedSource> sources;
  auto add = [&](std::string name, std::string flaxName, std::vector<int64_t> shape) {
    PlacedSource source{std::move(name), std::move(shape), Role::Stem};
    source.flaxName = std::move(flaxName);
    sources.push_back(std::move(source));
  };
  auto flax = [](const std::string &module, const char *tensor) { return module.empty() ? "" : module + tensor; };
  for (const StemConvolution *convolution : layout.convolutions()) {
    const auto &[conv, norm, flaxConv, flaxNorm, result, inputs, outputs, window, activation] = *convolution;
    add(conv + ".weight", flax(flaxConv, "/kernel"), {outputs, inputs, window.size[0], window.size[1]});
    add(norm + ".weight", flax(flaxNorm, "/scale"), {outputs});
    add(norm + ".bias", flax(flaxNorm, "/bias"), {outputs});
    if (layout.batchNorm)
      for (const char *statistic : {".running_mean", ".running_var"}) {
        add(norm + statistic, "", {outputs});
        sources.back().statistic = true;
      }
  }
  return sources;
}
