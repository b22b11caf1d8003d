//===- Report.h - how rewrites report themselves ------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_TRANSFORMS_REPORT_H
#define VITC_COMPILER_TRANSFORMS_REPORT_H

#include "mlir/IR/Operation.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/SymbolTable.h"

namespace vitc {

/// Remarks of one kind of rewrite: done at a layer, or missed and why. They cost nothing unless a remark engine is installed.
class Report {
public:
  Report(llvm::StringRef category, llvm::StringRef name) : category(category), name(name) {}

  void done(mlir::Operation *op, const llvm::Twine &what) const { mlir::remark::passed(op->getLoc(), options(op)) << what.str(); }
  void missed(mlir::Operation *op, const llvm::Twine &why) const { mlir::remark::missed(op->getLoc(), options(op)) << why.str(); }

private:
  mlir::remark::RemarkOpts options(mlir::Operation *op) const {
    auto function = op->getParentOfType<mlir::SymbolOpInterface>();
    return mlir::remark::RemarkOpts::name(name).category(category).function(function ? function.getName() : "");
  }

  llvm::StringRef category, name;
};

} // namespace vitc

#endif // VITC_COMPILER_TRANSFORMS_REPORT_H
