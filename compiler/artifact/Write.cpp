//===- Write.cpp - from compiled targets to a file with its weights ---------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/artifact/FreshTensors.h"
#include "compiler/artifact/InitialTensors.h"
#include "compiler/artifact/Manifest.h"
#include "compiler/artifact/OutputFile.h"
#include "runtime/artifact/FileFormat.h"
#include "runtime/weights/Binder.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"

#include <cstring>

using namespace vitc;
using namespace vitc::artifact;

static llvm::Error toError(vitrt::Error error) { return llvm::createStringError(error.message); }

/// Header, manifest and code to the places that `layout` gives them.
static void putFront(const Contents &contents, const Layout &layout, std::span<std::byte> bytes) {
  std::string manifest = makeManifest(contents, layout);
  if (manifest.size() != layout.manifestSize)
    llvm::report_fatal_error("the manifest's size depends on more than its contents");
  vitrt::FileHeader header = vitrt::makeFileHeader(layout.fileSize, manifest.data(), manifest.size());
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + header.manifestOffset, manifest.data(), manifest.size());
  for (auto [target, code, ptx, cubin] : llvm::zip_equal(contents.targets, layout.code, layout.ptx, layout.cubin)) {
    std::memcpy(bytes.data() + code.offset, target.code.data(), code.size);
    std::memcpy(bytes.data() + ptx.offset, target.ptx.data(), ptx.size);
    std::memcpy(bytes.data() + cubin.offset, target.cubin.data(), cubin.size);
  }
}

std::string artifact::assembleExternal(const Contents &contents) {
  Layout layout = layOut(contents, /*external=*/true);
  std::string bytes(layout.fileSize, '\0');
  putFront(contents, layout, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

static vitrt::Expected<std::unique_ptr<vitrt::TensorFile>> openWeights(const Contents &contents, const WeightsFrom &weights,
                                                                       const vitrt::fb::Manifest &manifest) {
  if (weights.initial)
    return initialTensors(contents.config, contents.naming, *weights.initial);
  if (weights.randomSeed)
    return vitrt::randomTensors(manifest, *weights.randomSeed);
  return vitrt::openTensorFile(weights.path);
}

/// Opens the file without weights as any program would and has the runtime bind into the place that the weights have in the file.
static llvm::Error bind(const Contents &contents, const WeightsFrom &weights, Layout &layout, std::span<std::byte> file,
                        const Progress &progress, BindingNotes &notes) {
  std::string external = assembleExternal(contents);
  vitrt::Expected<vitrt::AnonymousMemory> memory = vitrt::AnonymousMemory::allocate(external.size(), "the program without its weights");
  if (!memory)
    return toError(memory.error());
  std::memcpy(memory->bytes().data(), external.data(), external.size());

  std::unique_ptr<vitrt::TensorFile> tensors;
  for (auto [index, target] : llvm::enumerate(contents.targets)) {
    if (size_t first = layout.weightsOf[index]; first < index) {
      layout.weightHashes[index] = layout.weightHashes[first];
      continue;
    }
    vitrt::ArtifactOptions options;
    options.target = target.name + (target.architecture.empty() ? "" : ":" + target.architecture);
    options.purpose = vitrt::Purpose::Bind;
    auto opened = vitrt::Artifact::openMemory(memory->bytes(), options, contents.config.name);
    if (!opened)
      return toError(opened.error());
    if (!tensors) {
      vitrt::Expected<std::unique_ptr<vitrt::TensorFile>> found = openWeights(contents, weights, (*opened)->manifest());
      if (!found)
        return toError(found.error());
      tensors = artifact::withFreshTensors(std::move(*found), weights.fresh);
    }
    std::span<std::byte> section = file.subspan(layout.weights[index].offset, layout.weights[index].size);
    vitrt::BindOptions bindOptions;
    bindOptions.progress = progress;
    auto report = vitrt::bindWeights(**opened, *tensors, section, bindOptions);
    if (!report)
      return toError(report.error());
    // All targets bind the same tensors; one account of it is enough.
    if (index == 0) {
      notes.explanation = vitrt::explain(*report);
      notes.notes = report->notes;
      notes.warnings = report->warnings;
    }
    for (auto [i, binding] : llvm::enumerate(target.bindings))
      layout.weightHashes[index][i] = vitrt::hashBytes(section.data() + layout.weightOffsets[index][i], binding.bytes);
  }
  return llvm::Error::success();
}

llvm::Expected<std::vector<FileShape>> artifact::readShapes(const std::string &path) {
  auto tensors = vitrt::openTensorFile(path);
  if (!tensors)
    return toError(tensors.error());
  std::vector<FileShape> shapes;
  for (const vitrt::TensorInfo &info : (*tensors)->tensors())
    shapes.push_back({info.name, {info.shape.begin(), info.shape.end()}});
  return shapes;
}

llvm::Error artifact::write(const Contents &contents, const WeightsFrom &weights, llvm::StringRef path, const Progress &progress,
                            BindingNotes &notes) {
  Layout layout = layOut(contents, weights.external());
  auto file = OutputFile::create(path, layout.fileSize);
  if (!file)
    return file.takeError();
  if (!weights.external())
    if (llvm::Error error = bind(contents, weights, layout, (*file)->bytes(), progress, notes))
      return error;
  putFront(contents, layout, (*file)->bytes());
  return (*file)->commit();
}
