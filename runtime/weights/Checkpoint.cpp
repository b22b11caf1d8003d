//===- Checkpoint.cpp - the tensors of a pickled PyTorch checkpoint -----------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/weights/Checkpoint.h"

#include <algorithm>
#include <array>
#include <fmt/ranges.h>
#include <map>

using namespace vitrt;

namespace {

using Kind = PickleValue::Kind;
using Entries = std::map<std::string_view, const PickleValue *>;

struct TorchType {
  std::string_view storage; ///< "FloatStorage"
  std::string_view dtype;   ///< "float32"
  ElementType type;
  size_t bytes;
};
constexpr TorchType kTypes[] = {
    {"FloatStorage", "float32", ElementType::F32, 4},
    {"HalfStorage", "float16", ElementType::F16, 2},
    {"BFloat16Storage", "bfloat16", ElementType::BF16, 2},
    {"DoubleStorage", "float64", ElementType::F64, 8},
    {"LongStorage", "int64", ElementType::I64, 8},
    {"IntStorage", "int32", ElementType::I32, 4},
    {"ShortStorage", "int16", ElementType::I16, 2},
    {"CharStorage", "int8", ElementType::I8, 1},
    {"ByteStorage", "uint8", ElementType::U8, 1},
    {"BoolStorage", "bool", ElementType::Bool, 1},
    {"UntypedStorage", "", ElementType::U8, 1},
    {"_UntypedStorage", "", ElementType::U8, 1},
    {"ComplexFloatStorage", "complex64", ElementType::Other, 8},
    {"ComplexDoubleStorage", "complex128", ElementType::Other, 16},
    {"QInt8Storage", "qint8", ElementType::Other, 1},
    {"QUInt8Storage", "quint8", ElementType::Other, 1},
    {"QInt32Storage", "qint32", ElementType::Other, 4},
    {"", "uint16", ElementType::U16, 2},
    {"", "uint32", ElementType::U32, 4},
    {"", "uint64", ElementType::U64, 8},
    {"", "float8_e4m3fn", ElementType::Other, 1},
    {"", "float8_e5m2", ElementType::Other, 1},
    {"", "float8_e4m3fnuz", ElementType::Other, 1},
    {"", "float8_e5m2fnuz", ElementType::Other, 1},
    {"", "float8_e8m0fnu", ElementType::Other, 1},
};

/// Modules that no data needs and that run programs, load code or reach out of the process. A file that imports from them is an attack.
constexpr std::string_view kRefusedModules[] = {
    "os",      "posix",    "nt",      "subprocess", "commands",  "popen2",   "pty",        "sys",      "shutil",     "socket",
    "ctypes",  "_ctypes",  "cffi",    "runpy",      "importlib", "imp",      "code",       "codeop",   "marshal",    "pickle",
    "_pickle", "dill",     "pdb",     "bdb",        "timeit",    "cProfile", "webbrowser", "urllib",   "http",       "ftplib",
    "smtplib", "requests", "asyncio", "pip",        "doctest",   "signal",   "tempfile",   "builtins", "__builtin__"};
/// Of `builtins`, what only makes values.
constexpr std::string_view kHarmlessBuiltins[] = {"set",   "frozenset", "list",    "dict",   "tuple",  "int",       "float",
                                                  "bool",  "str",       "unicode", "long",   "bytes",  "bytearray", "complex",
                                                  "slice", "range",     "xrange",  "object", "getattr"};
/// Calls that stand among the tensors of published state dicts and are no tensors.
constexpr std::string_view kPlainCalls[] = {"argparse.", "collections.", "numpy.",       "_codecs.encode", "pathlib.",
                                            "datetime.", "torch.Size",   "torch.device", "builtins.",      "__builtin__."};

/// Where a checkpoint has its model's tensors: timm's four in timm's order, then those of other projects (DINO's teacher before its
/// student, as its evaluation takes them).
constexpr std::string_view kStateDictKeys[] = {"state_dict_ema",   "model_ema", "ema_state_dict", "state_dict", "model",
                                               "model_state_dict", "module",    "teacher",        "student",    "params"};
/// Wrappers' prefixes, in the order in which timm's clean_state_dict removes each once.
constexpr std::string_view kPrefixes[] = {"_orig_mod.", "module.", "_orig_mod."};

constexpr size_t kMaxListed = 8;

std::string_view moduleOf(std::string_view global) { return global.substr(0, global.find('.')); }

bool isGlobal(const PickleValue *value, std::string_view name) { return value->is(Kind::Global) && value->text == name; }

bool isCallOf(const PickleValue &value, std::string_view name) { return value.is(Kind::Call) && isGlobal(value.callee, name); }

template <typename Names> bool contains(const Names &names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// A dictionary's entries whose keys are texts; false if the value is no dictionary. Later entries replace earlier ones, as in Python.
bool asDictionary(const PickleValue &value, Entries &entries) {
  bool ordered = isCallOf(value, "collections.OrderedDict");
  if (!value.is(Kind::Dict) && !ordered && !isCallOf(value, "collections.defaultdict"))
    return false;
  // Python 2 pickles an OrderedDict's entries as a list of [key, value] among the arguments.
  if (ordered && value.arguments->items.size() == 1 && value.arguments->items[0]->is(Kind::List))
    for (const PickleValue *pair : value.arguments->items[0]->items)
      if (pair->items.size() == 2 && (pair->is(Kind::List) || pair->is(Kind::Tuple)) && pair->items[0]->is(Kind::Text))
        entries[pair->items[0]->text] = pair->items[1];
  for (size_t i = 0; i + 1 < value.items.size(); i += 2)
    if (value.items[i]->is(Kind::Text))
      entries[value.items[i]->text] = value.items[i + 1];
  return true;
}

bool isDictionary(const PickleValue &value) {
  Entries ignored;
  return asDictionary(value, ignored);
}

/// Whether calls stand somewhere at the beginning of the value that nothing is known of.
bool isPlain(const PickleValue &value) {
  if (!value.is(Kind::Call))
    return !value.is(Kind::Persistent);
  std::string_view name = calledName(value);
  return std::any_of(std::begin(kPlainCalls), std::end(kPlainCalls), [&](std::string_view known) { return name.starts_with(known); });
}

bool nonNegative(const PickleValue *value, uint64_t &number) {
  if (!value->is(Kind::Int) || value->integer < 0)
    return false;
  number = uint64_t(value->integer);
  return true;
}

bool nonNegatives(const PickleValue *tuple, std::vector<uint64_t> &numbers) {
  // torch.Size is a tuple that is made by a call.
  if (isCallOf(*tuple, "torch.Size") && tuple->arguments->items.size() == 1)
    tuple = tuple->arguments->items[0];
  // A tensor has few axes; a shape is copied for each name that the tensor goes by.
  constexpr size_t maxAxes = 64;
  if ((!tuple->is(Kind::Tuple) && !tuple->is(Kind::List)) || tuple->items.size() > maxAxes)
    return false;
  numbers.resize(tuple->items.size());
  for (size_t i = 0; i < numbers.size(); ++i)
    if (!nonNegative(tuple->items[i], numbers[i]))
      return false;
  return true;
}

const TorchType *storageType(std::string_view global) {
  if (!global.starts_with("torch."))
    return nullptr;
  std::string_view name = global.substr(global.rfind('.') + 1);
  for (const TorchType &type : kTypes)
    if (!type.storage.empty() && type.storage == name)
      return &type;
  return nullptr;
}

const TorchType *dtypeOf(const PickleValue *value) {
  for (const TorchType &type : kTypes)
    if (!type.dtype.empty() && value->is(Kind::Global) && value->text.starts_with("torch.") && value->text.substr(6) == type.dtype)
      return &type;
  return nullptr;
}

/// The call that makes the tensor itself, beneath those that make a parameter of it or give it attributes.
const PickleValue *unwrapTensor(const PickleValue *value) {
  constexpr int kMaxWrappers = 4;
  for (int i = 0; i < kMaxWrappers && value->is(Kind::Call); ++i) {
    const std::vector<const PickleValue *> &arguments = value->arguments->items;
    bool parameter = isCallOf(*value, "torch._utils._rebuild_parameter") ||
                     isCallOf(*value, "torch._utils._rebuild_parameter_with_state") || isCallOf(*value, "torch.nn.parameter.Parameter");
    if (!parameter || arguments.empty())
      break;
    value = arguments[0];
  }
  return value;
}

bool isTensor(const PickleValue &value) {
  const PickleValue *call = unwrapTensor(&value);
  return isCallOf(*call, "torch._utils._rebuild_tensor") || isCallOf(*call, "torch._utils._rebuild_tensor_v2") ||
         isCallOf(*call, "torch._utils._rebuild_tensor_v3");
}

/// (storage, offset, shape, strides[, requires_grad, hooks[, dtype][, metadata]]), torch/_utils.py.
bool parseTensor(const PickleValue &value, TorchTensor &tensor) {
  const PickleValue *call = unwrapTensor(&value);
  const std::vector<const PickleValue *> &arguments = call->arguments->items;
  bool withDtype = isCallOf(*call, "torch._utils._rebuild_tensor_v3");
  TorchStorage storage;
  if (call->state || arguments.size() < (withDtype ? 7u : 4u) || !parseStorage(*arguments[0], storage) ||
      !nonNegative(arguments[1], tensor.offset) || !nonNegatives(arguments[2], tensor.shape) ||
      !nonNegatives(arguments[3], tensor.strides) || tensor.shape.size() != tensor.strides.size())
    return false;
  const TorchType *type = withDtype ? dtypeOf(arguments[6]) : storageType(arguments[0]->arguments->items[1]->text);
  if (!type)
    return false;
  // The bits of lazy conjugation and negation, which say that the numbers are not the tensor's.
  size_t metadata = withDtype ? 7 : 6;
  if (arguments.size() > metadata && !arguments[metadata]->is(Kind::None) && !arguments[metadata]->items.empty())
    return false;
  tensor.type = type->type;
  tensor.elementBytes = type->bytes;
  tensor.storage = storage.key;
  if (storage.viewOffset > UINT64_MAX - tensor.offset)
    return false;
  tensor.offset += storage.viewOffset;
  if (storage.elements > UINT64_MAX / storage.elementBytes)
    return false;
  tensor.storageBytes = storage.elements * storage.elementBytes;
  return true;
}

std::string listKeys(const Entries &entries) {
  std::vector<std::string> keys;
  for (const auto &[key, value] : entries) {
    if (keys.size() == kMaxListed) {
      keys.push_back("...");
      break;
    }
    keys.push_back(fmt::format("'{}'", key));
  }
  return fmt::format("{}", fmt::join(keys, ", "));
}

class StateDictFinder {
public:
  StateDictFinder(const Pickle &pickle, const std::string &file) : pickle(pickle), file(file) {}
  Expected<StateDict> find();

private:
  Error checkGlobals() const;
  Error descend(const PickleValue *&value, Entries &entries);
  /// The key under which the tensors are; empty if they are here.
  std::string_view keyIn(const Entries &entries) const;
  Error collect(const Entries &entries);
  Error refuse(const PickleValue &value, const std::string &where) const {
    return makeError(VITRT_ERROR_WEIGHTS, "{}: the pickle wants to call '{}' for {}, expected tensors: nothing in a pickle is ever run{}",
                     file, calledName(value), where,
                     value.is(Kind::Call) && value.state ? "; save model.state_dict() instead of the object" : "");
  }

  const Pickle &pickle;
  const std::string &file;
  bool ofDino = false;
  StateDict result;
};

Error StateDictFinder::checkGlobals() const {
  for (const std::string &name : pickle.globals()) {
    std::string_view module = moduleOf(name), rest = std::string_view(name).substr(std::min(name.size(), module.size() + 1));
    bool builtin = module == "builtins" || module == "__builtin__";
    if (contains(kRefusedModules, module) && !(builtin && contains(kHarmlessBuiltins, rest)))
      return makeError(VITRT_ERROR_WEIGHTS,
                       "{}: the pickle wants to call '{}', which no weights need; it was not run, and nothing of this file is used", file,
                       name);
  }
  return Error::success();
}

std::string_view StateDictFinder::keyIn(const Entries &entries) const {
  for (std::string_view key : kStateDictKeys) {
    auto found = entries.find(key);
    if (found != entries.end() && !found->second->is(Kind::None) && (isDictionary(*found->second) || !isPlain(*found->second)) &&
        !isTensor(*found->second))
      return key;
  }
  // One dictionary among other things, and no tensor beside it.
  std::string_view only;
  for (const auto &[key, value] : entries) {
    if (isTensor(*value))
      return {};
    if (isDictionary(*value)) {
      if (!only.empty())
        return {};
      only = key;
    }
  }
  return only;
}

Error StateDictFinder::descend(const PickleValue *&value, Entries &entries) {
  constexpr int kMaxDepth = 4;
  std::string path;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    entries.clear();
    if (!asDictionary(*value, entries)) {
      std::string where = path.empty() ? "all that it holds" : fmt::format("its entry '{}'", path);
      if (!isPlain(*value) && !isTensor(*value))
        return refuse(*value, where);
      return makeError(VITRT_ERROR_WEIGHTS, "{}: {} is no dictionary of tensors, expected a state dict", file,
                       path.empty() ? "what torch.save was given" : where);
    }
    std::string_view key = keyIn(entries);
    if (key.empty())
      return Error::success();
    path += path.empty() ? std::string(key) : fmt::format(".{}", key);
    ofDino |= key == "teacher" || key == "student";
    result.notes.push_back(fmt::format("took the entry '{}' of {}", path, listKeys(entries)));
    value = entries[key];
  }
  return Error::success();
}

Error StateDictFinder::collect(const Entries &entries) {
  size_t wrapped = 0, ofBackbone = 0;
  std::vector<std::string> skipped;
  for (const auto &[key, value] : entries) {
    if (!isTensor(*value)) {
      if (!isPlain(*value))
        return refuse(*value, fmt::format("the tensor '{}'", key));
      skipped.push_back(fmt::format("'{}'", key));
      continue;
    }
    std::string_view name = key;
    for (std::string_view prefix : kPrefixes)
      if (name.starts_with(prefix))
        name.remove_prefix(prefix.size());
    wrapped += name.size() != key.size();
    if (ofDino && name.starts_with("backbone.")) {
      name.remove_prefix(std::string_view("backbone.").size());
      ++ofBackbone;
    }
    TorchTensor tensor;
    tensor.name = name;
    if (!parseTensor(*value, tensor))
      return makeError(VITRT_ERROR_WEIGHTS,
                       "{}: the tensor '{}' is not made of a storage, an offset, a shape and strides, as PyTorch writes them", file, key);
    result.tensors.push_back(std::move(tensor));
  }
  if (wrapped)
    result.notes.push_back(fmt::format("dropped the prefix 'module.' or '_orig_mod.' of {} names", wrapped));
  if (ofBackbone)
    result.notes.push_back(fmt::format("dropped the prefix 'backbone.' of {} names", ofBackbone));
  if (!skipped.empty()) {
    size_t all = skipped.size();
    if (all > kMaxListed)
      skipped.resize(kMaxListed);
    result.notes.push_back(fmt::format("skipped what is no tensor: {}{}", fmt::join(skipped, ", "), all > kMaxListed ? ", ..." : ""));
  }
  return Error::success();
}

Expected<StateDict> StateDictFinder::find() {
  if (Error error = checkGlobals())
    return error;
  const PickleValue *value = &pickle.root();
  Entries entries;
  if (Error error = descend(value, entries))
    return error;
  if (Error error = collect(entries))
    return error;
  if (result.tensors.empty())
    return makeError(VITRT_ERROR_WEIGHTS, "{} holds no tensors where a state dict is expected; its entries are {}", file,
                     entries.empty() ? "none" : listKeys(entries));
  return std::move(result);
}

} // namespace

bool vitrt::parseStorage(const PickleValue &value, TorchStorage &storage) {
  if (!value.is(Kind::Persistent) || !value.arguments->is(Kind::Tuple) || value.arguments->items.size() < 5)
    return false;
  const std::vector<const PickleValue *> &id = value.arguments->items;
  const TorchType *type = id[1]->is(Kind::Global) ? storageType(id[1]->text) : nullptr;
  if (!type || !id[0]->is(Kind::Text) || id[0]->text != "storage" || !id[2]->is(Kind::Text) || !nonNegative(id[4], storage.elements))
    return false;
  storage.key = id[2]->text;
  storage.elementBytes = type->bytes;
  storage.viewOffset = 0;
  // Legacy files: None, or (key, offset, elements) of a view of the storage.
  if (id.size() == 5 || id[5]->is(Kind::None))
    return true;
  return id[5]->items.size() == 3 && nonNegative(id[5]->items[1], storage.viewOffset);
}

Expected<StateDict> vitrt::findStateDict(const Pickle &pickle, const std::string &file) { return StateDictFinder(pickle, file).find(); }
