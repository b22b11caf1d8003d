/* The rate of float32 fused multiply-adds that one core reaches with nothing else to do: prints GFLOP/s.
 *
 *   cc -O2 -march=native fma_peak.c -o fma_peak && taskset -c 1 ./fma_peak
 *
 * 12 independent accumulators hide the latency of 4 or 5 cycles on two ports. The widest vectors of the CPU are used. */
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <time.h>

#if defined(__AVX512F__)
enum { Lanes = 16 };
#elif defined(__AVX__)
enum { Lanes = 8 };
#else
enum { Lanes = 4 };
#endif
typedef float Vector __attribute__((vector_size(4 * Lanes)));

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#if defined(__x86_64__)
#define REGISTER "v"
#else
#define REGISTER "w"
#endif

/* Named variables and not an array, so that every compiler keeps them in registers; the empty asm keeps each turn's instructions. */
#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
#define DECLARE(i) Vector sum##i = y;
#define STEP(i) sum##i = sum##i * x + y; __asm__ volatile("" : "+" REGISTER(sum##i));

int main(void) {
  enum { Accumulators = 12, Turns = 100000, Samples = 300 };
  double best = 0;
  for (int sample = 0; sample < Samples; ++sample) {
    Vector x, y;
    for (int i = 0; i < Lanes; ++i) {
      x[i] = 0.5f;
      y[i] = 0.25f;
    }
    EACH(DECLARE)
    double begin = now();
    for (int turn = 0; turn < Turns; ++turn) {
      EACH(STEP)
    }
    double rate = 2.0 * Lanes * Accumulators * Turns / (now() - begin) / 1e9;
    best = rate > best ? rate : best;
  }
  printf("%.1f\n", best);
  return 0;
}
