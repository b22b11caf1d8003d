//===- HuggingFaceModels.h - transformers' model types and classes -----------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_COMPILER_MODEL_HUGGINGFACEMODELS_H
#define VITC_COMPILER_MODEL_HUGGINGFACEMODELS_H

#include "compiler/model/ConfigJson.h"
#include "compiler/model/ModelConfig.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace vitc::huggingface {

/// What a class returns first: of a tower without a classifier its pooled feature, or where it has none its tokens.
enum class Answer {
  Logits,
  LogitsOfTwo, ///< the mean of a classifier on each of two tokens
  Projection,  ///< image_embeds, before they are normalized
  Pooler,      ///< a dense layer and an activation on the pooled row
  Feature,     ///< the pooled row itself
  Tokens       ///< last_hidden_state
};

/// A class that `architectures` may name.
struct ModelClass {
  llvm::StringRef name;
  llvm::StringRef prefix; ///< of the encoder's tensors in the files that it writes
  Answer answer;
  Pool pool = Pool::Token;
};

/// A `model_type`.
struct ModelType {
  llvm::StringRef name;
  Family family;
  bool hasTwoTowers;                    ///< the vision tower's fields are in an object `vision_config`
  llvm::ArrayRef<ModelClass> classes;   ///< a file that names none is of the first that fits: with labels a classifier, else none
  llvm::ArrayRef<llvm::StringRef> keys; ///< fields it has beside those of every type
  void (*setDefaults)(ModelConfig &config);
  /// Fields that need more than to be copied, after all others and the class's pool. Errors lack the file's name.
  llvm::Error (*readSpecials)(ModelConfig &config, Answer &answer, const Json &tower);
};

/// The error says which types there are, or why the model is one that cannot be compiled.
llvm::Expected<const ModelType *> findModelType(llvm::StringRef name);

/// A field that may be missing or null.
llvm::Expected<bool> readFlag(const Json &file, llvm::StringRef key, bool otherwise);

} // namespace vitc::huggingface

#endif // VITC_COMPILER_MODEL_HUGGINGFACEMODELS_H
