//===- CifarPickle.h - CIFAR in the version for Python -------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// https://www.cs.toronto.edu/~kriz/cifar.html, "Python version": a file is a pickled dictionary with `data`, a NumPy array of bytes
// [N, 3072], and `labels` (CIFAR-100: `fine_labels`), a list. Nothing in a pickle is run (runtime/weights/Pickle.h).
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_CIFARPICKLE_H
#define VITC_RUNTIME_DATA_CIFARPICKLE_H

#include "runtime/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vitrt {

struct CifarImages {
  std::vector<uint8_t> bytes; ///< [N, 3, 32, 32]
  std::vector<int64_t> labels;
};

/// VITRT_ERROR_FORMAT says what is missing or of another form.
Expected<CifarImages> readCifarPickle(const std::string &path, const std::string &labelKey);

/// The names of the classes in `batches.meta` (key `label_names`) or `meta` (`fine_label_names`).
Expected<std::vector<std::string>> readCifarNames(const std::string &path, const std::string &key);

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_CIFARPICKLE_H
