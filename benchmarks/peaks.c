/* What the cores of this machine can do at most, measured now: prints one line of JSON.
 *
 *   cc -O2 -march=native -pthread peaks.c -o peaks && ./peaks [CORE...]        (default: the core it is started on)
 *
 *   f32    multiply-adds of the widest vectors, GFLOP/s, all cores together      f32x8  the same of 256-bit vectors (x86)
 *   bf16   vdpbf16ps or bfdot, GFLOP/s                                           int8   vpdpbusd or sdot, Gop/s
 *   read   bytes read from memory, GB/s
 *
 * An instruction that the CPU has not got has the rate 0. 16 independent accumulators hide a latency of 8 cycles on two ports. Time is each
 * thread's CPU time; every sample runs on all cores at once, and the best of the samples counts: a neighbour can only lower it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { Accumulators = 16, Samples = 9, MaxCores = 256, Turns = 1500000 };
static const size_t BufferBytes = (size_t)128 << 20;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Named variables and not an array, so that every compiler keeps them in registers. */
#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define DECLARE(i) sum##i = y,
#define KEEP(i) __asm__ volatile("" : : REGISTER(sum##i));
#define RATE(NAME, VECTOR, OPERATIONS, STEP)                                                                                          \
  static double NAME(void) {                                                                                                          \
    VECTOR x, y;                                                                                                                      \
    memset(&x, 0x3f, sizeof x);                                                                                                       \
    memset(&y, 0x3e, sizeof y);                                                                                                       \
    VECTOR EACH(DECLARE) unused;                                                                                                      \
    (void)unused;                                                                                                                     \
    double begin = now();                                                                                                             \
    for (long turn = 0; turn < Turns; ++turn) {                                                                                       \
      EACH(STEP)                                                                                                                      \
    }                                                                                                                                 \
    double seconds = now() - begin;                                                                                                   \
    EACH(KEEP)                                                                                                                        \
    return (double)(OPERATIONS) * Accumulators * Turns / seconds;                                                                     \
  }
#define NONE(NAME)                                                                                                                    \
  static double NAME(void) { return 0; }

#if defined(__x86_64__)
#define REGISTER "v"
#define FMA(i) __asm__ volatile("vfmadd213ps %2, %1, %0" : "+v"(sum##i) : "v"(x), "v"(y));
#define BF16(i) __asm__ volatile("vdpbf16ps %2, %1, %0" : "+v"(sum##i) : "v"(x), "v"(y));
#define INT8(i) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum##i) : "v"(x), "v"(y));
#ifdef __FMA__
RATE(rateF32x8, __m256, 16, FMA)
#else
NONE(rateF32x8)
#endif
#ifdef __AVX512F__
RATE(rateF32, __m512, 32, FMA)
#else
#define rateF32 rateF32x8
#endif
#ifdef __AVX512BF16__
RATE(rateBF16, __m512, 64, BF16)
#else
NONE(rateBF16)
#endif
#ifdef __AVX512VNNI__
RATE(rateInt8, __m512, 128, INT8)
#else
NONE(rateInt8)
#endif
#elif defined(__aarch64__)
#define REGISTER "w"
#define FMA(i) __asm__ volatile("fmla %0.4s, %1.4s, %2.4s" : "+w"(sum##i) : "w"(x), "w"(y));
#define BF16(i) __asm__ volatile("bfdot %0.4s, %1.8h, %2.8h" : "+w"(sum##i) : "w"(x), "w"(y));
#define INT8(i) __asm__ volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum##i) : "w"(x), "w"(y));
RATE(rateF32, float32x4_t, 8, FMA)
NONE(rateF32x8)
#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
RATE(rateBF16, float32x4_t, 16, BF16)
#else
NONE(rateBF16)
#endif
#ifdef __ARM_FEATURE_DOTPROD
RATE(rateInt8, int32x4_t, 32, INT8)
#else
NONE(rateInt8)
#endif
#else
#error "peaks.c knows x86-64 and AArch64"
#endif

typedef long Line __attribute__((vector_size(64)));

static double readRate(const void *buffer) {
  const Line *lines = buffer;
  Line sum0 = {0}, sum1 = sum0, sum2 = sum0, sum3 = sum0;
  double begin = now();
  for (size_t i = 0; i < BufferBytes / sizeof(Line); i += 4) {
    sum0 ^= lines[i];
    sum1 ^= lines[i + 1];
    sum2 ^= lines[i + 2];
    sum3 ^= lines[i + 3];
  }
  double seconds = now() - begin;
  sum0 ^= sum1 ^ sum2 ^ sum3;
  __asm__ volatile("" : : "m"(sum0));
  return (double)BufferBytes / seconds;
}

enum { Kinds = 5 };
static const char *const names[Kinds] = {"f32", "f32x8", "bf16", "int8", "read"};
static int cores[MaxCores], coreCount;
static double best[MaxCores][Kinds];
static pthread_barrier_t barrier;

static void *measure(void *argument) {
  int worker = (int)(long)argument;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cores[worker], &set);
  sched_setaffinity(0, sizeof set, &set);
  void *buffer = aligned_alloc(4096, BufferBytes);
  if (!buffer)
    exit(1);
  memset(buffer, 1, BufferBytes);
  for (int sample = 0; sample < Samples; ++sample)
    for (int kind = 0; kind < Kinds; ++kind) {
      pthread_barrier_wait(&barrier);
      double rate = kind == 0 ? rateF32() : kind == 1 ? rateF32x8() : kind == 2 ? rateBF16() : kind == 3 ? rateInt8() : readRate(buffer);
      if (rate > best[worker][kind])
        best[worker][kind] = rate;
    }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc - 1 > MaxCores)
    return 2;
  for (int i = 1; i < argc; ++i)
    cores[coreCount++] = atoi(argv[i]);
  if (coreCount == 0)
    cores[coreCount++] = sched_getcpu();
  pthread_t threads[MaxCores];
  pthread_barrier_init(&barrier, NULL, (unsigned)coreCount);
  for (long i = 0; i < coreCount; ++i)
    pthread_create(&threads[i], NULL, measure, (void *)i);
  for (int i = 0; i < coreCount; ++i)
    pthread_join(threads[i], NULL);
  for (int kind = 0; kind < Kinds; ++kind) {
    double sum = 0;
    for (int i = 0; i < coreCount; ++i)
      sum += best[i][kind] * 1e-9;
    printf("%s\"%s\": %.1f", kind ? ", " : "{", names[kind], sum);
  }
  puts("}");
  return 0;
}
