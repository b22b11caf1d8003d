// RUN: vit-opt %s --cpu-bf16-as-bits --canonicalize | FileCheck %s

// Rounding is arithmetic of integers; what moves the numbers sees their bits.
// CHECK-NOT: bf16
// CHECK-LABEL: func.func @scalars(
// CHECK-SAME: %[[X:.*]]: f32, %[[M:.*]]: memref<8xi16>, %{{.*}}: i1, %{{.*}}: index) -> i16
// CHECK: memref.store %{{.*}}, %[[M]]{{.*}} : memref<8xi16>
// CHECK: %[[Y:.*]] = memref.load %[[M]]{{.*}} : memref<8xi16>
// CHECK: %[[Z:.*]] = arith.select %{{.*}}, %[[Y]], %{{.*}} : i16
// CHECK: return %[[Z]] : i16
func.func @scalars(%x: f32, %m: memref<8xbf16>, %c: i1, %i: index) -> bf16 {
  %0 = arith.truncf %x : f32 to bf16
  memref.store %0, %m[%i] : memref<8xbf16>
  %zero = arith.constant 0.0 : bf16
  %1 = memref.load %m[%i] : memref<8xbf16>
  %2 = arith.select %c, %1, %zero : bf16
  return %2 : bf16
}

// CHECK-LABEL: func.func @vectors(
// CHECK: %[[ONE:.*]] = arith.constant dense<16256> : vector<4xi16>
// CHECK: vector.maskedload %{{.*}}, %{{.*}}, %[[ONE]] : memref<8xi16>, vector<4xi1>, vector<4xi16> into vector<4xi16>
// CHECK: arith.extui %{{.*}} : vector<4xi16> to vector<4xi32>
func.func @vectors(%m: memref<8xbf16>, %mask: vector<4xi1>, %i: index) -> vector<4xf32> {
  %ones = arith.constant dense<1.0> : vector<4xbf16>
  %0 = vector.maskedload %m[%i], %mask, %ones : memref<8xbf16>, vector<4xi1>, vector<4xbf16> into vector<4xbf16>
  %1 = arith.extf %0 : vector<4xbf16> to vector<4xf32>
  return %1 : vector<4xf32>
}
