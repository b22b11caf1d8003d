//===- Checkpoint.h - the tensors of a pickled PyTorch checkpoint -------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_WEIGHTS_CHECKPOINT_H
#define VITC_RUNTIME_WEIGHTS_CHECKPOINT_H

#include "runtime/weights/Pickle.h"
#include "runtime/weights/TensorFile.h"

namespace vitrt {

/// A range of elements outside the pickle.
struct TorchStorage {
  std::string_view key; ///< its name in the file
  uint64_t elements;    ///< of the storage; of a view (legacy files only) of the storage that it is a part of
  size_t elementBytes;
  uint64_t viewOffset = 0; ///< elements before the view
};

/// Reads the id of a Persistent value: ('storage', type, key, location, elements[, view]). False for anything else.
bool parseStorage(const PickleValue &value, TorchStorage &storage);

struct TorchTensor {
  std::string name;
  ElementType type;
  size_t elementBytes;
  std::string storage;   ///< its key
  uint64_t storageBytes; ///< as the pickle has it
  uint64_t offset;       ///< in elements of the tensor
  std::vector<uint64_t> shape;
  std::vector<uint64_t> strides; ///< in elements
};

struct StateDict {
  std::vector<TorchTensor> tensors;
  /// What was done to get them, a sentence each: the entry of the checkpoint that was taken, prefixes that were dropped.
  std::vector<std::string> notes;
};

/// Finds the model's tensors in what torch.save was given, as timm's load_state_dict does (timm/models/_helpers.py): under "state_dict_ema",
/// "model_ema", "state_dict" or "model", or under the keys of other projects; the prefixes of torch.compile and DistributedDataParallel are
/// dropped.
///
/// A pickle that would import something that runs programs (os, subprocess, ...) is refused wherever that stands. A call of anything else
/// that is not known beside the tensors (argparse.Namespace, an optimizer's state, numpy's scalars) is left alone, and not made; one in the
/// place of a tensor is refused by its name. `file` begins the messages: "'w.pth'".
Expected<StateDict> findStateDict(const Pickle &pickle, const std::string &file);

} // namespace vitrt

#endif // VITC_RUNTIME_WEIGHTS_CHECKPOINT_H
