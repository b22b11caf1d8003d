//===- KernelDialect.td - the kernel dialect and its schedules -------------*- tablegen -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#ifndef VITC_DIALECTS_KERNEL_KERNELDIALECT_TD
#define VITC_DIALECTS_KERNEL_KERNELDIALECT_TD

include "dialects/kernel/KernelEnums.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::vitc::kernel";
  let summary = "how it is computed: one operation, one kernel launch";
  let description = [{
    Each operation becomes one launch of the plan. The algorithm is the operation, the schedule is data: an attribute that can be printed,
    tested, searched
    and cached. Values are still tensors; the planner gives them memory. Activations [B, T, D] are rows [B * T, D] to a kernel.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::vitc::vit::VitDialect"];
}

def Kernel_StateRegionAttr : EnumAttr<Kernel_Dialect, Kernel_StateRegion, "region"> { let assemblyFormat = "`<` $value `>`"; }

class Kernel_Schedule<string name, string mnemonic_> : AttrDef<Kernel_Dialect, name> { let mnemonic = mnemonic_; }

def Kernel_GemmScheduleAttr : Kernel_Schedule<"GemmSchedule", "gemm_schedule"> {
  let summary = "tiling of a matrix product";
  let description = [{
    `rows` x `columns` accumulators stay in registers over `k_block` steps of K, each of a word of 32 bits: one f32, two bf16 or four i8; `row_block` rows of the input are reused from the second-
    level cache
    while the weight panels of one k-block go by; each `prefetch` steps of k one cache line of the next panel is prefetched (0: none).
    `vector` is the number of f32 lanes of a register. Weights are packed [K / k_block][N / columns][k_block][columns], zero-padded.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "int64_t":$k_block, "int64_t":$row_block,
                        "int64_t":$prefetch, "int64_t":$vector);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Kernel_AttentionScheduleAttr : Kernel_Schedule<"AttentionSchedule", "attention_schedule"> {
  let summary = "tiling of attention within a head: `rows` queries at a time against all keys";
  let parameters = (ins "int64_t":$rows, "int64_t":$vector);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kernel_RowScheduleAttr : Kernel_Schedule<"RowSchedule", "row_schedule"> {
  let summary = "row-wise work: `rows_per_task` rows a task, `vector` lanes a register";
  let parameters = (ins "int64_t":$rows_per_task, "int64_t":$vector);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kernel_GroupScheduleAttr : Kernel_Schedule<"GroupSchedule", "group_schedule"> {
  let summary = "work by groups of columns: `groups_per_task` groups of all rows of an image a task, `vector` lanes a register";
  let parameters = (ins "int64_t":$groups_per_task, "int64_t":$vector);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kernel_WindowAttr : AttrDef<Kernel_Dialect, "Window"> {
  let mnemonic = "window";
  let summary = "windows of `rows` x `columns` pixels, each `stride_y` or `stride_x` further, of a grid of `height` x `width`";
  let parameters = (ins "int64_t":$height, "int64_t":$width, "int64_t":$rows, "int64_t":$columns, "int64_t":$stride_y,
                        "int64_t":$stride_x);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t windowsDown() const { return (getHeight() - getRows()) / getStrideY() + 1; }
    int64_t windowsAcross() const { return (getWidth() - getColumns()) / getStrideX() + 1; }
  }];
}

#endif // VITC_DIALECTS_KERNEL_KERNELDIALECT_TD
