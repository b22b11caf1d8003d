//===- Manifest.cpp - what the file says of itself --------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/artifact/Manifest.h"
#include "compiler/model/ConfigJson.h"
#include "runtime/artifact/FileFormat.h"
#include "runtime/artifact/vitx_generated.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace vitc;
using namespace vitc::artifact;
namespace fb = vitrt::fb;

template <typename To, typename From> static std::vector<To> convert(const std::vector<From> &from) { return {from.begin(), from.end()}; }

static std::unique_ptr<fb::SectionT> section(const SectionLayout &layout) {
  auto result = std::make_unique<fb::SectionT>();
  result->offset = layout.offset;
  result->size = layout.size;
  result->hash = layout.hash;
  return result;
}

static std::unique_ptr<fb::PreprocessT> preprocess(const ModelConfig &config) {
  auto result = std::make_unique<fb::PreprocessT>();
  PreprocessSteps steps = config.preprocessSteps();
  switch (steps.resize) {
  case PreprocessSteps::Resize::None:
    result->resize = fb::Resize::None;
    break;
  case PreprocessSteps::Resize::ShorterEdge:
    result->resize = fb::Resize::ShorterEdge;
    break;
  case PreprocessSteps::Resize::Squash:
    result->resize = fb::Resize::Squash;
    break;
  case PreprocessSteps::Resize::LongestEdge:
    result->resize = fb::Resize::LongestEdge;
    break;
  }
  result->resize_height = steps.resizeHeight;
  result->resize_width = steps.resizeWidth;
  result->crop_height = steps.cropHeight;
  result->crop_width = steps.cropWidth;
  static_assert(
      int(Interpolation::Nearest) == int(fb::Interpolation::Nearest) && int(Interpolation::Bilinear) == int(fb::Interpolation::Bilinear) &&
      int(Interpolation::Bicubic) == int(fb::Interpolation::Bicubic) && int(Interpolation::Lanczos) == int(fb::Interpolation::Lanczos) &&
      int(Interpolation::Box) == int(fb::Interpolation::Box) && int(Interpolation::Hamming) == int(fb::Interpolation::Hamming));
  result->interpolation = static_cast<fb::Interpolation>(config.preprocess.interpolation);
  result->antialias = config.preprocess.antialias;
  result->resize_rounding = config.preprocess.resizeRounding;
  result->crop_rounding =
      config.preprocess.cropRounding == CropRounding::HalfToEven ? fb::CropRounding::HalfToEven : fb::CropRounding::Floor;
  result->rescale = config.preprocess.rescale == Rescale::Divide255 ? fb::Rescale::Divide255 : fb::Rescale::Multiply255;
  result->mean = convert<float>(config.preprocess.mean);
  result->std = convert<float>(config.preprocess.std);
  return result;
}

static std::unique_ptr<fb::ModelT> model(const Contents &contents) {
  const ModelConfig &config = contents.config;
  auto result = std::make_unique<fb::ModelT>();
  result->name = config.name;
  result->config = printConfig(config);
  result->channels = config.inChannels;
  result->height = config.imageHeight;
  result->width = config.imageWidth;
  result->preprocess = preprocess(config);
  result->labels = config.labels;
  result->parameters = contents.parameters;
  result->flop_per_image = nominalFlopPerImage(config);
  return result;
}

static std::unique_ptr<fb::SchemeT> scheme(const Scheme &from) {
  auto result = std::make_unique<fb::SchemeT>();
  result->name = from.name;
  result->ignored = from.ignored;
  for (const FileTensor &tensor : from.tensors) {
    auto entry = std::make_unique<fb::FileTensorT>();
    entry->names = tensor.names;
    entry->shape = convert<uint64_t>(tensor.shape);
    entry->sliceable = tensor.sliceable;
    result->tensors.push_back(std::move(entry));
  }
  return result;
}

static std::unique_ptr<fb::SourceT> source(const Source &from) {
  auto result = std::make_unique<fb::SourceT>();
  result->name = from.name;
  result->shape = convert<uint64_t>(from.shape);
  for (const SourceView &view : from.views) {
    auto entry = std::make_unique<fb::SourceViewT>();
    entry->tensor = view.tensor;
    entry->offset = view.offset;
    entry->strides = view.strides;
    result->views.push_back(std::move(entry));
  }
  return result;
}

static std::unique_ptr<fb::KernelT> kernelTable(const plan::Kernel &from) {
  auto result = std::make_unique<fb::KernelT>();
  result->symbol = from.symbol;
  result->kind = from.kind;
  result->schedule = from.schedule;
  result->scratch_bytes = from.scratchBytes;
  result->rows_per_image = from.rowsPerImage;
  result->rows_per_task = from.rowsPerTask;
  result->column_tasks = from.columnTasks;
  result->threads = static_cast<uint32_t>(from.threads);
  result->shared_bytes = static_cast<uint64_t>(from.sharedBytes);
  result->persistent = from.persistent;
  result->dependent = from.dependent;
  result->part_counters = static_cast<uint32_t>(from.partCounters);
  result->part_bytes = static_cast<uint64_t>(from.partBytes);
  for (const plan::TensorMap &map : from.tensorMaps) {
    auto entry = std::make_unique<fb::TensorMapT>();
    entry->operand = map.operand;
    entry->element_bytes = static_cast<uint32_t>(map.elementBytes);
    entry->sizes = convert<uint64_t>(map.sizes);
    entry->per_image = map.perImage;
    entry->strides = convert<uint64_t>(map.strides);
    entry->box = convert<uint32_t>(map.box);
    entry->swizzle = static_cast<uint32_t>(map.swizzle);
    result->tensor_maps.push_back(std::move(entry));
  }
  return result;
}

static fb::BufferKind kind(plan::BufferKind kind) {
  switch (kind) {
  case plan::BufferKind::Input:
    return fb::BufferKind::Input;
  case plan::BufferKind::Output:
    return fb::BufferKind::Output;
  case plan::BufferKind::Arena:
    return fb::BufferKind::Arena;
  case plan::BufferKind::Weight:
    return fb::BufferKind::Weight;
  case plan::BufferKind::Parameter:
    return fb::BufferKind::Parameter;
  case plan::BufferKind::Gradient:
    return fb::BufferKind::Gradient;
  case plan::BufferKind::Derived:
    return fb::BufferKind::Derived;
  }
  llvm_unreachable("all kinds are mapped");
}

static fb::NumberType numberType(plan::NumberType type) {
  switch (type) {
  case plan::NumberType::F32:
    return fb::NumberType::F32;
  case plan::NumberType::BF16:
    return fb::NumberType::BF16;
  case plan::NumberType::I8:
    return fb::NumberType::I8;
  case plan::NumberType::F16:
    return fb::NumberType::F16;
  case plan::NumberType::TF32:
    return fb::NumberType::TF32;
  }
  llvm_unreachable("all types are mapped");
}

/// `firstKernel`: where this program's kernels begin among the target's.
static std::unique_ptr<fb::ProgramT> program(const plan::Program &from, uint32_t firstKernel, const llvm::StringMap<uint32_t> &weights) {
  auto result = std::make_unique<fb::ProgramT>();
  result->name = from.name;
  for (const plan::Buffer &buffer : from.buffers) {
    auto entry = std::make_unique<fb::BufferT>();
    entry->name = buffer.name;
    entry->kind = kind(buffer.kind);
    entry->shape = convert<uint64_t>(buffer.shape);
    if (buffer.kind == plan::BufferKind::Weight) {
      entry->weight = weights.at(buffer.name);
    } else {
      entry->bytes_per_image = buffer.bytesPerImage;
      entry->type = numberType(buffer.type);
      entry->scale = buffer.scale;
      entry->zero_point = buffer.zeroPoint;
    }
    if (buffer.kind == plan::BufferKind::Arena || plan::isState(buffer.kind))
      entry->offset_per_image = buffer.offsetPerImage;
    result->buffers.push_back(std::move(entry));
  }
  for (const plan::Launch &launch : from.launches) {
    auto entry = std::make_unique<fb::LaunchT>();
    entry->name = launch.name;
    entry->kernel = firstKernel + launch.kernel;
    entry->operands = launch.operands;
    entry->results = launch.results;
    entry->flop_per_image = launch.flopPerImage;
    for (auto [images, kernel] : launch.larger) {
      entry->larger.push_back(std::make_unique<fb::KernelChoiceT>());
      entry->larger.back()->images = static_cast<uint64_t>(images);
      entry->larger.back()->kernel = firstKernel + kernel;
    }
    result->launches.push_back(std::move(entry));
  }
  result->inputs = from.inputs;
  result->outputs = from.outputs;
  result->arena_bytes_per_image = from.arenaBytesPerImage;
  result->group_images = from.groupImages;
  return result;
}

static std::unique_ptr<fb::TrainingT> training(const Training &from, uint32_t firstKernel, const llvm::StringMap<uint32_t> &sources,
                                               const llvm::StringMap<uint32_t> &weights) {
  auto result = std::make_unique<fb::TrainingT>();
  result->optimizer = from.optimizer;
  result->bf16_momentum = from.bf16Momentum;
  for (const Training::Parameter &parameter : from.parameters) {
    auto entry = std::make_unique<fb::ParameterT>();
    entry->source = sources.at(parameter.source);
    entry->weight = weights.at(parameter.binding);
    entry->offset = parameter.offset;
    entry->trained = parameter.trained;
    result->parameters.push_back(std::move(entry));
  }
  result->parameter_bytes = from.parameterBytes;
  result->gradient_bytes = from.gradientBytes;
  result->derived_bytes = from.derivedBytes;
  for (const Training::Update &update : from.updates) {
    auto entry = std::make_unique<fb::UpdateT>();
    entry->kernel = firstKernel + update.kernel;
    entry->momentum = update.momentum;
    entry->nesterov = update.nesterov;
    entry->average = update.average;
    result->updates.push_back(std::move(entry));
  }
  result->square_sum = firstKernel + from.squareSum;
  return result;
}

static std::unique_ptr<fb::TargetT> target(const Contents &contents, const Layout &layout, size_t index) {
  const Target &from = contents.targets[index];
  auto result = std::make_unique<fb::TargetT>();
  result->name = from.name;
  result->triple = from.machine.triple;
  result->cpu = from.machine.cpu;
  result->features = from.machine.features;
  result->code = section(layout.code[index]);
  if (!from.architecture.empty()) {
    result->architecture = from.architecture;
    result->ptx = section(layout.ptx[index]);
    if (!from.cubin.empty())
      result->cubin = section(layout.cubin[index]);
  }

  llvm::StringMap<uint32_t> sourceIndex, weightIndex;
  for (const Source &entry : contents.naming.sources) {
    sourceIndex[entry.name] = result->sources.size();
    result->sources.push_back(source(entry));
  }
  for (auto [i, binding] : llvm::enumerate(from.bindings)) {
    auto entry = std::make_unique<fb::PackedWeightT>();
    entry->name = binding.name;
    entry->offset = layout.weightOffsets[index][i];
    entry->size = binding.bytes;
    entry->hash = layout.weightHashes[index][i];
    entry->bind_symbol = binding.symbol;
    for (const std::string &name : binding.sources)
      entry->sources.push_back(sourceIndex.at(name));
    entry->scratch_bytes = binding.scratchBytes;
    weightIndex[binding.name] = i;
    result->weights.push_back(std::move(entry));
  }
  for (const plan::Program &entry : from.programs) {
    result->programs.push_back(program(entry, result->kernels.size(), weightIndex));
    for (const plan::Kernel &used : entry.kernels)
      result->kernels.push_back(kernelTable(used));
  }
  if (from.training) {
    result->training = training(*from.training, result->kernels.size(), sourceIndex, weightIndex);
    for (const plan::Kernel &used : from.training->kernels)
      result->kernels.push_back(kernelTable(used));
  }
  if (!layout.external)
    result->weight_data = section(layout.weights[index]);
  result->weights_bytes = layout.weights[index].size;
  return result;
}

std::string artifact::makeManifest(const Contents &contents, const Layout &layout) {
  fb::ManifestT manifest;
  manifest.producer = "vitc " VITC_VERSION;
  manifest.abi_version = vitrt::kAbiVersion;
  manifest.model = model(contents);
  for (const Scheme &entry : contents.naming.schemes)
    manifest.schemes.push_back(scheme(entry));
  for (size_t i = 0; i < contents.targets.size(); ++i)
    manifest.targets.push_back(target(contents, layout, i));
  flatbuffers::FlatBufferBuilder builder;
  // A field that happens to be 0 takes its place too: the size must not depend on offsets and hashes.
  builder.ForceDefaults(true);
  fb::FinishManifestBuffer(builder, fb::Manifest::Pack(builder, &manifest));
  return std::string(reinterpret_cast<const char *>(builder.GetBufferPointer()), builder.GetSize());
}

/// Whether two targets' weights are the same bytes: made by the same bind functions from the same sources.
static bool bindAlike(const Target &a, const Target &b) {
  auto same = [](const Binding &x, const Binding &y) {
    return x.symbol == y.symbol && x.sources == y.sources && x.bytes == y.bytes && x.name == y.name;
  };
  return a.code == b.code && llvm::equal(a.bindings, b.bindings, same);
}

Layout artifact::layOut(const Contents &contents, bool external) {
  Layout layout;
  layout.external = external;
  auto describe = [](const std::string &bytes) { return SectionLayout{0, bytes.size(), vitrt::hashBytes(bytes.data(), bytes.size())}; };
  for (const auto &[index, target] : llvm::enumerate(contents.targets)) {
    layout.code.push_back(describe(target.code));
    layout.ptx.push_back(describe(target.ptx));
    layout.cubin.push_back(describe(target.cubin));
    layout.weightsOf.push_back(std::distance(
        contents.targets.begin(), llvm::find_if(contents.targets, [&](const Target &other) { return bindAlike(other, target); })));
    uint64_t size = 0;
    std::vector<uint64_t> &offsets = layout.weightOffsets.emplace_back();
    for (const Binding &binding : target.bindings) {
      offsets.push_back(size);
      size = vitrt::alignTo(size + binding.bytes, vitrt::kBufferAlignment);
    }
    layout.weightHashes.emplace_back(target.bindings.size());
    layout.weights.push_back({0, size, 0});
  }
  layout.manifestSize = makeManifest(contents, layout).size();
  uint64_t end = sizeof(vitrt::FileHeader) + layout.manifestSize;
  auto place = [&](SectionLayout &section) {
    section.offset = vitrt::alignTo(end, vitrt::kSectionAlignment);
    end = section.offset + section.size;
  };
  for (size_t i = 0; i < contents.targets.size(); ++i) {
    size_t first = layout.weightsOf[i];
    if (first < i)
      layout.code[i].offset = layout.code[first].offset;
    else
      place(layout.code[i]);
    for (SectionLayout *section : {&layout.ptx[i], &layout.cubin[i]})
      if (section->size > 0)
        place(*section);
  }
  for (size_t i = 0; i < contents.targets.size() && !external; ++i)
    if (size_t first = layout.weightsOf[i]; first < i)
      layout.weights[i].offset = layout.weights[first].offset;
    else
      place(layout.weights[i]);
  layout.fileSize = end;
  return layout;
}
