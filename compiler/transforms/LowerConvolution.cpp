//===- LowerConvolution.cpp - convolutions as products of rows --------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/transforms/Passes.h"
#include "compiler/transforms/Report.h"
#include "dialects/vit/VitDialect.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace vitc {
#define GEN_PASS_DEF_VITLOWERCONVOLUTION
#include "compiler/transforms/Passes.h.inc"

namespace {

ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

/// Rewrites one operation on images [B, C, H, W] as one on rows [B, H W, C] between changes of layout.
class RowRewriter {
public:
  explicit RowRewriter(Operation *op) : op(op), b(op), loc(op->getLoc()) {}

  /// conv(x, w, b) -> linear(im2col(x), w, b)
  void lower(vit::ConvOp conv) {
    replace(product(conv.getImages(), conv.getKernel(), conv.getBias(), conv.getStrideAttr(), conv.getPaddingAttr()));
  }

  /// patchify(x, w, b) -> linear(im2col(x), w, b): its tokens are rows already.
  void lower(vit::PatchifyOp patchify) {
    ArrayRef<int64_t> kernel = shapeOf(patchify.getKernel());
    Value tokens = product(patchify.getImages(), patchify.getKernel(), patchify.getBias(), b.getDenseI64ArrayAttr({kernel[2], kernel[3]}),
                           b.getDenseI64ArrayAttr({0, 0, 0, 0}));
    op->getResult(0).replaceAllUsesWith(tokens);
    op->erase();
  }

  void lower(vit::GroupNormOp norm) {
    Value rows = rowsOf(norm.getImages());
    replace(vit::GroupNormRowsOp::create(b, loc, rows.getType(), rows, norm.getGain(), norm.getShift(), /*residual=*/Value(),
                                         vit::ActivationAttr::get(b.getContext(), vit::Activation::None), norm.getGroupsAttr(),
                                         norm.getEpsAttr()));
  }

  template <typename PoolOp> void lowerPool(PoolOp pool, vit::WindowPool kind) {
    Value rows = rowsOf(pool.getImages());
    ArrayRef<int64_t> to = shapeOf(pool.getValue());
    replace(vit::PoolRowsOp::create(b, loc, rowsType(to[2] * to[3], to[1]), rows, vit::WindowPoolAttr::get(b.getContext(), kind),
                                    grid(pool.getImages()), pool.getWindowAttr(), pool.getStrideAttr(), pool.getPaddingAttr()));
  }

  void lower(vit::ActivationOp activation) {
    Value rows = rowsOf(activation.getInput());
    replace(vit::ActivationOp::create(b, loc, rows.getType(), rows, activation.getKindAttr()));
  }

  void lower(vit::ResidualOp residual) {
    Value skip = rowsOf(residual.getSkip()), branch = rowsOf(residual.getBranch());
    replace(vit::ResidualOp::create(b, loc, skip.getType(), skip, branch, /*gamma=*/Value()));
  }

private:
  RankedTensorType rowsType(int64_t rows, int64_t width) {
    return RankedTensorType::get({shapeOf(op->getOperand(0))[0], rows, width}, b.getF32Type());
  }
  DenseI64ArrayAttr grid(Value images) { return b.getDenseI64ArrayAttr(shapeOf(images).take_back(2)); }

  Value rowsOf(Value images) {
    ArrayRef<int64_t> shape = shapeOf(images);
    return b.createOrFold<vit::ChannelsLastOp>(images.getLoc(), rowsType(shape[2] * shape[3], shape[1]), images);
  }

  Value product(Value images, Value kernel, Value bias, DenseI64ArrayAttr stride, DenseI64ArrayAttr padding) {
    ArrayRef<int64_t> from = shapeOf(images), window = shapeOf(kernel);
    int64_t outputs = window[0], channels = window[1], area = window[2] * window[3], width = area * channels;
    int64_t down = (from[2] + padding[0] + padding[1] - window[2]) / stride[0] + 1;
    int64_t across = (from[3] + padding[2] + padding[3] - window[3]) / stride[1] + 1;
    Value rows = rowsOf(images);
    bool pointwise = area == 1 && stride[0] == 1 && stride[1] == 1 && down == from[2] && across == from[3];
    if (!pointwise)
      rows = vit::Im2colOp::create(b, loc, rowsType(down * across, width), rows, grid(images), b.getDenseI64ArrayAttr(window.take_back(2)),
                                   stride, padding);
    if (area > 1) {
      auto hwc = RankedTensorType::get({outputs, window[2], window[3], channels}, b.getF32Type());
      kernel = vit::TransposeOp::create(b, loc, hwc, kernel, b.getDenseI64ArrayAttr({0, 2, 3, 1}));
    }
    Value matrix = vit::ReshapeOp::create(b, loc, RankedTensorType::get({outputs, width}, b.getF32Type()), kernel);
    return vit::LinearOp::create(b, loc, rowsType(down * across, outputs), rows, matrix, bias, /*residual=*/Value(), vit::Activation::None);
  }

  void replace(Value rows) {
    Type images = op->getResult(0).getType();
    op->getResult(0).replaceAllUsesWith(vit::ChannelsFirstOp::create(b, loc, images, rows));
    op->erase();
  }

  Operation *op;
  OpBuilder b;
  Location loc;
};

bool isRows(Value images) { return images.getDefiningOp<vit::ChannelsFirstOp>() != nullptr; }

struct LowerConvolutionPass : impl::VitLowerConvolutionBase<LowerConvolutionPass> {
  void runOnOperation() override {
    Report report("lower", "convolution");
    SmallVector<Operation *> work;
    getOperation()->walk([&](Operation *op) { work.push_back(op); });
    for (Operation *op : work) {
      RowRewriter rewriter(op);
      TypeSwitch<Operation *>(op)
          .Case([&](vit::ConvOp conv) {
            ++lowered;
            report.done(conv, "convolution as a product of rows");
            rewriter.lower(conv);
          })
          .Case([&](vit::GroupNormOp norm) { rewriter.lower(norm); })
          .Case([&](vit::MaxPoolOp pool) { rewriter.lowerPool(pool, vit::WindowPool::Max); })
          .Case([&](vit::AvgPoolOp pool) { rewriter.lowerPool(pool, vit::WindowPool::Avg); })
          .Case([&](vit::ActivationOp activation) {
            if (isRows(activation.getInput()))
              rewriter.lower(activation);
          })
          .Case([&](vit::ResidualOp residual) {
            if (isRows(residual.getBranch()) && !residual.getGamma())
              rewriter.lower(residual);
          })
          .Case([&](vit::PatchifyOp patchify) {
            if (isRows(patchify.getImages()))
              rewriter.lower(patchify);
          });
    }
    getOperation()->walk([](vit::ChannelsFirstOp op) {
      if (op.use_empty())
        op.erase();
    });
  }
};

} // namespace
} // namespace vitc
