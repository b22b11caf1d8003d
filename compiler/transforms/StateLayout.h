//===- StateLayout.h - where the weights of a training program lie ---- -*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TRANSFORMS_STATELAYOUT_H
#define VITC_COMPILER_TRANSFORMS_STATELAYOUT_H

#include "dialects/vit/VitDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"

#include <optional>

namespace vitc {

/// A run of elements.
struct StateRange {
  int64_t first = 0, length = 0;

  int64_t end() const { return first + length; }
  bool operator==(const StateRange &) const = default;
};

/// Names and places, in elements of f32, within one memory of the training state.
class StateLayout {
public:
  /// Places new ranges at multiples of so many elements (64 bytes).
  static constexpr int64_t alignment = 16;

  int64_t size() const { return end; }
  std::optional<StateRange> find(llvm::StringRef name) const;
  /// The range of that name, placed at the end if it is new.
  StateRange place(const llvm::Twine &name, int64_t length);
  /// Gives a range that is there already a name of its own.
  void alias(const llvm::Twine &name, StateRange range);
  /// Parts that are all new, one after the other without gaps.
  void placeSideBySide(llvm::ArrayRef<std::pair<std::string, int64_t>> parts);

  llvm::ArrayRef<std::pair<std::string, StateRange>> entries() const { return ranges; }
  /// name = array<i64: first, length>.
  mlir::DictionaryAttr toAttribute(mlir::MLIRContext *context) const;
  static std::optional<StateRange> lookup(mlir::DictionaryAttr layout, llvm::StringRef name);
  /// Elements that the layout takes.
  static int64_t size(mlir::DictionaryAttr layout);

private:
  std::vector<std::pair<std::string, StateRange>> ranges;
  llvm::StringMap<size_t> indices; ///< into `ranges`
  int64_t end = 0;
};

/// The weights whose elements, one after the other, are those of `value`: a weight itself, weights below each other, under any shape. Nothing
/// if `value` is none of these.
std::optional<llvm::SmallVector<vit::WeightOp>> joinedWeights(mlir::Value value);

/// `value` as consecutive elements of another one: the one that slices and reshapes lead back to, and where in it they begin.
struct ElementsOf {
  mlir::Value root;
  int64_t first;
};
ElementsOf elementsOf(mlir::Value value);

} // namespace vitc

#endif // VITC_COMPILER_TRANSFORMS_STATELAYOUT_H
