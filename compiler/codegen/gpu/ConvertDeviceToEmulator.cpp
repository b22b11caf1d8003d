//===- ConvertDeviceToEmulator.cpp - device kernels that run on the host ------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/gpu/DeviceConversion.h"
#include "compiler/codegen/gpu/GpuCodegen.h"
#include "compiler/codegen/gpu/GpuPasses.h"
#include "dialects/device/DeviceDialect.h"
#include "runtime/device/emulator/EmulatorAbi.h"

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

LLVM::LLVMPointerType pointerType(MLIRContext *context) { return LLVM::LLVMPointerType::get(context); }

/// What the operations of a kernel need to call the emulator.
class Caller {
public:
  Caller(Operation *op, PatternRewriter &rewriter) : b(op->getLoc(), rewriter), op(op) {
    self = op->getParentOfType<func::FuncOp>().getArgument(0);
  }

  Value at(int64_t offset, Type type) {
    Value address = LLVM::GEPOp::create(b, pointer(), b.getI8Type(), self, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
    return LLVM::LoadOp::create(b, type, address);
  }

  /// The result of a call, null if `result` is.
  Value call(Call which, Type result, ArrayRef<Value> arguments) {
    Value table = at(offsetof(vitrt::emulator::ThreadState, calls), pointer());
    Value slot = LLVM::GEPOp::create(b, pointer(), pointer(), table, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(which)});
    SmallVector<Value> operands{LLVM::LoadOp::create(b, pointer(), slot), self};
    llvm::append_range(operands, arguments);
    SmallVector<Type> types = llvm::map_to_vector(ArrayRef<Value>(operands).drop_front(), [](Value value) { return value.getType(); });
    auto type = LLVM::LLVMFunctionType::get(result ? result : LLVM::LLVMVoidType::get(b.getContext()), types);
    auto made = LLVM::CallOp::create(b, type, operands);
    return result ? made.getResult() : Value();
  }

  /// The name of the operation in the kernel, "load 12", as a string in the object.
  Value site() {
    auto number = op->getAttrOfType<IntegerAttr>("site");
    std::string text = (op->getName().stripDialect() + " " + Twine(number ? number.getInt() : 0)).str();
    auto module = op->getParentOfType<ModuleOp>();
    std::string symbol = "site_" + llvm::join(llvm::split(text, ' '), "_");
    auto global = module.lookupSymbol<LLVM::GlobalOp>(symbol);
    if (!global) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(module.getBody());
      text.push_back('\0');
      auto type = LLVM::LLVMArrayType::get(b.getI8Type(), text.size());
      global = LLVM::GlobalOp::create(b, type, /*isConstant=*/true, LLVM::Linkage::Internal, symbol, b.getStringAttr(text));
    }
    return LLVM::AddressOfOp::create(b, global);
  }

  Value address(Value memory, Value index, Type element) {
    return LLVM::GEPOp::create(b, pointer(), element, memory, ArrayRef<LLVM::GEPArg>{index});
  }

  void access(Value address, int64_t bytes, bool write) {
    call(Call::Access, {}, {address, llvmConstant(b, bytes, 64), llvmConstant(b, write, 32), site()});
  }

  /// Memory of the thread's own for a value that a call reads or writes, in the function's first block: a loop must not use up the stack.
  Value slot(Type type) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&op->getParentOfType<func::FuncOp>().getBody().front());
    return LLVM::AllocaOp::create(b, pointer(), type, llvmConstant(b, 1, 64), /*alignment=*/16);
  }
  Value stored(Value value) {
    Value memory = slot(value.getType());
    LLVM::StoreOp::create(b, value, memory);
    return memory;
  }

  Type pointer() { return pointerType(b.getContext()); }
  Value number(int64_t value) { return llvmConstant(b, value, 32); }

  ImplicitLocOpBuilder b;

private:
  Operation *op;
  Value self;
};

/// device.kernel @k(%a, %b, %images) -> func.func @k(%self, %buffers, %images64), memories loaded from %buffers.
struct ConvertKernel : OpConversionPattern<device::KernelOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(device::KernelOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    ArrayRef<Type> types = op.getArgumentTypes();
    if (types.empty() || !types.back().isInteger(32) || !llvm::all_of(types.drop_back(), llvm::IsaPred<device::MemoryType>))
      return rewriter.notifyMatchFailure(op, "a launch passes memories and the number of images");
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Type pointer = pointerType(b.getContext());
    auto function = func::FuncOp::create(b, op.getSymName(), b.getFunctionType({pointer, pointer, b.getI64Type()}, {}));
    rewriter.inlineRegionBefore(op.getBody(), function.getBody(), function.end());
    Block *body = &function.getBody().front();
    Block *entry = rewriter.createBlock(body, {pointer, pointer, b.getI64Type()}, SmallVector<Location>(3, op.getLoc()));
    b.setInsertionPointToStart(entry);
    SmallVector<Value> arguments;
    for (size_t i = 0; i + 1 < types.size(); ++i) {
      Value slot = LLVM::GEPOp::create(b, pointer, pointer, entry->getArgument(1), ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
      Value memory = LLVM::LoadOp::create(b, pointer, slot);
      arguments.push_back(UnrealizedConversionCastOp::create(b, TypeRange{types[i]}, ValueRange{memory}).getResult(0));
    }
    arguments.push_back(arith::TruncIOp::create(b, b.getI32Type(), entry->getArgument(2)));
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
    int64_t matrices = cast<VectorType>(op.getType()).getNumElements() / 2;
    c.call(Call::LoadMatrix, {}, {result, row, c.number(matrices), c.number(op.getTransposed()), c.site()});
    return LLVM::LoadOp::create(c.b, op.getType(), result);
  });
  add.operator()<MmaOp>([](MmaOp op, auto adaptor, Caller &c) -> Value {
    bool bf16 = cast<VectorType>(op.getA().getType()).getElementType().isBF16();
    Value sums = c.stored(adaptor.getAccumulator());
    c.call(Call::Mma, {}, {sums, c.stored(adaptor.getA()), c.stored(adaptor.getB()), c.number(bf16), c.site()});
    return LLVM::LoadOp::create(c.b, op.getType(), sums);
  });
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
    // Operations are known by their number in the kernel, whatever happens to them later.
    getOperation()->walk([](device::KernelOp kernel) {
      int64_t number = 0;
      kernel.walk([&](Operation *op) {
        if (isa<device::DeviceDialect>(op->getDialect()))
          op->setAttr("site", IntegerAttr::get(IntegerType::get(op->getContext(), 64), number++));
      });
    });
    MLIRContext *context = &getContext();
    MemoryConverter converter(/*addressSpaces=*/false);
    RewritePatternSet kernels(context), operations(context);
    kernels.add<ConvertKernel>(converter, context);
    populate(operations, converter);
    operations.add<ConvertReturn>(converter, context);
    ConversionTarget target(*context);
    if (failed(convertDevice(getOperation(), target, std::move(kernels), std::move(operations))))
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
