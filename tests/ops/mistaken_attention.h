// Attention's kernel of sm_90 with mistakes planted in what it calls: the very source of the kernel, compiled once more
// with other names.
#pragma once

#include "graph/op_def.h"

namespace vitro::cuda_emulated {

enum class AttentionMistake {
    none,
    no_proxy_fence,      // tiles are not handed on to the tensor cores
    no_copy_wait,        // tiles are handed on while they are on their way
    few_arrivals,        // a tile counts as there before the last warp has brought its part
    full_too_early,      // takes a tile for there in the phase before
    no_empty_wait,       // tiles are brought over those that are read
    no_release,          // a warp does not say that it has read a tile
    no_product_fence,    // registers are written between products
    no_product_wait,     // scores are used before their product is done
    no_last_wait,        // sums are written before their product is done
    other_swizzle,       // of the descriptor
    other_leading,       // distance in the descriptor, from one column of rows to the next
    other_start,         // in the descriptor, within a block of rows
    producer_keeps_all,  // its registers
};
extern AttentionMistake planted_mistake;

/// As kAttentionCuda, with the mistake.
extern const KernelDef kMistakenAttention;

}  // namespace vitro::cuda_emulated
