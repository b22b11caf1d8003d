//===- CpuFeatures.cpp - does this CPU have what the code needs ---------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/device/cpu/CpuFeatures.h"

#include <array>
#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

using namespace vitrt;

#if defined(__x86_64__)

namespace {

/// The register state that the operating system must save for an instruction set to be usable (XCR0).
enum class State : uint8_t { Always, Avx, Avx512, Amx };
enum Register : uint8_t { Eax, Ebx, Ecx, Edx };

struct Feature {
  std::string_view name;
  uint32_t leaf;
  uint32_t subleaf;
  Register reg;
  uint8_t bit;
  State state = State::Always;
};

// Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E. Names are LLVM's (TargetParser/X86TargetParser.def).
constexpr Feature kFeatures[] = {
    {"cx8", 1, 0, Edx, 8},
    {"cmov", 1, 0, Edx, 15},
    {"mmx", 1, 0, Edx, 23},
    {"fxsr", 1, 0, Edx, 24},
    {"sse", 1, 0, Edx, 25},
    {"sse2", 1, 0, Edx, 26},
    {"sse3", 1, 0, Ecx, 0},
    {"pclmul", 1, 0, Ecx, 1},
    {"ssse3", 1, 0, Ecx, 9},
    {"fma", 1, 0, Ecx, 12, State::Avx},
    {"cx16", 1, 0, Ecx, 13},
    {"sse4.1", 1, 0, Ecx, 19},
    {"sse4.2", 1, 0, Ecx, 20},
    {"crc32", 1, 0, Ecx, 20},
    {"movbe", 1, 0, Ecx, 22},
    {"popcnt", 1, 0, Ecx, 23},
    {"aes", 1, 0, Ecx, 25},
    {"xsave", 1, 0, Ecx, 27},
    {"avx", 1, 0, Ecx, 28, State::Avx},
    {"f16c", 1, 0, Ecx, 29, State::Avx},
    {"rdrnd", 1, 0, Ecx, 30},
    {"fsgsbase", 7, 0, Ebx, 0},
    {"bmi", 7, 0, Ebx, 3},
    {"avx2", 7, 0, Ebx, 5, State::Avx},
    {"bmi2", 7, 0, Ebx, 8},
    {"invpcid", 7, 0, Ebx, 10},
    {"avx512f", 7, 0, Ebx, 16, State::Avx512},
    {"avx512dq", 7, 0, Ebx, 17, State::Avx512},
    {"rdseed", 7, 0, Ebx, 18},
    {"adx", 7, 0, Ebx, 19},
    {"avx512ifma", 7, 0, Ebx, 21, State::Avx512},
    {"clflushopt", 7, 0, Ebx, 23},
    {"clwb", 7, 0, Ebx, 24},
    {"avx512cd", 7, 0, Ebx, 28, State::Avx512},
    {"sha", 7, 0, Ebx, 29},
    {"avx512bw", 7, 0, Ebx, 30, State::Avx512},
    {"avx512vl", 7, 0, Ebx, 31, State::Avx512},
    {"avx512vbmi", 7, 0, Ecx, 1, State::Avx512},
    {"pku", 7, 0, Ecx, 4},
    {"waitpkg", 7, 0, Ecx, 5},
    {"avx512vbmi2", 7, 0, Ecx, 6, State::Avx512},
    {"shstk", 7, 0, Ecx, 7},
    {"gfni", 7, 0, Ecx, 8},
    {"vaes", 7, 0, Ecx, 9, State::Avx},
    {"vpclmulqdq", 7, 0, Ecx, 10, State::Avx},
    {"avx512vnni", 7, 0, Ecx, 11, State::Avx512},
    {"avx512bitalg", 7, 0, Ecx, 12, State::Avx512},
    {"avx512vpopcntdq", 7, 0, Ecx, 14, State::Avx512},
    {"rdpid", 7, 0, Ecx, 22},
    {"cldemote", 7, 0, Ecx, 25},
    {"movdiri", 7, 0, Ecx, 27},
    {"movdir64b", 7, 0, Ecx, 28},
    {"avx512vp2intersect", 7, 0, Edx, 8, State::Avx512},
    {"serialize", 7, 0, Edx, 14},
    {"amx-bf16", 7, 0, Edx, 22, State::Amx},
    {"avx512fp16", 7, 0, Edx, 23, State::Avx512},
    {"amx-tile", 7, 0, Edx, 24, State::Amx},
    {"amx-int8", 7, 0, Edx, 25, State::Amx},
    {"avxvnni", 7, 1, Eax, 4, State::Avx},
    {"avx512bf16", 7, 1, Eax, 5, State::Avx512},
    {"amx-fp16", 7, 1, Eax, 21, State::Amx},
    {"avxifma", 7, 1, Eax, 23, State::Avx},
    {"avxvnniint8", 7, 1, Edx, 4, State::Avx},
    {"avxneconvert", 7, 1, Edx, 5, State::Avx},
    {"avxvnniint16", 7, 1, Edx, 10, State::Avx},
    {"xsaveopt", 13, 1, Eax, 0},
    {"xsavec", 13, 1, Eax, 1},
    {"xsaves", 13, 1, Eax, 3},
    {"sahf", 0x80000001, 0, Ecx, 0},
    {"lzcnt", 0x80000001, 0, Ecx, 5},
    {"sse4a", 0x80000001, 0, Ecx, 6},
    {"prfchw", 0x80000001, 0, Ecx, 8},
    {"mwaitx", 0x80000001, 0, Ecx, 29},
    {"64bit", 0x80000001, 0, Edx, 29},
    {"clzero", 0x80000008, 0, Ebx, 0},
    {"wbnoinvd", 0x80000008, 0, Ebx, 9},
};

/// Whether the operating system saves the registers of `state`; XCR0 bits of Intel SDM volume 1, 13.3.
bool savesState(State state) {
  if (state == State::Always)
    return true;
  uint32_t eax, ebx, ecx, edx;
  constexpr uint32_t kOsXsave = 1u << 27;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & kOsXsave))
    return false;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  uint32_t needed = state == State::Avx ? 0x6 : state == State::Avx512 ? 0xe6 : 0x60006;
  return (low & needed) == needed;
}

bool hasFeature(const Feature &feature) {
  std::array<uint32_t, 4> registers = {};
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &registers[Eax], &registers[Ebx], &registers[Ecx], &registers[Edx]))
    return false;
  return (registers[feature.reg] >> feature.bit & 1) && savesState(feature.state);
}

} // namespace

std::string_view vitrt::hostArchitecture() { return "x86_64"; }

#elif defined(__aarch64__)

namespace {

struct Feature {
  std::string_view name;
  unsigned long capability;      ///< bits of AT_HWCAP
  unsigned long capability2 = 0; ///< bits of AT_HWCAP2
};

constexpr Feature kFeatures[] = {
    {"neon", HWCAP_ASIMD},    {"fp-armv8", HWCAP_FP},   {"fullfp16", HWCAP_ASIMDHP}, {"dotprod", HWCAP_ASIMDDP},
    {"lse", HWCAP_ATOMICS},   {"crc", HWCAP_CRC32},     {"rdm", HWCAP_ASIMDRDM},     {"sve", HWCAP_SVE},
    {"sve2", 0, HWCAP2_SVE2}, {"i8mm", 0, HWCAP2_I8MM}, {"bf16", 0, HWCAP2_BF16},
};

bool hasFeature(const Feature &feature) {
  return (getauxval(AT_HWCAP) & feature.capability) == feature.capability &&
         (getauxval(AT_HWCAP2) & feature.capability2) == feature.capability2;
}

} // namespace

std::string_view vitrt::hostArchitecture() { return "aarch64"; }

#else
#error "vitrt runs on x86-64 and AArch64"
#endif

bool vitrt::hostHasFeature(std::string_view name) {
  for (const Feature &feature : kFeatures)
    if (feature.name == name)
      return hasFeature(feature);
  return false;
}

std::string vitrt::hostFeatures() {
  std::string names;
  for (const Feature &feature : kFeatures)
    if (hasFeature(feature))
      names.append(names.empty() ? "" : ",").append(feature.name);
  return names;
}
