//===- Augmentation.h - how training images are varied -----------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_RUNTIME_DATA_AUGMENTATION_H
#define VITC_RUNTIME_DATA_AUGMENTATION_H

#include "runtime/Error.h"

#include <optional>
#include <string>
#include <string_view>

namespace vitrt {

/// What `--augment=` says; nothing is varied by default. The order in which it happens is fixed (docs/augmentation.md): crop, flip,
/// RandAugment, jitter, normalisation, erasing, then mixup or cutmix of the batch.
struct Augmentation {
  /// torchvision's RandomResizedCrop: the crop's part of the image's area; its width over its height is from 3/4 to 4/3.
  struct ResizedCrop {
    double minArea = 0.08, maxArea = 1.0;
    bool operator==(const ResizedCrop &) const = default;
  };
  /// torchvision's ColorJitter: factors from max(0, 1 - x) to 1 + x, a hue that turns by -x to x turns.
  struct Jitter {
    double brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.0;
    bool operator==(const Jitter &) const = default;
  };
  /// torchvision's RandAugment: operations an image, and their strength from 0 to 30.
  struct RandAugment {
    unsigned operations = 2, magnitude = 9;
    bool operator==(const RandAugment &) const = default;
  };
  /// timm's RandomErasing: 2 % to 33 % of the area become zero, one normal number a channel, or one a pixel (after normalisation).
  struct Erasing {
    enum class Fill { Zero, Color, Noise };
    double probability = 0.25;
    Fill fill = Fill::Zero;
    bool operator==(const Erasing &) const = default;
  };

  /// torchvision's RandomCrop of the model's size, from the image with so many black pixels around it.
  std::optional<unsigned> cropPadding{};
  std::optional<ResizedCrop> resizedCrop{};
  double flip = 0.0; ///< probability of a mirrored image
  std::optional<RandAugment> randAugment{};
  std::optional<Jitter> jitter{};
  std::optional<Erasing> erasing{};
  double mixup = 0.0, cutmix = 0.0; ///< alpha of Beta(alpha, alpha); 0: not done; with both, each batch gets one of them

  bool operator==(const Augmentation &) const = default;

  /// Reads items separated by commas, each at most once, `none` or nothing for no augmentation at all:
  ///   crop:PIXELS                     rrc[:MINAREA[:MAXAREA]]            flip[:PROBABILITY]
  ///   jitter:B[:CONTRAST:SATURATION[:HUE]]                              randaugment[:OPERATIONS[:MAGNITUDE]]
  ///   erase[:PROBABILITY[:zero|color|noise]]                            mixup[:ALPHA]              cutmix[:ALPHA]
  /// VITRT_ERROR_ARGUMENT names the item and what it can be.
  static Expected<Augmentation> parse(std::string_view text);

  /// The text that `parse` reads back, every number written out; "none" if nothing is done.
  std::string text() const;
};

} // namespace vitrt

#endif // VITC_RUNTIME_DATA_AUGMENTATION_H
