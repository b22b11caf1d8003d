//===- Bench.cpp - vit-run bench ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Arrays.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "tools/vit-run/Measure.h"
#include "tools/vit-run/RandomImages.h"
#include "tools/vit-run/Runner.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/ranges.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <sched.h>

namespace vitrun {
namespace {

struct BenchOptions {
  CommonOptions common;
  std::string file, input, labels, output;
  size_t batch = 0; ///< 0: as many as --input holds, 1 without it
  MeasureOptions measure;
  double lr = 1e-3, weightDecay = 0.05;
  int core = -1;
  bool train = false, json = false;
};

/// Binds this process to `threads` cores from `core` on: its neighbour in the pair first, as the harness of the peers counts them, then the
/// others in order.
vitrt::Error bindToCores(int core, unsigned threads) {
  std::vector<int> available = vitrt::availableCores(), chosen = {core};
  if (std::find(available.begin(), available.end(), core) == available.end())
    return vitrt::makeError(VITRT_ERROR_ARGUMENT, "core {} is not one of the {} cores that this process may use", core, available.size());
  if (auto neighbour = std::find(available.begin(), available.end(), core ^ 1); neighbour != available.end())
    std::rotate(available.begin(), neighbour, neighbour + 1);
  for (int other : available)
    if (other != core && chosen.size() < std::max(threads, 1u))
      chosen.push_back(other);
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu : chosen)
    CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0)
    return vitrt::makeError(VITRT_ERROR_ARGUMENT, "core {} cannot be chosen: {}", core, std::strerror(errno));
  return vitrt::Error::success();
}

/// The images of --input, or random ones.
struct Images {
  vitrt::NpyArray array;
  ImageBuffer random;
  ImageSpan values;
  size_t batch = 0;
};

vitrt::Expected<Images> loadImages(const BenchOptions &options, std::span<const int64_t> shape, bool pixels) {
  Images images;
  if (options.input.empty()) {
    images.batch = options.batch ? options.batch : 1;
    images.random = randomImages(std::accumulate(shape.begin(), shape.end(), images.batch, std::multiplies<>()), 0, pixels);
    images.values = images.random;
    return images;
  }
  auto input = vitrt::readNpy(options.input);
  if (!input)
    return std::move(input.error());
  images.array = std::move(*input);
  auto checked = checkedImages(images.array, shape, pixels);
  if (!checked)
    return std::move(checked.error());
  images.values = *checked;
  images.batch = size_t(images.array.shape()[0]);
  if (options.batch && options.batch != images.batch)
    return vitrt::makeError(VITRT_ERROR_ARGUMENT, "{} holds {} images, but --batch is {}", options.input, images.batch, options.batch);
  return images;
}

/// What is said of a run on a GPU besides.
struct OnGpu {
  std::string device, architecture;
  std::vector<vitrt::DeviceTimes> times; ///< of each run

  /// The median of a part of the time, in seconds.
  double median(double vitrt::DeviceTimes::*part) const {
    std::vector<double> seconds;
    for (const vitrt::DeviceTimes &run : times)
      seconds.push_back(run.*part);
    std::sort(seconds.begin(), seconds.end());
    return percentile(seconds, 0.5);
  }
  void forgetFirst(size_t runs) { times.erase(times.begin(), times.begin() + ptrdiff_t(runs)); }
};

std::optional<OnGpu> onGpu(const vitrt::Model &model) {
  const vitrt::cuda::Device *device = model.gpu();
  return device ? std::optional(OnGpu{device->describe(), model.artifact().target().architecture()->str(), {}}) : std::nullopt;
}

/// What is said about either kind of run.
struct Measured {
  Samples samples;
  size_t batch;
  unsigned threads;
  double loadSeconds, gigaflop;
  long baseKilobytes;
  std::vector<double> losses; ///< of the first steps; empty for inference
  std::optional<OnGpu> gpu = std::nullopt;
};

int report(const BenchOptions &options, const Measured &measured) {
  const std::vector<double> &wall = measured.samples.wall;
  double median = percentile(wall, 0.5);
  nlohmann::ordered_json line = {{"median_ms", 1e3 * median},
                                 {"min_ms", 1e3 * wall.front()},
                                 {"p90_ms", 1e3 * percentile(wall, 0.9)},
                                 {"p99_ms", 1e3 * percentile(wall, 0.99)},
                                 {"n", wall.size()},
                                 {"images_per_second", double(measured.batch) / median},
                                 {"batch", measured.batch},
                                 {"threads", measured.threads},
                                 {"load_s", measured.loadSeconds},
                                 {"base_kb", measured.baseKilobytes},
                                 {"peak_kb", statusKilobytes("VmHWM")},
                                 {"anonymous_kb", statusKilobytes("RssAnon")},
                                 {"cpu_ms", 1e3 * percentile(measured.samples.cpu, 0.5)},
                                 {"gflop", measured.gigaflop}};
  if (!measured.losses.empty())
    line["losses"] = measured.losses;
  if (measured.gpu) {
    line["device"] = measured.gpu->device;
    line["architecture"] = measured.gpu->architecture;
    line["code"] = measured.gpu->times.empty() ? "" : measured.gpu->times.front().code;
    line["copy_in_ms"] = 1e3 * measured.gpu->median(&vitrt::DeviceTimes::copiesIn);
    line["launches_ms"] = 1e3 * measured.gpu->median(&vitrt::DeviceTimes::launches);
    line["copy_out_ms"] = 1e3 * measured.gpu->median(&vitrt::DeviceTimes::copiesOut);
  }
  if (options.json) {
    fmt::print("{}\n", line.dump());
    return ExitDone;
  }
  fmt::print("{}, batch {}, {} threads, {} {}\n", options.file, measured.batch, measured.threads, wall.size(),
             measured.losses.empty() ? "runs" : "training steps");
  fmt::print("  time     {:.3f} ms median, {:.3f} min, {:.3f} p90, {:.3f} p99 (CPU time {:.3f} ms)\n", line["median_ms"].get<double>(),
             line["min_ms"].get<double>(), line["p90_ms"].get<double>(), line["p99_ms"].get<double>(), line["cpu_ms"].get<double>());
  fmt::print("  speed    {:.1f} images/s, {:.1f} GFLOP/s\n", double(measured.batch) / median, measured.gigaflop / median);
  if (!measured.losses.empty())
    fmt::print("  loss     {:.6g} of the first steps\n", fmt::join(measured.losses, ", "));
  if (measured.gpu)
    fmt::print("  {}, code for {} ({}): {:.3f} ms of copies in, {:.3f} of launches, {:.3f} of copies out (medians, by its own clock)\n",
               measured.gpu->device, measured.gpu->architecture, line["code"].get<std::string>(), line["copy_in_ms"].get<double>(),
               line["launches_ms"].get<double>(), line["copy_out_ms"].get<double>());
  fmt::print("  load     {:.3f} s\n", measured.loadSeconds);
  fmt::print("  memory   {:.1f} MB peak, {:.1f} MB before the model was loaded\n", line["peak_kb"].get<double>() / 1024,
             double(measured.baseKilobytes) / 1024);
  return ExitDone;
}

int benchInference(const BenchOptions &options, long baseKilobytes) {
  auto runner = Runner::load(options.file, options.common);
  if (!runner)
    return fail(runner.error());
  if (runner->outputCount() > 1 && options.output.ends_with(".npy"))
    return failUsage(
        fmt::format("{} returns {} outputs, which go into one .npz, not into {}", options.file, runner->outputCount(), options.output));
  auto images = loadImages(options, runner->inputShape(), runner->takesPixels());
  if (!images)
    return failArgument(images.error());
  std::vector<std::vector<float>> outputs;
  std::optional<OnGpu> gpu = onGpu(runner->model());
  auto samples = measure(options.measure, [&] {
    vitrt::Error error = runner->run(images->batch, images->values, outputs);
    if (gpu)
      gpu->times.push_back(*runner->deviceTimes());
    return error;
  });
  if (!samples)
    return fail(samples.error());
  if (vitrt::Error error = runner->finish())
    return fail(error);
  if (!options.output.empty())
    if (vitrt::Error error = runner->writeOutputs(options.output, images->batch, outputs))
      return fail(error);
  if (gpu)
    gpu->forgetFirst(options.measure.warmup);
  double flop = double(runner->description().flop_per_image()) * double(images->batch);
  return report(
      options,
      {std::move(*samples), images->batch, runner->threads(), runner->loadSeconds(), flop / 1e9, baseKilobytes, {}, std::move(gpu)});
}

/// One row for each label of --labels, 1 in its class; without the option classes 0, 1, 2, ...
vitrt::Expected<std::vector<float>> loadTargets(const BenchOptions &options, size_t batch, size_t classes) {
  std::vector<float> targets(batch * classes);
  std::vector<int64_t> labels(batch);
  for (size_t i = 0; i < batch; ++i)
    labels[i] = int64_t(i % classes);
  if (!options.labels.empty()) {
    auto array = vitrt::readNpy(options.labels);
    if (!array)
      return std::move(array.error());
    auto integers = array->integers();
    if (!integers)
      return std::move(integers.error());
    labels = std::move(*integers);
  }
  if (labels.size() != batch)
    return vitrt::makeError(VITRT_ERROR_ARGUMENT, "{} holds {} labels for {} images", options.labels, labels.size(), batch);
  for (size_t i = 0; i < batch; ++i) {
    if (labels[i] < 0 || size_t(labels[i]) >= classes)
      return vitrt::makeError(VITRT_ERROR_ARGUMENT, "{}: label {} of image {}, the model has classes 0 to {}", options.labels, labels[i], i,
                              classes - 1);
    targets[i * classes + size_t(labels[i])] = 1;
  }
  return targets;
}

int benchTraining(const BenchOptions &options, long baseKilobytes) {
  constexpr size_t reportedLosses = 4;
  auto start = Trace::Clock::now();
  auto model = openModel(options.file, options.common);
  if (!model)
    return fail(model.error());
  const vitrt::fb::Model &description = (*model)->artifact().model();
  int64_t shape[] = {description.channels(), description.height(), description.width()};
  auto images = loadImages(options, shape, /*pixels=*/false);
  if (!images)
    return failArgument(images.error());
  auto session = createTrainable(**model, options.common, images->batch, /*averages=*/false);
  if (!session)
    return failArgument(session.error());
  std::unique_ptr<Trace> trace;
  if (!options.common.trace.empty()) {
    auto created = Trace::create(options.common.trace);
    if (!created)
      return fail(created.error());
    trace = std::move(*created);
    (*session)->observe(trace.get());
  }
  double loadSeconds = std::chrono::duration<double>(Trace::Clock::now() - start).count();
  auto targets = loadTargets(options, images->batch, (*session)->classes());
  if (!targets)
    return failArgument(targets.error());

  std::vector<float> losses(images->batch);
  std::vector<double> first;
  vitrt::UpdateScalars update{.learningRate = options.lr, .weightDecay = options.weightDecay, .step = 0};
  std::optional<OnGpu> gpu = onGpu(**model);
  auto step = [&]() -> vitrt::Error {
    if (vitrt::Error error = (*session)->beginStep())
      return error;
    float weight = 1.0f / float(images->batch);
    if (vitrt::Error error =
            (*session)->accumulate(0, update.step, 0, images->batch, images->values.data(), targets->data(), weight, losses.data()))
      return error;
    ++update.step;
    if (vitrt::Error error = (*session)->update(update))
      return error;
    // As in a run, where the next batch is there while a device computes.
    if (vitrt::Error error = (*session)->prefetch(images->batch, images->values.data()))
      return error;
    if (vitrt::Error error = (*session)->wait())
      return error;
    if (first.size() < reportedLosses)
      first.push_back(std::accumulate(losses.begin(), losses.end(), 0.0) / double(images->batch));
    if (gpu)
      gpu->times.push_back(*(*session)->deviceTimes());
    return vitrt::Error::success();
  };
  auto samples = measure(options.measure, step);
  if (!samples)
    return fail(samples.error());
  if (trace)
    if (vitrt::Error error = trace->finish())
      return fail(error);
  if (gpu)
    gpu->forgetFirst(options.measure.warmup);
  // Of the products as the model defines them: forward, and twice that for the gradients of both operands.
  double flop = 3 * double(description.flop_per_image()) * double(images->batch);
  return report(options, {std::move(*samples), images->batch, (*session)->threads(), loadSeconds, flop / 1e9, baseKilobytes,
                          std::move(first), std::move(gpu)});
}

int bench(const BenchOptions &options) {
  long baseKilobytes = statusKilobytes("VmRSS");
  if (!options.train && !options.labels.empty())
    return failUsage("--labels is for --train");
  if (options.train && !options.output.empty())
    return failUsage("--output is for inference, not for --train");
  if (options.core >= 0)
    if (vitrt::Error error = bindToCores(options.core, options.common.threads))
      return fail(error);
  return options.train ? benchTraining(options, baseKilobytes) : benchInference(options, baseKilobytes);
}

} // namespace

void addBenchCommand(CLI::App &tool, Action &action) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App *command = tool.add_subcommand("bench", "Measure speed and memory");
  command->add_option("FILE.vitx", options->file, "The compiled model")->required();
  command->add_option("--batch", options->batch, "Images a run (default: 1, or as many as --input holds)")
      ->check(CLI::Range(1u, 1000000u))
      ->type_name("N");
  command
      ->add_option("--seconds,--budget", options->measure.seconds, "Run for so long (default: 3), at least 3 times unless --iters is less")
      ->check(CLI::PositiveNumber)
      ->type_name("S");
  command->add_option("--iters", options->measure.iterations, "Run at most so often")->check(CLI::Range(1u, UINT32_MAX))->type_name("N");
  command->add_option("--warmup", options->measure.warmup, "Runs before those that count (default: 3)")->type_name("N");
  command
      ->add_option("--core", options->core,
                   "Bind the process to this core and, for more threads, to its neighbour (C xor 1), then to the others in order")
      ->check(CLI::Range(0, 65535))
      ->type_name("C");
  command
      ->add_option("--input", options->input,
                   "Run on these images f32 [N, C, H, W], or for a model that takes pixels u8 [N, H, W, C] (default: random ones)")
      ->type_name("X.npy");
  command->add_option("--output", options->output, "Write the output of the last run; several: an .npz")->type_name("Y.npy");
  command->add_option("--labels", options->labels, "Classes i64 [N] for --train (default: 0, 1, 2, ...)")->type_name("L.npy");
  command->add_flag("--train", options->train, "Measure training steps: forward, backward and update");
  command->add_option("--lr", options->lr, "Of --train (default: 0.001)")->check(CLI::NonNegativeNumber)->type_name("F");
  command->add_option("--weight-decay", options->weightDecay, "Of --train, on everything (default: 0.05)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("F");
  command->add_flag("--json", options->json, "One line of JSON");
  addCommonOptions(*command, options->common);
  command->footer("Example:\n  vit-run bench tiny.vitx --batch=8 --threads=2 --seconds=5 --json");
  command->callback([options, &action] { action = [options] { return bench(*options); }; });
}

} // namespace vitrun
