//===- Structure.cpp - what an operation computes, as text --------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "dialects/kernel/Structure.h"

#include "mlir/IR/SymbolTable.h"

#include "llvm/ADT/DenseMap.h"

using namespace mlir;
using namespace vitc;

static void printStructure(Operation *op, llvm::DenseMap<Value, size_t> &numbers, llvm::raw_ostream &os) {
  auto number = [&](Value value) { return numbers.try_emplace(value, numbers.size()).first->second; };
  os << op->getName() << '(';
  for (Value operand : op->getOperands())
    os << number(operand) << ':' << operand.getType() << ' ';
  os << ')';
  for (NamedAttribute attribute : op->getAttrs())
    if (attribute.getName() != SymbolTable::getSymbolAttrName() && attribute.getName() != "sources")
      os << attribute.getName().getValue() << '=' << attribute.getValue() << ' ';
  for (Value result : op->getResults())
    os << number(result) << ':' << result.getType() << ' ';
  for (Region &region : op->getRegions())
    for (Block &block : region) {
      os << '{';
      for (BlockArgument argument : block.getArguments())
        os << number(argument) << ':' << argument.getType() << ' ';
      for (Operation &inner : block)
        printStructure(&inner, numbers, os);
      os << '}';
    }
}

std::string kernel::structureOf(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::DenseMap<Value, size_t> numbers;
  printStructure(op, numbers, os);
  return text;
}
