//===- FieldKinds.h - integers, numbers, choices and other kinds of config fields *- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_FIELDKINDS_H
#define VITC_COMPILER_MODEL_FIELDKINDS_H

#include "compiler/model/ConfigFields.h"

#include "fmt/format.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace vitc::fields {

using Aliases = std::vector<llvm::StringRef>;
/// Spellings of an enumeration's values; a value's first name is the one that is written.
template <typename T> using Names = std::vector<std::pair<llvm::StringRef, T>>;

// Fields of a kind of their own (SpecialFields.cpp).
ConfigField qkvBiasField();
ConfigField attentionScaleField();
ConfigField layerScaleField();
ConfigField mlpRatioField();
ConfigField stemLayersField();
ConfigField labelsField();
ConfigField globalBlocksField();

/// Keys that set several other fields.
std::vector<ConfigField> shorthandFields();

// A kind's `ref` gives the member that a field is of, of a const config and of another: [](auto &config) -> auto & { return config.depth; }

inline bool isInteger(const Json &value, int64_t low, int64_t high) {
  return value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(high)) &&
         value.get<int64_t>() >= low && value.get<int64_t>() <= high;
}

/// `none` writes and reads 0 as null: "derived from other fields".
template <typename Ref>
inline ConfigField integer(llvm::StringRef key, Ref ref, int64_t low, int64_t high, llvm::StringRef description, Aliases aliases = {},
                           bool none = false) {
  std::string expectation = fmt::format("an integer from {} to {}{}", low, high, none ? ", or null" : "");
  Json schema = {{"type", none ? Json::array({"integer", "null"}) : Json("integer")}, {"minimum", low}, {"maximum", high}};
  return {key,
          std::move(aliases),
          expectation,
          description,
          schema,
          [=](ModelConfig &config, const Json &value) {
            if (none && value.is_null()) {
              ref(config) = 0;
              return true;
            }
            if (!isInteger(value, low, high))
              return false;
            ref(config) = value.get<int64_t>();
            return true;
          },
          [=](const ModelConfig &config) {
            int64_t value = ref(config);
            return none && value == 0 ? Json() : Json(value);
          }};
}

template <typename Ref>
inline ConfigField number(llvm::StringRef key, Ref ref, double low, double high, llvm::StringRef description, Aliases aliases = {}) {
  return {key,
          std::move(aliases),
          fmt::format("a number from {} to {}", low, high),
          description,
          Json{{"type", "number"}, {"minimum", low}, {"maximum", high}},
          [=](ModelConfig &config, const Json &value) {
            if (!value.is_number() || !(value.get<double>() >= low && value.get<double>() <= high))
              return false;
            ref(config) = value.get<double>();
            return true;
          },
          [=](const ModelConfig &config) { return Json(ref(config)); }};
}

/// A number that is written and read as null where it is 0: "derived from other fields".
template <typename Ref>
inline ConfigField optionalNumber(llvm::StringRef key, Ref ref, double low, double high, llvm::StringRef description,
                                  Aliases aliases = {}) {
  ConfigField field = number(key, ref, low, high, description, std::move(aliases));
  field.expectation += ", or null";
  field.schema["type"] = Json::array({"number", "null"});
  field.read = [=, read = field.read](ModelConfig &config, const Json &value) {
    if (!value.is_null())
      return read(config, value);
    ref(config) = 0.0;
    return true;
  };
  field.write = [=](const ModelConfig &config) { return ref(config) == 0.0 ? Json() : Json(ref(config)); };
  return field;
}

template <typename Ref> inline ConfigField boolean(llvm::StringRef key, Ref ref, llvm::StringRef description, Aliases aliases = {}) {
  return {key,
          std::move(aliases),
          "true or false",
          description,
          Json{{"type", "boolean"}},
          [=](ModelConfig &config, const Json &value) {
            if (!value.is_boolean())
              return false;
            ref(config) = value.get<bool>();
            return true;
          },
          [=](const ModelConfig &config) { return Json(ref(config)); }};
}

template <typename Ref> inline ConfigField text(llvm::StringRef key, Ref ref, llvm::StringRef description) {
  return {key,
          {},
          "a string",
          description,
          Json{{"type", "string"}},
          [=](ModelConfig &config, const Json &value) {
            if (!value.is_string())
              return false;
            ref(config) = value.get<std::string>();
            return true;
          },
          [=](const ModelConfig &config) { return Json(ref(config)); }};
}

template <typename T, typename Ref>
inline ConfigField choice(llvm::StringRef key, Ref ref, Names<T> names, llvm::StringRef description, Aliases aliases = {}) {
  std::vector<std::string> canonical;
  Json all = Json::array();
  for (auto &[name, value] : names) {
    all.push_back(name.str());
    if (llvm::find_if(names, [v = value](auto &entry) { return entry.second == v; })->first == name)
      canonical.push_back(name.str());
  }
  return {key,
          std::move(aliases),
          "one of " + llvm::join(canonical, ", "),
          description,
          Json{{"enum", all}},
          [=](ModelConfig &config, const Json &value) {
            if (!value.is_string())
              return false;
            for (auto &[name, meant] : names)
              if (name == value.get_ref<const std::string &>()) {
                ref(config) = meant;
                return true;
              }
            return false;
          },
          [=](const ModelConfig &config) {
            for (auto &[name, meant] : names)
              if (meant == ref(config))
                return Json(name.str());
            return Json();
          }};
}

/// An integer for both axes, or [height, width]. With `none`, 0 is null.
template <typename HeightRef, typename WidthRef>
inline ConfigField size(llvm::StringRef key, HeightRef height, WidthRef width, llvm::StringRef description, Aliases aliases = {},
                        bool none = false) {
  constexpr int64_t most = 65536;
  Json side = {{"type", "integer"}, {"minimum", 1}, {"maximum", most}};
  Json schema = {{"oneOf", Json::array({side, {{"type", "array"}, {"items", side}, {"minItems", 2}, {"maxItems", 2}}})}};
  if (none)
    schema["oneOf"].push_back({{"type", "null"}});
  return {key,
          std::move(aliases),
          fmt::format("an integer from 1 to {}, or [height, width]{}", most, none ? ", or null" : ""),
          description,
          schema,
          [=](ModelConfig &config, const Json &value) {
            bool pair = value.is_array() && value.size() == 2 && isInteger(value[0], 1, most) && isInteger(value[1], 1, most);
            bool empty = none && value.is_null();
            if (!pair && !empty && !isInteger(value, 1, most))
              return false;
            height(config) = empty ? 0 : pair ? value[0].get<int64_t>() : value.get<int64_t>();
            width(config) = empty ? 0 : pair ? value[1].get<int64_t>() : value.get<int64_t>();
            return true;
          },
          [=](const ModelConfig &config) {
            int64_t h = height(config), w = width(config);
            return none && h == 0 ? Json() : h == w ? Json(h) : Json::array({h, w});
          }};
}

/// A number for all channels, or one for each.
template <typename Ref>
inline ConfigField channels(llvm::StringRef key, Ref ref, bool positive, llvm::StringRef description, Aliases aliases = {}) {
  Json one = {{"type", "number"}};
  if (positive)
    one["exclusiveMinimum"] = 0;
  Json schema = {{"oneOf", Json::array({one, {{"type", "array"}, {"items", one}, {"minItems", 1}}})}};
  return {key,
          std::move(aliases),
          positive ? "a positive number, or one for each channel" : "a number, or one for each channel",
          description,
          schema,
          [=](ModelConfig &config, const Json &value) {
            Json list = value.is_array() ? value : Json::array({value});
            if (list.empty() || !llvm::all_of(list, [&](const Json &v) { return v.is_number() && (!positive || v.get<double>() > 0.0); }))
              return false;
            ref(config) = list.get<std::vector<double>>();
            return true;
          },
          [=](const ModelConfig &config) { return Json(ref(config)); }};
}

} // namespace vitc::fields

#endif // VITC_COMPILER_MODEL_FIELDKINDS_H
