//===- VerifyTraining.cpp - bounds of the training state ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/artifact/ManifestVerifier.h"
#include "runtime/artifact/UpdateScalars.h"

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

/// Elements of one image's share of the program's input or output of that name; 0 if there is none.
static uint64_t elementsOf(const fb::Program &program, const flatbuffers::Vector<uint32_t> *list, std::string_view name) {
  for (uint32_t i = 0; list && i < list->size(); ++i)
    if (const fb::Buffer &buffer = *program.buffers()->Get(list->Get(i)); buffer.name() && buffer.name()->string_view() == name)
      return buffer.bytes_per_image() / sizeof(float);
  return 0;
}

/// The runtime passes images, targets, randomness and loss weights of these sizes, and nothing to what runs once a step. Called after the
/// programs themselves were checked.
bool ManifestVerifier::checkTrainingPrograms(const fb::Target &target, const std::string &where) {
  for (const fb::Program *program : *target.programs()) {
    std::string_view name = program->name()->string_view();
    if ((name == "train.prepare" || name == "train.finish") && (sizeOf(program->inputs()) || sizeOf(program->outputs())))
      return fail("{}: program '{}' has inputs or outputs", where, name);
    if (name != "train")
      continue;
    auto input = [&](std::string_view what) { return elementsOf(*program, program->inputs(), what); };
    const fb::Model &model = *manifest.model();
    uint64_t pixels = uint64_t(model.channels()) * model.height() * model.width(), classes = input("targets"), teacher = input("teacher");
    bool fits = input("images") == pixels && classes > 0 && (teacher == 0 || teacher == classes) && input("randomness") == 4 &&
                input("loss_weights") == 1 && sizeOf(program->inputs()) == (teacher ? 5u : 4u) && sizeOf(program->outputs()) == 1 &&
                program->buffers()->Get(program->outputs()->Get(0))->bytes_per_image() == sizeof(float);
    if (!fits)
      return fail("{}: program 'train' does not take images of {} numbers, targets, 4 random words and a weight to one loss", where,
                  pixels);
  }
  return true;
}

/// Each way of updating that the runtime may choose is there, in tasks of the size that it counts by.
bool ManifestVerifier::checkUpdates(const fb::Target &target, const fb::Training &training, const std::string &where) {
  std::string_view optimizer = training.optimizer()->string_view();
  bool isSgd = optimizer == "sgd";
  if (!isSgd && optimizer != "adam" && optimizer != "adamw" && optimizer != "labml-adam")
    return fail("{}.optimizer is '{}', which this version does not know", where, optimizer);
  // They are launched with their operands and a number of elements, and nothing else.
  auto hasTasks = [&](uint32_t index) {
    const fb::Kernel &kernel = *target.kernels()->Get(index);
    return kernel.rows_per_task() == updateTaskElements && !kernel.persistent() && kernel.part_bytes() == 0 &&
           sizeOf(kernel.tensor_maps()) == 0;
  };
  if (!hasTasks(training.square_sum()))
    return fail("{}.square_sum has tasks of another size than {}", where, updateTaskElements);
  for (bool average : {false, true})
    for (auto [momentum, nesterov] : {std::pair(true, false), std::pair(false, false), std::pair(true, true)}) {
      bool found = !isSgd && (nesterov || !momentum);
      for (const fb::Update *update : *training.updates())
        found |= update->average() == average && (!isSgd || (update->momentum() == momentum && update->nesterov() == nesterov)) &&
                 hasTasks(update->kernel());
      if (!found)
        return fail("{}.updates lacks one with average {}, momentum {}, nesterov {}", where, average, momentum, nesterov);
    }
  return true;
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
         checkUpdates(target, training, where) && checkParameters(target, training, where);
}
