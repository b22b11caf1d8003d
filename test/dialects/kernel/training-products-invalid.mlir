// RUN: vit-opt %s --split-input-file --verify-diagnostics

func.func @weight(%x: tensor<?x5x24xf32>, %w: tensor<24x8xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{weight must be 8x24, but is 'tensor<24x8xf32>'}}
  %0 = kernel.matmul %x, %w : tensor<?x5x24xf32>, tensor<24x8xf32> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @transposed_weight(%x: tensor<?x5x24xf32>, %w: tensor<8x24xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{weight must be 24x8, but is 'tensor<8x24xf32>'}}
  %0 = kernel.matmul %x, %w {transposed} : tensor<?x5x24xf32>, tensor<8x24xf32> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @rows(%x: tensor<?x5x24xf32>, %w: tensor<8x24xf32>) -> tensor<?x4x8xf32> {
  // expected-error @+1 {{result must be ?x5x8, but is 'tensor<?x4x8xf32>'}}
  %0 = kernel.matmul %x, %w : tensor<?x5x24xf32>, tensor<8x24xf32> -> tensor<?x4x8xf32>
  return %0 : tensor<?x4x8xf32>
}

// -----

func.func @bias(%x: tensor<?x5x24xf32>, %w: tensor<8x24xf32>, %b: tensor<24xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{bias must be 8, but is 'tensor<24xf32>'}}
  %0 = kernel.matmul %x, %w bias(%b : tensor<24xf32>) : tensor<?x5x24xf32>, tensor<8x24xf32> -> tensor<?x5x8xf32>
  return %0 : tensor<?x5x8xf32>
}

// -----

func.func @other_rows(%l: tensor<?x5x8xf32>, %r: tensor<?x6x24xf32>) -> tensor<8x24xf32> {
  // expected-error @+1 {{rhs must be ?x5x24, but is 'tensor<?x6x24xf32>'}}
  %0 = kernel.contract_rows %l, %r : tensor<?x5x8xf32>, tensor<?x6x24xf32> -> tensor<8x24xf32>
  return %0 : tensor<8x24xf32>
}

// -----

func.func @contraction(%l: tensor<?x5x8xf32>, %r: tensor<?x5x24xf32>) -> tensor<24x8xf32> {
  // expected-error @+1 {{result must be 8x24, but is 'tensor<24x8xf32>'}}
  %0 = kernel.contract_rows %l, %r : tensor<?x5x8xf32>, tensor<?x5x24xf32> -> tensor<24x8xf32>
  return %0 : tensor<24x8xf32>
}

// -----

func.func @f(%x: tensor<?x5x8xf32>, %w: tensor<8x8xf32>) -> tensor<?x5x8xbf16> {
  // expected-error @+1 {{has a result of 'bf16', expected f32, or bf16 of a product of bf16 that has no residual}}
  %y = kernel.matmul %x, %w : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xbf16>
  return %y : tensor<?x5x8xbf16>
}

// -----

func.func @f(%x: tensor<?x5x8xf32>, %w: tensor<8x8xf32>, %d: tensor<?x5x8xbf16>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{has a factor of 'bf16', expected f32, or bf16 of a product of bf16}}
  %y = kernel.matmul %x, %w factor(%d : tensor<?x5x8xbf16>) : tensor<?x5x8xf32>, tensor<8x8xf32> -> tensor<?x5x8xf32>
  return %y : tensor<?x5x8xf32>
}

// -----

func.func @mixed(%x: tensor<?x5x8xbf16>, %w: tensor<8x8xf32>) -> tensor<?x5x8xf32> {
  // expected-error @+1 {{has operands 'tensor<?x5x8xbf16>' and 'tensor<8x8xf32>', expected both f32, or both bf16 of a product of bf16}}
  %y = kernel.matmul %x, %w {bf16} : tensor<?x5x8xbf16>, tensor<8x8xf32> -> tensor<?x5x8xf32>
  return %y : tensor<?x5x8xf32>
}

// -----

func.func @unsaid(%l: tensor<?x5x8xbf16>, %r: tensor<?x5x24xbf16>) -> tensor<8x24xf32> {
  // expected-error @+1 {{expected both f32, or both bf16 of a product of bf16}}
  %0 = kernel.contract_rows %l, %r : tensor<?x5x8xbf16>, tensor<?x5x24xbf16> -> tensor<8x24xf32>
  return %0 : tensor<8x24xf32>
}
