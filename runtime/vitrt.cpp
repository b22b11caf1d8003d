//===- vitrt.cpp - the C header's functions -----------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/vitrt.h"

#include "runtime/plan/Session.h"

#include <cstring>
#include <exception>
#include <new>
#include <string_view>

using namespace vitrt;

#define VITRT_QUOTE_(text) #text
#define VITRT_QUOTE(text) VITRT_QUOTE_(text)
static_assert(std::string_view(VITC_VERSION) ==
                  VITRT_QUOTE(VITRT_VERSION_MAJOR) "." VITRT_QUOTE(VITRT_VERSION_MINOR) "." VITRT_QUOTE(VITRT_VERSION_PATCH),
              "the header's version is the project's");

struct vitrt_model {
  std::unique_ptr<Model> model;
  std::string name;
  std::string target;
};

struct vitrt_session {
  std::unique_ptr<Session> session;
};

namespace {

thread_local std::string lastError;

vitrt_status report(Error error) {
  lastError = std::move(error.message);
  return error.status;
}

/// Nothing may be thrown into C: what the standard library throws, out of memory above all, becomes a status here.
template <typename Body> vitrt_status guarded(Body &&body) {
  try {
    Error error = body();
    return error ? report(std::move(error)) : VITRT_OK;
  } catch (const std::bad_alloc &) {
    return report({VITRT_ERROR_MEMORY, "out of memory"});
  } catch (const std::exception &exception) {
    return report(makeError(VITRT_ERROR_INTERNAL, "unexpected failure: {}", exception.what()));
  }
}

Error nullArgument(const char *function, const char *argument) {
  return makeError(VITRT_ERROR_ARGUMENT, "{} was given a null {}", function, argument);
}

/// Options of the caller's version of the header: fields that it did not have keep their defaults.
template <typename Options> Error readOptions(const Options *given, Options &options, const char *function) {
  options = {};
  if (!given)
    return Error::success();
  if (given->struct_size < sizeof(given->struct_size) || given->struct_size > sizeof(Options))
    return makeError(VITRT_ERROR_ARGUMENT,
                     "{}: the options' struct_size is {}, expected at most {}; the program was built for a newer header or did not set it",
                     function, given->struct_size, sizeof(Options));
  std::memcpy(&options, given, given->struct_size);
  return Error::success();
}

Error openModel(Expected<std::unique_ptr<Model>> opened, vitrt_model **result) {
  if (!opened)
    return std::move(opened.error());
  const Artifact &artifact = (*opened)->artifact();
  *result = new vitrt_model{std::move(*opened), artifact.model().name()->str(), artifact.target().name()->str()};
  return Error::success();
}

Error readOpenOptions(const vitrt_open_options *given, ArtifactOptions &options, const char *function) {
  vitrt_open_options read;
  if (Error error = readOptions(given, read, function))
    return error;
  // C lets any number into an enum, C++ may not even look at it as one.
  int verify;
  std::memcpy(&verify, &read.verify, sizeof(verify));
  if (verify != VITRT_VERIFY_ALL && verify != VITRT_VERIFY_HEADER)
    return makeError(VITRT_ERROR_ARGUMENT, "{}: verify is {}, expected VITRT_VERIFY_ALL or VITRT_VERIFY_HEADER", function, verify);
  options.verify = read.verify;
  options.target = read.target ? read.target : "";
  options.threads = read.threads;
  return Error::success();
}

Error describeTensor(const Program &program, const std::vector<uint32_t> &signature, size_t index, vitrt_tensor_info *info,
                     const char *what) {
  if (index >= signature.size())
    return makeError(VITRT_ERROR_ARGUMENT, "{} {} was asked for, but the model has {}", what, index, signature.size());
  if (!info)
    return nullArgument("vitrt_model_input/output", "info");
  const Buffer &buffer = program.buffers[signature[index]];
  const uint64_t bytes = buffer.type == fb::NumberType::I8 ? 1 : sizeof(float);
  *info = {buffer.name.c_str(), buffer.shape.data(), buffer.shape.size(), size_t(buffer.bytesPerImage / bytes)};
  return Error::success();
}

Error bindModel(vitrt_model *model, const char *function, Expected<std::unique_ptr<TensorFile>> tensors) {
  if (!model)
    return nullArgument(function, "model");
  if (!tensors)
    return std::move(tensors.error());
  Expected<BindReport> report = model->model->bind(**tensors);
  return report ? Error::success() : std::move(report.error());
}

} // namespace

uint32_t vitrt_version(void) { return VITRT_VERSION_MAJOR * 10000 + VITRT_VERSION_MINOR * 100 + VITRT_VERSION_PATCH; }

const char *vitrt_last_error(void) { return lastError.c_str(); }

vitrt_status vitrt_model_open(const char *path, const vitrt_open_options *options, vitrt_model **model) {
  return guarded([&]() -> Error {
    if (!path || !model)
      return nullArgument("vitrt_model_open", path ? "model" : "path");
    *model = nullptr;
    ArtifactOptions read;
    if (Error error = readOpenOptions(options, read, "vitrt_model_open"))
      return error;
    return openModel(Model::open(path, read), model);
  });
}

vitrt_status vitrt_model_open_memory(const void *bytes, size_t size, const vitrt_open_options *options, vitrt_model **model) {
  return guarded([&]() -> Error {
    if (!bytes || !model)
      return nullArgument("vitrt_model_open_memory", bytes ? "model" : "bytes");
    *model = nullptr;
    ArtifactOptions read;
    if (Error error = readOpenOptions(options, read, "vitrt_model_open_memory"))
      return error;
    return openModel(Model::openMemory({static_cast<const std::byte *>(bytes), size}, read), model);
  });
}

void vitrt_model_close(vitrt_model *model) { delete model; }

int vitrt_model_has_weights(const vitrt_model *model) { return model && model->model->hasWeights(); }

vitrt_status vitrt_model_bind_weights(vitrt_model *model, const char *path) {
  return guarded([&]() -> Error {
    if (!path)
      return nullArgument("vitrt_model_bind_weights", "path");
    return bindModel(model, "vitrt_model_bind_weights", openTensorFile(path));
  });
}

vitrt_status vitrt_model_bind_random_weights(vitrt_model *model, uint64_t seed) {
  return guarded([&]() -> Error {
    if (!model)
      return nullArgument("vitrt_model_bind_random_weights", "model");
    return bindModel(model, "vitrt_model_bind_random_weights", randomTensors(model->model->artifact().manifest(), seed));
  });
}

const char *vitrt_model_name(const vitrt_model *model) { return model ? model->name.c_str() : ""; }

const char *vitrt_model_target(const vitrt_model *model) { return model ? model->target.c_str() : ""; }

size_t vitrt_model_label_count(const vitrt_model *model) {
  const auto *labels = model ? model->model->artifact().model().labels() : nullptr;
  return labels ? labels->size() : 0;
}

const char *vitrt_model_label(const vitrt_model *model, size_t index) {
  return index < vitrt_model_label_count(model) ? model->model->artifact().model().labels()->Get(uint32_t(index))->c_str() : nullptr;
}

size_t vitrt_model_input_count(const vitrt_model *model) { return model ? model->model->program().inputs.size() : 0; }

size_t vitrt_model_output_count(const vitrt_model *model) { return model ? model->model->program().outputs.size() : 0; }

vitrt_status vitrt_model_input(const vitrt_model *model, size_t index, vitrt_tensor_info *info) {
  return guarded([&] {
    return model ? describeTensor(model->model->program(), model->model->program().inputs, index, info, "input")
                 : nullArgument("vitrt_model_input", "model");
  });
}

vitrt_element_type vitrt_model_input_type(const vitrt_model *model, size_t index) {
  if (!model || index >= model->model->program().inputs.size())
    return VITRT_F32;
  const Program &program = model->model->program();
  return program.buffers[program.inputs[index]].type == fb::NumberType::I8 ? VITRT_U8 : VITRT_F32;
}
vitrt_status vitrt_model_output(const vitrt_model *model, size_t index, vitrt_tensor_info *info) {
  return guarded([&] {
    return model ? describeTensor(model->model->program(), model->model->program().outputs, index, info, "output")
                 : nullArgument("vitrt_model_output", "model");
  });
}

vitrt_status vitrt_session_create(const vitrt_model *model, const vitrt_session_options *options, vitrt_session **session) {
  return guarded([&]() -> Error {
    if (!model || !session)
      return nullArgument("vitrt_session_create", model ? "session" : "model");
    *session = nullptr;
    vitrt_session_options read;
    if (Error error = readOptions(options, read, "vitrt_session_create"))
      return error;
    Expected<std::unique_ptr<Session>> created = Session::create(*model->model, {.threads = read.threads, .pin = read.pin != 0});
    if (!created)
      return std::move(created.error());
    *session = new vitrt_session{std::move(*created)};
    return Error::success();
  });
}

void vitrt_session_destroy(vitrt_session *session) { delete session; }

vitrt_status vitrt_run(vitrt_session *session, size_t batch, const float *const *inputs, float *const *outputs) {
  return guarded([&] { return session ? session->session->run(batch, inputs, outputs) : nullArgument("vitrt_run", "session"); });
}
