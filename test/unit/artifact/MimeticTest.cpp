//===- MimeticTest.cpp - attention that begins near the token itself ------------------------===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "compiler/artifact/Mimetic.h"

#include "test/unit/model/TestModels.h"

#include "compiler/artifact/InitialTensors.h"

#include <cmath>

using namespace vitc;
using namespace vitc::artifact;
using namespace vitc::test;

namespace {

/// Values of a tensor in [-1, 1).
std::vector<double> randomMatrix(int64_t n) {
  vitrt::RandomBits bits("matrix", 5);
  std::vector<double> matrix(n * n);
  for (int64_t i = 0; i < n * n; ++i)
    matrix[i] = bits.unit(i);
  return matrix;
}

double lengthOf(const double *x, int64_t n) {
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i)
    sum += x[i] * x[i];
  return std::sqrt(sum);
}

/// left * right'.
std::vector<double> productOf(const Factors &factors, int64_t n, int64_t rank) {
  std::vector<double> product(n * n);
  for (int64_t i = 0; i < rank; ++i)
    for (int64_t row = 0; row < n; ++row)
      for (int64_t column = 0; column < n; ++column)
        product[row * n + column] += factors.left[i * n + row] * factors.right[i * n + column];
  return product;
}

TEST(Factorize, AllOfAMatrix) {
  for (int64_t n : {1, 2, 7, 24}) {
    std::vector<double> matrix = randomMatrix(n), product = productOf(factorize(matrix, n, n), n, n);
    for (int64_t i = 0; i < n * n; ++i)
      ASSERT_NEAR(product[i], matrix[i], 1e-12) << n;
  }
}

TEST(Factorize, FactorsAreOrthogonalAndEquallyLong) {
  int64_t n = 17, rank = 9;
  Factors factors = factorize(randomMatrix(n), n, rank);
  double last = INFINITY;
  for (int64_t i = 0; i < rank; ++i) {
    double length = lengthOf(&factors.left[i * n], n);
    EXPECT_NEAR(lengthOf(&factors.right[i * n], n), length, 1e-12);
    EXPECT_LE(length, last);
    last = length;
    for (int64_t j = 0; j < i; ++j)
      for (const std::vector<double> *side : {&factors.left, &factors.right}) {
        double product = 0.0;
        for (int64_t k = 0; k < n; ++k)
          product += (*side)[i * n + k] * (*side)[j * n + k];
        EXPECT_NEAR(product, 0.0, 1e-12);
      }
  }
}

/// What is left of the matrix has the other singular values: its square sum is theirs (Eckart and Young 1936).
TEST(Factorize, NoMatrixOfThatRankIsNearer) {
  int64_t n = 16, rank = 5;
  std::vector<double> matrix = randomMatrix(n), product = productOf(factorize(matrix, n, rank), n, rank);
  Factors all = factorize(matrix, n, n);
  double others = 0.0, left = 0.0;
  for (int64_t i = rank; i < n; ++i)
    others += std::pow(lengthOf(&all.left[i * n], n), 4);
  for (int64_t i = 0; i < n * n; ++i)
    left += (matrix[i] - product[i]) * (matrix[i] - product[i]);
  EXPECT_NEAR(left, others, 1e-10);
}

/// A tensor of the file.
std::vector<float> read(const vitrt::TensorFile &file, const std::string &name) {
  ptrdiff_t index = file.find(name);
  if (index < 0) {
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
  vitrt::Expected<vitrt::TensorData> data = file.read(static_cast<size_t>(index));
  const auto *begin = reinterpret_cast<const float *>(data->bytes.data());
  return {begin, begin + data->bytes.size() / sizeof(float)};
}

struct Diagonal {
  double mean, deviationBeside;
};

/// Of a matrix [n, n]: the mean of its diagonal and the deviation of the other elements from 0.
Diagonal diagonalOf(llvm::ArrayRef<double> matrix, int64_t n) {
  Diagonal result{0.0, 0.0};
  for (int64_t row = 0; row < n; ++row)
    for (int64_t column = 0; column < n; ++column) {
      double value = matrix[row * n + column];
      (row == column ? result.mean : result.deviationBeside) += row == column ? value / double(n) : value * value;
    }
  result.deviationBeside = std::sqrt(result.deviationBeside / double(n * (n - 1)));
  return result;
}

class MimeticModel : public testing::Test {
protected:
  /// timm's names: qkv [3 h d, D], projection [D, h d].
  MimeticModel() : config(resolve("vit_tiny_patch16_224", {"embed_dim=48", "num_heads=2", "depth=2", "image_size=64"}).config) {
    file = initialTensors(config, describeWeights(config), {Initialization::Mimetic, 3});
  }
  ModelConfig config;
  std::unique_ptr<vitrt::TensorFile> file;
};

TEST_F(MimeticModel, ProjectionTimesValue) {
  int64_t n = 48;
  std::vector<float> qkv = read(*file, "blocks.1.attn.qkv.weight"), proj = read(*file, "blocks.1.attn.proj.weight");
  std::vector<double> product(n * n);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t k = 0; k < n; ++k)
      for (int64_t column = 0; column < n; ++column)
        product[row * n + column] += double(proj[row * n + k]) * qkv[(2 * n + k) * n + column];
  Diagonal diagonal = diagonalOf(product, n);
  // 48 and 2256 draws of deviation 0.4 / sqrt(48) = 0.0577.
  EXPECT_NEAR(diagonal.mean, -0.4, 5 * 0.0577 / std::sqrt(48.0));
  EXPECT_NEAR(diagonal.deviationBeside, 0.0577, 5 * 0.0577 / std::sqrt(2 * 2256.0));
}

/// Two heads of 24 of 48 columns: each has the larger half of the singular values of 0.7 Z + 0.7 I.
TEST_F(MimeticModel, QueryTimesKey) {
  int64_t n = 48, width = 24;
  std::vector<float> qkv = read(*file, "blocks.0.attn.qkv.weight");
  for (int64_t head : {0, 1}) {
    const float *query = &qkv[head * width * n], *key = &qkv[(n + head * width) * n];
    std::vector<double> product(n * n);
    for (int64_t k = 0; k < width; ++k)
      for (int64_t row = 0; row < n; ++row)
        for (int64_t column = 0; column < n; ++column)
          product[row * n + column] += double(query[k * n + row]) * key[k * n + column];
    EXPECT_NEAR(diagonalOf(product, n).mean, 0.55, 0.1);
    // Its singular values are the product's own factors': it has no more than 24, the largest is near 0.7 * 2.6.
    Factors factors = factorize(product, n, n);
    double largest = std::pow(lengthOf(&factors.left[0], n), 2), last = std::pow(lengthOf(&factors.left[(width - 1) * n], n), 2);
    EXPECT_NEAR(largest, 1.8, 0.3);
    EXPECT_GT(last, 0.4);
    EXPECT_LT(std::pow(lengthOf(&factors.left[width * n], n), 2), 1e-6);
  }
  EXPECT_NE(qkv[0], qkv[width * n]) << "each head has numbers of its own";
  EXPECT_NE(qkv[0], read(*file, "blocks.1.attn.qkv.weight")[0]);
}

/// 16 patches behind a class token; D/4 = 12 frequencies.
TEST_F(MimeticModel, PositionsAreSines) {
  std::vector<float> table = read(*file, "pos_embed");
  ASSERT_EQ(table.size(), 17u * 48u);
  for (int64_t column = 0; column < 48; ++column)
    EXPECT_EQ(table[column], 0.0f);
  const float *row = &table[(1 + 2 * 4 + 3) * 48]; // row 2, column 3 of the grid
  for (int64_t wave : {0, 5, 11}) {
    double frequency = std::pow(10000.0, -wave / 12.0);
    EXPECT_FLOAT_EQ(row[wave], float(std::sin(2 * frequency)));
    EXPECT_FLOAT_EQ(row[12 + wave], float(std::cos(2 * frequency)));
    EXPECT_FLOAT_EQ(row[24 + wave], float(std::sin(3 * frequency)));
    EXPECT_FLOAT_EQ(row[36 + wave], float(std::cos(3 * frequency)));
  }
}

TEST_F(MimeticModel, TheRestIsTimms) {
  auto plain = initialTensors(config, describeWeights(config), {Initialization::Timm, 3});
  for (const char *name : {"head.weight", "blocks.0.mlp.fc1.weight", "patch_embed.proj.weight", "blocks.1.attn.qkv.bias", "cls_token"})
    EXPECT_EQ(read(*file, name), read(*plain, name));
}

TEST(Mimetic, OfPlainAttentionAlone) {
  EXPECT_EQ(refuseMimetic(resolve("vit_tiny_patch16_224").config), "");
  EXPECT_EQ(refuseMimetic(resolve("beit_base_patch16_224").config), "");
  for (const char *name : {"cait_xxs24_224", "eva02_tiny_patch14_224"})
    EXPECT_NE(refuseMimetic(resolve(name).config), "") << name;
}

} // namespace
