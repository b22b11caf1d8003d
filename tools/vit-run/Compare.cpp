//===- Compare.cpp - vit-run compare ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Arrays.h"
#include "tools/vit-run/RandomImages.h"
#include "tools/vit-run/Runner.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace vitrun {
namespace {

struct CompareOptions {
  CommonOptions common;
  std::string first, second, input, firstTarget, secondTarget;
  size_t batch = 1;
  uint64_t seed = 0;
  double tolerance = 1e-4;
  bool json = false;
};

using Shape = decltype(vitrt::Buffer::shape);

/// The shape of a launch's first result.
const Shape &shapeOf(const vitrt::Program &program, size_t launch) {
  const vitrt::Launch &at = program.launches[launch];
  return program.buffers[at.operands[at.operands.size() - at.results]].shape;
}

/// Keeps the result of every launch, for the whole batch. Where several launches bear one layer's name, the last one computes its value.
class Capture : public vitrt::LaunchObserver {
public:
  Capture(const vitrt::Program &program, size_t batch) : values(program.launches.size()) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i].resize(batch * elements(program, i));
  }

  static size_t elements(const vitrt::Program &program, size_t launch) {
    size_t count = 1;
    for (int64_t extent : shapeOf(program, launch))
      count *= size_t(extent);
    return count;
  }

  void launched(const vitrt::LaunchEvent &event) override {
    // Groups are disjoint, so workers write to different places.
    size_t perImage = elements(event.program, event.index), count = size_t(event.images) * perImage;
    float *to = values[event.index].data() + size_t(event.firstImage) * perImage;
    switch (event.outputBuffer().type) {
    case vitrt::fb::NumberType::F32:
    case vitrt::fb::NumberType::TF32:
      std::memcpy(to, event.output(), count * sizeof(float));
      break;
    case vitrt::fb::NumberType::BF16: {
      auto *from = static_cast<const uint16_t *>(event.output());
      for (size_t i = 0; i < count; ++i)
        to[i] = std::bit_cast<float>(uint32_t(from[i]) << 16);
      break;
    }
    case vitrt::fb::NumberType::F16: {
      auto *from = static_cast<const _Float16 *>(event.output());
      std::copy(from, from + count, to);
      break;
    }
    case vitrt::fb::NumberType::I8: {
      const vitrt::Buffer &buffer = event.outputBuffer();
      auto *from = static_cast<const uint8_t *>(event.output());
      const float grid[] = {buffer.scale, buffer.zeroPoint};
      auto *rows = buffer.scale == 0 ? static_cast<const float *>(event.output(1)) : nullptr;
      size_t width = size_t(buffer.shape.back());
      for (size_t i = 0; i < count; ++i) {
        const float *scales = rows ? rows + i / width * 2 : grid;
        to[i] = scales[0] * (float(from[i]) - scales[1]);
      }
      break;
    }
    }
  }

  std::vector<std::vector<float>> values; // by launch
};

struct Difference {
  double largest = 0;                                                          ///< max |a - b|
  double relativeRms = 0;                                                      ///< ||a - b|| / ||b||
  bool exceeds(double tolerance) const { return !(relativeRms <= tolerance); } // a NaN exceeds everything
};

Difference difference(std::span<const float> a, std::span<const float> b) {
  double squares = 0, norm = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    double d = double(a[i]) - double(b[i]);
    squares += d * d;
    norm += double(b[i]) * double(b[i]);
    largest = std::isnan(d) || d > largest ? d : std::max(largest, -d);
  }
  return {largest, squares == 0 ? 0 : std::sqrt(squares / (norm > 0 ? norm : 1.0))};
}

/// A feature map is [C, H, W] to one target and rows [H W, C] to another: puts maps into the order of rows where `other` is such.
void matchLayout(std::vector<float> &values, const Shape &shape, const Shape &other) {
  if (shape.size() != 3 || other.size() != 2 || other[0] != shape[1] * shape[2] || other[1] != shape[0])
    return;
  size_t channels = size_t(shape[0]), pixels = size_t(other[0]);
  std::vector<float> rows(values.size());
  for (size_t first = 0; first < values.size(); first += channels * pixels)
    for (size_t channel = 0; channel < channels; ++channel)
      for (size_t pixel = 0; pixel < pixels; ++pixel)
        rows[first + pixel * channels + channel] = values[first + channel * pixels + pixel];
  values = std::move(rows);
}

/// "blocks.11.row0" and "blocks.11.rows0to1": rows [first, end) of the layer "blocks.11" (docs/optimization.md). Nothing of other names.
struct RowsOfLayer {
  std::string layer;
  size_t first = 0, end = 0;

  static std::optional<RowsOfLayer> parse(const std::string &name) {
    size_t dot = name.rfind('.');
    RowsOfLayer rows;
    std::string_view suffix = dot == std::string::npos ? "" : std::string_view(name).substr(dot + 1);
    auto take = [&](std::string_view word, size_t &number) {
      if (!suffix.starts_with(word))
        return false;
      auto [rest, error] = std::from_chars(suffix.data() + word.size(), suffix.data() + suffix.size(), number);
      suffix.remove_prefix(rest - suffix.data());
      return error == std::errc();
    };
    bool several = suffix.starts_with("rows");
    if (!take(several ? "rows" : "row", rows.first) || (several && !take("to", rows.end)) || !suffix.empty())
      return std::nullopt;
    rows.end = (several ? rows.end : rows.first) + 1;
    rows.layer = name.substr(0, dot);
    return rows;
  }
};

/// Rows [first, end) of each image's `values` [T, D].
std::vector<float> rowsOf(const std::vector<float> &values, const Shape &shape, size_t first, size_t end) {
  size_t tokens = size_t(shape[0]), width = size_t(shape[1]);
  std::vector<float> result;
  for (size_t image = 0; image < values.size(); image += tokens * width)
    result.insert(result.end(), values.begin() + image + first * width, values.begin() + image + end * width);
  return result;
}

struct Side {
  Side(Runner &runner, size_t batch) : runner(runner), capture(runner.program(), batch) {
    const vitrt::Program &program = runner.program();
    for (size_t i = 0; i < program.launches.size(); ++i)
      layers[program.launches[i].name] = i;
  }

  /// What this side computed for a layer of the other, of the shape that the other has: the layer, or some rows of it. Empty if nothing.
  std::vector<float> valuesFor(const std::string &layer, const Shape &shape) {
    const vitrt::Program &program = runner.program();
    if (auto same = layers.find(layer); same != layers.end()) {
      std::vector<float> values = capture.values[same->second];
      matchLayout(values, shapeOf(program, same->second), shape);
      return values;
    }
    std::optional<RowsOfLayer> rows = RowsOfLayer::parse(layer);
    auto whole = rows ? layers.find(rows->layer) : layers.end();
    if (whole == layers.end())
      return {};
    const Shape &all = shapeOf(program, whole->second);
    if (all.size() != 2 || shape.size() != 2 || rows->end > size_t(all[0]) || rows->end - rows->first != size_t(shape[0]) ||
        all[1] != shape[1])
      return {};
    return rowsOf(capture.values[whole->second], all, rows->first, rows->end);
  }

  Runner &runner;
  Capture capture;
  std::map<std::string, size_t> layers;
  std::vector<std::vector<float>> outputs;
};

/// The lines of the table, and the first of them that differs.
class Table {
public:
  Table(double tolerance, bool json) : tolerance(tolerance), json(json) {
    if (!json)
      fmt::print("{:<44} {:>22} {:>12} {:>12}\n", "layer", "shape of an image", "max diff", "rel. rms");
  }

  /// `kind`: of the kernel that computes it on side A.
  void add(const std::string &layer, const std::string &kind, const std::vector<int64_t> &shape, const Difference &difference) {
    bool bad = difference.exceeds(tolerance);
    if (bad && first.empty())
      first = fmt::format("{} differs: relative rms {:.3g}, tolerance {:.3g}", layer, difference.relativeRms, tolerance);
    if (json)
      fmt::print("{}\n", nlohmann::ordered_json{{"layer", layer},
                                                {"kernel", kind},
                                                {"max_difference", difference.largest},
                                                {"relative_rms", difference.relativeRms},
                                                {"tolerance", tolerance},
                                                {"differs", bad}}
                             .dump());
    else
      fmt::print("{:<44} {:>22} {:>12.3g} {:>12.3g}{}\n", layer, vitrt::formatShape(shape), difference.largest, difference.relativeRms,
                 bad ? "  differs" : "");
    ++lines;
  }

  double tolerance;
  bool json;
  size_t lines = 0;
  std::string first;
};

vitrt::Expected<Runner> loadSide(const CompareOptions &options, const std::string &file, const std::string &target) {
  CommonOptions common = options.common;
  common.target = target.empty() ? common.target : target;
  common.trace.clear();
  return Runner::load(file, common);
}

int compare(const CompareOptions &options) {
  auto first = loadSide(options, options.first, options.firstTarget);
  if (!first)
    return fail(first.error());
  auto second = loadSide(options, options.second, options.secondTarget);
  if (!second)
    return fail(second.error());
  if (!std::ranges::equal(first->inputShape(), second->inputShape()))
    return fail(fmt::format("{} takes images {}, {} takes {}; only models of the same input can be compared", options.first,
                            vitrt::formatShape(first->inputShape()), options.second, vitrt::formatShape(second->inputShape())));

  size_t batch = options.batch;
  ImageBuffer random;
  ImageSpan images;
  vitrt::Expected<vitrt::NpyArray> input = vitrt::NpyArray();
  if (!options.input.empty()) {
    if (input = vitrt::readNpy(options.input); !input)
      return fail(input.error());
    auto checked = checkedImages(*input, first->inputShape(), first->takesPixels());
    if (!checked)
      return fail(checked.error());
    images = *checked;
    batch = size_t(input->shape()[0]);
  } else {
    random = randomImages(batch * first->inputElements(), options.seed, first->takesPixels());
    images = random;
  }

  Side a(*first, batch), b(*second, batch);
  for (Side *side : {&a, &b})
    if (vitrt::Error error = side->runner.run(batch, images, side->outputs, &side->capture))
      return fail(error);

  if (!options.json)
    fmt::print("A: {} ({})\nB: {} ({})\n", options.first, flatbuffers::GetStringView(first->model().artifact().target().name()),
               options.second, flatbuffers::GetStringView(second->model().artifact().target().name()));
  Table table(options.tolerance, options.json);
  size_t unmatched = 0;
  for (size_t i = 0; i < first->program().launches.size(); ++i) {
    const std::string &layer = first->program().launches[i].name;
    if (a.layers.at(layer) != i)
      continue;
    const Shape &shape = shapeOf(first->program(), i);
    std::vector<float> others = b.valuesFor(layer, shape);
    if (others.size() != a.capture.values[i].size()) {
      ++unmatched;
      continue;
    }
    if (auto other = b.layers.find(layer); other != b.layers.end())
      matchLayout(a.capture.values[i], shape, shapeOf(second->program(), other->second));
    table.add(layer, first->program().launches[i].kernel->kind()->str(), shape, difference(a.capture.values[i], others));
  }
  if (first->program().outputs.size() != second->program().outputs.size())
    return fail(fmt::format("{} returns {} outputs, {} returns {}", options.first, first->program().outputs.size(), options.second,
                            second->program().outputs.size()));
  size_t layers = table.lines;
  for (size_t i = 0; i < a.outputs.size(); ++i) {
    const vitrt::Buffer &output = first->program().buffers[first->program().outputs[i]];
    if (a.outputs[i].size() != b.outputs[i].size())
      return fail(fmt::format("output {}: {} in {}, {} in {}", output.name, vitrt::formatShape(output.shape), options.first,
                              vitrt::formatShape(second->outputShape(i)), options.second));
    table.add("output " + output.name, "output", output.shape, difference(a.outputs[i], b.outputs[i]));
  }
  if (!options.json)
    fmt::print("{} layers of both compared over {} image{}, {} of A have no counterpart of the same size in B\n", layers, batch,
               batch == 1 ? "" : "s", unmatched);
  else if (unmatched > 0)
    fmt::print(stderr, "vit-run: note: {} layers of A have no counterpart of the same size in B\n", unmatched);
  if (!table.first.empty())
    return fail(table.first);
  return ExitDone;
}

} // namespace

void addCompareCommand(CLI::App &tool, Action &action) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App *command = tool.add_subcommand("compare", "Run two artifacts on the same images and compare them layer by layer");
  command->add_option("A.vitx", options->first, "A compiled model")->required();
  command->add_option("B.vitx", options->second, "Another, or the same with another target")->required();
  auto *input =
      command
          ->add_option(
              "--input", options->input,
              "Images f32 [N, C, H, W], already normalised, or for a model that takes pixels u8 [N, H, W, C] (default: random ones)")
          ->type_name("X.npy");
  command->add_option("--batch", options->batch, "Random images (default: 1)")
      ->check(CLI::Range(1u, 100000u))
      ->type_name("N")
      ->excludes(input);
  command->add_option("--seed", options->seed, "Seed of the random images (default: 0)")->type_name("SEED")->excludes(input);
  command->add_option("--tolerance", options->tolerance, "Largest accepted relative rms difference ||A - B|| / ||B|| (default: 1e-4)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("T");
  command->add_option("--target-a", options->firstTarget, "Target of A (default: --target)")->type_name("NAME");
  command->add_option("--target-b", options->secondTarget, "Target of B (default: --target)")->type_name("NAME");
  command->add_flag("--json", options->json, "A line of JSON for each layer");
  addCommonOptions(*command, options->common);
  command->footer("Layers are matched by name; exits 1 if one differs and names the first.\n\nExamples:\n  vit-run compare tiny.vitx "
                  "tiny-reference.vitx\n"
                  "  vit-run compare both.vitx both.vitx --target-a=cpu --target-b=reference");
  command->callback([options, &action] { action = [options] { return compare(*options); }; });
}

} // namespace vitrun
