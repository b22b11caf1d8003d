//===- BuildProgram.cpp - from launches to buffers and their order ----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/plan/Plan.h"
#include "dialects/kernel/KernelDialect.h"
#include "dialects/vit/LayerName.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <algorithm>

using namespace mlir;
using namespace vitc;
using namespace vitc::plan;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

static NumberType numberType(Type element) {
  return element.isF32() ? NumberType::F32 : element.isBF16() ? NumberType::BF16 : NumberType::I8;
}

namespace {

class ProgramBuilder {
public:
  explicit ProgramBuilder(func::FuncOp function) : function(function) { program.name = function.getName().str(); }

  FailureOr<Program> build(function_ref<Kernel(Operation *)> kernelOf) {
    for (auto [index, argument] : llvm::enumerate(function.getArguments()))
      program.inputs.push_back(add(argument, ("input" + Twine(index)).str(), BufferKind::Input, -1));
    auto results = cast<func::ReturnOp>(function.getBody().front().getTerminator()).getOperands();
    for (Operation &op : function.getBody().front().without_terminator())
      if (failed(addOperation(op, results, kernelOf)))
        return failure();
    for (Value result : results) {
      auto found = bufferOf.find(result);
      if (found == bufferOf.end() || program.buffers[found->second].kind != BufferKind::Output)
        return function.emitError() << "returns a value that no launch computes";
      Buffer &buffer = program.buffers[found->second];
      if (auto name = function.getResultAttrOfType<StringAttr>(program.outputs.size(), "vit.output"))
        buffer.name = name.str();
      buffer.lastLaunch = program.launches.size();
      program.outputs.push_back(found->second);
    }
    program.arenaBytesPerImage = assignOffsets(program.buffers);
    program.groupImages = groupImages();
    return std::move(program);
  }

private:
  uint32_t add(Value value, const Twine &name, BufferKind kind, int64_t launch) {
    Buffer buffer;
    buffer.name = name.str();
    buffer.kind = kind;
    RankedTensorType type = typeOf(value);
    buffer.shape.assign(type.getShape().begin() + (kind == BufferKind::Weight ? 0 : 1), type.getShape().end());
    buffer.type = numberType(type.getElementType());
    buffer.bytesPerImage = type.getElementTypeBitWidth() / 8;
    for (int64_t extent : buffer.shape)
      buffer.bytesPerImage *= extent;
    // An image's share begins at a multiple of four bytes.
    buffer.bytesPerImage = llvm::alignTo(buffer.bytesPerImage, sizeof(float));
    buffer.firstLaunch = buffer.lastLaunch = launch;
    program.buffers.push_back(std::move(buffer));
    return bufferOf[value] = program.buffers.size() - 1;
  }

  LogicalResult addOperation(Operation &op, ValueRange results, function_ref<Kernel(Operation *)> kernelOf) {
    if (auto weight = dyn_cast<kernel::WeightOp>(op)) {
      // Two uses of one binding share one buffer.
      auto [known, isNew] = weights.try_emplace(weight.getBinding(), 0);
      if (isNew)
        known->second = add(weight.getValue(), weight.getBinding(), BufferKind::Weight, -1);
      bufferOf[weight.getValue()] = known->second;
      return success();
    }
    auto interface = dyn_cast<kernel::KernelLaunchInterface>(op);
    if (!interface)
      return op.emitError() << "'" << op.getName() << "' cannot be planned: it is neither a launch nor a weight";
    int64_t index = program.launches.size();
    Launch launch;
    launch.name = layerName(op.getLoc()).str();
    launch.kernel = kernelIndex(kernelOf(&op));
    launch.results = op.getNumResults();
    launch.flopPerImage = interface.getFlopPerImage();
    for (Value operand : op.getOperands()) {
      launch.operands.push_back(bufferOf.at(operand));
      program.buffers[launch.operands.back()].lastLaunch = index;
    }
    for (Value result : op.getResults()) {
      bool returned = llvm::is_contained(results, result);
      launch.operands.push_back(inPlaceBuffer(interface, result, returned).value_or(~0u));
      if (launch.operands.back() == ~0u)
        launch.operands.back() = add(result, launch.name, returned ? BufferKind::Output : BufferKind::Arena, index);
      if (auto grid = op.getAttrOfType<DenseF32ArrayAttr>("result_grid")) {
        Buffer &bytes = program.buffers[launch.operands.back()];
        bytes.scale = grid[0];
        bytes.zeroPoint = grid[1];
      }
    }
    program.launches.push_back(std::move(launch));
    return success();
  }

  /// The memory of the operand that the launch's first result may be written over, if nothing reads that later.
  std::optional<uint32_t> inPlaceBuffer(kernel::KernelLaunchInterface launch, Value result, bool returned) {
    Value operand = launch.getInPlaceOperand();
    if (!operand || returned || result != launch->getResult(0))
      return std::nullopt;
    uint32_t buffer = bufferOf.at(operand);
    bool readLater = llvm::any_of(operand.getUsers(), [&](Operation *user) { return user != launch && launch->isBeforeInBlock(user); });
    if (program.buffers[buffer].kind != BufferKind::Arena || readLater)
      return std::nullopt;
    return bufferOf[result] = buffer;
  }

  uint32_t kernelIndex(const Kernel &kernel) {
    auto [known, isNew] = kernels.try_emplace(kernel.symbol, program.kernels.size());
    if (isNew)
      program.kernels.push_back(kernel);
    return known->second;
  }

  int64_t groupImages() const {
    int64_t tokens = 1;
    for (const Buffer &buffer : program.buffers)
      if (buffer.kind == BufferKind::Arena && buffer.shape.size() == 2)
        tokens = std::max(tokens, buffer.shape[0]);
    return plan::groupImages(tokens);
  }

  func::FuncOp function;
  Program program;
  llvm::DenseMap<Value, uint32_t> bufferOf;
  llvm::StringMap<uint32_t> weights, kernels;
};

} // namespace

int64_t plan::groupImages(int64_t tokens) { return std::clamp<int64_t>((197 + tokens / 2) / tokens, 1, 16); }

FailureOr<Program> plan::buildProgram(func::FuncOp function, function_ref<Kernel(Operation *)> kernelOf) {
  FailureOr<Program> program = ProgramBuilder(function).build(kernelOf);
  if (failed(program))
    return failure();
  if (std::string wrong = verify(*program); !wrong.empty())
    return function.emitError() << "its plan is inconsistent: " << wrong;
  return program;
}
