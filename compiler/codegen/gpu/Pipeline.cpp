//===- Pipeline.cpp - a ring of stages that the copy engine fills -------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/Pipeline.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace vitc::gpu {

PipelineState PipelineState::next(ImplicitLocOpBuilder &b, int64_t stages) const {
  Value following = add(b, stage, 1), inside = less(b, following, stages);
  Value other = arith::XOrIOp::create(b, parity, constant(b, 1));
  return {select(b, inside, following, constant(b, 0)), select(b, inside, parity, other)};
}

Pipeline::Pipeline(DeviceFunction &f, int64_t stages, int64_t releases)
    : stages(stages), b(f.b), full(f.takeShared(stages, b.getI64Type())), empty(f.takeShared(stages, b.getI64Type())) {
  ifThen(b, less(b, f.thread, 1), [&] {
    for (int64_t stage = 0; stage < stages; ++stage) {
      device::MbarrierInitOp::create(b, full, constant(b, stage), /*count=*/1);
      device::MbarrierInitOp::create(b, empty, constant(b, stage), releases);
    }
    device::MbarrierFenceOp::create(b);
  });
  barrier(b);
}

void Pipeline::acquire(const PipelineState &state, int64_t bytes) {
  // In the first round all stages are free: the phase before the first counts as over.
  Value before = arith::XOrIOp::create(b, state.parity, constant(b, 1));
  device::MbarrierWaitOp::create(b, empty, state.stage, before);
  device::MbarrierExpectOp::create(b, full, state.stage, bytes);
}

void Pipeline::copy(const PipelineState &state, Value map, ValueRange coordinates, Value memory, Value index) {
  device::TensorCopyOp::create(b, map, coordinates, memory, index, full, state.stage);
}

void Pipeline::wait(const PipelineState &state) { device::MbarrierWaitOp::create(b, full, state.stage, state.parity); }

void Pipeline::release(Value stage) { device::MbarrierArriveOp::create(b, empty, stage); }

} // namespace vitc::gpu
