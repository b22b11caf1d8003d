//===- HuggingFacePreprocessor.cpp - transformers' preprocessor_config.json --------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// Source of defaults and rules: transformers/models/*/image_processing_*.py, transformers/image_transforms.py.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/model/HuggingFace.h"

#include "compiler/model/ConfigJson.h"

#include "fmt/format.h"

#include <cmath>
#include <optional>

using namespace vitc;

namespace {
/// Keys of a processor's file, with its class's defaults.
struct Processor {
  bool doResize = true, doCenterCrop = false, doNormalize = true;
  bool shortestEdge = false;         ///< `size` is of the shorter edge
  bool numberIsShortestEdge = false; ///< also where it is a single number: `default_to_square` is false
  int64_t height = 0, width = 0;     ///< 0: the model's image size
  int64_t cropHeight = 0, cropWidth = 0;
  int64_t resample = 2;
};
} // namespace

/// The image processor that a model's class is used with (transformers/models/auto/image_processing_auto.py).
static llvm::StringRef processorOf(Family family) {
  switch (family) {
  case Family::HuggingFaceDeit:
    return "DeiT";
  case Family::HuggingFaceBeit:
    return "Beit";
  case Family::HuggingFaceDinov2:
    return "Bit";
  case Family::HuggingFaceDinov3:
    return "DINOv3ViT";
  case Family::HuggingFaceClip:
    return "CLIP";
  case Family::HuggingFaceSiglip:
    return "Siglip";
  default:
    return "ViT";
  }
}

static llvm::Expected<Processor> defaultsOf(llvm::StringRef name, Preprocess &preprocess) {
  Processor processor;
  preprocess.mean = preprocess.std = {0.5, 0.5, 0.5};
  processor.resample = name == "ViT" || name == "DINOv3ViT" ? 2 : 3;
  if (name == "ViT" || name == "Beit")
    return processor;
  if (name == "Siglip") {
    processor.numberIsShortestEdge = true;
    return processor;
  }
  if (name == "DINOv3ViT") { // rescales before it resizes, in floats
    preprocess.resizeRounding = false;
    preprocess.mean = {0.485, 0.456, 0.406};
    preprocess.std = {0.229, 0.224, 0.225};
    return processor;
  }
  processor.doCenterCrop = true;
  if (name == "DeiT") {
    processor.height = processor.width = 256;
    return processor;
  }
  if (name == "Siglip2")
    return sentence(
        "image_processor_type is 'Siglip2ImageProcessor', which keeps a picture's aspect ratio (NaFlex), but a compiled program "
        "has one image size; expected a processor of a fixed size");
  if (name != "CLIP" && name != "ChineseCLIP" && name != "Bit")
    return sentence("image_processor_type is '" + name +
                    "ImageProcessor', expected that of ViT, DeiT, Beit, CLIP, ChineseCLIP, Siglip, Bit or DINOv3ViT");
  processor.shortestEdge = processor.numberIsShortestEdge = true;
  preprocess.mean = {0.48145466, 0.4578275, 0.40821073};
  preprocess.std = {0.26862954, 0.26130258, 0.27577711};
  return processor;
}

/// `size` and `crop_size`: a number, [height, width], {height, width} or, where `shortestEdge` is not null, {shortest_edge}
/// (transformers/image_processing_utils.py, get_size_dict).
static llvm::Error readSize(const Json &file, llvm::StringRef key, int64_t &height, int64_t &width, bool *shortestEdge,
                            bool numberIsShortestEdge) {
  auto value = file.find(key.str());
  if (value == file.end() || value->is_null())
    return llvm::Error::success();
  auto side = [](const Json &number) -> std::optional<int64_t> {
    if (!number.is_number_integer() || number.get<int64_t>() < 1 || number.get<int64_t>() > 65536)
      return std::nullopt;
    return number.get<int64_t>();
  };
  std::optional<int64_t> h, w;
  if (value->is_object() && value->contains("shortest_edge") && shortestEdge) {
    h = w = side((*value)["shortest_edge"]);
    *shortestEdge = true;
  } else if (value->is_object() && value->contains("height") && value->contains("width")) {
    h = side((*value)["height"]);
    w = side((*value)["width"]);
    if (shortestEdge)
      *shortestEdge = false;
  } else if (value->is_array() && value->size() == 2) {
    h = side((*value)[0]);
    w = side((*value)[1]);
    if (shortestEdge)
      *shortestEdge = false;
  } else {
    h = w = side(*value);
    if (shortestEdge)
      *shortestEdge = numberIsShortestEdge;
  }
  if (!h || !w)
    return sentence(fmt::format("{} is {}, expected a number of pixels, or an object of height and width{}", key.str(), value->dump(),
                                shortestEdge ? ", or of shortest_edge" : ""));
  height = *h;
  width = *w;
  return llvm::Error::success();
}

static llvm::Error readBoolean(const Json &file, llvm::StringRef key, bool &flag) {
  auto value = file.find(key.str());
  if (value == file.end() || value->is_null())
    return llvm::Error::success();
  if (!value->is_boolean())
    return sentence(fmt::format("{} is {}, expected true or false", key.str(), value->dump()));
  flag = value->get<bool>();
  return llvm::Error::success();
}

/// Channels are read as u8 and scaled by 1/255: every known processor does that.
static llvm::Error checkRescale(const Json &file) {
  bool rescale = true;
  if (llvm::Error error = readBoolean(file, "do_rescale", rescale))
    return error;
  Json factor = file.value("rescale_factor", Json(1.0 / 255.0));
  if (!rescale || !factor.is_number() || std::abs(factor.get<double>() * 255.0 - 1.0) > 1e-6)
    return sentence(fmt::format("do_rescale is {} and rescale_factor {}, expected true and 1/255", rescale, factor.dump()));
  return llvm::Error::success();
}

static llvm::Error readResample(const Json &file, int64_t number, Interpolation &interpolation) {
  // PIL.Image.Resampling
  static constexpr Interpolation filters[] = {Interpolation::Nearest, Interpolation::Lanczos, Interpolation::Bilinear,
                                              Interpolation::Bicubic, Interpolation::Box,     Interpolation::Hamming};
  Json value = file.value("resample", Json(number));
  if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() >= static_cast<int64_t>(std::size(filters)))
    return sentence("resample is " + value.dump() + ", expected one of Pillow's numbers, 0 to 5");
  interpolation = filters[value.get<int64_t>()];
  return llvm::Error::success();
}

/// transformers' DINOv2, DINOv3 and BEiT take pictures of any size and fit their positions to it, so that it is the processor that says how
/// large the model's pictures are: facebook/dinov2-base has image_size 518 and a crop of 224.
static void followPictures(ModelConfig &config, const Processor &processor) {
  bool takesAnySize =
      config.family == Family::HuggingFaceDinov2 || config.family == Family::HuggingFaceDinov3 || config.family == Family::HuggingFaceBeit;
  int64_t height = processor.doCenterCrop ? processor.cropHeight : processor.height,
          width = processor.doCenterCrop ? processor.cropWidth : processor.width;
  bool known = height && (processor.doCenterCrop || (processor.doResize && !processor.shortestEdge));
  if (!takesAnySize || !known || (height == config.imageHeight && width == config.imageWidth))
    return;
  int64_t gridHeight = config.gridHeight(), gridWidth = config.gridWidth();
  config.imageHeight = height;
  config.imageWidth = width;
  keepPositionGrid(config, gridHeight, gridWidth);
}

static llvm::Error readProcessor(ModelConfig &config, const Json &file) {
  Preprocess preprocess;
  std::string type = file.value("image_processor_type", file.value("feature_extractor_type", std::string()));
  llvm::StringRef name = type.empty() ? processorOf(config.family) : llvm::StringRef(type);
  for (llvm::StringRef suffix : {"Fast", "ImageProcessor", "FeatureExtractor"})
    name.consume_back(suffix);
  llvm::Expected<Processor> defaults = defaultsOf(name, preprocess);
  if (!defaults)
    return defaults.takeError();
  Processor p = *defaults;

  llvm::Error errors = llvm::joinErrors(readSize(file, "size", p.height, p.width, &p.shortestEdge, p.numberIsShortestEdge),
                                        readSize(file, "crop_size", p.cropHeight, p.cropWidth, nullptr, false));
  for (auto [key, flag] : {std::pair("do_resize", &p.doResize), {"do_center_crop", &p.doCenterCrop}, {"do_normalize", &p.doNormalize}})
    errors = llvm::joinErrors(std::move(errors), readBoolean(file, key, *flag));
  errors = llvm::joinErrors(std::move(errors), checkRescale(file));
  errors = llvm::joinErrors(std::move(errors), readResample(file, p.resample, preprocess.interpolation));
  if (errors)
    return errors;

  followPictures(config, p);
  bool ownCrop = p.cropHeight && (p.cropHeight != config.imageHeight || p.cropWidth != config.imageWidth);
  if (p.doCenterCrop && ownCrop)
    return sentence(fmt::format("crop_size is {}x{}, but the model's image_size is {}x{}", p.cropHeight, p.cropWidth, config.imageHeight,
                                config.imageWidth));
  preprocess.resize = p.doResize;
  preprocess.crop = p.doCenterCrop;
  preprocess.cropMode = p.shortestEdge ? CropMode::Center : CropMode::Squash;
  preprocess.cropPct = 1.0;
  // A resize to the network's own size is left to follow it: `--set image_size` then needs no second flag.
  if (p.height && (p.height != config.imageHeight || p.width != config.imageWidth)) {
    preprocess.resizeHeight = p.height;
    preprocess.resizeWidth = p.width;
  }
  preprocess.cropRounding = CropRounding::Floor;
  preprocess.rescale = Rescale::Multiply255;
  config.preprocess = preprocess;
  for (llvm::StringRef key : {"image_mean", "image_std"})
    if (auto value = file.find(key.str()); value != file.end() && !value->is_null())
      errors = llvm::joinErrors(std::move(errors), setConfigField(config, key, *value));
  if (!p.doNormalize) {
    config.preprocess.mean = {0.0};
    config.preprocess.std = {1.0};
  }
  return errors;
}

llvm::Error vitc::applyHuggingFacePreprocessor(ModelConfig &config, llvm::StringRef text, llvm::StringRef where) {
  llvm::Expected<Json> file = parseJson(text, where);
  if (!file)
    return file.takeError();
  if (!file->is_object())
    return sentence(fmt::format("{} holds {}, expected an object of preprocessor keys", where.str(), file->type_name()));
  if (auto part = file->find("image_processor"); part != file->end() && part->is_object()) // processor_config.json
    *file = Json(*part);
  for (llvm::StringRef key : {"image_processor_type", "feature_extractor_type"})
    if (auto value = file->find(key.str()); value != file->end() && !value->is_string())
      return sentence(where + ": " + key + " is " + value->dump() + ", expected a string");
  if (llvm::Error error = readProcessor(config, *file))
    return sentence(where + ": " + llvm::toString(std::move(error)));
  return llvm::Error::success();
}
