// RUN: vit-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func @concat_of_one
//  CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>)
//  CHECK-NEXT: return %[[X]]
func.func @concat_of_one(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %0 = vit.concat %x : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// CHECK-LABEL: func @concat_of_concat
//  CHECK-SAME: (%[[X:.*]]: tensor<1x4xf32>, %[[Y:.*]]: tensor<2x4xf32>)
//  CHECK-NEXT: %[[ALL:.*]] = vit.concat %[[X]], %[[Y]], %[[X]], %[[Y]] :
//  CHECK-NEXT: return %[[ALL]]
func.func @concat_of_concat(%x: tensor<1x4xf32>, %y: tensor<2x4xf32>) -> tensor<6x4xf32> {
  %0 = vit.concat %x, %y : (tensor<1x4xf32>, tensor<2x4xf32>) -> tensor<3x4xf32>
  %1 = vit.concat %0, %0 : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<6x4xf32>
  return %1 : tensor<6x4xf32>
}

// CHECK-LABEL: func @concat_of_zeros
//  CHECK-NEXT: %[[ZEROS:.*]] = vit.zeros : tensor<6xf32>
//  CHECK-NEXT: return %[[ZEROS]]
func.func @concat_of_zeros() -> tensor<6xf32> {
  %0 = vit.zeros : tensor<2x1xf32>
  %1 = vit.reshape %0 : tensor<2x1xf32> -> tensor<2xf32>
  %2 = vit.zeros : tensor<4xf32>
  %3 = vit.concat %1, %2 : (tensor<2xf32>, tensor<4xf32>) -> tensor<6xf32>
  return %3 : tensor<6xf32>
}

// CHECK-LABEL: func @reshape_there_and_back
//  CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>)
//  CHECK-NEXT: return %[[X]]
func.func @reshape_there_and_back(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %0 = vit.reshape %x : tensor<2x4xf32> -> tensor<8xf32>
  %1 = vit.reshape %0 : tensor<8xf32> -> tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}

// CHECK-LABEL: func @reshape_of_reshape
//  CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>)
//  CHECK-NEXT: vit.reshape %[[X]] : tensor<2x4xf32> -> tensor<4x2xf32>
func.func @reshape_of_reshape(%x: tensor<2x4xf32>) -> tensor<4x2xf32> {
  %0 = vit.reshape %x : tensor<2x4xf32> -> tensor<8xf32>
  %1 = vit.reshape %0 : tensor<8xf32> -> tensor<4x2xf32>
  return %1 : tensor<4x2xf32>
}

// CHECK-LABEL: func @scale_rows
//  CHECK-SAME: (%[[X:.*]]: tensor<6x4xf32>)
//  CHECK-NEXT: %[[SCALED:.*]] = vit.scale_rows %[[X]] {factor = 5.000000e-01 : f32, rows = 2 : i64}
//  CHECK-NEXT: return %[[X]], %[[X]], %[[SCALED]]
func.func @scale_rows(%x: tensor<6x4xf32>) -> (tensor<6x4xf32>, tensor<6x4xf32>, tensor<6x4xf32>) {
  %0 = vit.scale_rows %x {rows = 2 : i64, factor = 1.0 : f32} : tensor<6x4xf32>
  %1 = vit.scale_rows %x {rows = 0 : i64, factor = 0.5 : f32} : tensor<6x4xf32>
  %2 = vit.scale_rows %x {rows = 2 : i64, factor = 0.5 : f32} : tensor<6x4xf32>
  return %0, %1, %2 : tensor<6x4xf32>, tensor<6x4xf32>, tensor<6x4xf32>
}

// A vector of zeros is dropped on either side, but a vector must not replace a matrix.
// CHECK-LABEL: func @add_zeros
//  CHECK-SAME: (%[[X:.*]]: tensor<6x4xf32>, %[[V:.*]]: tensor<4xf32>)
//  CHECK-NEXT: %[[ZEROS:.*]] = vit.zeros : tensor<6x4xf32>
//  CHECK-NEXT: %[[ROWS:.*]] = vit.add %[[ZEROS]], %[[V]]
//  CHECK-NEXT: return %[[X]], %[[X]], %[[ROWS]]
func.func @add_zeros(%x: tensor<6x4xf32>, %v: tensor<4xf32>) -> (tensor<6x4xf32>, tensor<6x4xf32>, tensor<6x4xf32>) {
  %zeros = vit.zeros : tensor<6x4xf32>
  %none = vit.zeros : tensor<4xf32>
  %0 = vit.add %x, %none : tensor<6x4xf32>, tensor<4xf32> -> tensor<6x4xf32>
  %1 = vit.add %zeros, %x : tensor<6x4xf32>, tensor<6x4xf32> -> tensor<6x4xf32>
  %2 = vit.add %zeros, %v : tensor<6x4xf32>, tensor<4xf32> -> tensor<6x4xf32>
  return %0, %1, %2 : tensor<6x4xf32>, tensor<6x4xf32>, tensor<6x4xf32>
}

// CHECK-LABEL: func @matvec_of_zeros
//  CHECK-NEXT: %[[ZEROS:.*]] = vit.zeros : tensor<6xf32>
//  CHECK-NEXT: return %[[ZEROS]]
func.func @matvec_of_zeros(%x: tensor<6x4xf32>) -> tensor<6xf32> {
  %shift = vit.zeros : tensor<4xf32>
  %0 = vit.matvec %x, %shift : tensor<6x4xf32>, tensor<4xf32> -> tensor<6xf32>
  return %0 : tensor<6xf32>
}

// CHECK-LABEL: func @slices
//  CHECK-SAME: (%[[X:.*]]: tensor<6x4xf32>, %[[Y:.*]]: tensor<2x4xf32>)
//   CHECK-DAG: %[[OF_SLICE:.*]] = vit.slice_rows %[[X]] {first = 3 : i64} : tensor<6x4xf32> -> tensor<2x4xf32>
//   CHECK-DAG: %[[OF_PART:.*]] = vit.slice_rows %[[X]] {first = 1 : i64} : tensor<6x4xf32> -> tensor<2x4xf32>
//       CHECK: return %[[X]], %[[OF_SLICE]], %[[OF_PART]], %[[Y]]
func.func @slices(%x: tensor<6x4xf32>, %y: tensor<2x4xf32>) -> (tensor<6x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %whole = vit.slice_rows %x {first = 0 : i64} : tensor<6x4xf32> -> tensor<6x4xf32>
  %outer = vit.slice_rows %x {first = 1 : i64} : tensor<6x4xf32> -> tensor<5x4xf32>
  %inner = vit.slice_rows %outer {first = 2 : i64} : tensor<5x4xf32> -> tensor<2x4xf32>
  %concat = vit.concat %y, %x, %y : (tensor<2x4xf32>, tensor<6x4xf32>, tensor<2x4xf32>) -> tensor<10x4xf32>
  %within = vit.slice_rows %concat {first = 3 : i64} : tensor<10x4xf32> -> tensor<2x4xf32>
  %part = vit.slice_rows %concat {first = 8 : i64} : tensor<10x4xf32> -> tensor<2x4xf32>
  return %whole, %inner, %within, %part : tensor<6x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// CHECK-LABEL: func @slice_over_parts
//  CHECK-SAME: (%[[X:.*]]: tensor<2x4xf32>)
//   CHECK-DAG: %[[REST:.*]] = vit.slice_rows %[[X]] {first = 1 : i64} : tensor<2x4xf32> -> tensor<1x4xf32>
//   CHECK-DAG: %[[ZEROS:.*]] = vit.zeros : tensor<2x4xf32>
//       CHECK: %[[BOTH:.*]] = vit.concat %[[REST]], %[[ZEROS]]
//       CHECK: return %[[BOTH]]
func.func @slice_over_parts(%x: tensor<2x4xf32>) -> tensor<3x4xf32> {
  %zeros = vit.zeros : tensor<5x4xf32>
  %0 = vit.concat %x, %zeros : (tensor<2x4xf32>, tensor<5x4xf32>) -> tensor<7x4xf32>
  %1 = vit.slice_rows %0 {first = 1 : i64} : tensor<7x4xf32> -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}

// CHECK-LABEL: func @biases_of_zeros
//  CHECK-SAME: (%[[X:.*]]: tensor<?x5x4xf32>, %[[W:.*]]: tensor<6x4xf32>)
//  CHECK-NEXT: %[[N:.*]] = vit.normalize %[[X]] {eps = {{.*}} : f32} :
//  CHECK-NEXT: %[[Y:.*]] = vit.linear %[[N]], %[[W]] :
//  CHECK-NEXT: return %[[Y]]
func.func @biases_of_zeros(%x: tensor<?x5x4xf32>, %w: tensor<6x4xf32>) -> tensor<?x5x6xf32> {
  %shift = vit.zeros : tensor<4xf32>
  %bias = vit.zeros : tensor<6xf32>
  %0 = vit.normalize %x shift(%shift : tensor<4xf32>) {eps = 1.0e-6 : f32} : tensor<?x5x4xf32>
  %1 = vit.linear %0, %w bias(%bias : tensor<6xf32>) : tensor<?x5x4xf32>, tensor<6x4xf32> -> tensor<?x5x6xf32>
  return %1 : tensor<?x5x6xf32>
}

// CHECK-LABEL: func @activations
//  CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>)
//  CHECK-NEXT: %[[Y:.*]] = vit.activation %[[X]] {kind = #vit.activation<relu>}
//  CHECK-NEXT: return %[[X]], %[[Y]]
func.func @activations(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %0 = vit.activation %x {kind = #vit.activation<none>} : tensor<?x4xf32>
  %1 = vit.activation %x {kind = #vit.activation<relu>} : tensor<?x4xf32>
  %2 = vit.activation %1 {kind = #vit.activation<relu>} : tensor<?x4xf32>
  return %0, %2 : tensor<?x4xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func @slice_tokens
//  CHECK-SAME: (%[[X:.*]]: tensor<?x5x4xf32>)
//  CHECK-NEXT: %[[ROW:.*]] = vit.slice_tokens %[[X]] {first = 3 : i64} : tensor<?x5x4xf32> -> tensor<?x1x4xf32>
//  CHECK-NEXT: return %[[X]], %[[ROW]]
func.func @slice_tokens(%x: tensor<?x5x4xf32>) -> (tensor<?x5x4xf32>, tensor<?x1x4xf32>) {
  %0 = vit.slice_tokens %x {first = 0 : i64} : tensor<?x5x4xf32> -> tensor<?x5x4xf32>
  %1 = vit.slice_tokens %0 {first = 2 : i64} : tensor<?x5x4xf32> -> tensor<?x2x4xf32>
  %2 = vit.slice_tokens %1 {first = 1 : i64} : tensor<?x2x4xf32> -> tensor<?x1x4xf32>
  return %0, %2 : tensor<?x5x4xf32>, tensor<?x1x4xf32>
}

// CHECK-LABEL: func @concat_tokens_of_one
//  CHECK-SAME: (%[[X:.*]]: tensor<?x5x4xf32>)
//  CHECK-NEXT: return %[[X]]
func.func @concat_tokens_of_one(%x: tensor<?x5x4xf32>) -> tensor<?x5x4xf32> {
  %0 = vit.concat_tokens %x : (tensor<?x5x4xf32>) -> tensor<?x5x4xf32>
  return %0 : tensor<?x5x4xf32>
}
