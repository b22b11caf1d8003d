//===- HopperToNvvm.cpp - operations of compute capability 9.0 as PTX ---------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NVVM has operations for most of this, but none with sums that are tied from one product to its wait: LLVM would move their uses in between.
// So these are texts of PTX, with memory as a side effect.
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/NvvmBuilder.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace vitc::gpu {

using B = NvvmBuilder;

SmallVector<Value> NvvmBuilder::assembly(StringRef text, StringRef constraints, TypeRange results, ValueRange arguments) {
  Type type = results.empty()       ? LLVM::LLVMVoidType::get(getContext())
              : results.size() == 1 ? results.front()
                                    : LLVM::LLVMStructType::getLiteral(getContext(), SmallVector<Type>(results));
  std::string all = (constraints + (constraints.empty() ? "" : ",") + "~{memory}").str();
  auto made = LLVM::InlineAsmOp::create(*this, type, arguments, text, all, /*has_side_effects=*/true, /*is_align_stack=*/false,
                                        LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
  if (results.size() < 2)
    return SmallVector<Value>(made->getResults());
  SmallVector<Value> values;
  for (size_t i = 0; i < results.size(); ++i)
    values.push_back(LLVM::ExtractValueOp::create(*this, made.getResult(0), static_cast<int64_t>(i)));
  return values;
}

namespace {

/// "=f,=f,...": outputs; and "0,1,...", the inputs that are in the same registers.
std::string repeated(StringRef constraint, size_t count) {
  SmallVector<StringRef> parts(count, constraint);
  return llvm::join(parts, ",");
}
std::string tied(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text += (i ? "," : "") + std::to_string(i);
  return text;
}

SmallVector<Value> members(B &b, Value sums) {
  SmallVector<Value> values;
  const auto type = cast<LLVM::LLVMStructType>(sums.getType());
  for (size_t i = 0; i < type.getBody().size(); ++i)
    values.push_back(LLVM::ExtractValueOp::create(b, sums, static_cast<int64_t>(i)));
  return values;
}

Value structure(B &b, ArrayRef<Value> values) {
  SmallVector<Type> types(values.size(), b.getF32Type());
  Value result = LLVM::PoisonOp::create(b, LLVM::LLVMStructType::getLiteral(b.getContext(), types));
  for (auto [i, value] : llvm::enumerate(values))
    result = LLVM::InsertValueOp::create(b, result, value, static_cast<int64_t>(i));
  return result;
}

SmallVector<Value> lanes(B &b, Value vector) {
  SmallVector<Value> values;
  for (int64_t i = 0; i < cast<VectorType>(vector.getType()).getNumElements(); ++i)
    values.push_back(LLVM::ExtractElementOp::create(b, vector, llvmConstant(b, i, 32)));
  return values;
}

Value vectorOf(B &b, Type type, ArrayRef<Value> values) {
  Value vector = LLVM::PoisonOp::create(b, type);
  for (auto [i, value] : llvm::enumerate(values))
    vector = LLVM::InsertElementOp::create(b, vector, value, llvmConstant(b, i, 32));
  return vector;
}

/// Registers of fragments: pairs of elements as i32.
SmallVector<Value> pairs(B &b, Value fragments) {
  Value words = LLVM::BitcastOp::create(b, VectorType::get({4}, b.getI32Type()), fragments);
  return lanes(b, words);
}

/// Values in registers that an instruction changes, or pretends to, without moving them: sums as f32, fragments as pairs.
class TiedRegisters {
public:
  explicit TiedRegisters(B &b) : b(b) {}

  void add(ArrayRef<Value> values) { llvm::append_range(registers, values); }
  /// The same registers behind the instruction, to be taken in order.
  void pass(StringRef text) {
    SmallVector<Type> types = llvm::map_to_vector(registers, [](Value value) { return value.getType(); });
    std::string constraints;
    for (Type type : types)
      constraints += type.isF32() ? "=f," : "=r,";
    registers = b.assembly(text, constraints + tied(types.size()), types, registers);
  }
  ArrayRef<Value> take(size_t count) {
    ArrayRef<Value> result = ArrayRef(registers).slice(taken, count);
    taken += count;
    return result;
  }

private:
  B &b;
  SmallVector<Value> registers;
  size_t taken = 0;
};

/// The matrix descriptor of an operand at `address` (PTX ISA 9.7.15.5.1.2.2): the address, the distance of panels, that of 8 rows, the swizzle.
Value descriptor(B &b, Value address, device::LayoutAttr layout) {
  const int64_t leading = layout.getMajor() == device::Major::MN ? layout.getPanel() : 16, stride = 8 * layout.getSwizzle();
  const int64_t mode = layout.getSwizzle() == 128 ? 1 : layout.getSwizzle() == 64 ? 2 : 3;
  const int64_t fixed = (leading >> 4) << 16 | (stride >> 4) << 32 | mode << 62;
  Value bytes = LLVM::PtrToIntOp::create(b, b.getI64Type(), address);
  Value units = LLVM::LShrOp::create(b, LLVM::AndOp::create(b, bytes, llvmConstant(b, 0x3FFFF, 64)), llvmConstant(b, 4, 64));
  return LLVM::OrOp::create(b, units, llvmConstant(b, fixed, 64));
}

/// "{$0, $1, ...}"
std::string list(size_t first, size_t count) {
  std::string text = "{";
  for (size_t i = 0; i < count; ++i)
    text += (i ? ", $" : "$") + std::to_string(first + i);
  return text + "}";
}

/// wgmma.mma_async with `a` as a descriptor or four registers.
Value product(B &b, device::SumsType type, Type element, Value sums, ArrayRef<Value> a, device::LayoutAttr aLayout, Value bDescriptor,
              device::LayoutAttr bLayout, bool overwrite) {
  const auto count = static_cast<size_t>(type.getColumns() / 2);
  const bool isTf32 = isa<FloatTF32Type>(element);
  StringRef name = isTf32 ? "tf32" : element.isBF16() ? "bf16" : "f16";
  std::string operand = a.size() == 1 ? llvm::formatv("${0}", 2 * count).str() : list(2 * count, a.size());
  // Operands of tf32 lie along k, and the instruction has no place to say otherwise.
  auto major = [](device::LayoutAttr layout) { return static_cast<int>(layout.getMajor()); };
  std::string majors = isTf32          ? ""
                       : a.size() == 1 ? llvm::formatv(", {0}, {1}", major(aLayout), major(bLayout)).str()
                                       : llvm::formatv(", {0}", major(bLayout)).str();
  std::string text = llvm::formatv("{{ .reg .pred p; setp.ne.b32 p, {0}, 0; wgmma.mma_async.sync.aligned.m64n{1}k{2}.f32.{3}.{3} {4}, {5}, "
                                   "${6}, p, 1, 1{7}; }",
                                   overwrite ? 0 : 1, type.getColumns(), 32 / device::bytesOf(element), name, list(0, count), operand,
                                   2 * count + a.size(), majors);
  std::string constraints = repeated("=f", count) + "," + tied(count) + "," + (a.size() == 1 ? "l" : repeated("r", a.size())) + ",l";
  SmallVector<Value> arguments = members(b, sums);
  llvm::append_range(arguments, a);
  arguments.push_back(bDescriptor);
  return structure(b, b.assembly(text, constraints, SmallVector<Type>(count, b.getF32Type()), arguments));
}

/// The 32-bit address in shared memory of a barrier.
template <typename Op, typename Adaptor> Value barrierOf(Op op, Adaptor adaptor, B &b) {
  Value pointer = b.element(op.getBarriers().getType(), adaptor.getBarriers(), adaptor.getIndex());
  return LLVM::PtrToIntOp::create(b, b.getI32Type(), pointer);
}

} // namespace

void populateHopperToNvvm(RewritePatternSet &patterns, const TypeConverter &converter) {
  MLIRContext *context = patterns.getContext();
  auto add = [&]<typename Op>(typename ValueConversion<Op, B>::Body body) {
    patterns.add(std::make_unique<ValueConversion<Op, B>>(converter, context, std::move(body)));
  };
  auto addValues = [&]<typename Op>(typename ValuesConversion<Op, B>::Body body) {
    patterns.add(std::make_unique<ValuesConversion<Op, B>>(converter, context, std::move(body)));
  };
  using namespace device;

  add.operator()<MbarrierInitOp>([](MbarrierInitOp op, auto adaptor, B &b) {
    b.assembly("mbarrier.init.shared::cta.b64 [$0], $1;", "r,r", {}, {barrierOf(op, adaptor, b), llvmConstant(b, op.getCount(), 32)});
    return Value();
  });
  add.operator()<MbarrierFenceOp>([](MbarrierFenceOp, auto, B &b) {
    b.assembly("fence.mbarrier_init.release.cluster;", "", {}, {});
    return Value();
  });
  add.operator()<MbarrierExpectOp>([](MbarrierExpectOp op, auto adaptor, B &b) {
    b.assembly("mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r", {},
               {barrierOf(op, adaptor, b), llvmConstant(b, op.getBytes(), 32)});
    return Value();
  });
  add.operator()<MbarrierArriveOp>([](MbarrierArriveOp op, auto adaptor, B &b) {
    b.assembly("mbarrier.arrive.shared::cta.b64 _, [$0];", "r", {}, {barrierOf(op, adaptor, b)});
    return Value();
  });
  add.operator()<MbarrierWaitOp>([](MbarrierWaitOp op, auto adaptor, B &b) {
    // The hardware suspends the thread for a while; labels are the block's own.
    b.assembly("{ .reg .pred p; again: mbarrier.try_wait.parity.shared::cta.b64 p, [$0], $1; @!p bra again; }", "r,r", {},
               {barrierOf(op, adaptor, b), adaptor.getParity()});
    return Value();
  });
  add.operator()<TensorCopyOp>([](TensorCopyOp op, auto adaptor, B &b) {
    const size_t rank = adaptor.getCoordinates().size();
    Value to = b.element(op.getTo().getType(), adaptor.getTo(), adaptor.getToIndex());
    SmallVector<Value> arguments{LLVM::PtrToIntOp::create(b, b.getI32Type(), to), adaptor.getMap(), barrierOf(op, adaptor, b)};
    llvm::append_range(arguments, adaptor.getCoordinates());
    std::string text = llvm::formatv(
        "cp.async.bulk.tensor.{0}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [$0], [$1, {1}], [$2];", rank, list(3, rank));
    b.assembly(text, "r,l,r," + repeated("r", rank), {}, arguments);
    return Value();
  });
  add.operator()<ProxyFenceOp>([](ProxyFenceOp, auto, B &b) {
    b.assembly("fence.proxy.async.shared::cta;", "", {}, {});
    return Value();
  });
  add.operator()<DependencyWaitOp>([](DependencyWaitOp, auto, B &b) {
    b.assembly("griddepcontrol.launch_dependents; griddepcontrol.wait;", "", {}, {});
    return Value();
  });
  add.operator()<SetRegistersOp>([](SetRegistersOp op, auto, B &b) {
    std::string text = llvm::formatv("setmaxnreg.{0}.sync.aligned.u32 {1};", op.getIncrease() ? "inc" : "dec", op.getCount());
    b.assembly(text, "", {}, {});
    return Value();
  });

  addValues.operator()<WgmmaBeginOp>([](WgmmaBeginOp op, auto adaptor, B &b) {
    TiedRegisters registers(b);
    for (auto [value, before, type] : llvm::zip(adaptor.getValues(), op.getValues().getTypes(), op.getRegisters().getTypes()))
      registers.add(isa<SumsType>(before) ? members(b, value) : isa<SumsType>(type) ? lanes(b, value) : pairs(b, value));
    registers.pass("wgmma.fence.sync.aligned;");
    SmallVector<Value> results;
    for (Type type : op.getRegisters().getTypes()) {
      if (auto sums = dyn_cast<SumsType>(type)) {
        results.push_back(structure(b, registers.take(static_cast<size_t>(sums.getColumns() / 2))));
        continue;
      }
      Value words = vectorOf(b, VectorType::get({4}, b.getI32Type()), registers.take(4));
      results.push_back(LLVM::BitcastOp::create(b, type, words));
    }
    return results;
  });
  add.operator()<WgmmaOp>([](WgmmaOp op, auto adaptor, B &b) {
    Value left = descriptor(b, b.element(op.getA().getType(), adaptor.getA(), adaptor.getAIndex()), op.getALayout());
    Value right = descriptor(b, b.element(op.getB().getType(), adaptor.getB(), adaptor.getBIndex()), op.getBLayout());
    return product(b, op.getType(), op.getB().getType().getElement(), adaptor.getSums(), left, op.getALayout(), right, op.getBLayout(),
                   op.getOverwrite());
  });
  add.operator()<WgmmaFragmentsOp>([](WgmmaFragmentsOp op, auto adaptor, B &b) {
    Value right = descriptor(b, b.element(op.getB().getType(), adaptor.getB(), adaptor.getBIndex()), op.getBLayout());
    return product(b, op.getType(), op.getB().getType().getElement(), adaptor.getSums(), pairs(b, adaptor.getA()), {}, right,
                   op.getBLayout(), op.getOverwrite());
  });
  add.operator()<WgmmaCommitOp>([](WgmmaCommitOp, auto, B &b) {
    b.assembly("wgmma.commit_group.sync.aligned;", "", {}, {});
    return Value();
  });
  addValues.operator()<WgmmaWaitOp>([](WgmmaWaitOp op, auto adaptor, B &b) {
    TiedRegisters registers(b);
    for (Value sums : adaptor.getSums())
      registers.add(members(b, sums));
    registers.pass(llvm::formatv("wgmma.wait_group.sync.aligned {0};", op.getPending()).str());
    SmallVector<Value> results;
    for (auto [sums, type] : llvm::zip(op.getSums().getTypes(), op.getValues().getTypes())) {
      ArrayRef<Value> values = registers.take(static_cast<size_t>(cast<SumsType>(sums).getColumns() / 2));
      results.push_back(isa<SumsType>(type) ? structure(b, values) : vectorOf(b, type, values));
    }
    return results;
  });
}

} // namespace vitc::gpu
