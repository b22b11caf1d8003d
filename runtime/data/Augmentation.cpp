//===- Augmentation.cpp - how training images are varied ----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/data/Augmentation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <span>
#include <vector>

namespace vitrt {
namespace {

using Fill = Augmentation::Erasing::Fill;

struct FillName {
  std::string_view name;
  Fill fill;
};
constexpr FillName fillNames[] = {{"zero", Fill::Zero}, {"color", Fill::Color}, {"noise", Fill::Noise}};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos)
      return parts;
    text.remove_prefix(end + 1);
  }
}

/// One item of the text: its name, and what follows by colons.
class Item {
public:
  explicit Item(std::string_view text) : text(text), parts(split(text, ':')) {}

  std::string_view name() const { return parts.front(); }
  size_t count() const { return parts.size() - 1; }
  std::string_view argument(size_t i) const { return parts[i + 1]; }

  /// The i-th argument into `value`, which keeps its default if there are fewer.
  Error number(size_t i, double low, double high, double &value) const {
    if (i >= count())
      return Error::success();
    std::string_view digits = argument(i);
    auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    bool whole = code == std::errc() && end == digits.data() + digits.size();
    if (!whole || !(value >= low && value <= high))
      return makeError(VITRT_ERROR_ARGUMENT, "augmentation {}: '{}', expected a number from {} to {}", text, digits, low, high);
    return Error::success();
  }
  Error number(size_t i, unsigned low, unsigned high, unsigned &value) const {
    double number = value;
    if (Error error = this->number(i, double(low), double(high), number))
      return error;
    if (number != std::floor(number))
      return makeError(VITRT_ERROR_ARGUMENT, "augmentation {}: '{}', expected a whole number from {} to {}", text, argument(i), low, high);
    value = unsigned(number);
    return Error::success();
  }

  std::string_view text;

private:
  std::vector<std::string_view> parts;
};

Error parseCrop(const Item &item, Augmentation &to) {
  constexpr unsigned mostPixels = 4096;
  unsigned pixels = 0;
  if (Error error = item.number(0, 1u, mostPixels, pixels))
    return error;
  to.cropPadding = pixels;
  return Error::success();
}

Error parseResizedCrop(const Item &item, Augmentation &to) {
  Augmentation::ResizedCrop crop;
  constexpr double leastArea = 1e-4;
  if (Error error = item.number(0, leastArea, 1.0, crop.minArea))
    return error;
  if (Error error = item.number(1, crop.minArea, 1.0, crop.maxArea))
    return error;
  to.resizedCrop = crop;
  return Error::success();
}

Error parseFlip(const Item &item, Augmentation &to) {
  to.flip = 0.5;
  return item.number(0, 0.0, 1.0, to.flip);
}

Error parseJitter(const Item &item, Augmentation &to) {
  Augmentation::Jitter jitter;
  constexpr double mostChange = 10.0;
  if (Error error = item.number(0, 0.0, mostChange, jitter.brightness))
    return error;
  if (item.count() == 2)
    return makeError(VITRT_ERROR_ARGUMENT, "augmentation {}: 2 numbers, expected one for brightness, contrast and saturation, or all three",
                     item.text);
  jitter.contrast = jitter.saturation = jitter.brightness;
  if (Error error = item.number(1, 0.0, mostChange, jitter.contrast))
    return error;
  if (Error error = item.number(2, 0.0, mostChange, jitter.saturation))
    return error;
  if (Error error = item.number(3, 0.0, 0.5, jitter.hue))
    return error;
  to.jitter = jitter;
  return Error::success();
}

Error parseRandAugment(const Item &item, Augmentation &to) {
  Augmentation::RandAugment rand;
  constexpr unsigned mostOperations = 14, greatestMagnitude = 30;
  if (Error error = item.number(0, 1u, mostOperations, rand.operations))
    return error;
  if (Error error = item.number(1, 0u, greatestMagnitude, rand.magnitude))
    return error;
  to.randAugment = rand;
  return Error::success();
}

Error parseErasing(const Item &item, Augmentation &to) {
  Augmentation::Erasing erasing;
  if (Error error = item.number(0, 0.0, 1.0, erasing.probability))
    return error;
  if (item.count() > 1) {
    auto found = std::find_if(std::begin(fillNames), std::end(fillNames), [&](const FillName &f) { return f.name == item.argument(1); });
    if (found == std::end(fillNames))
      return makeError(VITRT_ERROR_ARGUMENT, "augmentation {}: fills with '{}', expected zero, color or noise", item.text,
                       item.argument(1));
    erasing.fill = found->fill;
  }
  to.erasing = erasing;
  return Error::success();
}

constexpr double leastAlpha = 0.01, greatestAlpha = 100.0;

Error parseMixup(const Item &item, Augmentation &to) {
  to.mixup = 0.8; // timm's --mixup of its published recipes
  return item.number(0, leastAlpha, greatestAlpha, to.mixup);
}

Error parseCutmix(const Item &item, Augmentation &to) {
  to.cutmix = 1.0;
  return item.number(0, leastAlpha, greatestAlpha, to.cutmix);
}

struct Kind {
  std::string_view name, form;
  size_t leastArguments, mostArguments;
  Error (*parse)(const Item &item, Augmentation &to);
};
constexpr Kind kinds[] = {
    {"crop", "crop:PIXELS", 1, 1, parseCrop},
    {"rrc", "rrc[:MINAREA[:MAXAREA]]", 0, 2, parseResizedCrop},
    {"flip", "flip[:PROBABILITY]", 0, 1, parseFlip},
    {"jitter", "jitter:STRENGTH or jitter:BRIGHTNESS:CONTRAST:SATURATION[:HUE]", 1, 4, parseJitter},
    {"randaugment", "randaugment[:OPERATIONS[:MAGNITUDE]]", 0, 2, parseRandAugment},
    {"erase", "erase[:PROBABILITY[:zero|color|noise]]", 0, 2, parseErasing},
    {"mixup", "mixup[:ALPHA]", 0, 1, parseMixup},
    {"cutmix", "cutmix[:ALPHA]", 0, 1, parseCutmix},
};

/// Letters to be inserted, deleted or changed (Levenshtein).
size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      size_t changed = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

Error unknownItem(std::string_view name) {
  const Kind *nearest = &kinds[0];
  std::string all;
  for (const Kind &kind : kinds) {
    if (editDistance(name, kind.name) < editDistance(name, nearest->name))
      nearest = &kind;
    all += all.empty() ? "" : ", ";
    all += kind.name;
  }
  return makeError(VITRT_ERROR_ARGUMENT, "augmentation '{}' is unknown, the nearest is {}; there are {}, and none alone", name,
                   nearest->form, all);
}

} // namespace

Expected<Augmentation> Augmentation::parse(std::string_view text) {
  Augmentation result;
  if (text.empty() || text == "none")
    return result;
  std::array<bool, std::size(kinds)> seen{};
  for (std::string_view part : split(text, ',')) {
    Item item(part);
    auto kind = std::find_if(std::begin(kinds), std::end(kinds), [&](const Kind &k) { return k.name == item.name(); });
    if (kind == std::end(kinds))
      return unknownItem(item.name());
    if (std::exchange(seen[size_t(kind - kinds)], true))
      return makeError(VITRT_ERROR_ARGUMENT, "augmentation {} is given twice in '{}'", item.name(), text);
    if (item.count() < kind->leastArguments || item.count() > kind->mostArguments)
      return makeError(VITRT_ERROR_ARGUMENT, "augmentation {}: {} values, expected {}", part, item.count(), kind->form);
    if (Error error = kind->parse(item, result))
      return error;
  }
  if (result.cropPadding && result.resizedCrop)
    return makeError(VITRT_ERROR_ARGUMENT, "augmentation '{}' has crop and rrc, expected one of them: both choose what is seen", text);
  return result;
}

std::string Augmentation::text() const {
  std::string items;
  auto add = [&](std::string item) { items += (items.empty() ? "" : ",") + item; };
  if (cropPadding)
    add(fmt::format("crop:{}", *cropPadding));
  if (resizedCrop)
    add(fmt::format("rrc:{}:{}", resizedCrop->minArea, resizedCrop->maxArea));
  if (flip > 0.0)
    add(fmt::format("flip:{}", flip));
  if (randAugment)
    add(fmt::format("randaugment:{}:{}", randAugment->operations, randAugment->magnitude));
  if (jitter)
    add(fmt::format("jitter:{}:{}:{}:{}", jitter->brightness, jitter->contrast, jitter->saturation, jitter->hue));
  if (erasing)
    add(fmt::format("erase:{}:{}", erasing->probability, fillNames[size_t(erasing->fill)].name));
  if (mixup > 0.0)
    add(fmt::format("mixup:{}", mixup));
  if (cutmix > 0.0)
    add(fmt::format("cutmix:{}", cutmix));
  return items.empty() ? "none" : items;
}

} // namespace vitrt
