// Measured schedules go before the default, one for each launch and machine; those that cannot be used are ignored with a warning.
// RUN: split-file %s %t
// RUN: vit-opt %t/in.mlir --kernel-schedule="tuning-cache=%t/good.json machine=here" | FileCheck %s
// RUN: vit-opt %t/in.mlir --kernel-schedule="tuning-cache=%t/good.json machine=elsewhere" | FileCheck %s --check-prefix=DEFAULT
// RUN: vit-opt %t/in.mlir --kernel-schedule="tuning-cache=%t/old.json machine=here" 2>&1 | FileCheck %s --check-prefixes=OLD,DEFAULT
// RUN: vit-opt %t/in.mlir --kernel-schedule="tuning-cache=%t/wrong.json machine=here" 2>&1 | FileCheck %s --check-prefixes=WRONG,DEFAULT
// RUN: vit-opt %t/in.mlir --kernel-schedule="tuning-cache=%t/large.json machine=here" 2>&1 | FileCheck %s --check-prefixes=LARGE,DEFAULT
// RUN: not vit-opt %t/in.mlir --kernel-schedule="tuning-cache=%t/text.json machine=here" 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: not vit-opt %t/in.mlir --kernel-schedule="tuning-cache=%t/later.json machine=here" 2>&1 | FileCheck %s --check-prefix=LATER
// RUN: not vit-opt %t/in.mlir --kernel-schedule="tuning-cache=%t/none.json machine=here" 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK: kernel.pack %{{.*}} : tensor<768x192xf32> -> tensor<2x16x96x48xf32>
// CHECK: kernel.gemm {{.*}}rows = 8, columns = 48, k_block = 96, row_block = 200, prefetch = 4, vector = 16>
// CHECK: kernel.attention {{.*}} #kernel.attention_schedule<{{.*}}rows = 4,

// OLD: warning: 2 schedules in '{{.*}}old.json' were measured with kernels of another version and are not used
// WRONG: warning: the schedule '#kernel.attention_schedule<rows = 4, vector = 16>' of '{{.*}}wrong.json' is not used, the default is: it is of another kind than the launch's
// WRONG: warning: the schedule '#kernel.attention_schedule<rows = 4, vector = 8>' {{.*}}: it is for vectors of 8 lanes, expected 16
// LARGE: warning: {{.*}}: a gemm schedule's row_block (199) must be a multiple of its rows (6)
// LARGE: warning: {{.*}} expected attribute value
// DEFAULT: kernel.gemm {{.*}}rows = 6, columns = 64,
// DEFAULT: kernel.attention {{.*}}rows = 6,

// TEXT: error: '{{.*}}text.json' is not a table of schedules as vitc --tune writes it: [1:1, byte=1]: Invalid JSON value
// LATER: error: '{{.*}}later.json' is not a table of schedules as vitc --tune writes it: its format is 2, expected 1
// NONE: error: cannot read schedules from '{{.*}}none.json': No such file or directory

//--- in.mlir
func.func @infer(%x: tensor<?x197x192xf32>, %w: tensor<768x192xf32>, %qkv: tensor<?x197x576xf32>) {
  %0 = kernel.gemm %x, %w : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>
  %1 = kernel.attention %qkv {heads = 3 : i64, scale = 0.125 : f32} : tensor<?x197x576xf32> -> tensor<?x197x192xf32>
  return
}
//--- good.json
{"vitc_schedules": 1, "kernels": 1, "machines": {"here": {
  "kernel.gemm %arg0, %arg1 : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>":
    {"schedule": "#kernel.gemm_schedule<rows = 8, columns = 48, k_block = 96, row_block = 200, prefetch = 4, vector = 16>", "gain": 1.1},
  "kernel.attention %arg0 {heads = 3 : i64, scale = 1.250000e-01 : f32} : tensor<?x197x576xf32> -> tensor<?x197x192xf32>":
    {"schedule": "#kernel.attention_schedule<rows = 4, vector = 16>"}}}}
//--- old.json
{"vitc_schedules": 1, "kernels": 0, "machines": {"here": {
  "kernel.gemm %arg0, %arg1 : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>":
    {"schedule": "#kernel.gemm_schedule<rows = 8, columns = 48, k_block = 96, row_block = 200, prefetch = 4, vector = 16>", "gain": 1.1},
  "kernel.attention %arg0 {heads = 3 : i64, scale = 1.250000e-01 : f32} : tensor<?x197x576xf32> -> tensor<?x197x192xf32>":
    {"schedule": "#kernel.attention_schedule<rows = 4, vector = 16>"}}}}
//--- later.json
{"vitc_schedules": 2, "kernels": 1, "machines": {"here": {
  "kernel.gemm %arg0, %arg1 : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>":
    {"schedule": "#kernel.gemm_schedule<rows = 8, columns = 48, k_block = 96, row_block = 200, prefetch = 4, vector = 16>", "gain": 1.1},
  "kernel.attention %arg0 {heads = 3 : i64, scale = 1.250000e-01 : f32} : tensor<?x197x576xf32> -> tensor<?x197x192xf32>":
    {"schedule": "#kernel.attention_schedule<rows = 4, vector = 16>"}}}}
//--- wrong.json
{"vitc_schedules": 1, "kernels": 1, "machines": {"here": {
  "kernel.gemm %arg0, %arg1 : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>":
    {"schedule": "#kernel.attention_schedule<rows = 4, vector = 16>", "gain": 1.1},
  "kernel.attention %arg0 {heads = 3 : i64, scale = 1.250000e-01 : f32} : tensor<?x197x576xf32> -> tensor<?x197x192xf32>":
    {"schedule": "#kernel.attention_schedule<rows = 4, vector = 8>"}}}}
//--- large.json
{"vitc_schedules": 1, "kernels": 1, "machines": {"here": {
  "kernel.gemm %arg0, %arg1 : tensor<?x197x192xf32>, tensor<768x192xf32> -> tensor<?x197x768xf32>":
    {"schedule": "#kernel.gemm_schedule<rows = 6, columns = 64, k_block = 192, row_block = 199, prefetch = 8, vector = 16>", "gain": 1.1},
  "kernel.attention %arg0 {heads = 3 : i64, scale = 1.250000e-01 : f32} : tensor<?x197x576xf32> -> tensor<?x197x192xf32>":
    {"schedule": "bad"}}}}
//--- text.json
rows = 6
