//===- BuildProgram.cpp - from launches to buffers and their order ----------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/plan/Plan.h"
#include "compiler/transforms/StateLayout.h"
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
  if (element.isInteger())
    return NumberType::I8;
  return element.isF32() ? NumberType::F32 : element.isBF16() ? NumberType::BF16 : element.isF16() ? NumberType::F16 : NumberType::TF32;
}

namespace {

class ProgramBuilder {
public:
  explicit ProgramBuilder(func::FuncOp function) : function(function) { program.name = function.getName().str(); }

  FailureOr<Program> build(function_ref<Kernel(Operation *)> kernelOf) {
    for (auto [index, argument] : llvm::enumerate(function.getArguments())) {
      auto name = function.getArgAttrOfType<StringAttr>(index, "vit.input");
      program.inputs.push_back(add(argument, name ? name.str() : ("input" + Twine(index)).str(), BufferKind::Input, -1));
      // Bytes of a picture are the numbers themselves.
      if (Buffer &input = program.buffers.back(); input.type == NumberType::I8)
        input.scale = 1;
    }
    auto results = cast<func::ReturnOp>(function.getBody().front().getTerminator()).getOperands();
    for (Operation &op : function.getBody().front().without_terminator())
      if (failed(addOperation(op, results, kernelOf)))
        return failure();
    for (auto [index, result] : llvm::enumerate(results)) {
      if (typeOf(result).hasStaticShape())
        continue; // training state, not the caller's
      auto found = bufferOf.find(result);
      if (found == bufferOf.end() || program.buffers[found->second].kind != BufferKind::Output)
        return function.emitError() << "returns a value that no launch computes";
      Buffer &buffer = program.buffers[found->second];
      if (auto name = function.getResultAttrOfType<StringAttr>(index, "vit.output"))
        buffer.name = name.str();
      buffer.lastLaunch = program.launches.size();
      program.outputs.push_back(found->second);
    }
    program.arenaBytesPerImage = assignOffsets(program.buffers);
    program.groupImages = groupImages(isTraining());
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
    buffer.bytesPerImage = kernel::bytesOf(type.getElementType());
    for (int64_t extent : buffer.shape)
      buffer.bytesPerImage *= extent;
    // An image's share begins at a multiple of four bytes; a caller's are one behind the other.
    if (kind != BufferKind::Input)
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
    if (auto state = dyn_cast<kernel::StateOp>(op))
      return addState(state.getValue(), state.getName(), stringifyEnum(state.getRegion()), op.getLoc());
    auto interface = dyn_cast<kernel::KernelLaunchInterface>(op);
    if (!interface)
      return op.emitError() << "'" << op.getName() << "' cannot be planned: it is neither a launch nor a weight";
    int64_t index = program.launches.size();
    Launch launch;
    launch.name = layerName(op.getLoc()).str();
    Kernel kernel = kernelOf(&op);
    for (Kernel &other : kernel.larger)
      launch.larger.emplace_back(other.fromImages, kernelIndex(std::move(other)));
    kernel.larger.clear();
    launch.kernel = kernelIndex(std::move(kernel));
    launch.results = op.getNumResults();
    launch.flopPerImage = interface.getFlopPerImage();
    for (Value operand : op.getOperands()) {
      launch.operands.push_back(bufferOf.at(operand));
      program.buffers[launch.operands.back()].lastLaunch = index;
    }
    for (Value result : op.getResults()) {
      bool returned = llvm::is_contained(results, result);
      if (typeOf(result).hasStaticShape()) {
        if (failed(addStateResult(result, results, op.getLoc())))
          return failure();
        launch.operands.push_back(bufferOf.at(result));
        continue;
      }
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

  /// The place in the training state that the module's layout gives to a name.
  LogicalResult addState(Value value, StringRef name, StringRef region, Location loc) {
    auto module = function->getParentOfType<ModuleOp>();
    bool isParameter = region == "parameter", isGradient = region == "gradient";
    StringRef memory = isParameter ? "kernel.parameters" : isGradient ? "kernel.gradients" : "kernel.derived";
    std::optional<StateRange> range = StateLayout::lookup(module->getAttrOfType<DictionaryAttr>(memory), name);
    if (!range || range->length != llvm::divideCeilSigned(typeOf(value).getNumElements() * typeOf(value).getElementTypeBitWidth(), 32))
      return emitError(loc) << "the training state has no " << region << " '" << name << "' of type " << value.getType();
    // Read in several places, it is one buffer.
    auto [known, isNew] = states.try_emplace((region + ":" + name).str(), 0);
    if (isNew) {
      known->second = add(value, name, isParameter ? BufferKind::Parameter : isGradient ? BufferKind::Gradient : BufferKind::Derived, -1);
      Buffer &buffer = program.buffers[known->second];
      buffer.shape.assign(typeOf(value).getShape().begin(), typeOf(value).getShape().end());
      buffer.offsetPerImage = range->first * static_cast<int64_t>(sizeof(float));
      buffer.bytesPerImage = range->length * static_cast<int64_t>(sizeof(float));
    }
    bufferOf[value] = known->second;
    return success();
  }

  LogicalResult addStateResult(Value value, ValueRange results, Location loc) {
    for (auto [index, result] : llvm::enumerate(results))
      if (result == value)
        if (auto name = function.getResultAttrOfType<StringAttr>(index, "kernel.state"))
          return addState(value, name, function.getResultAttrOfType<StringAttr>(index, "kernel.region"), loc);
    return emitError(loc) << "a result of static shape has no place in the training state";
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

  bool isTraining() const {
    return llvm::any_of(program.buffers, [](const Buffer &buffer) { return isState(buffer.kind); });
  }

  int64_t groupImages(bool training) const {
    int64_t tokens = 1;
    for (const Buffer &buffer : program.buffers)
      if (buffer.kind == BufferKind::Arena && buffer.shape.size() == 2)
        tokens = std::max(tokens, buffer.shape[0]);
    return training ? trainingGroupImages(tokens) : plan::groupImages(tokens);
  }

  func::FuncOp function;
  Program program;
  llvm::DenseMap<Value, uint32_t> bufferOf;
  llvm::StringMap<uint32_t> weights, states, kernels;
};

} // namespace

int64_t plan::trainingGroupImages(int64_t tokens) { return std::clamp<int64_t>((788 + tokens / 2) / tokens, 1, 64); }

int64_t plan::groupImages(int64_t tokens) { return std::clamp<int64_t>((197 + tokens / 2) / tokens, 1, 16); }

FailureOr<Program> plan::buildProgram(func::FuncOp function, function_ref<Kernel(Operation *)> kernelOf) {
  FailureOr<Program> program = ProgramBuilder(function).build(kernelOf);
  if (failed(program))
    return failure();
  if (std::string wrong = verify(*program); !wrong.empty())
    return function.emitError() << "its plan is inconsistent: " << wrong;
  return program;
}
