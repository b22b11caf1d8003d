//===- ConvertDeviceToNvvm.cpp - device kernels for an NVIDIA GPU -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/cpu/KernelFunction.h"
#include "compiler/codegen/gpu/GpuPasses.h"
#include "compiler/codegen/gpu/NvvmBuilder.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace vitc::gpu {

#define GEN_PASS_DEF_CONVERTDEVICETONVVM
#include "compiler/codegen/gpu/GpuPasses.h.inc"

namespace {

/// All memory that a block shares; the launch says how much there is.
constexpr llvm::StringLiteral sharedMemory = "shared_memory";

LLVM::LLVMPointerType pointerType(device::MemoryType type) {
  return LLVM::LLVMPointerType::get(type.getContext(), static_cast<unsigned>(type.getSpace()));
}

Value address(ImplicitLocOpBuilder &b, Value memory, Value index, Type element) {
  return LLVM::GEPOp::create(b, memory.getType(), element, memory, ArrayRef<LLVM::GEPArg>{index});
}

/// Registers of 32 bits, which instructions of a warp take, as a vector of elements, and back.
Value fromRegisters(ImplicitLocOpBuilder &b, ArrayRef<Value> registers, Type type) {
  Value vector = LLVM::PoisonOp::create(b, VectorType::get({static_cast<int64_t>(registers.size())}, b.getI32Type()));
  for (auto [number, value] : llvm::enumerate(registers))
    vector = LLVM::InsertElementOp::create(b, vector, value, llvmConstant(b, number, 32));
  return LLVM::BitcastOp::create(b, type, vector);
}
SmallVector<Value> toRegisters(ImplicitLocOpBuilder &b, Value vector) {
  auto type = cast<VectorType>(vector.getType());
  const int64_t count = device::bytesOf(type) / 4;
  Value words = LLVM::BitcastOp::create(b, VectorType::get({count}, b.getI32Type()), vector);
  SmallVector<Value> registers;
  for (int64_t number = 0; number < count; ++number) {
    Value word = LLVM::ExtractElementOp::create(b, words, llvmConstant(b, number, 32));
    // NVVM wants pairs of bf16 as bits, but pairs of f16 as vectors.
    if (type.getElementType().isF16())
      word = LLVM::BitcastOp::create(b, VectorType::get({2}, b.getF16Type()), word);
    registers.push_back(word);
  }
  return registers;
}

using B = NvvmBuilder;

/// device.kernel @k(%a, %images) -> llvm.func @k(%a, %images, %scratch, %scratch_bytes), the last two where the kernel has memory of its own.
struct ConvertKernel : OpConversionPattern<device::KernelOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(device::KernelOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    SmallVector<Type> types;
    for (Type type : op.getArgumentTypes())
      types.push_back(getTypeConverter()->convertType(type));
    const size_t own = types.size();
    if (op.walk([](device::ScratchOp) { return WalkResult::interrupt(); }).wasInterrupted())
      types.append({LLVM::LLVMPointerType::get(b.getContext(), static_cast<unsigned>(device::Space::Global)), b.getI64Type()});
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), types);
    auto function = LLVM::LLVMFuncOp::create(b, op.getSymName(), type);
    function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
    function->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(), b.getDenseI32ArrayAttr({static_cast<int32_t>(op.getThreads())}));
    // ptxas chooses for how many blocks it keeps registers otherwise, and spills.
    auto resident = op->getAttrOfType<IntegerAttr>(residentBlocks);
    function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                      b.getI32IntegerAttr(resident ? static_cast<int32_t>(resident.getInt()) : 1));
    for (auto [number, type] : llvm::enumerate(op.getArgumentTypes()))
      if (isa<device::TensorMapType>(type)) {
        // In the launch's own memory, where the copy engine finds it.
        function.setArgAttr(number, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(LLVM::LLVMArrayType::get(b.getI8Type(), 128)));
        function.setArgAttr(number, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(64));
        function.setArgAttr(number, NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
      }
    rewriter.inlineRegionBefore(op.getBody(), function.getBody(), function.end());
    Block *body = &function.getBody().front();
    Block *entry = rewriter.createBlock(body, types, SmallVector<Location>(types.size(), op.getLoc()));
    b.setInsertionPointToStart(entry);
    SmallVector<Value> arguments;
    for (auto [argument, wanted] : llvm::zip(entry->getArguments().take_front(own), op.getArgumentTypes()))
      arguments.push_back(argument.getType() == wanted
                              ? Value(argument)
                              : UnrealizedConversionCastOp::create(b, TypeRange{wanted}, ValueRange{argument}).getResult(0));
    rewriter.inlineBlockBefore(body, entry, entry->end(), arguments);
    rewriter.eraseOp(op);
    return success();
  }
};

/// return -> llvm.return
struct ConvertReturn : OpConversionPattern<device::ReturnOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(device::ReturnOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<LLVM::ReturnOp>(op, ValueRange{});
    return success();
  }
};

Value shared(device::SharedOp op, ImplicitLocOpBuilder &b) {
  auto pointer = pointerType(op.getType());
  auto module = op->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol<LLVM::GlobalOp>(sharedMemory)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(b.getI8Type(), 0), /*isConstant=*/false, LLVM::Linkage::External, sharedMemory,
                           Attribute(), /*alignment=*/1024, pointer.getAddressSpace());
  }
  return address(b, LLVM::AddressOfOp::create(b, pointer, sharedMemory), llvmConstant(b, op.getOffset(), 64), b.getI8Type());
}

Value loadMatrix(device::LoadMatrixOp op, Value row, ImplicitLocOpBuilder &b) {
  auto type = cast<VectorType>(op.getType());
  const auto count = static_cast<unsigned>(device::bytesOf(type) / 4);
  SmallVector<Type> words(count, b.getI32Type());
  Type result = count == 1 ? words.front() : LLVM::LLVMStructType::getLiteral(b.getContext(), words);
  Value loaded = NVVM::LdMatrixOp::create(b, result, row, count, op.getTransposed() ? NVVM::MMALayout::col : NVVM::MMALayout::row,
                                          NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8), NVVM::LdStMatrixEltType::B16);
  SmallVector<Value> registers{loaded};
  if (count > 1)
    registers = llvm::map_to_vector(llvm::seq<int64_t>(count),
                                    [&](int64_t number) -> Value { return LLVM::ExtractValueOp::create(b, loaded, number); });
  return fromRegisters(b, registers, type);
}

Value multiply(device::MmaOp op, device::MmaOp::Adaptor adaptor, ImplicitLocOpBuilder &b) {
  SmallVector<Value> sums;
  for (int64_t number = 0; number < 4; ++number)
    sums.push_back(LLVM::ExtractElementOp::create(b, adaptor.getAccumulator(), llvmConstant(b, number, 32)));
  Type element = op.getA().getType().getElementType();
  NVVM::MMATypes type = element.isBF16() ? NVVM::MMATypes::bf16 : element.isF16() ? NVVM::MMATypes::f16 : NVVM::MMATypes::tf32;
  const int64_t depth = type == NVVM::MMATypes::tf32 ? 8 : 16;
  Type result = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(4, b.getF32Type()));
  Value product =
      NVVM::MmaOp::create(b, result, toRegisters(b, adaptor.getA()), toRegisters(b, adaptor.getB()), sums, ArrayRef<int64_t>{16, 8, depth},
                          std::nullopt, std::nullopt, std::array{type, type}, std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
  Value vector = LLVM::PoisonOp::create(b, op.getType());
  for (int64_t number = 0; number < 4; ++number)
    vector = LLVM::InsertElementOp::create(b, vector, LLVM::ExtractValueOp::create(b, product, number), llvmConstant(b, number, 32));
  return vector;
}

/// The instruction's result is bits.
Value toTf32(Type type, Value value, ImplicitLocOpBuilder &b) {
  auto convert = [&](Value number) -> Value {
    Value bits = NVVM::ConvertFloatToTF32Op::create(b, b.getI32Type(), number, NVVM::FPRoundingMode::RNA);
    return LLVM::BitcastOp::create(b, b.getF32Type(), bits);
  };
  auto vector = dyn_cast<VectorType>(type);
  if (!vector)
    return convert(value);
  Value result = LLVM::PoisonOp::create(b, type);
  for (int64_t number = 0; number < vector.getNumElements(); ++number) {
    Value index = llvmConstant(b, number, 32);
    result = LLVM::InsertElementOp::create(b, result, convert(LLVM::ExtractElementOp::create(b, value, index)), index);
  }
  return result;
}

void populate(RewritePatternSet &patterns, const TypeConverter &converter) {
  MLIRContext *context = patterns.getContext();
  auto add = [&]<typename Op>(typename ValueConversion<Op, B>::Body body) {
    patterns.add(std::make_unique<ValueConversion<Op, B>>(converter, context, std::move(body)));
  };
  using namespace device;

  add.operator()<ThreadIdOp>([](ThreadIdOp op, auto, B &b) { return NVVM::ThreadIdXOp::create(b, op.getType()); });
  add.operator()<BlockCountOp>([](BlockCountOp op, auto, B &b) { return NVVM::GridDimXOp::create(b, op.getType()); });
  add.operator()<BlockIdOp>([](BlockIdOp op, auto, B &b) { return NVVM::BlockIdXOp::create(b, op.getType()); });
  add.operator()<SharedOp>([](SharedOp op, auto, B &b) { return shared(op, b); });
  add.operator()<ScratchOp>([](ScratchOp op, auto, B &b) {
    auto arguments = op->getParentOfType<LLVM::LLVMFuncOp>().getArguments();
    Value block = LLVM::ZExtOp::create(b, b.getI64Type(), NVVM::BlockIdXOp::create(b, b.getI32Type()));
    Value begin = LLVM::MulOp::create(b, block, arguments.back());
    return address(b, arguments.drop_back().back(), LLVM::AddOp::create(b, begin, llvmConstant(b, op.getOffset(), 64)), b.getI8Type());
  });
  add.operator()<ViewOp>([](ViewOp op, auto adaptor, B &b) {
    Value generic = LLVM::AddrSpaceCastOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), adaptor.getMemory());
    return cpu::memrefAt(b, generic, cast<MemRefType>(op.getType()), adaptor.getRows());
  });
  add.operator()<AdvanceOp>(
      [](AdvanceOp op, auto adaptor, B &b) { return b.element(op.getMemory().getType(), adaptor.getMemory(), adaptor.getIndex()); });
  add.operator()<LoadOp>([](LoadOp op, auto adaptor, B &b) -> Value {
    Value from = b.element(op.getMemory().getType(), adaptor.getMemory(), adaptor.getIndex());
    return LLVM::LoadOp::create(b, op.getType(), from, bytesOf(op.getType()));
  });
  add.operator()<StoreOp>([](StoreOp op, auto adaptor, B &b) {
    Value to = b.element(op.getMemory().getType(), adaptor.getMemory(), adaptor.getIndex());
    LLVM::StoreOp::create(b, adaptor.getValue(), to, bytesOf(op.getValue().getType()));
    return Value();
  });
  add.operator()<AtomicAddOp>([](AtomicAddOp op, auto adaptor, B &b) {
    Value to = b.element(op.getMemory().getType(), adaptor.getMemory(), adaptor.getIndex());
    LLVM::AtomicRMWOp::create(b, LLVM::AtomicBinOp::fadd, to, adaptor.getValue(), LLVM::AtomicOrdering::monotonic, "device");
    return Value();
  });
  add.operator()<BarrierOp>([](BarrierOp, auto, B &b) { return NVVM::Barrier0Op::create(b), Value(); });
  add.operator()<ShuffleOp>([](ShuffleOp op, auto adaptor, B &b) -> Value {
    return NVVM::ShflOp::create(b, op.getType(), llvmConstant(b, -1, 32), adaptor.getValue(), llvmConstant(b, op.getMask(), 32),
                                llvmConstant(b, kWarp - 1, 32), NVVM::ShflKind::bfly, UnitAttr());
  });
  add.operator()<ArriveOp>([](ArriveOp op, auto adaptor, B &b) -> Value {
    // The counter goes back to 0 behind its last number.
    constexpr StringRef text = "{ .reg .pred first; .reg .b32 number; "
                               "bar.warp.sync 0xffffffff; mov.u32 number, %laneid; setp.eq.u32 first, number, 0; "
                               "@first atom.acq_rel.gpu.global.inc.u32 number, [$1], $2; "
                               "shfl.sync.idx.b32 $0, number, 0, 0x1f, 0xffffffff; bar.warp.sync 0xffffffff; }";
    Value counter = b.element(op.getCounter().getType(), adaptor.getCounter(), adaptor.getIndex());
    Value last = llvmConstant(b, op.getCount() - 1, 32);
    Value number = b.assembly(text, "=r,l,r", b.getI32Type(), {counter, last}).front();
    return LLVM::ICmpOp::create(b, LLVM::ICmpPredicate::eq, number, last);
  });
  add.operator()<CopyAsyncOp>([](CopyAsyncOp op, auto adaptor, B &b) {
    Value from = b.element(op.getFrom().getType(), adaptor.getFrom(), adaptor.getFromIndex());
    Value to = b.element(op.getTo().getType(), adaptor.getTo(), adaptor.getToIndex());
    // Only copies of 16 bytes go past the first-level cache.
    auto cache = op.getBytes() == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
    NVVM::CpAsyncOp::create(b, to, from, static_cast<uint32_t>(op.getBytes()), cache, adaptor.getLive());
    return Value();
  });
  add.operator()<CopyCommitOp>([](CopyCommitOp, auto, B &b) { return NVVM::CpAsyncCommitGroupOp::create(b), Value(); });
  add.operator()<CopyWaitOp>(
      [](CopyWaitOp op, auto, B &b) { return NVVM::CpAsyncWaitGroupOp::create(b, static_cast<uint32_t>(op.getPending())), Value(); });
  add.operator()<LoadMatrixOp>([](LoadMatrixOp op, auto adaptor, B &b) {
    return loadMatrix(op, b.element(op.getMemory().getType(), adaptor.getMemory(), adaptor.getIndex()), b);
  });
  add.operator()<MmaOp>([](MmaOp op, auto adaptor, B &b) { return multiply(op, adaptor, b); });
  add.operator()<ToTf32Op>([](ToTf32Op op, auto adaptor, B &b) { return toTf32(op.getType(), adaptor.getValue(), b); });

  add.operator()<math::Exp2Op>([](math::Exp2Op op, auto adaptor, B &b) -> Value {
    return LLVM::Exp2Op::create(b, op.getType(), adaptor.getOperand(),
                                LLVM::FastmathFlagsAttr::get(b.getContext(), LLVM::FastmathFlags::afn));
  });
  add.operator()<math::RsqrtOp>([](math::RsqrtOp op, auto adaptor, B &b) -> Value {
    auto name = b.getStringAttr("llvm.nvvm.rsqrt.approx.f");
    return LLVM::CallIntrinsicOp::create(b, op.getType(), name, ValueRange{adaptor.getOperand()}).getResults();
  });
}

/// Whether LLVM selects instructions for `op`; it ends the process where it finds none.
bool hasInstruction(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::CopySignOp, math::FloorOp, math::FmaOp, math::RoundEvenOp, math::SqrtOp,
             math::TruncOp>(op);
}

struct ConvertDeviceToNvvm : impl::ConvertDeviceToNvvmBase<ConvertDeviceToNvvm> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    DeviceTypeConverter converter(/*emulated=*/false);
    RewritePatternSet kernels(context), operations(context);
    kernels.add<ConvertKernel>(converter, context);
    populate(operations, converter);
    populateHopperToNvvm(operations, converter);
    operations.add<ConvertReturn>(converter, context);
    auto isScalar = [](Operation *op) { return op->getResult(0).getType().isF32(); };
    ConversionTarget target(*context);
    target.addDynamicallyLegalOp<math::Exp2Op, math::RsqrtOp>([&](Operation *op) { return !isScalar(op); });
    if (failed(convertDevice(getOperation(), converter, target, std::move(kernels), std::move(operations))))
      return signalPassFailure();

    getOperation()->walk([&](Operation *op) {
      if (!isa<math::MathDialect>(op->getDialect()) || hasInstruction(op))
        return;
      op->emitError() << "'" << op->getName() << "' of " << op->getResult(0).getType()
                      << " is no instruction of a GPU; cpu-expand-math makes arithmetic of functions of f32";
      signalPassFailure();
    });
  }
};

} // namespace

} // namespace vitc::gpu
