//===- TrainOptions.cpp - the command line of vit-run train ---------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/TrainOptions.h"

#include "tools/vit-run/Spelling.h"

#include <algorithm>
#include <charconv>

namespace vitrun {

using vitrt::ScheduleKind;

namespace {

constexpr uint64_t defaultEpochs = 10;
/// The end of Flax's linear decay (vision_transformer, utils.create_learning_rate_schedule).
constexpr double defaultLinearEnd = 1e-5;

/// Optimizer steps of `--schedule-every=step|epoch|N`; 0 for what is neither.
uint64_t parseEvery(const std::string &text, uint64_t stepsPerEpoch) {
  if (text == "step")
    return 1;
  if (text == "epoch")
    return stepsPerEpoch;
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

std::string checkEvery(const std::string &text) {
  return parseEvery(text, 1) ? "" : fmt::format("`{}` is neither step nor epoch nor a number of steps", text);
}

std::string checkAugmentation(const std::string &text) {
  auto parsed = vitrt::Augmentation::parse(text);
  return parsed ? "" : parsed.error().message;
}

/// A number in [low, high), or in (low, high) if it is not to be `low` itself.
CLI::Validator within(double low, double high, bool withLow) {
  return CLI::Validator(
      [=](const std::string &text) -> std::string {
        double value = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && end == text.data() + text.size() && (withLow ? value >= low : value > low) && value < high)
          return "";
        return fmt::format("`{}` is no number {} {} and less than {}", text, withLow ? "of at least" : "greater than", low, high);
      },
      "");
}

std::vector<std::string> splitAtCommas(const std::string &text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin)
      parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

void addDataOptions(CLI::App &command, TrainOptions &options) {
  constexpr const char *group = "Data";
  command
      .add_option("--data", options.data,
                  "A folder with one folder a class (or train/ and val/), fashion-mnist[:DIR], cifar10:DIR, cifar100:DIR, or "
                  "tensors:FILE.npz with `images` and `labels`, which are read in order and round and round")
      ->type_name("DATASET")
      ->required()
      ->group(group);
  auto *fraction =
      command.add_option("--val-fraction", options.valFraction, "Validate on this part of each class instead of the data's own split")
          ->check(within(0, 1, false))
          ->type_name("F")
          ->group(group);
  command.add_option("--val-list", options.valList, "Validate on the images of a folder whose paths a file lists, one a line")
      ->type_name("FILE")
      ->excludes(fraction)
      ->group(group);
  command.add_option("--augment", options.augment, "crop:4,flip,... as docs/augmentation.md explains (default: none)")
      ->check(CLI::Validator(checkAugmentation, ""))
      ->type_name("LIST")
      ->group(group);
  command.add_option("--label-smoothing", options.labelSmoothing, "Part of each target that all classes share (default: 0)")
      ->check(within(0, 1, true))
      ->type_name("E")
      ->group(group);
  command.add_option("--shuffle", options.shuffle, "off: images in their order (default: on)")
      ->check(oneOf({"on", "off"}))
      ->type_name("on|off")
      ->group(group);
  auto *teacher =
      command
          .add_option("--teacher", options.teacher,
                      "What a distillation token learns: .npy, .npz or .safetensors with scores [N, classes] or classes [N] for "
                      "the images in their order (default: the labels)")
          ->type_name("FILE")
          ->group(group);
  command.add_option("--teacher-model", options.teacherModel, "The same from a compiled classifier, of the images as they are augmented")
      ->type_name("FILE.vitx")
      ->excludes(teacher)
      ->group(group);
  command.add_option("--teacher-kind", options.teacherKind, "hard: the teacher's first class (default); soft: its probabilities")
      ->check(oneOf({"hard", "soft"}))
      ->type_name("hard|soft")
      ->group(group);
  command.add_option("--readers", options.readers, "Threads that read and augment images ahead (default: 1)")
      ->check(CLI::Range(0u, 256u))
      ->type_name("N")
      ->group(group);
  command.add_flag("--strict", options.strict, "An image that cannot be read ends the run (default: it is named and skipped)")
      ->group(group);
}

void addLengthOptions(CLI::App &command, TrainOptions &options) {
  constexpr const char *group = "Length";
  command.add_option("--batch", options.batch, "Images of a step (default: 64)")
      ->check(CLI::Range(1u, 1000000u))
      ->type_name("N")
      ->group(group);
  command.add_option("--accumulate", options.accumulate, "Compute each batch in N consecutive parts (default: 1)")
      ->check(CLI::Range(1u, 1000000u))
      ->type_name("N")
      ->group(group);
  command.add_option("--steps", options.steps, "Updates; with --epochs, whatever ends first")
      ->check(CLI::Range(uint64_t(1), uint64_t(1) << 53))
      ->type_name("N")
      ->group(group);
  command.add_option("--epochs", options.epochs, "Rounds through the data (default: 10, unless --steps is given)")
      ->check(CLI::Range(1u, 1000000000u))
      ->type_name("N")
      ->group(group);
  command.add_option("--patience", options.patience, "Stop after N epochs without a better accuracy")
      ->check(CLI::Range(1u, 1000000000u))
      ->type_name("N")
      ->group(group);
  command.add_option("--seed", options.seed, "Of order, augmentation and dropout (default: 0)")->type_name("N")->group(group);
}

void addOptimizerOptions(CLI::App &command, TrainOptions &options) {
  constexpr const char *group = "Optimizer (vitc --optimizer chose which)";
  command.add_option("--lr", options.lr, "Learning rate (default: 0.001)")->check(within(0, 1e9, true))->type_name("F")->group(group);
  command.add_option("--weight-decay", options.weightDecay, "Default: 0.05 for adamw, 0 for the others")
      ->check(within(0, 1e9, true))
      ->type_name("F")
      ->group(group);
  command
      .add_option("--no-decay", options.noDecay,
                  "Parameters that are not decayed beside vectors and biases, as patterns with * (default: tokens and positions, as "
                  "timm); none: everything is decayed, vectors too")
      ->type_name("PATTERNS|none")
      ->group(group);
  command
      .add_option("--layer-decay", options.layerDecay, "Each layer's rate is so many times that of the next, as timm counts (default: 1)")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("F")
      ->group(group);
  command.add_option("--momentum", options.momentum, "Of sgd (default: 0.9)")->check(within(0, 1, true))->type_name("F")->group(group);
  command.add_flag("--nesterov", options.nesterov, "Nesterov's momentum")->group(group);
  command.add_option("--beta1", options.beta1, "Of adam, adamw, labml-adam (default: 0.9)")
      ->check(within(0, 1, true))
      ->type_name("F")
      ->group(group);
  command.add_option("--beta2", options.beta2, "The same (default: 0.999)")->check(within(0, 1, true))->type_name("F")->group(group);
  command.add_option("--eps", options.eps, "The same (default: 1e-8)")->check(within(0, 1e9, false))->type_name("F")->group(group);
  command.add_option("--clip-norm", options.clipNorm, "Limit of the norm of all gradients together (default: none)")
      ->check(within(0, 1e9, false))
      ->type_name("F")
      ->group(group);
  command.add_option("--clip-kind", options.clipKind, "torch: limit / (norm + 1e-6); optax: limit / norm (default: torch)")
      ->check(oneOf({"torch", "optax"}))
      ->type_name("KIND")
      ->group(group);
  command.add_option("--ema", options.ema, "Decay of a moving average of the weights, which is what is evaluated (default: none)")
      ->check(within(0, 1, false))
      ->type_name("F")
      ->group(group);
}

void addScheduleOptions(CLI::App &command, TrainOptions &options) {
  constexpr const char *group = "Schedule";
  std::vector<std::string> kinds(vitrt::scheduleNames().begin(), vitrt::scheduleNames().end());
  command.add_option("--schedule", options.schedule, "constant (default), step, exponential, cosine, cosine-annealing (periodic), linear")
      ->check(oneOf(kinds))
      ->type_name("KIND")
      ->group(group);
  command.add_option("--schedule-every", options.every, "Steps after which the rate changes: step (default), epoch or a number")
      ->check(CLI::Validator(checkEvery, ""))
      ->type_name("step|epoch|N")
      ->group(group);
  command.add_option("--warmup-steps", options.warmupSteps, "Steps over which the rate rises (default: 0)")->type_name("N")->group(group);
  command.add_option("--warmup-lr", options.warmupLr, "Where it rises from (default: 0)")
      ->check(within(0, 1e9, true))
      ->type_name("F")
      ->group(group);
  command
      .add_option("--warmup", options.warmup,
                  "delays: the curve begins after it (default); replaces: it takes the place of the curve's beginning")
      ->check(oneOf({"delays", "replaces"}))
      ->type_name("delays|replaces")
      ->group(group);
  command.add_option("--min-lr", options.minLr, "Where cosine and linear end (default: 0; linear: 1e-5)")
      ->check(within(0, 1e9, true))
      ->type_name("F")
      ->group(group);
  command
      .add_option("--t-max", options.tMax,
                  "Length of cosine and linear with their warm-up, half a period of cosine-annealing, in units of "
                  "--schedule-every (default: the whole run)")
      ->check(CLI::Range(uint64_t(1), uint64_t(1) << 53))
      ->type_name("N")
      ->group(group);
  command.add_option("--cycles", options.cycles, "Restarts of cosine, each of --t-max (default: 1)")
      ->check(CLI::Range(1u, 1000000u))
      ->type_name("N")
      ->group(group);
  command.add_option("--cycle-decay", options.cycleDecay, "Factor of the rate at each restart (default: 1)")
      ->check(within(0, 1e9, true))
      ->type_name("F")
      ->group(group);
  command.add_option("--gamma", options.gamma, "Factor of step and exponential (default: 0.1)")
      ->check(within(0, 1e9, true))
      ->type_name("F")
      ->group(group);
  command.add_option("--step-size", options.stepSize, "Of step, in units of --schedule-every (default: 30)")
      ->check(CLI::Range(uint64_t(1), uint64_t(1) << 53))
      ->type_name("N")
      ->group(group);
}

void addFileOptions(CLI::App &command, TrainOptions &options) {
  constexpr const char *group = "Files";
  auto *checkpoint =
      command.add_option("--checkpoint", options.checkpoint, "Folder for last.safetensors, best.safetensors and the run's state")
          ->type_name("DIR")
          ->group(group);
  command.add_option("--checkpoint-every", options.checkpointEvery, "Also every N steps (default: after each epoch)")
      ->check(CLI::Range(uint64_t(1), uint64_t(1) << 53))
      ->needs(checkpoint)
      ->type_name("N")
      ->group(group);
  auto *resume =
      command.add_flag("--resume", options.resume, "Go on from the state in --checkpoint, bit for bit")->needs(checkpoint)->group(group);
  command
      .add_option("--fine-tune", options.fineTune, "Begin with these weights; a head of other classes begins at 0, positions are resized")
      ->type_name("WEIGHTS")
      ->excludes(resume)
      ->group(group);
  command.add_option("--save", options.save, "Write the weights after the last step, under the framework's names (.safetensors or .npz)")
      ->type_name("FILE")
      ->group(group);
  command
      .add_option("--gradients", options.gradients,
                  "Write the gradients of the first step, by the parameters' names (.npz or .safetensors)")
      ->type_name("FILE")
      ->excludes(resume)
      ->group(group);
  command.add_option("--plot", options.plot, "Draw loss and accuracy")->type_name("FILE.svg")->group(group);
  command
      .add_flag("--json", options.json,
                "A line a step {\"step\", \"loss\", \"lr\", \"grad_norm\", \"images_per_second\"} and a line an epoch")
      ->group(group);
}

} // namespace

void addTrainOptions(CLI::App &command, TrainOptions &options) {
  command.add_option("FILE.vitx", options.file, "A model compiled with vitc --train")->required();
  addDataOptions(command, options);
  addLengthOptions(command, options);
  addOptimizerOptions(command, options);
  addScheduleOptions(command, options);
  addFileOptions(command, options);
  addImageOptions(command, options.image);
  addCommonOptions(command, options.common);
}

vitrt::SplitOptions TrainOptions::split() const {
  return {.valFraction = valFraction, .valList = valList, .seed = seed, .decode = image.decode()};
}

vitrt::DecayRule TrainOptions::decayRule() const {
  vitrt::DecayRule rule;
  rule.exclude = noDecay != "none";
  if (!noDecay.empty())
    rule.patterns = splitAtCommas(noDecay);
  return rule;
}

uint64_t TrainOptions::totalSteps(uint64_t stepsPerEpoch) const {
  uint64_t byEpochs = epochs || !steps ? epochs.value_or(defaultEpochs) * stepsPerEpoch : UINT64_MAX;
  return std::min(steps.value_or(UINT64_MAX), byEpochs);
}

vitrt::ScheduleOptions TrainOptions::scheduleOptions(uint64_t stepsPerEpoch) const {
  vitrt::ScheduleOptions result{.kind = *vitrt::parseScheduleKind(schedule),
                                .base = lr,
                                .every = parseEvery(every, stepsPerEpoch),
                                .gamma = gamma,
                                .stepSize = stepSize,
                                .cycles = cycles,
                                .cycleDecay = cycleDecay,
                                .warmupSteps = warmupSteps,
                                .warmupStart = warmupLr,
                                .warmupDelays = warmup == "delays"};
  result.minimum = minLr.value_or(result.kind == ScheduleKind::Linear ? defaultLinearEnd : 0);
  result.period = tMax.value_or(std::max((totalSteps(stepsPerEpoch) + result.every - 1) / result.every, uint64_t(1)));
  return result;
}

vitrt::Expected<vitrt::Schedule> TrainOptions::makeSchedule(uint64_t stepsPerEpoch) const {
  return vitrt::Schedule::create(scheduleOptions(stepsPerEpoch));
}

vitrt::UpdateScalars TrainOptions::update(std::string_view optimizer) const {
  return {.weightDecay = weightDecay.value_or(optimizer == "adamw" ? 0.05 : 0),
          .beta1 = optimizer == "sgd" ? momentum : beta1,
          .beta2 = beta2,
          .eps = eps,
          .nesterov = nesterov,
          .averageDecay = ema};
}

vitrt::RunOptions TrainOptions::recorded(std::string_view optimizer, uint64_t stepsPerEpoch) const {
  vitrt::ScheduleOptions curve = scheduleOptions(stepsPerEpoch);
  vitrt::UpdateScalars scalars = update(optimizer);
  vitrt::RunOptions result = {{"--data", data},
                              {"--val-list", valList},
                              {"--val-fraction", valFraction ? fmt::format("{}", *valFraction) : "not given"},
                              {"--augment", vitrt::Augmentation::parse(augment)->text()},
                              {"--label-smoothing", fmt::format("{}", labelSmoothing)},
                              {"--shuffle", shuffle},
                              {"--exif", image.exif},
                              {"--batch", fmt::format("{}", batch)},
                              {"--accumulate", fmt::format("{}", accumulate)},
                              {"--seed", fmt::format("{}", seed)},
                              {"--optimizer", std::string(optimizer)},
                              {"--lr", fmt::format("{}", lr)},
                              {"--weight-decay", fmt::format("{}", scalars.weightDecay)},
                              {"--no-decay", noDecay},
                              {"--layer-decay", fmt::format("{}", layerDecay)},
                              {"--clip-norm", clipNorm ? fmt::format("{} ({})", *clipNorm, clipKind) : "not given"},
                              {"--ema", fmt::format("{}", ema)},
                              {"--schedule", schedule}};
  // The order in which gradients are added up.
  if (common.group)
    result["--group"] = fmt::format("{}", common.group);
  if (!teacher.empty() || !teacherModel.empty())
    result["--teacher-kind"] = teacherKind;
  if (optimizer == "sgd") {
    result["--momentum"] = fmt::format("{}", momentum);
    result["--nesterov"] = nesterov ? "on" : "off";
  } else {
    result["--beta1"] = fmt::format("{}", beta1);
    result["--beta2"] = fmt::format("{}", beta2);
    result["--eps"] = fmt::format("{}", eps);
  }
  if (curve.warmupSteps)
    result["--warmup-steps"] = fmt::format("{} ({} from {})", curve.warmupSteps, warmup, curve.warmupStart);
  if (curve.kind == ScheduleKind::Constant)
    return result;
  result["--schedule-every"] = fmt::format("{}", curve.every);
  if (curve.kind == ScheduleKind::Step || curve.kind == ScheduleKind::Exponential)
    result["--gamma"] = fmt::format("{}", curve.gamma);
  if (curve.kind == ScheduleKind::Step)
    result["--step-size"] = fmt::format("{}", curve.stepSize);
  if (curve.kind == ScheduleKind::Cosine)
    result["--cycles"] = fmt::format("{} (each {} times the one before)", curve.cycles, curve.cycleDecay);
  if (curve.kind == ScheduleKind::Cosine || curve.kind == ScheduleKind::CosineAnnealing || curve.kind == ScheduleKind::Linear) {
    result["--min-lr"] = fmt::format("{}", curve.minimum);
    result["--t-max"] = fmt::format("{}", curve.period);
  }
  return result;
}

} // namespace vitrun
