//===- ProductChoice.cpp - which schedule a launch's product has --------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/codegen/gpu/ProductChoice.h"

#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;

namespace vitc::gpu {

ProductShape gemmShape(kernel::GemmOp op) {
  RankedTensorType input = tensorOf(op.getInput());
  ProductShape shape = {.rowsPerImage = rowsOfImage(op.getValue()),
                        .outputs = tensorOf(op.getValue()).getShape().back(),
                        .depth = static_cast<int64_t>(op.getDepth()),
                        .input = input.getElementType(),
                        .weight = tensorOf(op.getWeight()).getElementType(),
                        .partable = true,
                        .inRows = !op.getWindowAttr()};
  shape.together = std::min(vectorFor(input.getShape().back(), shape.input), vectorFor(shape.depth, shape.weight));
  return shape;
}

ProductShape patchShape(kernel::PatchEmbedOp op) {
  ArrayRef<int64_t> image = tensorOf(op.getImages()).getShape();
  const int64_t patchHeight = op.getPatch()[0], patchWidth = op.getPatch()[1];
  ProductShape shape = {.rowsPerImage = image[2] / patchHeight * (image[3] / patchWidth),
                        .outputs = tensorOf(op.getValue()).getShape()[2],
                        .depth = image[1] * patchHeight * patchWidth,
                        .input = tensorOf(op.getImages()).getElementType(),
                        .weight = tensorOf(op.getWeight()).getElementType(),
                        .inRows = false};
  shape.together = std::min(vectorFor(std::gcd(patchWidth, image[3]), shape.input), vectorFor(shape.depth, shape.weight));
  return shape;
}

static std::optional<ProductShape> shapeOf(Operation *launch) {
  return llvm::TypeSwitch<Operation *, std::optional<ProductShape>>(launch)
      .Case([](kernel::GemmOp op) { return gemmShape(op); })
      .Case([](kernel::PatchEmbedOp op) { return patchShape(op); })
      .Default([](Operation *) { return std::nullopt; });
}

static SmallVector<AnyProductSchedule> schedules(const ProductShape &shape, const DeviceTarget &target) {
  SmallVector<AnyProductSchedule> all;
  if (chooseWarpgroupProduct(shape, target))
    llvm::append_range(all, warpgroupCandidates(shape));
  if (chooseProduct(shape, target).onTensorCores())
    llvm::append_range(all, candidates(shape));
  return all;
}

Attribute attributeOf(MLIRContext *context, const AnyProductSchedule &schedule) {
  if (const auto *groups = std::get_if<WarpgroupSchedule>(&schedule))
    return device::WarpgroupProductAttr::get(context, groups->consumers, groups->columns, groups->stages, groups->parts);
  const auto &warps = std::get<ProductSchedule>(schedule);
  return warps.onTensorCores() ? device::WarpProductAttr::get(context, warps.rows, warps.columns, warps.depth, warps.warpsDown,
                                                              warps.warpsAcross, warps.stages, warps.parts)
                               : Attribute();
}

SmallVector<Attribute> allProductSchedules(Operation *launch, const DeviceTarget &target) {
  SmallVector<Attribute> all;
  if (std::optional<ProductShape> shape = shapeOf(launch))
    for (const AnyProductSchedule &schedule : schedules(*shape, target))
      all.push_back(attributeOf(launch->getContext(), schedule));
  return all;
}

SmallVector<Attribute> productCandidates(Operation *launch, const DeviceTarget &target) {
  std::optional<ProductShape> shape = shapeOf(launch);
  if (!shape)
    return {};
  constexpr double slowest = 2;
  constexpr size_t mostOfKind = 12;
  SmallVector<Attribute> worth;
  const SmallVector<AnyProductSchedule> all = schedules(*shape, target);
  for (size_t kind = 0; kind < std::variant_size_v<AnyProductSchedule>; ++kind) {
    // The models of the two kinds count cycles of different GPUs.
    SmallVector<std::pair<double, size_t>> ranked;
    for (auto [number, schedule] : llvm::enumerate(all))
      if (schedule.index() == kind)
        ranked.emplace_back(
            std::visit([&](const auto &s) { return timeOf(s, *shape, std::max<int64_t>(target.images, 1), target); }, schedule), number);
    llvm::sort(ranked);
    for (auto [time, number] : ArrayRef(ranked).take_front(mostOfKind))
      if (time <= slowest * ranked.front().first)
        worth.push_back(attributeOf(launch->getContext(), all[number]));
  }
  return worth;
}

/// The part of the launch's attribute that is for `target.images`.
static Attribute givenTo(Operation *launch, const DeviceTarget &target) {
  Attribute given = launch->getAttr(kScheduleAttribute);
  auto each = dyn_cast_or_null<ArrayAttr>(given);
  if (!each || each.size() != std::size(imageCounts))
    return given;
  const auto *place = std::ranges::find(imageCounts, target.images);
  return each[place == std::end(imageCounts) ? 0 : place - imageCounts];
}

FailureOr<AnyProductSchedule> productScheduleOf(Operation *launch, const DeviceTarget &target) {
  const ProductShape shape = *shapeOf(launch);
  Attribute given = givenTo(launch, target);
  if (!given) {
    if (std::optional<WarpgroupSchedule> large = chooseWarpgroupProduct(shape, target))
      return AnyProductSchedule(*large);
    return AnyProductSchedule(chooseProduct(shape, target));
  }
  for (const AnyProductSchedule &schedule : schedules(shape, target))
    if (attributeOf(launch->getContext(), schedule) == given)
      return schedule;
  return launch->emitOpError() << "is given the schedule " << given << ", which is none of its product's on " << target.architecture;
}

} // namespace vitc::gpu
