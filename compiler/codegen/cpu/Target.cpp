//===- Target.cpp - the machine that code is made for -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/CpuCodegen.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"
#include "llvm/TargetParser/Triple.h"

#include <memory>
#include <optional>

using namespace llvm;

namespace vitc::cpu {

bool CpuTarget::has(StringRef feature) const { return is_contained(features, feature); }

bool CpuTarget::require(StringRef feature) {
  if (auto found = find(unused, feature); found != unused.end()) {
    features.push_back(*found);
    unused.erase(found);
  }
  return has(feature);
}

static void initializeTargets() {
  // Linked statically or not, all targets of the LLVM at hand; two of them are accepted below.
  static bool once = [] {
    InitializeAllTargetInfos();
    InitializeAllTargets();
    InitializeAllTargetMCs();
    InitializeAllAsmPrinters();
    return true;
  }();
  (void)once;
}

static std::string nearest(StringRef name, ArrayRef<StringRef> candidates) {
  StringRef best = candidates.front();
  for (StringRef candidate : candidates)
    if (name.edit_distance(candidate) < name.edit_distance(best))
      best = candidate;
  return best.str();
}

/// What generated code uses beyond the architecture's baseline, by level; the runtime checks exactly these.
static constexpr StringRef avx2Level[] = {"avx2", "fma"};
static constexpr StringRef avx512Level[] = {"avx512f", "avx512bw", "avx512dq", "avx512vl"};
/// Products of smaller numbers, each of use to some precisions only.
static constexpr StringRef avx512Products[] = {"avx512bf16", "avx512vnni"};
static constexpr StringRef avx2Products[] = {"avxvnni"};

static LogicalResult resolveTriple(StringRef text, Triple &triple, std::string &error) {
  triple = Triple(Triple::normalize(text.empty() || text == "host" ? sys::getDefaultTargetTriple() : text.str()));
  bool knownArch = triple.getArch() == Triple::x86_64 || triple.getArch() == Triple::aarch64;
  if (knownArch && triple.isOSBinFormatELF())
    return success();
  error = ("target triple '" + text + "' is not a 64-bit x86 or Arm ELF platform; the nearest is '" +
           nearest(text, {"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"}) + "'")
              .str();
  return failure();
}

/// This machine's second-level cache, from Linux's sysfs (Documentation/ABI/testing/sysfs-devices-system-cpu); nothing where that says nothing.
static std::optional<int64_t> ownCacheBytes() {
  for (int index = 0; index < 8; ++index) {
    std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    auto text = [&](const char *name) {
      auto file = MemoryBuffer::getFileAsStream(folder + name);
      return file ? (*file)->getBuffer().trim().str() : std::string();
    };
    std::string sizeText = text("size");
    StringRef size = sizeText;
    int64_t kilobytes;
    if (text("level") == "2" && size.consume_back("K") && !size.getAsInteger(10, kilobytes) && kilobytes > 0)
      return kilobytes << 10;
  }
  return std::nullopt;
}

LogicalResult resolveTarget(StringRef tripleText, StringRef cpu, StringRef featureFlags, CpuTarget &target, std::string &error) {
  initializeTargets();
  Triple triple;
  if (failed(resolveTriple(tripleText, triple, error)))
    return failure();
  const Target *backend = TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return failure();

  SubtargetFeatures flags;
  std::string cpuName = cpu.str();
  if (cpu == "host") {
    if (Triple(sys::getDefaultTargetTriple()).getArch() != triple.getArch()) {
      error = ("target cpu 'host' is " + Triple(sys::getDefaultTargetTriple()).getArchName() + ", but the triple '" + triple.str() +
               "' is " + triple.getArchName() + "; name a cpu of that architecture, or 'generic'")
                  .str();
      return failure();
    }
    cpuName = sys::getHostCPUName().str();
    for (auto &feature : sys::getHostCPUFeatures())
      flags.AddFeature(feature.first(), feature.second);
  } else if (cpu.empty() || cpu == "generic") {
    cpuName = triple.getArch() == Triple::x86_64 ? "x86-64" : "generic";
  }

  std::unique_ptr<MCSubtargetInfo> any(backend->createMCSubtargetInfo(triple, "", ""));
  SmallVector<StringRef> cpus, features;
  for (const SubtargetSubTypeKV &known : any->getAllProcessorDescriptions())
    cpus.push_back(known.Key);
  for (const SubtargetFeatureKV &known : any->getAllProcessorFeatures())
    features.push_back(known.Key);
  if (!is_contained(cpus, cpuName)) {
    error =
        "target cpu '" + cpuName + "' is not known for " + triple.getArchName().str() + "; the nearest is '" + nearest(cpuName, cpus) + "'";
    return failure();
  }

  SmallVector<StringRef> parts;
  featureFlags.split(parts, ',', -1, /*KeepEmpty=*/false);
  for (StringRef flag : parts) {
    StringRef name = flag.trim();
    bool enable = name.consume_front("+");
    if (!enable && !name.consume_front("-")) {
      error = ("target feature '" + flag + "' begins with neither + nor -; expected a list such as '+avx2,-avx512f'").str();
      return failure();
    }
    if (!is_contained(features, name)) {
      error =
          ("target feature '" + name + "' is not known for " + triple.getArchName() + "; the nearest is '" + nearest(name, features) + "'")
              .str();
      return failure();
    }
    flags.AddFeature(name, enable);
  }

  std::unique_ptr<MCSubtargetInfo> subtarget(backend->createMCSubtargetInfo(triple, cpuName, flags.getString()));
  auto hasLevel = [&](ArrayRef<StringRef> level) {
    return all_of(level, [&](StringRef feature) { return subtarget->checkFeatures(("+" + feature).str()); });
  };
  target = CpuTarget();
  target.triple = triple.str();
  target.cpu = cpuName;
  if (triple.isAArch64())
    target.vectorRegisters = 32;
  auto take = [&](ArrayRef<StringRef> level, int64_t lanes) {
    for (StringRef feature : level)
      target.features.push_back(feature.str());
    target.vectorLanes = lanes;
  };
  if (triple.getArch() == Triple::x86_64 && hasLevel(avx2Level)) {
    take(avx2Level, 8);
    bool wide = hasLevel(avx512Level);
    if (wide) {
      take(avx512Level, 16);
      target.vectorRegisters = 32;
      target.cacheBytes = 1 << 20;
    }
    for (StringRef feature : wide ? ArrayRef(avx512Products) : ArrayRef(avx2Products))
      if (hasLevel(feature))
        target.unused.push_back(feature.str());
  }
  if (cpu == "host")
    target.cacheBytes = ownCacheBytes().value_or(target.cacheBytes);
  return success();
}

} // namespace vitc::cpu
