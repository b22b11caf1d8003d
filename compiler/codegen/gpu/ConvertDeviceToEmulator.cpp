//===- ConvertDeviceToEmulator.cpp - device kernels that run on the host ------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/cpu/ShortFloats.h"
#include "compiler/codegen/gpu/EmulatorCalls.h"
#include "compiler/codegen/gpu/GpuCodegen.h"
#include "compiler/codegen/gpu/GpuPasses.h"
#include "dialects/device/DeviceDialect.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/ADT/Twine.h"

using namespace mlir;
using vitrt::emulator::Call;

namespace vitc::gpu {

#define GEN_PASS_DEF_CONVERTDEVICETOEMULATOR
#include "compiler/codegen/gpu/GpuPasses.h.inc"

namespace {

/// device.kernel @k(%a, %b, %images) -> func.func @k(%self, %buffers, %images64), memories loaded from %buffers.
struct ConvertKernel : OpConversionPattern<device::KernelOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(device::KernelOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    ArrayRef<Type> types = op.getArgumentTypes();
    // Memories, the number of images, tensor maps.
    const auto images = static_cast<size_t>(llvm::find_if(types, [](Type type) { return type.isInteger(32); }) - types.begin());
    if (images == types.size() || !llvm::all_of(types.take_front(images), llvm::IsaPred<device::MemoryType>) ||
        !llvm::all_of(types.drop_front(images + 1), llvm::IsaPred<device::TensorMapType>))
      return rewriter.notifyMatchFailure(op, "a launch passes memories, the number of images, and tensor maps");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type pointer = LLVM::LLVMPointerType::get(b.getContext());
    auto function = func::FuncOp::create(b, op.getSymName(), b.getFunctionType({pointer, pointer, b.getI64Type()}, {}));
    rewriter.inlineRegionBefore(op.getBody(), function.getBody(), function.end());
    Block *body = &function.getBody().front();
    Block *entry = rewriter.createBlock(body, {pointer, pointer, b.getI64Type()}, SmallVector<Location>(3, op.getLoc()));
    b.setInsertionPointToStart(entry);
    SmallVector<Value> arguments;
    for (size_t i = 0; i < types.size(); ++i) {
      if (i == images) {
        arguments.push_back(arith::TruncIOp::create(b, b.getI32Type(), entry->getArgument(2)));
        continue;
      }
      // Maps follow the memories directly.
      auto number = static_cast<int32_t>(i - (i > images ? 1 : 0));
      Value slot = LLVM::GEPOp::create(b, pointer, pointer, entry->getArgument(1), ArrayRef<LLVM::GEPArg>{number});
      Value memory = LLVM::LoadOp::create(b, pointer, slot);
      arguments.push_back(UnrealizedConversionCastOp::create(b, TypeRange{types[i]}, ValueRange{memory}).getResult(0));
    }
    rewriter.inlineBlockBefore(body, entry, entry->end(), arguments);
    rewriter.eraseOp(op);
    return success();
  }
};

void populate(RewritePatternSet &patterns, const TypeConverter &converter) {
  MLIRContext *context = patterns.getContext();
  auto add = [&]<typename Op>(typename ValueConversion<Op, Caller>::Body body) {
    patterns.add(std::make_unique<ValueConversion<Op, Caller>>(converter, context, std::move(body)));
  };
  using namespace device;
  using vitrt::emulator::ThreadState;

  add.operator()<ThreadIdOp>([](ThreadIdOp op, auto, Caller &c) { return c.at(offsetof(ThreadState, thread), op.getType()); });
  add.operator()<BlockCountOp>([](BlockCountOp op, auto, Caller &c) { return c.at(offsetof(ThreadState, blocks), op.getType()); });
  add.operator()<BlockIdOp>([](BlockIdOp op, auto, Caller &c) { return c.at(offsetof(ThreadState, block), op.getType()); });
  add.operator()<SharedOp>([](SharedOp op, auto, Caller &c) {
    return c.address(c.at(offsetof(ThreadState, shared), c.pointer()), llvmConstant(c.b, op.getOffset(), 64), c.b.getI8Type());
  });
  add.operator()<ScratchOp>([](ScratchOp op, auto, Caller &c) {
    return c.address(c.at(offsetof(ThreadState, scratch), c.pointer()), llvmConstant(c.b, op.getOffset(), 64), c.b.getI8Type());
  });
  add.operator()<ViewOp>([](ViewOp op, auto adaptor, Caller &c) {
    return cpu::memrefAt(c.b, adaptor.getMemory(), cast<MemRefType>(op.getType()), adaptor.getRows());
  });
  add.operator()<AdvanceOp>([](AdvanceOp op, auto adaptor, Caller &c) {
    return c.address(adaptor.getMemory(), adaptor.getIndex(), op.getMemory().getType().getElement());
  });
  add.operator()<LoadOp>([](LoadOp op, auto adaptor, Caller &c) -> Value {
    Value address = c.address(adaptor.getMemory(), adaptor.getIndex(), op.getMemory().getType().getElement());
    c.access(address, bytesOf(op.getType()), /*write=*/false);
    return LLVM::LoadOp::create(c.b, op.getType(), address, bytesOf(op.getType()));
  });
  add.operator()<StoreOp>([](StoreOp op, auto adaptor, Caller &c) {
    Value address = c.address(adaptor.getMemory(), adaptor.getIndex(), op.getMemory().getType().getElement());
    c.access(address, bytesOf(op.getValue().getType()), /*write=*/true);
    LLVM::StoreOp::create(c.b, adaptor.getValue(), address, bytesOf(op.getValue().getType()));
    return Value();
  });
  add.operator()<AtomicAddOp>([](AtomicAddOp op, auto adaptor, Caller &c) {
    Value address = c.address(adaptor.getMemory(), adaptor.getIndex(), c.b.getF32Type());
    return c.call(Call::AtomicAdd, {}, {address, adaptor.getValue(), c.site()});
  });
  add.operator()<BarrierOp>([](BarrierOp, auto, Caller &c) { return c.call(Call::Barrier, {}, {c.site()}); });
  add.operator()<ShuffleOp>([](ShuffleOp op, auto adaptor, Caller &c) -> Value {
    Type i32 = c.b.getI32Type();
    bool isFloat = op.getType().isF32();
    Value bits = isFloat ? LLVM::BitcastOp::create(c.b, i32, adaptor.getValue()).getResult() : adaptor.getValue();
    Value result = c.call(Call::Shuffle, i32, {bits, c.number(op.getMask()), c.site()});
    return isFloat ? LLVM::BitcastOp::create(c.b, op.getType(), result).getResult() : result;
  });
  add.operator()<ArriveOp>([](ArriveOp op, auto adaptor, Caller &c) -> Value {
    Type i32 = c.b.getI32Type();
    Value counter = c.address(adaptor.getCounter(), adaptor.getIndex(), i32);
    Value last = c.call(Call::Arrive, i32, {counter, c.number(op.getCount()), c.site()});
    return LLVM::ICmpOp::create(c.b, LLVM::ICmpPredicate::ne, last, c.number(0));
  });
  add.operator()<CopyAsyncOp>([](CopyAsyncOp op, auto adaptor, Caller &c) {
    Type element = op.getFrom().getType().getElement();
    Value from = c.address(adaptor.getFrom(), adaptor.getFromIndex(), element);
    Value to = c.address(adaptor.getTo(), adaptor.getToIndex(), element);
    Value live = adaptor.getLive() ? adaptor.getLive() : c.number(op.getBytes());
    return c.call(Call::CopyAsync, {}, {from, to, llvmConstant(c.b, op.getBytes(), 64), live, c.site()});
  });
  add.operator()<CopyCommitOp>([](CopyCommitOp, auto, Caller &c) { return c.call(Call::CopyCommit, {}, {}); });
  add.operator()<CopyWaitOp>([](CopyWaitOp op, auto, Caller &c) { return c.call(Call::CopyWait, {}, {c.number(op.getPending())}); });
  add.operator()<LoadMatrixOp>([](LoadMatrixOp op, auto adaptor, Caller &c) -> Value {
    Value row = c.address(adaptor.getMemory(), adaptor.getIndex(), op.getMemory().getType().getElement()), result = c.slot(op.getType());
    const int64_t matrices = bytesOf(op.getType()) / 4;
    c.call(Call::LoadMatrix, {}, {result, row, c.number(matrices), c.number(op.getTransposed()), c.site()});
    return LLVM::LoadOp::create(c.b, op.getType(), result);
  });
  add.operator()<MmaOp>([](MmaOp op, auto adaptor, Caller &c) -> Value {
    Value sums = c.stored(adaptor.getAccumulator());
    c.call(
        Call::Mma, {},
        {sums, c.stored(adaptor.getA()), c.stored(adaptor.getB()), c.number(operandType(op.getA().getType().getElementType())), c.site()});
    return LLVM::LoadOp::create(c.b, op.getType(), sums);
  });
  add.operator()<ToTf32Op>([](ToTf32Op, auto adaptor, Caller &c) { return cpu::roundToTf32(c.b, adaptor.getValue()); });
}

/// return -> func.return
struct ConvertReturn : OpConversionPattern<device::ReturnOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(device::ReturnOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<func::ReturnOp>(op);
    return success();
  }
};

struct ConvertDeviceToEmulator : impl::ConvertDeviceToEmulatorBase<ConvertDeviceToEmulator> {
  void runOnOperation() override {
    watchViews(getOperation());
    // Operations are known by their number in the kernel, whatever happens to them later.
    getOperation()->walk([](device::KernelOp kernel) {
      int64_t number = 0;
      kernel.walk([&](Operation *op) {
        if (isa<device::DeviceDialect>(op->getDialect()))
          op->setAttr("site", IntegerAttr::get(IntegerType::get(op->getContext(), 64), number++));
      });
    });
    MLIRContext *context = &getContext();
    DeviceTypeConverter converter(/*emulated=*/true);
    RewritePatternSet kernels(context), operations(context);
    kernels.add<ConvertKernel>(converter, context);
    populate(operations, converter);
    populateHopperToEmulator(operations, converter);
    operations.add<ConvertReturn>(converter, context);
    ConversionTarget target(*context);
    if (failed(convertDevice(getOperation(), converter, target, std::move(kernels), std::move(operations))))
      return signalPassFailure();

    // exp2 is an instruction of the device alone.
    getOperation()->walk([](math::Exp2Op op) {
      ImplicitLocOpBuilder b(op.getLoc(), op);
      Value ln2 = arith::ConstantOp::create(b, b.getF32FloatAttr(0.693147182F));
      op.replaceAllUsesWith(math::ExpOp::create(b, arith::MulFOp::create(b, op.getOperand(), ln2)).getResult());
      op.erase();
    });
  }
};

} // namespace

LogicalResult lowerToEmulator(ModuleOp module) {
  PassManager passes(module.getContext());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createConvertDeviceToEmulator());
  return passes.run(module);
}

} // namespace vitc::gpu
