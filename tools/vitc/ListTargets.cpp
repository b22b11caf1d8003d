//===- ListTargets.cpp - vitc --list-targets ----------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vitc/ListTargets.h"
#include "compiler/codegen/cpu/CpuCodegen.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;

namespace {
struct Instructions {
  StringLiteral name;
  StringLiteral feature; ///< LLVM's name
  StringLiteral use;     ///< what vitc does with them
};
} // namespace

static constexpr Instructions ofX86[] = {
    {"AVX2", "avx2", "f32 products, 8 lanes"},
    {"AVX-512", "avx512f", "f32 products, 16 lanes"},
    {"AVX512-BF16", "avx512bf16", "bf16 products"},
    {"AVX512-VNNI", "avx512vnni", "int8 products"},
    {"AVX-VNNI", "avxvnni", "int8 products"},
    {"AMX-BF16", "amx-bf16", "not used: bf16 products are AVX512-BF16's"},
    {"AMX-INT8", "amx-int8", "not used: int8 products are AVX512-VNNI's"},
};
static constexpr Instructions ofAArch64[] = {
    {"NEON", "neon", "f32 products, 4 lanes"},
    {"BF16", "bf16", "not used: bf16 weights meet f32 rows"},
    {"DotProd", "dotprod", "not used: there are no int8 products for AArch64"},
};

void vitc::tool::listTargets(raw_ostream &os) {
  os << "cpu        fused kernels for the CPU that --target-cpu names\n"
        "reference  each operation by its plain lowering: slow and obviously right\n"
        "emulator   a GPU's kernels, run and checked on the CPU thread by thread: slow\n"
        "cuda       the same kernels for NVIDIA GPUs of compute capability 8.0 and higher, and for 9.0 (--gpu-arch)\n";
  cpu::CpuTarget host;
  std::string error;
  if (failed(cpu::resolveTarget("", "host", "", host, error))) {
    os << "\nThis machine is no target: " << error << '\n';
    return;
  }
  os << "\nThis machine, the default: " << host.cpu << ", " << host.vectorLanes << " lanes, " << host.vectorRegisters
     << " vector registers, second-level cache " << (host.cacheBytes >> 10) << " KiB\n";
  StringMap<bool> features = sys::getHostCPUFeatures();
  ArrayRef<Instructions> known = Triple(host.triple).isAArch64() ? ArrayRef<Instructions>(ofAArch64) : ArrayRef<Instructions>(ofX86);
  for (const Instructions &instructions : known)
    os << formatv("  {0,-12} {1,-4} {2}\n", instructions.name, features.lookup(instructions.feature) ? "yes" : "no", instructions.use);
}
