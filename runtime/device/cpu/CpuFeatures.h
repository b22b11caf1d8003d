//===- CpuFeatures.h - does this CPU have what the code needs -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DEVICE_CPU_CPUFEATURES_H
#define VITC_RUNTIME_DEVICE_CPU_CPUFEATURES_H

#include <string>
#include <string_view>

namespace vitrt {

/// The architecture that this library runs on, as the first part of LLVM's triples spells it: "x86_64", "aarch64".
std::string_view hostArchitecture();

/// Whether this CPU and its operating system support an instruction set by LLVM's name, such as "avx512f". A name that this library does
/// not know is not available, because code that needs it cannot be shown to run.
bool hostHasFeature(std::string_view name);

/// The known features that this machine has, separated by commas: what `inspect` and error messages show.
std::string hostFeatures();

} // namespace vitrt

#endif // VITC_RUNTIME_DEVICE_CPU_CPUFEATURES_H
