//===- Checkpoint.cpp - a training run on disk ---------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/Checkpoint.h"

#include "runtime/data/Arrays.h"
#include "runtime/data/SafetensorsWriter.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace vitrt {
namespace {

using nlohmann::ordered_json;

constexpr const char *formatName = "vitc training state";
constexpr const char *formatVersion = "1";
constexpr const char *historyName = "history/loss";

struct Part {
  TensorState state;
  const char *prefix;
};
constexpr Part parts[] = {{TensorState::Parameter, "parameter/"},
                          {TensorState::FirstMoment, "first_moment/"},
                          {TensorState::SecondMoment, "second_moment/"},
                          {TensorState::Average, "average/"}};

/// A tensor of a state file.
struct Stored {
  TensorState state;
  size_t tensor;
  TensorHeader header;
};

std::vector<Stored> storedTensors(const TrainingState &state) {
  std::vector<Stored> stored;
  for (const Part &part : parts) {
    if (!state.holds(part.state))
      continue;
    for (size_t i = 0; i < state.tensors().size(); ++i) {
      const TrainedTensor &tensor = state.tensors()[i];
      if (tensor.trained || part.state == TensorState::Parameter)
        stored.push_back({part.state, i, {part.prefix + tensor.name, tensor.shape}});
    }
  }
  return stored;
}

ordered_json describe(const TrainingPosition &position) {
  ordered_json epochs = ordered_json::array();
  for (const EpochRecord &epoch : position.epochs)
    epochs.push_back({{"train_loss", epoch.trainLoss}, {"val_top1", epoch.valTop1 ? ordered_json(*epoch.valTop1) : ordered_json()}});
  return {{"step", position.step},        {"images", position.images},        {"epoch", position.next.epoch},
          {"batch", position.next.batch}, {"epoch_loss", position.epochLoss}, {"epoch_images", position.epochImages},
          {"best", position.best},        {"best_epoch", position.bestEpoch}, {"epochs", std::move(epochs)}};
}

/// Throws nlohmann's exceptions for anything else than what `describe` makes.
TrainingPosition parsePosition(const std::string &text) {
  ordered_json object = ordered_json::parse(text);
  TrainingPosition position;
  object.at("step").get_to(position.step);
  position.images = object.value("images", uint64_t(0)); // states of earlier versions do not say
  object.at("epoch").get_to(position.next.epoch);
  object.at("batch").get_to(position.next.batch);
  object.at("epoch_loss").get_to(position.epochLoss);
  object.at("epoch_images").get_to(position.epochImages);
  object.at("best").get_to(position.best);
  object.at("best_epoch").get_to(position.bestEpoch);
  for (const ordered_json &epoch : object.at("epochs")) {
    EpochRecord record{epoch.at("train_loss").get<double>(), std::nullopt};
    if (!epoch.at("val_top1").is_null())
      record.valTop1 = epoch.at("val_top1").get<double>();
    position.epochs.push_back(record);
  }
  return position;
}

Error compareOptions(const std::string &path, const RunOptions &then, const RunOptions &now) {
  auto valueOf = [](const RunOptions &options, const std::string &name) {
    auto it = options.find(name);
    return it == options.end() ? std::string("not given") : it->second;
  };
  RunOptions both = then;
  both.insert(now.begin(), now.end());
  // First those that both have: that there is another option at all follows from an optimizer or a schedule that differs.
  for (bool inBoth : {true, false})
    for (const auto &[name, value] : both) {
      std::string before = valueOf(then, name), after = valueOf(now, name);
      if (before == after || (then.contains(name) && now.contains(name)) != inBoth)
        continue;
      if (!name.starts_with("--"))
        return makeError(VITRT_ERROR_ARGUMENT, "{}: the run was started with another {}; --resume goes on with the same one", path, name);
      return makeError(VITRT_ERROR_ARGUMENT,
                       "{}: the run was started with {} {}{}, which is {} now; --resume goes on with the same options", path, name, before,
                       name == "--t-max" ? " (the length of the run unless given)" : "", after);
    }
  return Error::success();
}

/// An f32 tensor of the file, which has as many elements as expected.
Expected<std::vector<float>> readFloats(const TensorFile &file, const TensorHeader &header) {
  ptrdiff_t index = file.find(header.name);
  if (index < 0)
    return makeError(VITRT_ERROR_WEIGHTS, "{}: tensor {} is missing, so this is the state of another model or optimizer", file.name(),
                     header.name);
  const TensorInfo &info = file.tensors()[size_t(index)];
  if (info.type != ElementType::F32 || info.shape != header.shape)
    return makeError(VITRT_ERROR_WEIGHTS, "{}: tensor {} is {} {}, expected f32 {}", file.name(), header.name, nameOf(info.type),
                     formatShape(info.shape), formatShape(header.shape));
  auto data = file.read(size_t(index));
  if (!data)
    return std::move(data.error());
  std::vector<float> values(header.elements());
  std::ranges::copy(data->bytes, std::as_writable_bytes(std::span(values)).begin());
  file.release(size_t(index));
  return values;
}

/// Tensors of the model under their own names, with the state that each is read from.
Error saveTensors(const std::string &path, const TrainingState &state, const std::vector<Stored> &stored) {
  if (path.ends_with(".npz")) {
    std::vector<std::vector<float>> values;
    std::vector<NpyOutput> arrays;
    for (const Stored &one : stored) {
      if (Error error = state.read(one.state, one.tensor, values.emplace_back(one.header.elements())))
        return error;
      arrays.push_back({one.header.name, {one.header.shape.begin(), one.header.shape.end()}, values.back()});
    }
    return writeNpz(path, arrays);
  }
  std::vector<TensorHeader> headers;
  for (const Stored &one : stored)
    headers.push_back(one.header);
  // transformers refuses a file that does not say which framework's layout it has.
  auto writer = SafetensorsWriter::create(path, headers, {{"format", "pt"}});
  if (!writer)
    return std::move(writer.error());
  std::vector<float> values;
  for (const Stored &one : stored) {
    values.resize(one.header.elements());
    if (Error error = state.read(one.state, one.tensor, values))
      return error;
    if (Error error = writer->write(values))
      return error;
  }
  return writer->commit();
}

} // namespace

Error saveTrainingState(const std::string &path, const TrainingState &state, const TrainingPosition &position, const RunOptions &options) {
  std::vector<Stored> stored = storedTensors(state);
  std::vector<TensorHeader> headers;
  for (const Stored &one : stored)
    headers.push_back(one.header);
  headers.push_back({historyName, {position.losses.size()}});
  auto writer =
      SafetensorsWriter::create(path, headers,
                                {{"format", formatName},
                                 {"version", formatVersion},
                                 {"position", describe(position).dump()},
                                 {"options", nlohmann::json(options).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)}});
  if (!writer)
    return std::move(writer.error());
  std::vector<float> values;
  for (const Stored &one : stored) {
    values.resize(one.header.elements());
    if (Error error = state.read(one.state, one.tensor, values))
      return error;
    if (Error error = writer->write(values))
      return error;
  }
  if (Error error = writer->write(position.losses))
    return error;
  return writer->commit();
}

Expected<TrainingPosition> loadTrainingState(const std::string &path, TrainingState &state, const RunOptions &options) {
  auto file = openTensorFile(path);
  if (!file)
    return std::move(file.error());
  std::map<std::string, std::string> metadata = (*file)->metadata();
  if (metadata["format"] != formatName)
    return makeError(VITRT_ERROR_WEIGHTS, "{}: not a training state of vit-run train", path);
  if (metadata["version"] != formatVersion)
    return makeError(VITRT_ERROR_WEIGHTS, "{}: a training state of version {}, expected {}", path, metadata["version"], formatVersion);
  TrainingPosition position;
  try {
    position = parsePosition(metadata["position"]);
    if (Error error = compareOptions(path, nlohmann::json::parse(metadata["options"]).get<RunOptions>(), options))
      return error;
  } catch (const nlohmann::json::exception &exception) {
    return makeError(VITRT_ERROR_WEIGHTS, "{}: its metadata cannot be read: {}", path, exception.what());
  }
  auto losses = readFloats(**file, {historyName, {position.step}});
  if (!losses)
    return std::move(losses.error());
  position.losses = std::move(*losses);

  std::vector<Stored> stored = storedTensors(state);
  if ((*file)->tensors().size() != stored.size() + 1)
    return makeError(VITRT_ERROR_WEIGHTS, "{}: {} tensors, expected {}, so this is the state of another model or optimizer", path,
                     (*file)->tensors().size(), stored.size() + 1);
  std::vector<std::vector<float>> values;
  for (const Stored &one : stored) {
    auto floats = readFloats(**file, one.header);
    if (!floats)
      return std::move(floats.error());
    values.push_back(std::move(*floats));
  }
  for (size_t i = 0; i < stored.size(); ++i)
    if (Error error = state.write(stored[i].state, stored[i].tensor, values[i]))
      return error;
  return position;
}

Error saveWeights(const std::string &path, const TrainingState &state, TensorState which) {
  std::vector<Stored> stored;
  for (size_t i = 0; i < state.tensors().size(); ++i) {
    const TrainedTensor &tensor = state.tensors()[i];
    stored.push_back({tensor.trained ? which : TensorState::Parameter, i, {tensor.name, tensor.shape}});
  }
  return saveTensors(path, state, stored);
}

Error saveGradients(const std::string &path, const TrainingState &state) {
  std::vector<Stored> stored;
  for (size_t i = 0; i < state.tensors().size(); ++i)
    if (const TrainedTensor &tensor = state.tensors()[i]; tensor.trained)
      stored.push_back({TensorState::Gradient, i, {tensor.name, tensor.shape}});
  return saveTensors(path, state, stored);
}

} // namespace vitrt
