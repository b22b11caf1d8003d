//===- ImportOutputs.cpp - what a program returns ---------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/frontend/Importer.h"

#include "compiler/model/Nearest.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace vitc;

bool Importer::wants(const Twine &name) {
  std::string key = name.str();
  offered.try_emplace(key);
  return llvm::is_contained(take, key);
}

void Importer::offer(const Twine &name, Value value) { offered[name.str()] = value; }

std::string Importer::nameOfAnswer() const {
  if (config.numClasses)
    return "logits";
  return config.pool == Pool::None ? "tokens" : "features";
}

/// "block.11" -> ("block.", 11); a name without a number -> (name, nothing).
static std::pair<StringRef, std::optional<uint64_t>> splitNumber(StringRef name) {
  StringRef stem = name.rtrim("0123456789");
  uint64_t number;
  if (stem.size() == name.size() || name.substr(stem.size()).getAsInteger(10, number))
    return {name, std::nullopt};
  return {stem, number};
}

/// "attention.0 to attention.11, logits": names with the same stem as a range.
static std::string describeNames(ArrayRef<StringRef> names) {
  llvm::MapVector<StringRef, std::pair<uint64_t, uint64_t>> ranges;
  std::vector<std::string> parts;
  for (StringRef name : names) {
    auto [stem, number] = splitNumber(name);
    if (!number) {
      parts.push_back(name.str());
      continue;
    }
    auto &range = ranges.try_emplace(stem, std::pair(*number, *number)).first->second;
    range = {std::min(range.first, *number), std::max(range.second, *number)};
  }
  for (const auto &[stem, range] : ranges) {
    std::string first = (stem + Twine(range.first)).str(), last = (stem + Twine(range.second)).str();
    parts.push_back(first == last ? first : first + " to " + last);
  }
  return llvm::join(parts, ", ");
}

/// The name of the same kind with the nearest number, otherwise the one that is spelt most like it.
static std::string nearestOutput(StringRef wanted, ArrayRef<StringRef> names) {
  auto [stem, number] = splitNumber(wanted);
  StringRef best;
  uint64_t bestDistance = 0;
  for (StringRef name : names) {
    auto [otherStem, other] = splitNumber(name);
    if (!number || !other || stem != otherStem)
      continue;
    uint64_t distance = std::max(*number, *other) - std::min(*number, *other);
    if (best.empty() || distance < bestDistance)
      std::tie(best, bestDistance) = std::pair(name, distance);
  }
  return best.empty() ? nearest(wanted, names, 1).front() : best.str();
}

LogicalResult Importer::returnOutputs(func::FuncOp function, Value answer) {
  offer(nameOfAnswer(), answer);
  std::string usual[] = {nameOfAnswer()};
  ArrayRef<std::string> names = take.empty() ? ArrayRef(usual) : take;

  std::vector<StringRef> known;
  for (const auto &entry : offered)
    known.push_back(entry.getKey());
  llvm::sort(known, [](StringRef a, StringRef b) { return a.compare_numeric(b) < 0; });

  SmallVector<Value> values;
  for (const std::string &name : names) {
    auto found = offered.find(name);
    if (found == offered.end())
      return function.emitError() << "'" << config.name << "' has no output '" << name << "', the nearest is '"
                                  << nearestOutput(name, known) << "'; it has " << describeNames(known);
    if (const auto *same = llvm::find(values, found->second); same != values.end()) {
      const std::string &other = names[same - values.begin()];
      if (other == name)
        return function.emitError() << "the output '" << name << "' is taken twice";
      return function.emitError() << "'" << other << "' and '" << name << "' are the same values in '" << config.name
                                  << "'; take one of them";
    }
    values.push_back(found->second);
  }
  func::ReturnOp::create(builder, function.getLoc(), values);
  function.setType(builder.getFunctionType(function.getArgumentTypes(), ValueRange(values).getTypes()));
  for (auto [index, name] : llvm::enumerate(names))
    function.setResultAttr(index, "vit.output", builder.getStringAttr(name));
  return success();
}
