// RUN: vit-opt %s --cpu-floats-as-bits --canonicalize | FileCheck %s

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

// What lies between two numbers of f16 goes to the even one, what is too large to infinity.
// CHECK-NOT: f16
// CHECK-LABEL: func.func @f16(
// CHECK-SAME: %[[X:.*]]: f32, %[[M:.*]]: memref<8xi16>, %{{.*}}: index) -> f32
// CHECK: %[[INFINITY:.*]] = arith.constant 31744 : i32
// CHECK: %[[H:.*]] = arith.trunci %{{.*}} : i32 to i16
// CHECK: memref.store %[[H]], %[[M]]{{.*}} : memref<8xi16>
// CHECK: arith.extui %{{.*}} : i16 to i32
func.func @f16(%x: f32, %m: memref<8xf16>, %i: index) -> f32 {
  %0 = arith.truncf %x : f32 to f16
  memref.store %0, %m[%i] : memref<8xf16>
  %1 = memref.load %m[%i] : memref<8xf16>
  %2 = arith.extf %1 : f16 to f32
  return %2 : f32
}

// CHECK-NOT: tf32
// CHECK-LABEL: func.func @tf32(
// CHECK-SAME: %[[X:.*]]: vector<4xf32>, %[[M:.*]]: memref<8xf32>
// CHECK: %[[HALF:.*]] = arith.constant dense<4096> : vector<4xi32>
// CHECK: %[[BITS:.*]] = arith.bitcast %[[X]] : vector<4xf32> to vector<4xi32>
// CHECK: arith.addi %[[BITS]], %[[HALF]]
// CHECK: vector.store %{{.*}}, %[[M]]{{.*}} : memref<8xf32>, vector<4xf32>
func.func @tf32(%x: vector<4xf32>, %m: memref<8xtf32>, %i: index) {
  %0 = arith.truncf %x : vector<4xf32> to vector<4xtf32>
  vector.store %0, %m[%i] : memref<8xtf32>, vector<4xtf32>
  return
}
