//===- ReferenceBody.cpp - a region of vit operations as loops ----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/ReferenceBody.h"
#include "compiler/codegen/cpu/IndependentElements.h"
#include "compiler/codegen/cpu/ReferenceLoops.h"
#include "compiler/conversion/VitToLinalg.h"
#include "dialects/kernel/KernelDialect.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace vitc::cpu {

static func::FuncOp onlyFunction(ModuleOp module) { return *module.getOps<func::FuncOp>().begin(); }

static void loadDialects(MLIRContext *context) {
  DialectRegistry registry;
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  context->appendDialectRegistry(registry);
  context->loadDialect<affine::AffineDialect, bufferization::BufferizationDialect, func::FuncDialect, memref::MemRefDialect,
                       scf::SCFDialect, tensor::TensorDialect>();
}

/// The region as a function whose tensors begin and end in memrefs.
static OwningOpRef<ModuleOp> makeFunction(Region &region, ArrayRef<MemRefType> arguments, ArrayRef<MemRefType> results) {
  Location loc = region.getParentOp()->getLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  ImplicitLocOpBuilder b(loc, module->getBodyRegion());
  SmallVector<Type> types(arguments.begin(), arguments.end());
  types.append(results.begin(), results.end());
  auto function = func::FuncOp::create(b, "reference", b.getFunctionType(types, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);

  IRMapping map;
  for (auto [argument, buffer] : llvm::zip(region.getArguments(), entry->getArguments()))
    map.map(argument, bufferization::ToTensorOp::create(b, argument.getType(), buffer, /*restrict=*/true));
  for (Operation &op : region.front().without_terminator())
    b.clone(op, map);
  Operation *yield = region.front().getTerminator();
  for (auto [value, buffer] : llvm::zip_equal(yield->getOperands(), entry->getArguments().drop_front(arguments.size()))) {
    auto write = bufferization::MaterializeInDestinationOp::create(b, yield->getLoc(), Type(), map.lookup(value), buffer);
    write.setRestrict(true);
    write.setWritable(true);
  }
  func::ReturnOp::create(b);
  return module;
}

/// Replaces all operations of the function by linalg.
static LogicalResult lowerToLinalg(func::FuncOp function) {
  if (failed(lowerToReference(function)))
    return failure();
  for (Operation &op : function.getBody().front())
    if (isa<vit::VitDialect, kernel::KernelDialect>(op.getDialect()))
      return op.emitOpError() << "has no reference lowering";
  return success();
}

static LogicalResult run(ModuleOp module, function_ref<void(OpPassManager &)> build) {
  PassManager passes(module.getContext());
  build(passes);
  return passes.run(module);
}

/// A result that is another value in another shape is written in that shape, in one walk.
static LogicalResult writeReshapedInPlace(func::FuncOp function) {
  SmallVector<bufferization::MaterializeInDestinationOp> writes(function.getOps<bufferization::MaterializeInDestinationOp>());
  for (bufferization::MaterializeInDestinationOp write : writes) {
    OpBuilder b(write.getContext());
    while (Operation *source = write.getSource().getDefiningOp()) {
      Value dest = write.getDest();
      // Before all that may then be computed in it.
      b.setInsertionPointAfterValue(dest);
      auto type = cast<MemRefType>(dest.getType());
      if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(source)) {
        SmallVector<ReassociationIndices> groups = collapse.getReassociationIndices();
        FailureOr<MemRefType> shaped = memref::ExpandShapeOp::computeExpandedType(type, collapse.getSrcType().getShape(), groups);
        if (failed(shaped))
          return failure();
        dest = memref::ExpandShapeOp::create(b, write.getLoc(), *shaped, dest, groups);
      } else if (auto expand = dyn_cast<tensor::ExpandShapeOp>(source)) {
        SmallVector<ReassociationIndices> groups = expand.getReassociationIndices();
        dest =
            memref::CollapseShapeOp::create(b, write.getLoc(), memref::CollapseShapeOp::computeCollapsedType(type, groups), dest, groups);
      } else {
        break;
      }
      write.getSourceMutable().assign(source->getOperand(0));
      write.getDestMutable().assign(dest);
    }
  }
  return success();
}

FailureOr<ReferenceBody> ReferenceBody::lower(Region &region, ArrayRef<MemRefType> arguments, ArrayRef<MemRefType> results,
                                              const ParallelWalk &walk, const ReductionTeam *team) {
  loadDialects(region.getContext());
  ReferenceBody body;
  body.module = makeFunction(region, arguments, results);
  func::FuncOp function = onlyFunction(*body.module);
  if (failed(lowerToLinalg(function)))
    return failure();
  // tensor.concat alone of the tensor dialect does not bufferize.
  RewritePatternSet patterns(region.getContext());
  tensor::populateDecomposeTensorConcatPatterns(patterns);
  if (failed(applyPatternsGreedily(function, std::move(patterns))) || failed(run(*body.module, [&](OpPassManager &passes) {
        passes.addPass(createCanonicalizerPass());
        passes.addPass(createCSEPass());
      })))
    return failure();
  // Computes a result in its destination. Of several results one may then wait in another's destination, which is written first:
  // bufferization does not see that both are the same memory.
  if (results.size() == 1) {
    if (failed(writeReshapedInPlace(function)))
      return failure();
    // A part of a result is first computed in a part of what the whole would be computed in, then in the result's.
    for (int round = 0; round < 2; ++round) {
      RewritePatternSet parts(region.getContext());
      tensor::populateFoldTensorEmptyPatterns(parts);
      if (failed(applyPatternsGreedily(function, std::move(parts))) ||
          failed(run(*body.module, [](OpPassManager &passes) { passes.addPass(bufferization::createEmptyTensorEliminationPass()); })))
        return failure();
    }
  }
  if (failed(run(*body.module, [&](OpPassManager &passes) {
        passes.addPass(bufferization::createOneShotBufferizePass());
        passes.addPass(createCanonicalizerPass());
        passes.addPass(createCSEPass());
      })))
    return failure();
  foldFills(function);
  body.independent = elementsAreIndependent(function, team);
  if (failed(lowerLinalgToLoops(function, walk, team)) ||
      failed(run(*body.module, [](OpPassManager &passes) { passes.addPass(createLowerAffinePass()); })) || failed(body.layOutTemporaries()))
    return failure();
  return body;
}

namespace {
/// A temporary's place in scratch and its life, in positions of the function's block.
struct Temporary {
  Operation *allocation;
  int64_t size, firstUse, lastUse, offset = 0;
};
} // namespace

LogicalResult ReferenceBody::layOutTemporaries() {
  func::FuncOp function = onlyFunction(*module);
  Block &block = function.getBody().front();
  llvm::DenseMap<Operation *, int64_t> positions;
  for (auto [position, op] : llvm::enumerate(block))
    positions[&op] = position;

  BufferViewFlowAnalysis views(function);
  SmallVector<Temporary> placed;
  WalkResult walk = function.walk([&](Operation *op) {
    if (isa<memref::DeallocOp, memref::ReallocOp>(op) || (isa<memref::AllocOp, memref::AllocaOp>(op) && op->getBlock() != &block)) {
      op->emitOpError() << "cannot be given a place in a kernel's scratch memory";
      return WalkResult::interrupt();
    }
    if (!isa<memref::AllocOp, memref::AllocaOp>(op))
      return WalkResult::advance();
    auto type = cast<MemRefType>(op->getResult(0).getType());
    Temporary temporary{op,
                        static_cast<int64_t>(llvm::alignTo(type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8), 64)),
                        positions[op], positions[op]};
    for (Value view : views.resolve(op->getResult(0)))
      for (Operation *user : view.getUsers())
        temporary.lastUse = std::max(temporary.lastUse, positions[block.findAncestorOpInBlock(*user)]);
    // First fit: the lowest gap among the temporaries that live at the same time, which are kept in the order of their offsets.
    for (const Temporary &other : placed)
      if (other.lastUse >= temporary.firstUse && other.firstUse <= temporary.lastUse && temporary.offset + temporary.size > other.offset)
        temporary.offset = std::max(temporary.offset, other.offset + other.size);
    placed.insert(llvm::upper_bound(placed, temporary, [](const Temporary &x, const Temporary &y) { return x.offset < y.offset; }),
                  temporary);
    offsets[op] = temporary.offset;
    bytes = std::max(bytes, temporary.offset + temporary.size);
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

/// The global of `symbol` in `from`, also in the module that is built: under the same name if it holds the same numbers.
static FlatSymbolRefAttr copyGlobal(ModuleOp from, ModuleOp to, FlatSymbolRefAttr symbol) {
  auto global = cast<memref::GlobalOp>(SymbolTable::lookupSymbolIn(from, symbol));
  for (auto known : to.getOps<memref::GlobalOp>())
    if (known.getInitialValueAttr() == global.getInitialValueAttr())
      return FlatSymbolRefAttr::get(known.getSymNameAttr());
  SymbolTable symbols(to);
  memref::GlobalOp copy = global.clone();
  copy.setPrivate();
  symbols.insert(copy, to.getBody()->begin());
  return FlatSymbolRefAttr::get(copy.getSymNameAttr());
}

void ReferenceBody::inlineInto(ImplicitLocOpBuilder &b, ValueRange operands, function_ref<Value(int64_t, MemRefType)> scratch) const {
  Block &block = onlyFunction(*module).getBody().front();
  auto into = b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  IRMapping map;
  map.map(block.getArguments(), operands);
  for (Operation &op : block.without_terminator()) {
    if (auto offset = offsets.find(&op); offset != offsets.end()) {
      map.map(op.getResult(0), scratch(offset->second, cast<MemRefType>(op.getResult(0).getType())));
      continue;
    }
    Operation *copy = b.clone(op, map);
    copy->walk([&](memref::GetGlobalOp get) { get.setNameAttr(copyGlobal(*module, into, get.getNameAttr())); });
  }
}

} // namespace vitc::cpu
