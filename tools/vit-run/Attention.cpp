//===- Attention.cpp - vit-run attention --------------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Dataset.h"
#include "runtime/data/Files.h"
#include "tools/vit-run/AttentionMap.h"
#include "tools/vit-run/Runner.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <numeric>

namespace vitrun {
namespace {

struct AttentionOptions {
  CommonOptions common;
  ImageOptions image;
  std::string file, picture, output = "attention.png", block, head = "mean", token;
};

constexpr std::string_view outputPrefix = "attention.";

/// A number below `count`, or nothing.
std::optional<size_t> parseIndex(const std::string &text, size_t count) {
  size_t value = 0;
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() && value < count ? std::optional(value) : std::nullopt;
}

/// "11" or, of a branch, "3.1" as numbers that compare.
std::pair<int, int> blockNumber(std::string_view text) {
  std::pair<int, int> number = {-1, -1};
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number.first);
  if (code == std::errc() && end != text.data() + text.size() && *end == '.')
    std::from_chars(end + 1, text.data() + text.size(), number.second);
  return number;
}

/// The output with the attention of the wanted block, by default of the last one.
vitrt::Expected<size_t> findOutput(const AttentionOptions &options, const Runner &runner) {
  std::vector<std::string> blocks, others;
  size_t last = 0;
  for (size_t i = 0; i < runner.outputCount(); ++i) {
    const std::string &name = runner.outputName(i);
    others.push_back(name);
    if (!name.starts_with(outputPrefix) || runner.outputShape(i).size() != 3)
      continue;
    if (name.substr(outputPrefix.size()) == options.block)
      return i;
    std::string block = name.substr(outputPrefix.size());
    if (blocks.empty() || blockNumber(block) > blockNumber(runner.outputName(last).substr(outputPrefix.size())))
      last = i;
    blocks.push_back(block);
  }
  if (blocks.empty())
    return vitrt::makeError(VITRT_ERROR_ARGUMENT,
                            "{}: the program returns {} and no attention; compile the model with vitc --take=attention.N for a block N",
                            options.file, fmt::join(others, ", "));
  if (!options.block.empty())
    return vitrt::makeError(VITRT_ERROR_ARGUMENT,
                            "{}: the program does not return the attention of block {}, only of {}; vitc --take=attention.{} compiles it",
                            options.file, options.block, fmt::join(blocks, ", "), options.block);
  return last;
}

/// Tokens before the patches, by the model's config.
struct PrefixTokens {
  bool hasClass = false;
  size_t count = 0;
};

PrefixTokens prefixTokens(const Runner &runner) {
  auto config = nlohmann::json::parse(runner.description().config()->string_view(), nullptr, /*allow_exceptions=*/false);
  PrefixTokens prefix;
  auto flag = [&](const char *key) { return config.is_object() && config.contains(key) && config[key] == true; };
  prefix.hasClass = flag("class_token");
  prefix.count = size_t(prefix.hasClass) + size_t(flag("distillation_token"));
  if (config.is_object() && config.contains("reg_tokens") && config["reg_tokens"].is_number_unsigned())
    prefix.count += config["reg_tokens"].get<size_t>();
  return prefix;
}

/// Rows of the square [heads, tokens, tokens] that are looked at, and what they are called.
struct Selection {
  std::vector<size_t> heads, queries;
  std::string name;
};

vitrt::Expected<Selection> select(const AttentionOptions &options, size_t heads, size_t tokens, const PrefixTokens &prefix) {
  Selection chosen;
  if (options.head == "mean") {
    chosen.heads.resize(heads);
    std::iota(chosen.heads.begin(), chosen.heads.end(), size_t(0));
  } else if (auto head = parseIndex(options.head, heads)) {
    chosen.heads = {*head};
  } else {
    return vitrt::makeError(VITRT_ERROR_ARGUMENT, "--head={} is not one of the {} heads, expected mean or 0 to {}", options.head, heads,
                            heads - 1);
  }
  std::string token = !options.token.empty() ? options.token : prefix.hasClass ? "class" : "mean";
  std::string whose;
  if (token == "class") {
    if (!prefix.hasClass)
      return vitrt::makeError(VITRT_ERROR_ARGUMENT, "--token=class: the model has no class token, expected mean or a token from 0 to {}",
                              tokens - 1);
    chosen.queries = {0};
    whose = "class token";
  } else if (token == "mean") {
    chosen.queries.resize(tokens - prefix.count);
    std::iota(chosen.queries.begin(), chosen.queries.end(), prefix.count);
    whose = "mean of the patches";
  } else if (auto index = parseIndex(token, tokens)) {
    chosen.queries = {*index};
    whose = fmt::format("token {}", *index);
  } else {
    return vitrt::makeError(VITRT_ERROR_ARGUMENT, "--token={} is no token, expected {}mean or a number from 0 to {}", token,
                            prefix.hasClass ? "class, " : "", tokens - 1);
  }
  chosen.name = fmt::format("{}, {}", whose,
                            chosen.heads.size() == 1 ? fmt::format("head {}", chosen.heads[0]) : fmt::format("mean of {} heads", heads));
  return chosen;
}

/// The mean of the selected rows over all tokens.
std::vector<double> meanRow(const std::vector<float> &square, size_t tokens, const Selection &chosen) {
  std::vector<double> row(tokens);
  for (size_t head : chosen.heads)
    for (size_t query : chosen.queries)
      for (size_t key = 0; key < tokens; ++key)
        row[key] += double(square[(head * tokens + query) * tokens + key]);
  for (double &share : row)
    share /= double(chosen.heads.size() * chosen.queries.size());
  return row;
}

/// A crop for people's eyes: bytes, whichever numbers the network gets.
vitrt::Image toBytes(const vitrt::Crop &crop) {
  if (auto *bytes = std::get_if<vitrt::Image>(&crop))
    return *bytes;
  const auto &floats = std::get<vitrt::FloatImage>(crop);
  vitrt::Image result(floats.width, floats.height, floats.channels);
  std::transform(floats.pixels.begin(), floats.pixels.end(), result.pixels.begin(),
                 [](float sample) { return uint8_t(std::lround(std::clamp(sample, 0.0f, 255.0f))); });
  return result;
}

int attention(const AttentionOptions &options) {
  auto runner = Runner::load(options.file, options.common);
  if (!runner)
    return fail(runner.error());
  auto output = findOutput(options, *runner);
  if (!output)
    return fail(output.error());
  std::span<const int64_t> shape = runner->outputShape(*output);
  size_t heads = size_t(shape[0]), tokens = size_t(shape[1]);
  PrefixTokens prefix = prefixTokens(*runner);
  auto [height, width] = runner->inputSize();
  auto grid = tokens > prefix.count ? patchGrid(tokens - prefix.count, height, width) : std::nullopt;
  if (!grid || shape[1] != shape[2])
    return fail(fmt::format("{}: {} {} is not over the {} prefix tokens and a grid of patches, so it cannot be drawn", options.file,
                            runner->outputName(*output), vitrt::formatShape(shape), prefix.count));
  auto chosen = select(options, heads, tokens, prefix);
  if (!chosen)
    return failUsage(chosen.error().message);

  auto preprocessor = runner->preprocessor();
  if (!preprocessor)
    return fail(preprocessor.error());
  auto picture = vitrt::readImage(options.picture, options.image.decode());
  if (!picture)
    return fail(picture.error());
  auto crop = preprocessor->crop(std::move(*picture), options.picture);
  if (!crop)
    return fail(crop.error());
  ImageBuffer input;
  input.arePixels = runner->takesPixels();
  if (input.arePixels) {
    input.pixels = std::get<vitrt::Image>(*crop).pixels;
  } else {
    input.resize(runner->inputElements());
    preprocessor->normalize(*crop, input.values.data());
  }
  std::vector<std::vector<float>> outputs;
  if (vitrt::Error error = runner->run(1, input, outputs))
    return fail(error);

  std::vector<double> row = meanRow(outputs[*output], tokens, *chosen);
  if (std::any_of(row.begin(), row.end(), [](double share) { return !(share >= 0 && share <= 1.001); }))
    return fail(fmt::format("{}: {} holds values that are no probabilities", options.picture, runner->outputName(*output)));
  AttentionMap map = {grid->first, grid->second, {row.begin() + ptrdiff_t(prefix.count), row.end()}, std::nullopt};
  if (chosen->queries.size() == 1 && chosen->queries[0] >= prefix.count)
    map.query = uint32_t(chosen->queries[0] - prefix.count);
  std::string title = fmt::format("{}: {}", runner->outputName(*output), chosen->name);
  auto bytes = vitrt::encodePng(drawAttention(toBytes(*crop), map, title));
  if (!bytes)
    return fail(bytes.error());
  if (vitrt::Error error = vitrt::writeFile(options.output, *bytes))
    return fail(error);
  if (vitrt::Error error = runner->finish())
    return fail(error);

  double onPatches = std::accumulate(map.shares.begin(), map.shares.end(), 0.0);
  size_t most = size_t(std::max_element(map.shares.begin(), map.shares.end()) - map.shares.begin());
  fmt::print("{}: {}; {:.1f} % on {} x {} patches, most, {:.2f} %, on row {}, column {}; drawn in {}\n", options.picture, title,
             100 * onPatches, map.rows, map.columns, 100 * double(map.shares[most]), most / map.columns, most % map.columns,
             options.output);
  return ExitDone;
}

} // namespace

void addAttentionCommand(CLI::App &tool, Action &action) {
  auto options = std::make_shared<AttentionOptions>();
  CLI::App *command = tool.add_subcommand("attention", "Draw where a model looks on a picture");
  command->add_option("FILE.vitx", options->file, "A model compiled with vitc --take=attention.N")->required();
  command->add_option("IMAGE", options->picture, "A JPEG or PNG file")->required();
  command->add_option("-o,--output", options->output, "Where the drawing goes (default: attention.png)")->type_name("MAP.png");
  command->add_option("--block", options->block, "Block whose attention is drawn (default: the last that the model returns)")
      ->type_name("N");
  command->add_option("--head", options->head, "One head, or mean (default)")->type_name("H");
  command
      ->add_option("--token", options->token,
                   "Who looks: class, mean (of the patches) or a token's number, the class token first (default: class if there is one)")
      ->type_name("TOKEN");
  addImageOptions(*command, options->image);
  addCommonOptions(*command, options->common);
  command->footer("Example:\n  vitc vit_tiny_patch16_224 --weights=model.safetensors --take=logits,attention.11 -o tiny.vitx\n"
                  "  vit-run attention tiny.vitx cat.jpg -o map.png --block=11 --head=mean --token=class");
  command->callback([options, &action] { action = [options] { return attention(*options); }; });
}

} // namespace vitrun
