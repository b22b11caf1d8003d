//===- Print.cpp - a plan for people to read --------------------------------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/plan/Plan.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace vitc::plan;

static llvm::StringRef kindName(BufferKind kind) {
  switch (kind) {
  case BufferKind::Input:
    return "input";
  case BufferKind::Output:
    return "output";
  case BufferKind::Arena:
    return "arena";
  case BufferKind::Weight:
    return "weight";
  case BufferKind::Parameter:
    return "param";
  case BufferKind::Gradient:
    return "grad";
  case BufferKind::Derived:
    return "derived";
  }
  llvm_unreachable("all kinds are named");
}

static llvm::StringRef typeName(NumberType type) {
  switch (type) {
  case NumberType::F32:
    return "f32";
  case NumberType::BF16:
    return "bf16";
  case NumberType::I8:
    return "i8";
  case NumberType::F16:
    return "f16";
  case NumberType::TF32:
    return "tf32";
  }
  llvm_unreachable("all types are named");
}

void vitc::plan::print(const Program &program, llvm::raw_ostream &os) {
  os << "program @" << program.name << ": " << program.launches.size() << " launches of " << program.kernels.size() << " kernels, arena "
     << program.arenaBytesPerImage << " bytes an image, groups of " << program.groupImages << "\n\nlaunches\n";
  for (auto [index, launch] : llvm::enumerate(program.launches)) {
    const Kernel &kernel = program.kernels[launch.kernel];
    os << llvm::format("  %3zu  %-28s %-12s ", index, launch.name.c_str(), kernel.symbol.c_str());
    size_t reads = launch.operands.size() - launch.results;
    llvm::interleaveComma(llvm::ArrayRef(launch.operands).take_front(reads), os, [&](uint32_t b) { os << 'b' << b; });
    os << " -> ";
    llvm::interleaveComma(llvm::ArrayRef(launch.operands).drop_front(reads), os, [&](uint32_t b) { os << 'b' << b; });
    os << "  tasks " << kernel.tasks(1);
    if (launch.flopPerImage)
      os << "  mflop " << llvm::format("%.3f", launch.flopPerImage * 1e-6);
    os << '\n';
    for (auto [images, other] : launch.larger)
      os << llvm::format("       from %lld images: ", static_cast<long long>(images)) << program.kernels[other].symbol << '\n';
  }
  os << "\nkernels\n";
  for (const Kernel &kernel : program.kernels) {
    os << llvm::format("  %-12s %-12s scratch %lld  ", kernel.symbol.c_str(), kernel.kind.c_str(), (long long)kernel.scratchBytes);
    if (kernel.threads)
      os << "threads " << kernel.threads << " shared " << kernel.sharedBytes << "  ";
    if (kernel.partBytes)
      os << "parts " << kernel.partBytes << "  ";
    os << kernel.schedule << '\n';
  }
  os << "\nbuffers\n";
  for (auto [index, buffer] : llvm::enumerate(program.buffers)) {
    os << llvm::format("  b%-3zu %-7s %-32s ", index, kindName(buffer.kind).data(), buffer.name.c_str());
    llvm::interleave(buffer.shape, os, "x");
    if (buffer.type != NumberType::F32)
      os << 'x' << typeName(buffer.type);
    os << "  bytes " << buffer.bytesPerImage;
    if (isState(buffer.kind))
      os << "  at " << buffer.offsetPerImage;
    if (buffer.kind == BufferKind::Arena)
      os << "  at " << buffer.offsetPerImage << "  alive " << buffer.firstLaunch << ".." << buffer.lastLaunch;
    os << '\n';
  }
}
