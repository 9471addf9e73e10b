// What chooses among attention's kernels, with the mistaken one of mistaken_attention_hopper.cu.
#include "tests/ops/mistaken_attention.h"

#define kAttentionCuda kMistakenAttention
#define launch_attention_hopper launch_mistaken_attention
#include "ops/attention/attention_cuda.cu"
