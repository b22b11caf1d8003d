//===- VerifyTraining.cpp - bounds of the training state ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/ManifestVerifier.h"

using namespace vitrt;

/// Parameters lie in order, apart, and within their memory; each has an initial value of its size.
bool ManifestVerifier::checkParameters(const fb::Target &target, const fb::Training &training, const std::string &where) {
  uint64_t end = 0;
  for (uint32_t i = 0; i < sizeOf(training.parameters()); ++i) {
    const fb::Parameter &parameter = *training.parameters()->Get(i);
    std::string at = fmt::format("{}.parameters[{}]", where, i);
    if (!checkIndex(parameter.source(), sizeOf(target.sources()), at + ".source", "sources") ||
        !checkIndex(parameter.weight(), sizeOf(target.weights()), at + ".weight", "weights"))
      return false;
    uint64_t bytes = countElements(target.sources()->Get(parameter.source())->shape()) * sizeof(float);
    if (target.weights()->Get(parameter.weight())->size() != bytes)
      return fail("{} has {} bytes, but its initial value {}", at, bytes, target.weights()->Get(parameter.weight())->size());
    if (parameter.offset() % sizeof(float) != 0 || parameter.offset() < end || parameter.offset() > training.parameter_bytes() ||
        bytes > training.parameter_bytes() - parameter.offset())
      return fail("{} has {} bytes from byte {} of {}, where another parameter lies or none may", at, bytes, parameter.offset(),
                  training.parameter_bytes());
    end = parameter.offset() + bytes;
  }
  return end > 0 || fail("{} has no parameters", where);
}

bool ManifestVerifier::checkTraining(const fb::Target &target, const fb::Training &training, const std::string &where) {
  if (!checkName(training.optimizer(), where + ".optimizer"))
    return false;
  for (uint64_t bytes : {training.parameter_bytes(), training.gradient_bytes(), training.derived_bytes()})
    if (bytes % kBufferAlignment != 0 || bytes > kMaxBytes)
      return fail("{} has a memory of {} bytes, expected a multiple of {}", where, bytes, kBufferAlignment);
  if (training.gradient_bytes() < training.parameter_bytes())
    return fail("{} has {} bytes of gradients for {} of parameters", where, training.gradient_bytes(), training.parameter_bytes());
  if (sizeOf(manifest.schemes()) == 0)
    return fail("{} names no framework's tensors", where);
  if (sizeOf(training.updates()) == 0)
    return fail("{}.updates is empty", where);
  for (uint32_t i = 0; i < sizeOf(training.updates()); ++i)
    if (!checkIndex(training.updates()->Get(i)->kernel(), sizeOf(target.kernels()), fmt::format("{}.updates[{}].kernel", where, i),
                    "kernels"))
      return false;
  return checkIndex(training.square_sum(), sizeOf(target.kernels()), where + ".square_sum", "kernels") &&
         checkParameters(target, training, where);
}
