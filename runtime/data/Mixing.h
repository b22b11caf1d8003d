//===- Mixing.h - mixup, cutmix and soft targets --------------------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//
//
// As timm/data/mixup.py in its batch mode: one lambda ~ Beta(alpha, alpha) a batch of n images, image i with its partner n - 1 - i. Mixup is
// lambda x_i + (1 - lambda) x_partner (Zhang et al. 2018); cutmix takes a rectangle from the partner and lambda is the area that stays
// (Yun et al. 2019). With both, one of them with probability 1/2.
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_MIXING_H
#define VITC_RUNTIME_DATA_MIXING_H

#include "runtime/data/Augmenter.h"

#include <span>

namespace vitrt {

/// What is done to every image of a batch.
struct Mix {
  double lambda = 1.0; ///< part of the image itself in its target
  bool cuts = false;
  Region box{}; ///< of cutmix: what comes from the partner

  /// Numbers drawn for a batch of images of `size`.
  static Mix draw(const Augmentation &augmentation, Extent size, RandomStream random);
  /// Cutmix with a box of sides sqrt(1 - lambda) about the pixel (x, y), cut at the borders; lambda becomes the true area.
  static Mix cut(Extent size, double lambda, uint32_t x, uint32_t y);
};

/// An image [channels, size] with its partner, in place.
void mixImage(float *image, const float *partner, uint32_t channels, Extent size, const Mix &mix);

/// Targets of image and partner, in place, each K long.
void mixTargets(std::span<float> target, std::span<const float> partner, const Mix &mix);

/// mixImage and mixTargets of a batch, [n, channels, size] and [n, K], with partners n - 1 - i.
void mixBatch(std::span<float> images, std::span<float> targets, size_t count, uint32_t channels, Extent size, const Mix &mix);

/// 1 - smoothing + smoothing / K at `label`, smoothing / K elsewhere.
void smoothTarget(std::span<float> target, size_t label, double smoothing);
/// The same of soft labels: (1 - smoothing) soft + smoothing / K.
void smoothTarget(std::span<float> target, std::span<const float> soft, double smoothing);

/// The rows of targets, [n, K], alone.
void mixBatchTargets(std::span<float> targets, size_t count, const Mix &mix);

/// A number of Beta(alpha, alpha), from two of Gamma(alpha) (Marsaglia and Tsang 2000).
double drawBeta(double alpha, RandomStream &random);

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_MIXING_H
