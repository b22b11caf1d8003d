// RUN: vit-opt %s --kernel-reduce-precision="bf16-products=true" | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: vit-opt %s --kernel-reduce-precision="int8=true bf16-products=true" | FileCheck %s --check-prefixes=CHECK,INT8
// RUN: vit-opt %s --kernel-reduce-precision | FileCheck %s --check-prefixes=CHECK,WEIGHTS
// RUN: vit-opt %s --kernel-reduce-precision="int8=true" | FileCheck %s --check-prefix=VNNI
// RUN: vit-opt %s --kernel-reduce-precision="int8=true bf16-products=true" --remarks-filter=precision -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: vit-opt %s --kernel-reduce-precision --remarks-filter=precision -o /dev/null 2>&1 | FileCheck %s --check-prefix=SMALL
// RUN: vit-opt %s --kernel-reduce-precision="int8=true bf16-products=true" --kernel-schedule | FileCheck %s --check-prefix=PACKED

// Rows that products alone read are written as the products' numbers by what computes them; a sum with a residual stays f32.
// CHECK-LABEL: func.func @mlp
// VNNI-LABEL: func.func @mlp
// PACKED-LABEL: func.func @mlp
func.func @mlp(%x: tensor<?x5x8xf32>, %w: tensor<12x8xf32>, %v: tensor<8x12xf32>) -> tensor<?x5x8xf32> {
  // BF16: %[[N:.*]] = kernel.normalize %arg0 {{.*}} -> tensor<?x5x8xbf16>
  // INT8: %[[N:.*]], %[[S:.*]] = kernel.normalize %arg0 {{.*}} -> tensor<?x5x8xi8>, tensor<?x5x2xf32>
  // WEIGHTS: %[[N:.*]] = kernel.normalize %arg0 {{.*}} -> tensor<?x5x8xf32>
  %0 = kernel.normalize %x {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  // BF16: %[[W:.*]] = kernel.convert_weight %arg1 : tensor<12x8xf32> -> tensor<12x8xbf16>
  // BF16: %[[H:.*]] = kernel.gemm %[[N]], %[[W]] {activation{{.*}}} : tensor<?x5x8xbf16>, tensor<12x8xbf16> -> tensor<?x5x12xbf16>
  // INT8: %[[W:.*]], %[[T:.*]] = kernel.quantize_weight %arg1 : tensor<12x8xf32> -> tensor<12x8xi8>, tensor<2x12xf32>
  // INT8: %[[H:.*]] = kernel.gemm %[[N]], %[[W]] row_scales(%[[S]] : tensor<?x5x2xf32>) column_scales(%[[T]] : tensor<2x12xf32>) {activation{{.*}}} : {{.*}} -> tensor<?x5x12xbf16>
  // WEIGHTS: %[[W:.*]] = kernel.convert_weight %arg1 : tensor<12x8xf32> -> tensor<12x8xbf16>
  // WEIGHTS: %[[H:.*]] = kernel.gemm %[[N]], %[[W]] {activation{{.*}}} : tensor<?x5x8xf32>, tensor<12x8xbf16> -> tensor<?x5x12xf32>
  // Without products of bf16 nothing else is stored as such.
  // VNNI: kernel.gemm {{.*}} -> tensor<?x5x12xf32>
  // VNNI: kernel.quantize {{.*}} : tensor<?x5x12xf32> -> tensor<?x5x12xi8>, tensor<?x5x2xf32>
  // Packing counts words, two or four elements each.
  // PACKED: kernel.pack %{{.*}} : tensor<12x8xi8> -> tensor<1x1x2x64x4xi8>
  // REMARK-DAG: [Passed] product | Category:precision | Function=mlp | Remark="product of int8"
  // SMALL-DAG: [Passed] product | Category:precision | Function=mlp | Remark="weights stored as bf16, product of f32"
  %1 = kernel.gemm %0, %w {activation = #vit.activation<gelu_erf>} : tensor<?x5x8xf32>, tensor<12x8xf32> -> tensor<?x5x12xf32>
  // BF16: kernel.gemm %[[H]], %{{.*}} residual(%arg0 : tensor<?x5x8xf32>) : tensor<?x5x12xbf16>, tensor<8x12xbf16> -> tensor<?x5x8xf32>
  // INT8: %[[Q:.*]], %[[R:.*]] = kernel.quantize %[[H]] : tensor<?x5x12xbf16> -> tensor<?x5x12xi8>, tensor<?x5x2xf32>
  // INT8: kernel.gemm %[[Q]], %{{.*}} residual(%arg0 : tensor<?x5x8xf32>) row_scales(%[[R]] : {{.*}} -> tensor<?x5x8xf32>
  %2 = kernel.gemm %1, %v residual(%x : tensor<?x5x8xf32>) : tensor<?x5x12xf32>, tensor<8x12xf32> -> tensor<?x5x8xf32>
  %3 = kernel.normalize %2 {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  return %3 : tensor<?x5x8xf32>
}

// The residual stream is read by sums too: it stays f32 and is converted once for all products that read it.
// CHECK-LABEL: func.func @residual
func.func @residual(%x: tensor<?x5x8xf32>, %w: tensor<8x8xf32>, %v: tensor<12x8xf32>) -> (tensor<?x5x12xf32>, tensor<?x5x12xf32>) {
  // BF16: %[[X:.*]] = kernel.convert %arg0 : tensor<?x5x8xf32> -> tensor<?x5x8xbf16>
  // BF16: %[[SUM:.*]] = kernel.gemm %[[X]], %{{.*}} residual(%arg0 : tensor<?x5x8xf32>) : {{.*}} -> tensor<?x5x8xf32>
  // BF16: %[[C:.*]] = kernel.convert %[[SUM]]
  // BF16-NOT: kernel.convert %
  // BF16: kernel.gemm %[[C]],
  // BF16-NOT: kernel.convert %
  // BF16: kernel.gemm %[[C]],
  // INT8: %[[SUM:.*]] = kernel.gemm {{.*}} residual(%arg0 : tensor<?x5x8xf32>) row_scales({{.*}} -> tensor<?x5x8xf32>
  // INT8: %[[Q:.*]], %[[S:.*]] = kernel.quantize %[[SUM]] : tensor<?x5x8xf32> -> tensor<?x5x8xi8>, tensor<?x5x2xf32>
  // INT8-NOT: kernel.quantize %
  // INT8: kernel.gemm %[[Q]], %{{.*}} row_scales(%[[S]] :
  // INT8-NOT: kernel.quantize %
  // INT8: kernel.gemm %[[Q]], %{{.*}} row_scales(%[[S]] :
  %0 = kernel.gemm %x, %w residual(%x : tensor<?x5x8xf32>) : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32>
  %1 = kernel.gemm %0, %v : tensor<?x5x8xf32>, tensor<12x8xf32> -> tensor<?x5x12xf32>
  %2 = kernel.gemm %0, %v {activation = #vit.activation<relu>} : tensor<?x5x8xf32>, tensor<12x8xf32> -> tensor<?x5x12xf32>
  %3 = kernel.normalize %1 {eps = 1.0e-6 : f32} : tensor<?x5x12xf32> -> tensor<?x5x12xf32>
  %4 = kernel.normalize %2 {eps = 1.0e-6 : f32} : tensor<?x5x12xf32> -> tensor<?x5x12xf32>
  return %3, %4 : tensor<?x5x12xf32>, tensor<?x5x12xf32>
}

// Attention multiplies bf16 where the target does, for int8 too.
// CHECK-LABEL: func.func @attention
func.func @attention(%x: tensor<?x5x24xf32>, %w: tensor<8x8xf32>) -> tensor<?x5x8xf32> {
  // BF16: %[[A:.*]] = kernel.attention %{{.*}} : tensor<?x5x24xbf16> -> tensor<?x5x8xbf16>
  // BF16: kernel.gemm %[[A]],
  // INT8: %[[A:.*]] = kernel.attention %{{.*}} : tensor<?x5x24xbf16> -> tensor<?x5x8xbf16>
  // INT8: kernel.quantize %[[A]] : tensor<?x5x8xbf16> ->
  // WEIGHTS: kernel.attention %arg0 {{.*}} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  // REMARK-DAG: Function=attention | Remark="attention of bf16"
  %0 = kernel.attention %x {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x24xf32> -> tensor<?x5x8xf32>
  %1 = kernel.gemm %0, %w : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32>
  %2 = kernel.normalize %1 {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  return %2 : tensor<?x5x8xf32>
}

// CHECK-LABEL: func.func @queries
func.func @queries(%x: tensor<?x5x16xf32>, %q: tensor<?x1x8xf32>) -> tensor<?x1x8xf32> {
  // BF16-DAG: %[[Q:.*]] = kernel.convert %arg1
  // BF16-DAG: %[[KV:.*]] = kernel.convert %arg0
  // A result of the program is f32.
  // BF16: kernel.attention %[[KV]] query(%[[Q]] : tensor<?x1x8xbf16>) {{.*}} : tensor<?x5x16xbf16> -> tensor<?x1x8xf32>
  %0 = kernel.attention %x query(%q : tensor<?x1x8xf32>) {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x5x16xf32> -> tensor<?x1x8xf32>
  return %0 : tensor<?x1x8xf32>
}

// What has no kernel of bf16.
// CHECK-LABEL: func.func @f32_attention
func.func @f32_attention(%x: tensor<?x4x18xf32>, %y: tensor<?x4x24xf32>, %t: tensor<4x3xf32>)
    -> (tensor<?x4x6xf32>, tensor<?x4x8xf32>, tensor<?x4x8xf32>) {
  // CHECK: kernel.attention %arg0 {{.*}} : tensor<?x4x18xf32>
  // REMARK-DAG: Function=f32_attention | Remark="attention stays f32: the width of its heads is odd"
  %0 = kernel.attention %x {heads = 2 : i64, scale = 0.5 : f32} : tensor<?x4x18xf32> -> tensor<?x4x6xf32>
  // CHECK: kernel.attention %arg1 {{.*}} : tensor<?x4x24xf32>
  // REMARK-DAG: Function=f32_attention | Remark="attention stays f32: it has tables of distances"
  %1 = kernel.attention %y decomposed(%t : tensor<4x3xf32>, %t : tensor<4x3xf32>) {heads = 2 : i64, scale = 0.5 : f32}
    : tensor<?x4x24xf32> -> tensor<?x4x8xf32>
  // CHECK: kernel.attention %arg1 {{.*}} : tensor<?x4x24xf32>
  // REMARK-DAG: Function=f32_attention | Remark="attention stays f32: its scale is not positive"
  %2 = kernel.attention %y {heads = 2 : i64, scale = -0.5 : f32} : tensor<?x4x24xf32> -> tensor<?x4x8xf32>
  return %0, %1, %2 : tensor<?x4x6xf32>, tensor<?x4x8xf32>, tensor<?x4x8xf32>
}

// The logits are too few to be worth their error in int8.
// CHECK-LABEL: func.func @head
func.func @head(%x: tensor<?x8xf32>, %w: tensor<10x8xf32>) -> tensor<?x10xf32> {
  // BF16: kernel.gemm {{.*}} : tensor<?x8xbf16>, tensor<10x8xbf16> -> tensor<?x10xf32>
  // INT8: kernel.gemm {{.*}} : tensor<?x8xbf16>, tensor<10x8xbf16> -> tensor<?x10xf32>
  // REMARK-DAG: Function=head | Remark="the product is not int8: it computes a result"
  // REMARK-DAG: Function=head | Remark="product of bf16"
  %0 = kernel.normalize %x {eps = 1.0e-6 : f32} : tensor<?x8xf32> -> tensor<?x8xf32>
  %1 = kernel.gemm %0, %w : tensor<?x8xf32>, tensor<10x8xf32> -> tensor<?x10xf32>
  return %1 : tensor<?x10xf32>
}

// A value that is returned as well is converted beside it.
// CHECK-LABEL: func.func @returned
func.func @returned(%x: tensor<?x5x8xf32>, %w: tensor<12x8xf32>) -> (tensor<?x5x8xf32>, tensor<?x5x12xf32>) {
  // BF16: %[[N:.*]] = kernel.normalize %arg0 {{.*}} -> tensor<?x5x8xf32>
  // BF16: kernel.convert %[[N]] :
  // INT8: %[[N:.*]] = kernel.normalize %arg0 {{.*}} -> tensor<?x5x8xf32>
  // INT8: kernel.quantize %[[N]] :
  // CHECK: return %[[N]],
  %0 = kernel.normalize %x {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  %1 = kernel.gemm %0, %w : tensor<?x5x8xf32>, tensor<12x8xf32> -> tensor<?x5x12xf32>
  %2 = kernel.normalize %1 {eps = 1.0e-6 : f32} : tensor<?x5x12xf32> -> tensor<?x5x12xf32>
  return %0, %2 : tensor<?x5x8xf32>, tensor<?x5x12xf32>
}

// Six elements are words of bf16 but not of bytes, seven are neither.
// CHECK-LABEL: func.func @widths
func.func @widths(%x: tensor<?x5x6xf32>, %w: tensor<7x6xf32>, %v: tensor<8x7xf32>) -> tensor<?x5x8xf32> {
  // INT8: kernel.gemm {{.*}} : tensor<?x5x6xbf16>, tensor<7x6xbf16> -> tensor<?x5x7xf32>
  // REMARK-DAG: Function=widths | Remark="the product is not int8: its rows are no whole words"
  %0 = kernel.gemm %x, %w : tensor<?x5x6xf32>, tensor<7x6xf32> -> tensor<?x5x7xf32>
  // CHECK: kernel.gemm %{{.*}}, %arg2 : tensor<?x5x7xf32>, tensor<8x7xf32> -> tensor<?x5x8xf32>
  // REMARK-DAG: Function=widths | Remark="the product stays f32: 7 elements that lie together are no whole words"
  %1 = kernel.gemm %0, %v : tensor<?x5x7xf32>, tensor<8x7xf32> -> tensor<?x5x8xf32>
  %2 = kernel.normalize %1 {eps = 1.0e-6 : f32} : tensor<?x5x8xf32> -> tensor<?x5x8xf32>
  return %2 : tensor<?x5x8xf32>
}

// Patches and windows are read where they lie, where no row has a scale.
// CHECK-LABEL: func.func @stem
func.func @stem(%x: tensor<?x3x8x8xf32>, %w: tensor<8x48xf32>, %v: tensor<8x72xf32>) -> tensor<?x4x8xf32> {
  // INT8: %[[X:.*]] = kernel.convert %arg0 : tensor<?x3x8x8xf32> -> tensor<?x3x8x8xbf16>
  // INT8: kernel.patch_embed %[[X]], %{{.*}} : tensor<?x3x8x8xbf16>, tensor<8x48xbf16> -> tensor<?x4x8xf32>
  // WEIGHTS: kernel.patch_embed %arg0, %{{.*}} : tensor<?x3x8x8xf32>, tensor<8x48xbf16> -> tensor<?x4x8xf32>
  // REMARK-DAG: Function=stem | Remark="the product is not int8: its rows are parts of an image"
  %0 = kernel.patch_embed %x, %w {patch = array<i64: 4, 4>} : tensor<?x3x8x8xf32>, tensor<8x48xf32> -> tensor<?x4x8xf32>
  %1 = kernel.pad_rows %0 {grid = array<i64: 2, 2>, padding = array<i64: 1, 1, 1, 1>} : tensor<?x4x8xf32> -> tensor<?x16x8xf32>
  // INT8: kernel.gemm {{.*}}window = {{.*}} : tensor<?x16x8xbf16>, tensor<8x72xbf16> -> tensor<?x4x8xf32>
  // REMARK-DAG: Function=stem | Remark="the product is not int8: its rows are windows"
  %2 = kernel.gemm %1, %v {window = #kernel.window<height = 4, width = 4, rows = 3, columns = 3, stride_y = 1, stride_x = 1>}
    : tensor<?x16x8xf32>, tensor<8x72xf32> -> tensor<?x4x8xf32>
  %3 = kernel.normalize %2 {eps = 1.0e-6 : f32} : tensor<?x4x8xf32> -> tensor<?x4x8xf32>
  return %3 : tensor<?x4x8xf32>
}

// A patch of odd width begins in the middle of a word.
// CHECK-LABEL: func.func @odd_patches
func.func @odd_patches(%x: tensor<?x3x9x9xf32>, %w: tensor<8x27xf32>) -> tensor<?x9x8xf32> {
  // CHECK: kernel.patch_embed %arg0, %arg1 {{.*}} : tensor<?x3x9x9xf32>, tensor<8x27xf32>
  // REMARK-DAG: Function=odd_patches | Remark="the product stays f32: 3 elements that lie together are no whole words"
  %0 = kernel.patch_embed %x, %w {patch = array<i64: 3, 3>} : tensor<?x3x9x9xf32>, tensor<8x27xf32> -> tensor<?x9x8xf32>
  return %0 : tensor<?x9x8xf32>
}
