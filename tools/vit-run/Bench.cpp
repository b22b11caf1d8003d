//===- Bench.cpp - vit-run bench ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Arrays.h"
#include "tools/support/Progress.h"
#include "tools/vit-run/RandomImages.h"
#include "tools/vit-run/Runner.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sched.h>

namespace vitrun {
namespace {

struct BenchOptions {
  CommonOptions common;
  std::string file, input, labels, output;
  size_t batch = 0; ///< 0: as many as --input holds, 1 without it
  size_t warmup = 3, iterations = 0;
  double seconds = 3;
  int core = -1;
  bool train = false, json = false;
};

/// Fewer runs than this say nothing, whatever the time allows; only --iters asks for fewer.
constexpr size_t fewestIterations = 3;

/// A line of /proc/self/status in kB: "VmRSS", "VmHWM".
long statusKilobytes(const std::string &key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (long value; word == key + ":" && status >> value)
      return value;
  return 0;
}

double processSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

/// Value below which the fraction `p` of sorted samples lies, interpolated as NumPy's percentile.
double percentile(const std::vector<double> &sorted, double p) {
  double position = p * double(sorted.size() - 1);
  size_t below = size_t(position), above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - double(below)) * (sorted[above] - sorted[below]);
}

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

/// Seconds of each run: on the clock, and of all cores together.
struct Samples {
  std::vector<double> wall, cpu;
};

vitrt::Expected<Samples> measure(const BenchOptions &options, Runner &runner, size_t batch, std::span<const float> images,
                                 std::vector<std::vector<float>> &outputs) {
  for (size_t i = 0; i < options.warmup; ++i)
    if (vitrt::Error error = runner.run(batch, images, outputs))
      return error;
  Samples samples;
  vitc::tool::Progress progress("bench", options.iterations ? options.iterations : size_t(options.seconds * 10),
                                options.iterations ? "batches" : "tenths of a second");
  auto begin = Trace::Clock::now();
  double spent = 0;
  size_t reported = 0;
  size_t fewest = options.iterations ? std::min(options.iterations, fewestIterations) : fewestIterations;
  while (samples.wall.size() < fewest || (spent < options.seconds && (!options.iterations || samples.wall.size() < options.iterations))) {
    double cpu = processSeconds();
    auto start = Trace::Clock::now();
    if (vitrt::Error error = runner.run(batch, images, outputs))
      return error;
    auto end = Trace::Clock::now();
    samples.wall.push_back(std::chrono::duration<double>(end - start).count());
    samples.cpu.push_back(processSeconds() - cpu);
    spent = std::chrono::duration<double>(end - begin).count();
    size_t now = options.iterations ? samples.wall.size() : size_t(spent * 10);
    progress.advance(now - std::exchange(reported, now));
  }
  std::sort(samples.wall.begin(), samples.wall.end());
  std::sort(samples.cpu.begin(), samples.cpu.end());
  return samples;
}

int bench(const BenchOptions &options) {
  long baseKilobytes = statusKilobytes("VmRSS");
  if (options.train || !options.labels.empty())
    return failUsage(fmt::format("{}: this artifact holds no training program, so --train and --labels do not apply", options.file));
  if (options.core >= 0)
    if (vitrt::Error error = bindToCores(options.core, options.common.threads))
      return fail(error);
  auto runner = Runner::load(options.file, options.common);
  if (!runner)
    return fail(runner.error());

  if (runner->outputCount() > 1 && options.output.ends_with(".npy"))
    return failUsage(
        fmt::format("{} returns {} outputs, which go into one .npz, not into {}", options.file, runner->outputCount(), options.output));

  size_t batch = options.batch ? options.batch : 1;
  std::vector<float> random;
  std::span<const float> images;
  vitrt::Expected<vitrt::NpyArray> input = vitrt::NpyArray();
  if (!options.input.empty()) {
    if (input = vitrt::readNpy(options.input); !input)
      return fail(input.error());
    auto checked = checkedImages(*input, *runner);
    if (!checked)
      return fail(checked.error());
    images = *checked;
    batch = size_t(input->shape()[0]);
    if (options.batch && options.batch != batch)
      return failUsage(fmt::format("{} holds {} images, but --batch is {}", options.input, batch, options.batch));
  } else {
    random = randomImages(batch * runner->inputElements(), 0);
    images = random;
  }

  std::vector<std::vector<float>> outputs;
  auto samples = measure(options, *runner, batch, images, outputs);
  if (!samples)
    return fail(samples.error());
  if (vitrt::Error error = runner->finish())
    return fail(error);
  if (!options.output.empty())
    if (vitrt::Error error = runner->writeOutputs(options.output, batch, outputs))
      return fail(error);

  double median = percentile(samples->wall, 0.5), gigaflop = double(runner->description().flop_per_image()) * double(batch) / 1e9;
  nlohmann::ordered_json line = {{"median_ms", 1e3 * median},
                                 {"min_ms", 1e3 * samples->wall.front()},
                                 {"p90_ms", 1e3 * percentile(samples->wall, 0.9)},
                                 {"p99_ms", 1e3 * percentile(samples->wall, 0.99)},
                                 {"n", samples->wall.size()},
                                 {"images_per_second", double(batch) / median},
                                 {"batch", batch},
                                 {"threads", runner->threads()},
                                 {"load_s", runner->loadSeconds()},
                                 {"base_kb", baseKilobytes},
                                 {"peak_kb", statusKilobytes("VmHWM")},
                                 {"cpu_ms", 1e3 * percentile(samples->cpu, 0.5)},
                                 {"gflop", gigaflop}};
  if (options.json) {
    fmt::print("{}\n", line.dump());
    return ExitDone;
  }
  fmt::print("{}, batch {}, {} threads, {} runs\n", options.file, batch, runner->threads(), samples->wall.size());
  fmt::print("  time     {:.3f} ms median, {:.3f} min, {:.3f} p90, {:.3f} p99 (CPU time {:.3f} ms)\n", line["median_ms"].get<double>(),
             line["min_ms"].get<double>(), line["p90_ms"].get<double>(), line["p99_ms"].get<double>(), line["cpu_ms"].get<double>());
  fmt::print("  speed    {:.1f} images/s, {:.1f} GFLOP/s\n", double(batch) / median, gigaflop / median);
  fmt::print("  load     {:.3f} s\n", runner->loadSeconds());
  fmt::print("  memory   {:.1f} MB peak, {:.1f} MB before the model was loaded\n", line["peak_kb"].get<double>() / 1024,
             double(baseKilobytes) / 1024);
  return ExitDone;
}

} // namespace

void addBenchCommand(CLI::App &tool, Action &action) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App *command = tool.add_subcommand("bench", "Measure speed and memory");
  command->add_option("FILE.vitx", options->file, "The compiled model")->required();
  command->add_option("--batch", options->batch, "Images a run (default: 1, or as many as --input holds)")
      ->check(CLI::Range(1u, 1000000u))
      ->type_name("N");
  command->add_option("--seconds,--budget", options->seconds, "Run for so long (default: 3), at least 3 times unless --iters is less")
      ->check(CLI::PositiveNumber)
      ->type_name("S");
  command->add_option("--iters", options->iterations, "Run at most so often")->check(CLI::Range(1u, UINT32_MAX))->type_name("N");
  command->add_option("--warmup", options->warmup, "Runs before those that count (default: 3)")->type_name("N");
  command
      ->add_option("--core", options->core,
                   "Bind the process to this core and, for more threads, to its neighbour (C xor 1), then to the others in order")
      ->check(CLI::Range(0, 65535))
      ->type_name("C");
  command->add_option("--input", options->input, "Run on these images f32 [N, C, H, W] (default: random ones)")->type_name("X.npy");
  command->add_option("--output", options->output, "Write the output of the last run; several: an .npz")->type_name("Y.npy");
  command->add_option("--labels", options->labels, "Labels for --train")->type_name("L.npy");
  command->add_flag("--train", options->train, "Measure a training step, if the artifact holds a training program");
  command->add_flag("--json", options->json, "One line of JSON");
  addCommonOptions(*command, options->common);
  command->footer("Example:\n  vit-run bench tiny.vitx --batch=8 --threads=2 --seconds=5 --json");
  command->callback([options, &action] { action = [options] { return bench(*options); }; });
}

} // namespace vitrun
