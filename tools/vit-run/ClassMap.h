//===- ClassMap.h - a data set's classes by the model's -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_TOOLS_VITRUN_CLASSMAP_H
#define VITC_TOOLS_VITRUN_CLASSMAP_H

#include "runtime/Error.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vitrun {

/// Which class of the model each class of the data is. Folders may be named by the model's labels or by class numbers; otherwise both must
/// have as many classes, and their order is the same. VITRT_ERROR_ARGUMENT, with `data` as the data's name, if none of it applies.
vitrt::Expected<std::vector<int64_t>> matchClasses(std::span<const std::string> names, const std::vector<std::string> &labels,
                                                   size_t classes, const std::string &data);

} // namespace vitrun

#endif // VITC_TOOLS_VITRUN_CLASSMAP_H
