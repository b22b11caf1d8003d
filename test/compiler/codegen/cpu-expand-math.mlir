// RUN: vit-opt %s --cpu-expand-math | FileCheck %s
// RUN: vit-opt %s --cpu-expand-math=fma=false | FileCheck %s --check-prefix=SPLIT

// CHECK-LABEL: @functions
// CHECK-NOT: math.{{exp|erf|tanh}}
// CHECK: math.fma {{.*}} : vector<16xf32>
// SPLIT-LABEL: @functions
// SPLIT-NOT: math.{{exp|erf|tanh|fma}}
func.func @functions(%x: vector<16xf32>, %y: f32) -> (vector<16xf32>, f32) {
  %0 = math.exp %x : vector<16xf32>
  %1 = math.erf %0 : vector<16xf32>
  %2 = math.tanh %y : f32
  return %1, %2 : vector<16xf32>, f32
}

// CHECK-LABEL: @multiply_add
// CHECK: math.fma
// CHECK: vector.fma
// SPLIT-LABEL: @multiply_add
// SPLIT-SAME: %[[A:[a-z0-9]+]]: vector<4xf32>, %[[B:[a-z0-9]+]]: vector<4xf32>
// SPLIT: %[[P:.*]] = arith.mulf %[[A]], %[[B]]
// SPLIT: arith.addf %[[P]], %[[B]]
// SPLIT-NOT: fma
func.func @multiply_add(%a: vector<4xf32>, %b: vector<4xf32>) -> (vector<4xf32>, vector<4xf32>) {
  %0 = math.fma %a, %b, %b : vector<4xf32>
  %1 = vector.fma %a, %b, %0 : vector<4xf32>
  return %0, %1 : vector<4xf32>, vector<4xf32>
}

// Double precision keeps its functions: nothing that runs on images uses it.
// CHECK-LABEL: @double
// CHECK: math.exp %{{.*}} : f64
func.func @double(%x: f64) -> f64 {
  %0 = math.exp %x : f64
  return %0 : f64
}
