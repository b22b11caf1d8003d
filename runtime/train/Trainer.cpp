//===- Trainer.cpp - steps, epochs, evaluation and checkpoints of a run ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/Trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace vitrt {
namespace {

using Clock = std::chrono::steady_clock;

/// Puts the averages where the parameters are, and the parameters back.
class AveragesInPlace {
public:
  explicit AveragesInPlace(TrainableModel &model) : model(model) {}

  Error exchange() {
    std::vector<float> average;
    for (size_t i = 0; i < model.tensors().size(); ++i) {
      const TrainedTensor &tensor = model.tensors()[i];
      std::vector<float> &parameter = parameters.emplace_back(tensor.trained ? tensor.elements() : 0);
      if (!tensor.trained)
        continue;
      if (Error error = model.read(TensorState::Parameter, i, parameter))
        return error;
      average.resize(parameter.size());
      if (Error error = model.read(TensorState::Average, i, average))
        return error;
      if (Error error = model.write(TensorState::Parameter, i, average))
        return error;
    }
    return Error::success();
  }
  Error restore() {
    for (size_t i = 0; i < parameters.size(); ++i)
      if (model.tensors()[i].trained)
        if (Error error = model.write(TensorState::Parameter, i, parameters[i]))
          return error;
    return Error::success();
  }

private:
  TrainableModel &model;
  std::vector<std::vector<float>> parameters;
};

/// An average begins with the weights that the run begins with.
Error beginAverages(TrainableModel &model) {
  std::vector<float> values;
  for (size_t i = 0; i < model.tensors().size(); ++i)
    if (const TrainedTensor &tensor = model.tensors()[i]; tensor.trained) {
      values.resize(tensor.elements());
      if (Error error = model.read(TensorState::Parameter, i, values))
        return error;
      if (Error error = model.write(TensorState::Average, i, values))
        return error;
    }
  return Error::success();
}

} // namespace

Expected<TrainingEnd> Trainer::run(TrainingListener &listener) {
  if (at.step == 0 && averages())
    if (Error error = beginAverages(model))
      return error;
  // A run that was stopped while it evaluated has its epoch's end before it.
  if (at.epochImages > 0 && at.next.batch == 0)
    if (Error error = finishEpoch(listener))
      return error;
  auto isOutOfPatience = [&] { return options.patience && at.best >= 0 && at.epochs.size() - 1 - at.bestEpoch >= options.patience; };
  auto save = [&](bool mustSucceed) {
    if (options.folder.empty())
      return Error::success();
    Error error = checkpoint();
    if (!error || mustSucceed)
      return error;
    listener.warned(error.message + "; the run goes on, and what was written before is still there");
    return Error::success();
  };
  while (at.step < options.steps && !isOutOfPatience() && !listener.stops()) {
    auto start = Clock::now();
    auto batch = data.next();
    if (!batch)
      return std::move(batch.error());
    for (const std::string &sentence : (*batch)->skipped)
      listener.warned(sentence);
    auto report = step(**batch);
    if (!report)
      return std::move(report.error());
    report->seconds = std::chrono::duration<double>(Clock::now() - start).count();
    listener.stepped(*report);

    at.next = data.cursor();
    at.losses.push_back(float(report->loss));
    at.epochLoss += report->loss * double(report->images);
    at.epochImages += report->images;
    ++at.step;
    bool ends = at.next.batch == 0;
    if (ends)
      if (Error error = finishEpoch(listener))
        return error;
    if (at.step < options.steps && (ends || (options.checkpointEvery && at.step % options.checkpointEvery == 0)))
      if (Error error = save(false))
        return error;
  }
  if (Error error = save(true))
    return error;
  // All steps are done, but the last epoch's evaluation may have been stopped.
  if (at.step >= options.steps && !(at.epochImages > 0 && at.next.batch == 0))
    return TrainingEnd::Done;
  return isOutOfPatience() ? TrainingEnd::OutOfPatience : TrainingEnd::Stopped;
}

Expected<StepReport> Trainer::step(const TrainingBatch &batch) {
  StepReport report{
      .step = at.step, .loss = 0, .learningRate = schedule.rate(at.step), .gradientNorm = {}, .images = batch.size, .seconds = 0};
  losses.resize(batch.size);
  if (options.teacher) {
    teacherRows.resize(batch.size * model.classes());
    if (Error error = options.teacher->teach(batch, teacherRows))
      return error;
  }
  if (Error error = computeGradients(batch))
    return error;
  // Always looked at: an update by gradients that are not finite would spoil the weights, and the next checkpoint with them.
  Expected<double> measured = model.gradientNorm();
  if (!measured)
    return std::move(measured.error());
  const double norm = *measured;
  if (Error error = checkLosses(batch))
    return error;
  for (float loss : losses)
    report.loss += double(loss);
  report.loss /= double(batch.size);

  bool keepsGradients = at.step == 0 && !options.gradients.empty();
  if (!std::isfinite(norm))
    return makeError(VITRT_ERROR_ARGUMENT,
                     "the gradients of step {} are not finite, though its loss is {}; the first value that is not comes from {}", at.step,
                     report.loss, firstNonFinite(batch, 0).value_or("the sum of their squares"));
  if (options.clipping || options.wantsNorm || keepsGradients)
    report.gradientNorm = norm;
  if (keepsGradients)
    if (Error error = saveGradients(options.gradients, model))
      return error;
  UpdateScalars update = options.update;
  update.learningRate = report.learningRate;
  update.step = at.step + 1;
  if (options.clipping)
    update.gradientFactor = clippingFactor(options.clipping->kind, *report.gradientNorm, options.clipping->limit);
  if (Error error = model.update(update))
    return error;
  return report;
}

Error Trainer::computeGradients(const TrainingBatch &batch) {
  if (Error error = model.beginStep())
    return error;
  for (size_t first = 0; first < batch.size; first += partOf(batch)) {
    size_t count = std::min(partOf(batch), batch.size - first);
    if (options.teacher)
      model.setTeacher(&teacherRows[first * model.classes()]);
    const float *images = batch.images.data() + first * model.imageElements(), *targets = batch.targets.data() + first * model.classes();
    if (Error error = model.accumulate(options.seed, at.step, first, count, images, targets, 1.0f / float(batch.size), &losses[first]))
      return error;
  }
  const TrainingBatch *next = at.step + 1 < options.steps ? data.peek() : nullptr;
  return next ? model.prefetch(std::min(partOf(*next), next->size), next->images.data()) : Error::success();
}

Error Trainer::checkLosses(const TrainingBatch &batch) {
  auto wrong = std::ranges::find_if(losses, [](float loss) { return !std::isfinite(loss); });
  if (wrong == losses.end())
    return Error::success();
  size_t image = size_t(wrong - losses.begin());
  return makeError(VITRT_ERROR_ARGUMENT, "the loss of step {} is not finite; the first value that is not comes from {}", at.step,
                   firstNonFinite(batch, image / partOf(batch) * partOf(batch)).value_or("the loss"));
}

/// The layer in the first of the parts from image `first` on that has one.
std::optional<std::string> Trainer::firstNonFinite(const TrainingBatch &batch, size_t first) {
  for (; first < batch.size; first += partOf(batch)) {
    if (options.teacher)
      model.setTeacher(&teacherRows[first * model.classes()]);
    size_t count = std::min(partOf(batch), batch.size - first);
    std::string layer = model.firstNonFinite(options.seed, at.step, first, count, &batch.images[first * model.imageElements()],
                                             &batch.targets[first * model.classes()]);
    if (!layer.empty())
      return layer;
  }
  return std::nullopt;
}

Error Trainer::finishEpoch(TrainingListener &listener) {
  EpochRecord record{.trainLoss = at.epochLoss / double(at.epochImages), .valTop1 = {}};
  if (validation) {
    auto accuracy = evaluate(listener);
    if (!accuracy)
      return std::move(accuracy.error());
    if (!*accuracy)
      return Error::success(); // stopped: the epoch's end is still to come
    record.valTop1 = **accuracy;
    if (**accuracy > at.best) {
      at.best = **accuracy;
      at.bestEpoch = at.epochs.size();
      if (!options.folder.empty())
        if (Error error =
                saveWeights(CheckpointFiles(options.folder).best(), model, averages() ? TensorState::Average : TensorState::Parameter))
          listener.warned(error.message + "; the run goes on, and what was written before is still there");
    }
  }
  listener.epochEnded(at.epochs.size(), record);
  at.epochs.push_back(record);
  at.epochLoss = 0;
  at.epochImages = 0;
  return Error::success();
}

/// The part of the images whose highest score is their class's; nothing if it was stopped.
Expected<std::optional<double>> Trainer::evaluate(TrainingListener &listener) {
  AveragesInPlace average(model);
  if (averages())
    if (Error error = average.exchange())
      return error;
  Expected<std::optional<double>> accuracy = evaluateParameters(listener);
  if (Error error = average.restore())
    return error;
  return accuracy;
}

Expected<std::optional<double>> Trainer::evaluateParameters(TrainingListener &listener) {
  size_t classes = model.classes(), seen = 0, right = 0;
  std::vector<float> scores;
  for (size_t i = 0; i < validation->batchesPerEpoch(); ++i) {
    if (listener.stops())
      return std::optional<double>();
    auto batch = validation->next();
    if (!batch)
      return std::move(batch.error());
    for (const std::string &sentence : (*batch)->skipped)
      listener.warned(sentence);
    // Batches of tensors are always full, so the last one begins anew; one of pictures that cannot be read is empty.
    size_t count = std::min((*batch)->size, validationImages - seen);
    if (count == 0)
      continue;
    scores.resize(count * classes);
    if (Error error = model.logits(count, (*batch)->images.data(), scores.data()))
      return error;
    for (size_t image = 0; image < count; ++image) {
      const float *row = &scores[image * classes], *target = &(*batch)->targets[image * classes];
      right += std::max_element(row, row + classes) - row == std::max_element(target, target + classes) - target;
    }
    seen += count;
  }
  if (seen == 0)
    return makeError(VITRT_ERROR_FORMAT, "none of the {} images to validate on can be read", validationImages);
  return std::optional(double(right) / double(seen));
}

Error Trainer::checkpoint() {
  CheckpointFiles files(options.folder);
  if (Error error = saveTrainingState(files.state(), model, at, options.recorded))
    return error;
  if (averages())
    if (Error error = saveWeights(files.lastAverage(), model, TensorState::Average))
      return error;
  return saveWeights(files.last(), model);
}

} // namespace vitrt
