// RUN: vit-opt %s --vit-differentiate --split-input-file --verify-diagnostics

func.func @no_rule(%images: tensor<?x1x1x1xf32>) -> tensor<?x1xf32> {
  %k = vit.weight @kernel : tensor<1x1x1x1xf32>
  %m = vit.weight @mean : tensor<1xf32>
  %v = vit.weight @variance : tensor<1xf32>
  %c = vit.conv %images, %k {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : tensor<?x1x1x1xf32>, tensor<1x1x1x1xf32> -> tensor<?x1x1x1xf32>
  // expected-error @+1 {{'vit.batch_norm' has no gradient, so nothing behind it can be trained}}
  %n = vit.batch_norm %c mean(%m : tensor<1xf32>) variance(%v : tensor<1xf32>) {eps = 1.0e-5 : f32} : tensor<?x1x1x1xf32>
  %r = vit.reshape_tokens %n : tensor<?x1x1x1xf32> -> tensor<?x1xf32>
  return %r : tensor<?x1xf32>
}

// -----

// What lies before all trained weights needs no rule.
func.func @no_rule_needed(%images: tensor<?x1x1x1xf32>) -> tensor<?x1xf32> {
  %m = vit.weight @mean {vit.frozen} : tensor<1xf32>
  %v = vit.weight @variance {vit.frozen} : tensor<1xf32>
  %n = vit.batch_norm %images mean(%m : tensor<1xf32>) variance(%v : tensor<1xf32>) {eps = 1.0e-5 : f32} : tensor<?x1x1x1xf32>
  %r = vit.reshape_tokens %n : tensor<?x1x1x1xf32> -> tensor<?x1xf32>
  %w = vit.weight @w : tensor<1x1xf32>
  %y = vit.linear %r, %w : tensor<?x1xf32>, tensor<1x1xf32> -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

// expected-error @+1 {{the first result of a function that is differentiated is each image's loss, [B, 1]}}
func.func @no_loss(%x: tensor<?x5xf32>) -> tensor<?x5xf32> {
  %w = vit.weight @w : tensor<5x5xf32>
  %y = vit.linear %x, %w : tensor<?x5xf32>, tensor<5x5xf32> -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// -----

// expected-error @+1 {{no weight that may be trained takes part in the loss}}
func.func @all_frozen(%x: tensor<?x5xf32>) -> tensor<?x1xf32> {
  %unused = vit.weight @unused : tensor<5xf32>
  %w = vit.weight @w {vit.frozen} : tensor<1x5xf32>
  %y = vit.linear %x, %w : tensor<?x5xf32>, tensor<1x5xf32> -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}
