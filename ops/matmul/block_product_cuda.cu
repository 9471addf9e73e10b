// The weights' codes are whole numbers that f16 and bf16 have exactly, so tensor cores multiply x with the codes, and
// only the sums of 16 or 32 columns meet the scale in fp32: nothing of a weight is rounded. Where a type has offsets,
// sums of x itself come from a product with ones.
#include "ops/matmul/block_product_cuda.h"

#include "ops/common/blocks_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kWarps = 8;  // of a block; they share the sum over k

/// What a warp takes of 16 rows at a time, and how it lies: a lane holds of row lane / 4 of both groups of 8 rows every
/// fourth word, which have the columns that a tensor core wants of it.
template <DType kBlocks>
struct Span {
    static constexpr PackedLayout kLayout = packed_layout(kBlocks);
    static constexpr BlockCode kCode = block_code(kBlocks);
    static constexpr int kColumns = kLayout.elements, kGroups = kColumns / kGroupColumns;
    static constexpr int kCount = kGroups == 1 ? 4 : 1;  // blocks
    static constexpr int kBytes = int(info(kBlocks).block_bytes) * kPackedRows;
    static constexpr int kLow = kLayout.plane_words(kLayout.low) / 4, kHigh = kLayout.plane_words(kLayout.high) / 4;
    static constexpr int kScales = kCode.by_halves ? 2 : 1, kKinds = kScales * (kCode.has_offset ? 2 : 1);
    // The staged scales of a block: the halves of 16 rows, then the bytes.
    static constexpr int kStagedHalves = kLayout.n_halves * kPackedRows * 2;
    static constexpr int kStaged = kStagedHalves + kLayout.n_bytes * kPackedRows;

    unsigned low[kCount][2][kLow], high[kCount][2][kHigh == 0 ? 1 : kHigh];
};

/// A row of the staged scales.
template <DType kBlocks>
struct StagedRow {
    const std::uint8_t* staged;
    int row;

    __device__ float half(int i) const {
        return to_float(__ushort_as_half(reinterpret_cast<const unsigned short*>(staged)[i * kPackedRows + row]));
    }
    __device__ int byte(int i) const { return staged[Span<kBlocks>::kStagedHalves + i * kPackedRows + row]; }
};

/// Four codes of `kBits` bits, less the centre, as T: columns 0 and 1, 2 and 3.
template <class T, int kBits>
__device__ __forceinline__ void unpack_codes(unsigned codes, int centre, unsigned (&out)[2]) {
    if constexpr (!kIsBf16<T> || kBits <= 7) {  // as the lowest bits of a number whose mantissa has just the room
        constexpr unsigned kExponent = kIsBf16<T> ? 0x43434343 : 0x64646464;
        const float base = (kIsBf16<T> ? 128.0f : 1024.0f) + float(centre);
        const unsigned less = pack<T>(base, base);
        const unsigned pairs[2] = {__byte_perm(codes, kExponent, 0x4140), __byte_perm(codes, kExponent, 0x4342)};
        using Pair = std::conditional_t<kIsBf16<T>, __nv_bfloat162, __half2>;
        for (int i = 0; i < 2; ++i) {
            Pair a, b;
            __builtin_memcpy(&a, &pairs[i], sizeof a);
            __builtin_memcpy(&b, &less, sizeof b);
            a = __hsub2(a, b);
            __builtin_memcpy(&out[i], &a, sizeof a);
        }
    } else {
        float value[4];
        for (unsigned i = 0; i < 4; ++i)  // 2^23 and the code
            value[i] = __uint_as_float(__byte_perm(codes, 0x4b000000, 0x7440 | i)) - (8388608.0f + float(centre));
        out[0] = pack<T>(value[0], value[1]);
        out[1] = pack<T>(value[2], value[3]);
    }
}

/// Four values of x at an address that need not be a multiple of 8.
__device__ __forceinline__ uint2 load_four(const unsigned short* x, bool aligned) {
    if (aligned) return *reinterpret_cast<const uint2*>(x);
    return make_uint2(x[0] | unsigned(x[1]) << 16, x[2] | unsigned(x[3]) << 16);
}

/// Warp w takes spans w, w + kWarps, …; while one is multiplied, the weights of the next are on their way. A lane gets
/// of x, which stays in the first cache, what belongs to its words.
template <class X, DType kBlocks, int kTokens>
__global__ void __launch_bounds__(kWarps * 32, 2)
    block_product_kernel(const Product p, bool aligned, const __grid_constant__ LinearEpilogue epilogue) {
    using S = Span<kBlocks>;
    constexpr BlockCode kCode = S::kCode;
    constexpr bool kTwoHalves = kTokens == 16;
    VITRO_SHARED(uint4, staged_all, kWarps * 2 * S::kCount * S::kStaged / 16);
    VITRO_SHARED(float, scales_all, kWarps* S::kCount* S::kGroups* S::kKinds* kPackedRows);
    VITRO_SHARED(float, sums, kWarps * 2 * kTokens * 8);
    const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32, group = lane / 4, part = lane % 4;
    auto* const staged = reinterpret_cast<std::uint8_t*>(staged_all) + warp * 2 * S::kCount * S::kStaged;
    float* const scales = scales_all + warp * S::kCount * S::kGroups * S::kKinds * kPackedRows;
    const int blocks = p.k / S::kColumns, spans = (blocks + S::kCount - 1) / S::kCount;

    // Of both groups of rows: the packed blocks that hold them, and the group's first row in these.
    const std::uint8_t* rows[2];
    int in_block[2];
    {
        const RowGroups output = epilogue.rows(int(blockIdx.x));
        for (int r = 0; r < 2; ++r) {
            rows[r] = static_cast<const std::uint8_t*>(p.weight.data) +
                      std::int64_t(output.first[r] / kPackedRows) * blocks * S::kBytes;
            in_block[r] = output.first[r] % kPackedRows;
        }
    }
    S next;
    const auto fetch = [&](int span) {
#pragma unroll
        for (int b = 0; b < S::kCount; ++b) {
            const int block = span * S::kCount + b;
            if (block >= blocks) break;
            for (int r = 0; r < 2; ++r) {
                const auto* words = reinterpret_cast<const unsigned*>(rows[r] + std::int64_t(block) * S::kBytes) +
                                    part * kPackedRows + in_block[r] + group;
#pragma unroll
                for (int j = 0; j < S::kLow; ++j) next.low[b][r][j] = load_once(words + j * 4 * kPackedRows);
#pragma unroll
                for (int j = 0; j < S::kHigh; ++j)
                    next.high[b][r][j] = load_once(words + (S::kLow + j) * 4 * kPackedRows);
            }
        }
    };
    const auto stage_scales = [&](int span, int buffer) {
        constexpr int kHalfCopies = S::kLayout.n_halves * 2, kCopies = kHalfCopies + S::kLayout.n_bytes * 2;
        for (int at = lane; at < S::kCount * kCopies; at += 32) {
            const int b = at / kCopies, copy = at % kCopies, block = span * S::kCount + b;
            const bool is_there = block < blocks;
            std::uint8_t* const to = staged + (buffer * S::kCount + b) * S::kStaged;
            const int r = copy % 2, i = (copy < kHalfCopies ? copy : copy - kHalfCopies) / 2;
            const std::uint8_t* const from = rows[r] + std::int64_t(is_there ? block : 0) * S::kBytes;
            if (copy < kHalfCopies)
                cp_async<16>(to + i * 2 * kPackedRows + r * 16,
                             from + S::kLayout.halves_at() + (i * kPackedRows + in_block[r]) * 2, is_there);
            else
                cp_async<8>(to + S::kStagedHalves + i * kPackedRows + r * 8,
                            from + S::kLayout.bytes_at() + i * kPackedRows + in_block[r], is_there);
        }
        cp_async_commit();
    };
    if (warp < spans) {
        fetch(warp);
        stage_scales(warp, 0);
    }
    allow_next_kernel();
    wait_for_previous_kernel();
    const OutputRows output{epilogue.rows(int(blockIdx.x)), int(threadIdx.x) / 8, int(threadIdx.x) % 8};
    const bool finishes = output.token < p.tokens && output.i < max(output.rows.count[0], output.rows.count[1]);
    typename LinearEpilogue::Loaded loaded{};
    if (finishes) loaded = epilogue.load(output);

    const auto* const all_x = static_cast<const unsigned short*>(p.x.data);
    const unsigned short* const x = all_x + std::int64_t(min(group, p.tokens - 1)) * p.k + 4 * part;
    const unsigned short* const x_8 = all_x + std::int64_t(min(group + 8, p.tokens - 1)) * p.k + 4 * part;
    const unsigned one = pack<X>(1.0f, 1.0f), ones[2] = {one, one};

    float total[2][4] = {};
    int buffer = 0;
    for (int span = warp; span < spans; span += kWarps, buffer ^= 1) {
        const S now = next;
        cp_async_wait<0>();
        __syncwarp();
        for (int b = 0; b < S::kCount; ++b) {
            const StagedRow<kBlocks> row{staged + (buffer * S::kCount + b) * S::kStaged, lane % kPackedRows};
            for (int g = lane / kPackedRows; g < S::kGroups; g += 2)
                for (int h = 0; h < S::kScales; ++h) {
                    float* const to = scales + ((b * S::kGroups + g) * S::kKinds + h) * kPackedRows + row.row;
                    *to = block_scale<kBlocks>(row, g, h);
                    if constexpr (kCode.has_offset) to[S::kScales * kPackedRows] = block_offset<kBlocks>(row, g, h);
                }
        }
        if (span + kWarps < spans) {
            fetch(span + kWarps);
            stage_scales(span + kWarps, buffer ^ 1);
        }
        __syncwarp();
#pragma unroll
        for (int b = 0; b < S::kCount; ++b) {
            const int block = span * S::kCount + b;
            if (block >= blocks) break;
#pragma unroll
            for (int g = 0; g < S::kGroups; ++g) {
                float acc[2][4] = {}, of_x[4] = {};
#pragma unroll
                for (int h = 0; h < 2; ++h) {
                    const int column = g * kGroupColumns + h * kHalfColumns;
                    const uint2 four = load_four(x + block * S::kColumns + column, aligned);
                    uint2 four_8{};
                    if constexpr (kTwoHalves) four_8 = load_four(x_8 + block * S::kColumns + column, aligned);
                    const unsigned a[4] = {four.x, four_8.x, four.y, four_8.y};
                    for (int r = 0; r < 2; ++r) {
                        unsigned high = 0;
                        if constexpr (S::kHigh != 0) high = now.high[b][r][S::kLayout.high.byte(column) / kHalfColumns];
                        const unsigned low = now.low[b][r][S::kLayout.low.byte(column) / kHalfColumns];
                        unsigned w[2];
                        unpack_codes<X, S::kLayout.low.bits + S::kLayout.high.bits>(
                            block_codes<kBlocks>(low, high, column), kCode.centre, w);
                        mma_m16n8k16<X>(acc[r], a, w);
                    }
                    if constexpr (kCode.has_offset) mma_m16n8k16<X>(of_x, a, ones);
                    if (!kCode.by_halves && h == 0) continue;
                    const int half = kCode.by_halves ? h : 0;
                    const float* const kinds =
                        scales + ((b * S::kGroups + g) * S::kKinds + half) * kPackedRows + 2 * part;
                    for (int r = 0; r < 2; ++r) {
                        const float2 scale = *reinterpret_cast<const float2*>(kinds + 8 * r);
                        float2 offset{};
                        if constexpr (kCode.has_offset)
                            offset = *reinterpret_cast<const float2*>(kinds + S::kScales * kPackedRows + 8 * r);
                        for (int i = 0; i < 4; ++i) {
                            total[r][i] += (i % 2 == 0 ? scale.x : scale.y) * acc[r][i];
                            if constexpr (kCode.has_offset)
                                total[r][i] += (i % 2 == 0 ? offset.x : offset.y) * of_x[i / 2 * 2];
                            acc[r][i] = 0;
                        }
                    }
                    for (float& sum : of_x) sum = 0;
                }
            }
        }
    }

    for (int r = 0; r < 2; ++r)
        for (int i = 0; i < (kTwoHalves ? 4 : 2); ++i)
            sums[((warp * 2 + r) * kTokens + group + i / 2 * 8) * 8 + 2 * part + i % 2] = total[r][i];
    __syncthreads();
    if (!finishes) return;
    float first = 0, second = 0;
    for (int w = 0; w < kWarps; ++w) {
        first += sums[(w * 2 * kTokens + output.token) * 8 + output.i];
        second += sums[((w * 2 + 1) * kTokens + output.token) * 8 + output.i];
    }
    epilogue.finish(output, loaded, first, second);
}

}  // namespace

void launch_block_product(const Product& p, const LinearEpilogue& epilogue, CudaBackend& backend) {
    const bool aligned = reinterpret_cast<std::uintptr_t>(p.x.data) % 8 == 0;
    const auto launch_it = [&](auto kernel) {
        launch(kernel,
               {.name = "linear",
                .grid = unsigned(epilogue.units()),
                .block = kWarps * 32,
                .stream = backend.stream(),
                .programmatic = p.fixed_weights},
               p, aligned, epilogue);
    };
    with_blocks(p.weight.dtype, [&]<DType kBlocks>(std::integral_constant<DType, kBlocks>) {
        const auto with_type = [&]<class X>(X) {
            p.tokens <= 8 ? launch_it(block_product_kernel<X, kBlocks, 8>)
                          : launch_it(block_product_kernel<X, kBlocks, 16>);
        };
        p.x.dtype == DType::bf16 ? with_type(__nv_bfloat16{}) : with_type(__half{});
    });
}

}  // namespace vitro::VITRO_DEVICE
