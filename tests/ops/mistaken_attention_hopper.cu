#include "tests/ops/mistaken_attention.h"

#include "backends/cuda/hopper.h"

namespace vitro::cuda_emulated {

AttentionMistake planted_mistake = AttentionMistake::none;

namespace {

bool is_planted(AttentionMistake mistake) { return planted_mistake == mistake; }
bool is_producer() { return threadIdx.x < 128; }

void mistaken_fence_async_proxy() {
    if (!is_planted(AttentionMistake::no_proxy_fence)) fence_async_proxy();
}
template <int kPending>
void mistaken_cp_async_wait() {
    if (!is_planted(AttentionMistake::no_copy_wait)) cp_async_wait<kPending>();
}
void mistaken_init_barrier(MemoryBarrier* barrier, unsigned arrivals) {
    init_barrier(barrier, arrivals - (is_planted(AttentionMistake::few_arrivals) && arrivals == 4 ? 1 : 0));
}
void mistaken_arrive(MemoryBarrier* barrier) {
    if (!is_planted(AttentionMistake::no_release) || threadIdx.x != 128) arrive(barrier);
}
void mistaken_wait_for_phase(MemoryBarrier* barrier, unsigned parity) {
    if (is_producer() && is_planted(AttentionMistake::no_empty_wait)) return;
    wait_for_phase(barrier, parity ^ (!is_producer() && is_planted(AttentionMistake::full_too_early) ? 1u : 0u));
}
void mistaken_fence_products() {
    if (!is_planted(AttentionMistake::no_product_fence)) fence_products();
}
template <int kPending>
void mistaken_wait_for_products() {
    if (kPending == 0 && is_planted(AttentionMistake::no_last_wait))
        wait_for_products<1>();
    else if (kPending == 1 && is_planted(AttentionMistake::no_product_wait))
        wait_for_products<2>();
    else
        wait_for_products<kPending>();
}
std::uint64_t mistaken_matrix_in_shared(const std::byte* start, unsigned leading, unsigned stride, Swizzle swizzle) {
    if (is_planted(AttentionMistake::other_swizzle))
        swizzle = swizzle == Swizzle::rows_of_128 ? Swizzle::rows_of_64 : Swizzle::rows_of_128;
    if (is_planted(AttentionMistake::other_leading)) leading /= 2;
    if (is_planted(AttentionMistake::other_start)) start += row_bytes(swizzle);
    return matrix_in_shared(start, leading, stride, swizzle);
}
template <int kCount>
void mistaken_keep_registers() {
    if (!is_planted(AttentionMistake::producer_keeps_all)) keep_registers<kCount>();
}

}  // namespace
}  // namespace vitro::cuda_emulated

#define launch_attention_hopper launch_mistaken_attention
#define fence_async_proxy mistaken_fence_async_proxy
#define cp_async_wait mistaken_cp_async_wait
#define init_barrier mistaken_init_barrier
#define arrive mistaken_arrive
#define wait_for_phase mistaken_wait_for_phase
#define fence_products mistaken_fence_products
#define wait_for_products mistaken_wait_for_products
#define matrix_in_shared mistaken_matrix_in_shared
#define keep_registers mistaken_keep_registers
#include "ops/attention/attention_hopper_cuda.cu"
