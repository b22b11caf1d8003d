//===- Inspection.cpp - what an artifact is, as JSON and as text ---*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/Inspection.h"

#include "runtime/artifact/TrainingMemory.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace vitrun {

using Json = nlohmann::ordered_json;
namespace fb = vitrt::fb;

namespace {

std::string text(const flatbuffers::String *string) { return string ? string->str() : std::string(); }

Json shapeJson(const flatbuffers::Vector<uint64_t> *shape) {
  return shape ? Json(std::vector<uint64_t>(shape->begin(), shape->end())) : Json::array();
}

/// Shortest decimals that mean the same f32, not the same f64.
Json floatsJson(const flatbuffers::Vector<float> *values) {
  Json json = Json::array();
  if (!values)
    return json;
  for (float value : *values)
    json.push_back(std::stod(fmt::format("{}", value)));
  return json;
}

/// Weights have checksums of their own, one each, so of their section the number of them says more.
Json sectionsJson(const fb::Target &target) {
  auto place = [](const char *name, const fb::Section &section) {
    return Json{{"name", name}, {"offset", section.offset()}, {"size", section.size()}};
  };
  Json sections = Json::array();
  for (auto [name, section] : {std::pair("code", target.code()), {"ptx", target.ptx()}, {"cubin", target.cubin()}})
    if (section) {
      sections.push_back(place(name, *section));
      sections.back()["hash"] = fmt::format("{:016x}", section->hash());
    }
  if (target.weight_data()) {
    sections.push_back(place("weights", *target.weight_data()));
    sections.back()["packed_weights"] = target.weights() ? target.weights()->size() : 0;
  }
  return sections;
}

Json modelJson(const fb::Model &model) {
  Json json = {{"name", text(model.name())},
               {"input", {model.channels(), model.height(), model.width()}},
               {"parameters", model.parameters()},
               {"flop_per_image", model.flop_per_image()},
               {"labels", model.labels() ? model.labels()->size() : 0}};
  if (const fb::Preprocess *p = model.preprocess())
    json["preprocess"] = {{"resize", fb::EnumNameResize(p->resize())},
                          {"resize_to", {p->resize_height(), p->resize_width()}},
                          {"interpolation", fb::EnumNameInterpolation(p->interpolation())},
                          {"crop", {p->crop_height(), p->crop_width()}},
                          {"crop_rounding", fb::EnumNameCropRounding(p->crop_rounding())},
                          {"rescale", fb::EnumNameRescale(p->rescale())},
                          {"mean", floatsJson(p->mean())},
                          {"std", floatsJson(p->std())}};
  Json config = Json::parse(text(model.config()), nullptr, false);
  json["config"] = config.is_discarded() ? Json(text(model.config())) : config;
  return json;
}

Json targetJson(const fb::Target &target) {
  Json features = Json::array();
  if (target.features())
    for (const auto *feature : *target.features())
      features.push_back(feature->str());
  return {{"name", nameOf(target)},
          {"triple", text(target.triple())},
          {"cpu", text(target.cpu())},
          {"features", std::move(features)},
          {"weights", target.weight_data()     ? "embedded"
                      : target.weights_bytes() ? "external"
                                               : "none"},
          {"weights_bytes", target.weights_bytes()}};
}

Json bufferJson(const fb::Buffer &buffer) {
  Json json = {{"name", text(buffer.name())}, {"kind", fb::EnumNameBufferKind(buffer.kind())}, {"shape", shapeJson(buffer.shape())}};
  if (buffer.kind() == fb::BufferKind::Arena)
    json["offset_per_image"] = buffer.offset_per_image();
  if (buffer.kind() != fb::BufferKind::Weight) {
    json["type"] = fb::EnumNameNumberType(buffer.type());
    json["bytes_per_image"] = buffer.bytes_per_image();
  }
  return json;
}

/// A kernel as a launch has it, and what gives its number of tasks: images * rows / rows of a task, rounded up, times column tasks.
Json kernelJson(const fb::Kernel &kernel) {
  return {{"kernel", text(kernel.symbol())},
          {"schedule", text(kernel.schedule())},
          {"rows_of_image", kernel.rows_per_image()},
          {"rows_of_task", kernel.rows_per_task()},
          {"column_tasks", kernel.column_tasks()}};
}

Json launchJson(const fb::Launch &launch, const fb::Target &target, const fb::Program &program) {
  const fb::Kernel &kernel = *target.kernels()->Get(launch.kernel());
  Json operands = Json::array(), numbers = Json::array();
  for (uint32_t operand : *launch.operands()) {
    operands.push_back(text(program.buffers()->Get(operand)->name()));
    numbers.push_back(operand);
  }
  uint64_t tasks = (kernel.rows_per_image() + kernel.rows_per_task() - 1) / kernel.rows_per_task() * kernel.column_tasks();
  Json larger = Json::array();
  for (uint32_t i = 0; launch.larger() && i < launch.larger()->size(); ++i) {
    const fb::KernelChoice &choice = *launch.larger()->Get(i);
    const fb::Kernel &other = *target.kernels()->Get(choice.kernel());
    larger.push_back({{"images", choice.images()}});
    larger.back().update(kernelJson(other));
  }
  Json json = {{"layer", text(launch.name())}, {"kind", text(kernel.kind())}};
  json.update(kernelJson(kernel));
  json.update({{"tasks_of_one_image", tasks},
               {"flop_per_image", launch.flop_per_image()},
               {"scratch_bytes", kernel.scratch_bytes()},
               {"larger", std::move(larger)},
               {"operands", std::move(operands)},
               {"operand_buffers", std::move(numbers)},
               {"results", launch.results()}});
  return json;
}

Json programJson(const fb::Program &program, const fb::Target &target) {
  Json launches = Json::array(), buffers = Json::array();
  uint64_t scratch = 0;
  for (const fb::Launch *launch : *program.launches()) {
    launches.push_back(launchJson(*launch, target, program));
    scratch = std::max(scratch, target.kernels()->Get(launch->kernel())->scratch_bytes());
  }
  for (const fb::Buffer *buffer : *program.buffers())
    buffers.push_back(bufferJson(*buffer));
  // A program over the training state alone has neither list.
  auto signature = [&](const flatbuffers::Vector<uint32_t> *list) {
    Json tensors = Json::array();
    for (uint32_t i = 0; list && i < list->size(); ++i) {
      uint32_t index = list->Get(i);
      const fb::Buffer &buffer = *program.buffers()->Get(index);
      tensors.push_back(
          {{"name", text(buffer.name())}, {"shape", shapeJson(buffer.shape())}, {"type", fb::EnumNameNumberType(buffer.type())}});
    }
    return tensors;
  };
  return {{"name", text(program.name())},
          {"inputs", signature(program.inputs())},
          {"outputs", signature(program.outputs())},
          {"group_images", program.group_images()},
          {"arena_bytes_per_image", program.arena_bytes_per_image()},
          {"scratch_bytes_per_worker", scratch},
          {"launches", std::move(launches)},
          {"buffers", std::move(buffers)}};
}

/// What a training run takes, by what it allocates; see TrainingMemory.
Json memoryJson(const fb::Target &target) {
  const fb::Training &training = *target.training();
  vitrt::TrainingMemory memory;
  // Only sgd has one moment.
  auto kind = training.optimizer()->string_view() == "sgd" ? vitrt::OptimizerKind::Sgd : vitrt::OptimizerKind::AdamW;
  memory.addState(kind, training.bf16_momentum(), training.parameter_bytes(), training.gradient_bytes(), training.derived_bytes());
  std::set<uint32_t> parameters;
  for (const fb::Parameter *parameter : *training.parameters())
    parameters.insert(parameter->weight());
  uint64_t packed = 0; // for inference
  for (uint32_t index = 0; index < target.weights()->size(); ++index)
    if (!parameters.contains(index))
      packed += vitrt::alignTo(target.weights()->Get(index)->size(), vitrt::kBufferAlignment);
  const bool gpu = target.ptx();
  auto isTraining = [](const fb::Program &program) { return program.name()->string_view().starts_with("train"); };
  uint64_t trained = 1;
  for (const fb::Program *program : *target.programs())
    if (program->name()->string_view() == "train")
      trained = program->group_images();
  for (const fb::Program *program : *target.programs()) {
    // A GPU evaluates as many images at a time as there is memory for; these are as many as it trains on.
    uint64_t group = gpu && !isTraining(*program) ? trained : program->group_images();
    uint64_t arena = program->arena_bytes_per_image() * group, staged = 0, scratch = 0;
    for (const fb::Buffer *buffer : *program->buffers())
      if (buffer->kind() == fb::BufferKind::Input || buffer->kind() == fb::BufferKind::Output)
        staged += vitrt::alignTo(buffer->bytes_per_image() * group, vitrt::kBufferAlignment);
    vitrt::PartBytes parts;
    auto add = [&](const fb::Kernel &kernel, uint64_t images) {
      uint64_t tasks = (images * kernel.rows_per_image() + kernel.rows_per_task() - 1) / kernel.rows_per_task() * kernel.column_tasks();
      scratch = std::max(scratch, kernel.scratch_bytes() * (gpu ? tasks : 1));
      parts.add(tasks, kernel.part_counters(), kernel.part_bytes());
    };
    for (const fb::Launch *launch : *program->launches()) {
      uint64_t most = group;
      for (uint32_t i = launch->larger() ? launch->larger()->size() : 0; i-- > 0;)
        if (const fb::KernelChoice &larger = *launch->larger()->Get(i); larger.images() <= most) {
          add(*target.kernels()->Get(larger.kernel()), most);
          most = larger.images() - 1;
        }
      add(*target.kernels()->Get(launch->kernel()), most);
    }
    if (gpu && isTraining(*program))
      memory.addGpuProgram(arena, staged, parts, scratch);
    else if (isTraining(*program))
      memory.addProgram(arena, staged, parts, scratch);
    else
      memory.addEvaluation(packed, arena + staged, scratch);
  }
  return {{"peak_bytes", memory.peak(1)},
          {"state_bytes", memory.state},
          {"values_bytes", memory.values},
          {"scratch_bytes_per_worker", memory.scratch},
          {"evaluation_bytes", memory.evaluation}};
}

/// 12345678 -> "11.8 MB"
std::string formatBytes(uint64_t bytes) {
  if (bytes < 10'000)
    return fmt::format("{} B", bytes);
  if (bytes < 10'000'000)
    return fmt::format("{:.1f} kB", double(bytes) / 1024);
  return fmt::format("{:.1f} MB", double(bytes) / (1 << 20));
}

std::string join(const Json &values, const char *separator) {
  std::string result;
  for (const Json &value : values)
    result += (result.empty() ? "" : separator) + (value.is_string() ? value.get<std::string>() : value.dump());
  return result;
}

void printProgram(const Json &program) {
  fmt::print("\nprogram {}: {} launches, groups of {} image{}\n", program["name"].get<std::string>(), program["launches"].size(),
             program["group_images"].get<uint64_t>(), program["group_images"] == 1 ? "" : "s");
  for (const Json &input : program["inputs"])
    if (input["type"] == "I8")
      fmt::print("  takes: pixels as decoded, bytes [{}]\n", join(input["shape"], ", "));
  std::string outputs;
  for (const Json &output : program["outputs"])
    outputs += fmt::format("{}{} [{}]", outputs.empty() ? "" : ", ", output["name"].get<std::string>(), join(output["shape"], ", "));
  fmt::print("  returns: {}\n", outputs);
  fmt::print("  {:>4}  {:<36} {:<12} {:>6} {:>10}  {}\n", "", "layer", "kernel", "tasks", "MFLOP", "schedule");
  size_t index = 0;
  for (const Json &launch : program["launches"])
    fmt::print("  {:>4}  {:<36} {:<12} {:>6} {:>10.2f}  {}\n", index++, launch["layer"].get<std::string>(),
               launch["kind"].get<std::string>(), launch["tasks_of_one_image"].get<uint64_t>(),
               launch["flop_per_image"].get<double>() / 1e6, launch["schedule"].get<std::string>());
  fmt::print("\n  buffers of one image\n  {:<44} {:<8} {:<5} {:>20} {:>12} {:>12}\n", "name", "kind", "type", "shape", "offset", "size");
  for (const Json &buffer : program["buffers"]) {
    if (buffer["kind"] == "Weight")
      continue;
    std::string offset = buffer.contains("offset_per_image") ? fmt::format("{}", buffer["offset_per_image"].get<uint64_t>()) : "";
    fmt::print("  {:<44} {:<8} {:<5} {:>20} {:>12} {:>12}\n", buffer["name"].get<std::string>(), buffer["kind"].get<std::string>(),
               buffer["type"].get<std::string>(), "[" + join(buffer["shape"], ", ") + "]", offset,
               formatBytes(buffer["bytes_per_image"].get<uint64_t>()));
  }
  uint64_t arena = program["arena_bytes_per_image"], group = program["group_images"];
  fmt::print("\nmemory of a worker: arena {} ({} an image), scratch {}\n", formatBytes(arena * group), formatBytes(arena),
             formatBytes(program["scratch_bytes_per_worker"].get<uint64_t>()));
}

} // namespace

std::string nameOf(const fb::Target &target) {
  return text(target.name()) + (target.architecture() ? ":" + target.architecture()->str() : "");
}

Json inspectionJson(const vitrt::Artifact &artifact) {
  const fb::Manifest &manifest = artifact.manifest();
  Json targets = Json::array(), programs = Json::array(), schemes = Json::array();
  for (const fb::Target *target : *manifest.targets())
    targets.push_back(targetJson(*target));
  const fb::Target &target = artifact.target();
  for (const fb::Program *program : *target.programs())
    programs.push_back(programJson(*program, target));
  if (manifest.schemes())
    for (const fb::Scheme *scheme : *manifest.schemes())
      schemes.push_back(text(scheme->name()));
  Json json = {{"file", artifact.name()},
               {"bytes", artifact.bytes().size()},
               {"format_version", vitrt::kFormatVersion},
               {"abi_version", manifest.abi_version()},
               {"producer", text(manifest.producer())},
               {"model", modelJson(artifact.model())},
               {"weight_names", std::move(schemes)},
               {"targets", std::move(targets)},
               {"target", nameOf(target)},
               {"sections", sectionsJson(target)},
               {"programs", std::move(programs)}};
  if (target.training())
    json["training_memory"] = memoryJson(target);
  return json;
}

void printInspection(const vitrt::Artifact &artifact) {
  Json json = inspectionJson(artifact);
  const Json &model = json["model"];
  auto string = [](const Json &value) { return value.get<std::string>(); };
  fmt::print("{}: {}, by {}, format {}, ABI {}\n", string(json["file"]), formatBytes(json["bytes"].get<uint64_t>()),
             string(json["producer"]), json["format_version"].get<unsigned>(), json["abi_version"].get<unsigned>());
  fmt::print(
      "This is native code: open it only if you would also run a program from where it came from. Checksums find damage, not malice.\n\n");
  fmt::print("model {}: {} parameters, {:.3f} GFLOP an image, input [{}], {} labels\n", string(model["name"]),
             model["parameters"].get<uint64_t>(), model["flop_per_image"].get<double>() / 1e9, join(model["input"], ", "),
             model["labels"].get<uint64_t>());
  if (model.contains("preprocess")) {
    const Json &p = model["preprocess"];
    fmt::print("  images: {} to {} ({}), centre crop {}, mean {}, std {}\n", string(p["resize"]), join(p["resize_to"], " x "),
               string(p["interpolation"]), join(p["crop"], " x "), join(p["mean"], ", "), join(p["std"], ", "));
  }
  fmt::print("  weights by the names of: {}\n", join(json["weight_names"], ", "));
  for (const Json &target : json["targets"])
    fmt::print("\ntarget {}{}: {}, {}, needs {}\n  weights: {} ({})\n", string(target["name"]),
               target["name"] == json["target"] ? " (shown below)" : "", string(target["triple"]), string(target["cpu"]),
               target["features"].empty() ? "nothing special" : join(target["features"], " "), string(target["weights"]),
               formatBytes(target["weights_bytes"].get<uint64_t>()));
  fmt::print("\nsections\n");
  for (const Json &section : json["sections"])
    fmt::print("  {:<8} at {:>12}, {:>12} bytes, {}\n", string(section["name"]), section["offset"].get<uint64_t>(),
               section["size"].get<uint64_t>(),
               section.contains("hash") ? "XXH3 " + string(section["hash"])
                                        : fmt::format("{} packed weights with a checksum each", section["packed_weights"].get<uint32_t>()));
  for (const Json &program : json["programs"])
    printProgram(program);
  if (auto memory = json.find("training_memory"); memory != json.end()) {
    auto bytes = [&](const char *key) { return formatBytes((*memory)[key].get<uint64_t>()); };
    if (artifact.target().ptx())
      fmt::print("\nmemory of training: {} of a GPU: state {}, values of a group {}; evaluation {} more\n", bytes("peak_bytes"),
                 bytes("state_bytes"), bytes("values_bytes"), bytes("evaluation_bytes"));
    else
      fmt::print("\nmemory of training: {} on one thread: state {}, values of a group {}, scratch {} a thread; evaluation {} more\n",
                 bytes("peak_bytes"), bytes("state_bytes"), bytes("values_bytes"), bytes("scratch_bytes_per_worker"),
                 bytes("evaluation_bytes"));
  }
}

} // namespace vitrun
