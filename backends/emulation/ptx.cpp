#include "backends/cuda/ptx.h"

#include "backends/emulation/block.h"
#include "backends/emulation/device_heap.h"

#include <cstring>

namespace vitro::emulation {
namespace {

constexpr unsigned kFullWarp = 0xffffffffu;

struct MmaLane {
    float* d;
    const std::uint32_t* a;
    const std::uint32_t* b;
};

template <MmaKind kKind>
float element(std::uint32_t word, int half) {
    if constexpr (kKind == MmaKind::tf32) return std::bit_cast<float>(word & ~0x1fffu);
    const auto bits = static_cast<unsigned short>(word >> (16 * half));
    return kKind == MmaKind::f16 ? float(__half::of_bits(bits)) : float(__nv_bfloat16::of_bits(bits));
}

template <MmaKind kKind>
void complete_mma(void* const* lanes, unsigned) {
    // tf32 has one value a register and columns t, t + 4; the others two, and columns 2t, 2t + 1, 2t + 8, 2t + 9.
    constexpr int kPerWord = kKind == MmaKind::tf32 ? 1 : 2, kDepth = kPerWord * 8;
    float a[16][kDepth], b[kDepth][8], d[16][8];
    for (int lane = 0; lane < 32; ++lane) {
        const auto& own = *static_cast<const MmaLane*>(lanes[lane]);
        const int g = lane / 4, t = lane % 4;
        for (int half = 0; half < kPerWord; ++half) {
            const int low = kPerWord * t + half, high = low + kDepth / 2;
            a[g][low] = element<kKind>(own.a[0], half);
            a[g + 8][low] = element<kKind>(own.a[1], half);
            a[g][high] = element<kKind>(own.a[2], half);
            a[g + 8][high] = element<kKind>(own.a[3], half);
            b[low][g] = element<kKind>(own.b[0], half);
            b[high][g] = element<kKind>(own.b[1], half);
        }
        for (int i = 0; i < 4; ++i) d[g + 8 * (i / 2)][2 * t + i % 2] = own.d[i];
    }
    for (int row = 0; row < 16; ++row)
        for (int k = 0; k < kDepth; ++k)
            for (int column = 0; column < 8; ++column) d[row][column] += a[row][k] * b[k][column];
    for (int lane = 0; lane < 32; ++lane) {
        const auto& own = *static_cast<const MmaLane*>(lanes[lane]);
        const int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; ++i) own.d[i] = d[g + 8 * (i / 2)][2 * t + i % 2];
    }
}

struct MatrixLane {
    const unsigned short* row;
    std::uint32_t* out;
};

template <int kCount, bool kTransposed>
void complete_ldmatrix(void* const* lanes, unsigned) {
    const auto value = [&](int matrix, int row, int column) -> std::uint32_t {
        return static_cast<const MatrixLane*>(lanes[8 * matrix + row])->row[column];
    };
    for (int lane = 0; lane < 32; ++lane) {
        const int g = lane / 4, t = lane % 4;
        for (int i = 0; i < kCount; ++i) {
            const std::uint32_t low = kTransposed ? value(i, 2 * t, g) : value(i, g, 2 * t);
            const std::uint32_t high = kTransposed ? value(i, 2 * t + 1, g) : value(i, g, 2 * t + 1);
            static_cast<const MatrixLane*>(lanes[lane])->out[i] = high << 16 | low;
        }
    }
}

template <bool kTransposed>
Complete ldmatrix_of(int count) {
    if (count == 1) return &complete_ldmatrix<1, kTransposed>;
    if (count == 2) return &complete_ldmatrix<2, kTransposed>;
    return &complete_ldmatrix<4, kTransposed>;
}

void whole_warp(Site site) {
    if (current_block->lanes_of_current_warp() != kFullWarp)
        fault("calls a warp operation in a warp that lacks lanes (mismatched warp operation)", site);
}

void check_aligned(const void* address, unsigned bytes, Site site) {
    if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0)
        fault("uses an address that is not a multiple of the size it moves", site);
}

void finish(const AsyncCopy& copy) {
    check_copy(copy.target, copy.bytes, false);
    if (copy.source_bytes != 0)
        std::memcpy(copy.target, copy.is_early ? copy.early.data() : copy.source, copy.source_bytes);
    std::memset(copy.target + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
}

}  // namespace

void warp_mma(MmaKind kind, float* d, const std::uint32_t* a, const std::uint32_t* b, Site site) {
    whole_warp(site);
    MmaLane lane{d, a, b};
    const Complete complete = kind == MmaKind::f16    ? &complete_mma<MmaKind::f16>
                              : kind == MmaKind::bf16 ? &complete_mma<MmaKind::bf16>
                                                      : &complete_mma<MmaKind::tf32>;
    current_block->warp_operation("mma", kFullWarp, complete, &lane, site);
}

void warp_ldmatrix(std::uint32_t* out, int count, const void* row, bool transposed, Site site) {
    whole_warp(site);
    if (int(current_thread->lane()) < 8 * count) {
        if (!SharedMemory::window.contains(row)) fault("calls ldmatrix on memory that is not shared", site);
        check_aligned(row, 16, site);
        check_read(row, 16);
        count_access(row, 16, site);
    }
    MatrixLane lane{static_cast<const unsigned short*>(row), out};
    current_block->warp_operation("ldmatrix", kFullWarp,
                                  transposed ? ldmatrix_of<true>(count) : ldmatrix_of<false>(count), &lane, site);
}

void start_copy(void* target, const void* source, unsigned bytes, unsigned source_bytes, Site site) {
    if (!SharedMemory::window.contains(target)) fault("calls cp_async to memory that is not shared", site);
    check_aligned(target, bytes, site);
    if (source_bytes != 0) {
        check_aligned(source, bytes, site);
        check_global(source, source_bytes, site);
        count_access(source, source_bytes, site);
    }
    check_copy(target, bytes, true);
    count_access(target, bytes, site);
    Thread& thread = *current_thread;
    thread.copies.push_back({static_cast<std::byte*>(target),
                             static_cast<const std::byte*>(source),
                             bytes,
                             source_bytes,
                             thread.copy_groups,
                             {},
                             false});
}

void commit_copies() { ++current_thread->copy_groups; }

void finish_copies(unsigned pending) {
    Thread& thread = *current_thread;
    auto first = thread.copies.begin(), last = first;
    for (; last != thread.copies.end() && last->group + pending < thread.copy_groups; ++last) finish(*last);
    thread.copies.erase(first, last);
}

void check_global(const void* address, std::size_t bytes, Site site) {
    if (!DeviceHeap::contains(address)) fault("reads memory that is not global memory of the device", site);
    check_aligned(address, unsigned(bytes), site);
    check_read(address, bytes);
}

}  // namespace vitro::emulation
