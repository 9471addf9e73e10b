// A row is one head of one token. Its keys go in splits of 256, which begin at multiples of 256: a split's softmax and
// values by themselves, then the splits are merged in order. So a row's bits depend neither on the rows that share its
// keys nor on who computes the splits.
//
// Work is shared by blocks of tokens of one sequence and heads of the cache; where those are fewer than the threads
// want, by splits too. Many rows of a head read its keys and values once, converted to fp32 and packed; few rows read
// them where they lie, all heads of a position on end, as memory likes it.
#include "base/checked.h"
#include "ops/attention/attention.h"
#include "ops/attention/attention_memory.h"
#include "ops/attention/attention_tile.h"
#include "ops/common/pages.h"
#include "ops/common/parallel.h"
#include "ops/softcap/softcap_lanes.h"

#include <limits>

namespace vitro::inline VITRO_ISA {
namespace {

using simd::Floats;
using simd::kLanes;
using Sizes = AttentionSizes;
using Partial = AttentionPartial;
using Work = AttentionWork;

constexpr std::int64_t kFewRows = 8;  // of a head: up to so many, packing costs more than it saves

/// Tokens [first, first + tokens), all of one sequence, and heads [head, head + heads) of the cache. Its rows: by head,
/// token, head of q.
struct Block {
    std::int64_t first, tokens, head, heads;
};

/// Scores [begin, end), whole vectors, become weights e^(score - largest), 0 outside of `sees`. `largest` is kMasked
/// only where nothing in [begin, end) is seen; NaN that is seen is not the largest, and makes the sum NaN.
void weigh(float* scores, std::int64_t begin, std::int64_t end, Range sees, float& largest, float& sum) {
    const Range seen{std::clamp(sees.begin, begin, end), std::clamp(sees.end, begin, end)};
    std::fill(scores + begin, scores + seen.begin, kMasked);
    std::fill(scores + seen.end, scores + end, kMasked);
    Floats most = simd::broadcast(kMasked), total{};
    for (std::int64_t j = begin; j < end; j += kLanes) most = simd::max(simd::load(scores + j), most);
    largest = simd::max(most);
    sum = 0;
    if (seen.empty()) return std::fill(scores + begin, scores + end, 0.0f);
    largest = std::max(largest, std::numeric_limits<float>::lowest());
    for (std::int64_t j = begin; j < end; j += kLanes) {
        const Floats weight = simd::exp(simd::load(scores + j) - largest);
        simd::store(scores + j, weight);
        total += weight;
    }
    sum = simd::sum(total);
}

/// T is what the caches store, an element or a block.
template <class T>
class Kernel {
    using Row = typename CacheRow<T>::Type;

public:
    explicit Kernel(const Call& call)
        : call_(call),
          s_(call),
          pool_(static_cast<CpuBackend&>(call.backend).pool()),
          pages_(call.in(Attention::kKCache), call.in(Attention::kPageTable)),
          visible_(Attention::visible(call)),
          memory_(reinterpret_cast<float*>(call.scratch.data())),
          partials_(memory_ + s_.threads * s_.work_floats()),
          begins_(reinterpret_cast<std::int64_t*>(partials_ + s_.partials() * s_.partial_floats())) {}

    void run() {
        for (std::int64_t t = 0; t < s_.tokens; ++t)
            if (blocks_ == 0 || visible_.sequences[t] != visible_.sequences[t - 1] ||
                t - begins_[blocks_ - 1] == s_.block_tokens)
                begins_[blocks_++] = t;
        begins_[blocks_] = s_.tokens;
        std::int64_t most = 0;  // rows of a head in a block
        for (std::int64_t i = 0; i < blocks_; ++i) most = std::max(most, rows_of(block(i, 0, 1)));
        const std::int64_t shares = most > 0 ? (s_.kv_heads - 1) / heads_together(most) + 1 : 0;
        if (blocks_ * shares <= s_.few_units())
            run_by_splits(shares);
        else
            run_by_heads();
    }

private:
    Work work(int thread) const { return {memory_ + thread * s_.work_floats(), s_}; }
    Block block(std::int64_t index, std::int64_t head, std::int64_t heads) const {
        return {begins_[index], begins_[index + 1] - begins_[index], head, heads};
    }
    std::int64_t rows_of(const Block& b) const { return b.tokens * s_.group * b.heads; }
    bool is_few(const Block& b) const { return b.tokens * s_.group <= kFewRows; }
    /// Heads of a block that fit in Work, `rows` rows each, and that are better read together.
    std::int64_t heads_together(std::int64_t rows) const {
        return rows <= kFewRows ? std::min(kMaxRows / rows, s_.kv_heads) : 1;
    }

    /// Positions that some token of the block sees, and the splits they are in.
    Range keys_of(const Block& b) const {
        Range all = visible_(b.first);
        for (std::int64_t t = b.first + 1; t < b.first + b.tokens; ++t) {
            const Range one = visible_(t);
            if (all.empty()) all = one;
            if (!one.empty()) all = {std::min(all.begin, one.begin), std::max(all.end, one.end)};
        }
        return all;
    }
    static Range splits_of(Range keys) {
        return keys.empty() ? Range{} : Range{keys.begin / kSplitKeys, (keys.end + kSplitKeys - 1) / kSplitKeys};
    }

    void run_by_heads() const {
        const std::int64_t share = std::clamp<std::int64_t>(blocks_ * s_.kv_heads / (4 * s_.threads), 1, s_.kv_heads);
        const std::int64_t shares = (s_.kv_heads + share - 1) / share;
        pool_.parallel_for(blocks_ * shares, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
            for (std::int64_t i = begin; i < end; ++i) {
                const std::int64_t head = i % shares * share;
                attend(block(i / shares, head, std::min(share, s_.kv_heads - head)), work(thread));
            }
        });
    }

    void attend(const Block& all, Work mine) const {
        const std::int64_t together = heads_together(all.tokens * s_.group);
        for (std::int64_t head = all.head; head < all.head + all.heads; head += together) {
            const Block b{all.first, all.tokens, head, std::min(together, all.head + all.heads - head)};
            const Range keys = keys_of(b), splits = splits_of(keys);
            load_q(b, mine.q);
            mine.total.clear(s_, rows_of(b));
            for (std::int64_t split = splits.begin; split < splits.end; ++split) {
                attend_split(b, keys, split, mine, mine.split);
                merge(mine.total, mine.split, 0, rows_of(b), s_.padded);
            }
            finish(b, mine.total);
        }
    }

    /// Waves of splits into partials, which are then merged in order. The heads go in `shares` parts at least.
    void run_by_splits(std::int64_t shares) const {
        if (blocks_ == 0) return;
        Range splits{std::numeric_limits<std::int64_t>::max(), 0};
        for (std::int64_t i = 0; i < blocks_; ++i) {
            const Range own = splits_of(keys_of(block(i, 0, 1)));
            if (!own.empty()) splits = {std::min(splits.begin, own.begin), std::max(splits.end, own.end)};
        }
        // Whole positions are read fastest: heads go apart only where splits alone are too few for the threads.
        const std::int64_t wanted = s_.wave() / (blocks_ * std::max<std::int64_t>(1, splits.end - splits.begin));
        shares = std::clamp(wanted, shares, std::max(shares, std::min(s_.kv_heads, s_.few_units() / blocks_)));
        const std::int64_t units = blocks_ * shares;
        const auto unit = [&](std::int64_t u) {
            const std::int64_t begin = u % shares * s_.kv_heads / shares, end = (u % shares + 1) * s_.kv_heads / shares;
            return block(u / shares, begin, end - begin);
        };
        const auto partial = [&](std::int64_t i) { return Partial(partials_ + i * s_.partial_floats(), s_); };
        for (std::int64_t u = 0; u < units; ++u) partial(u).clear(s_, rows_of(unit(u)));
        const std::int64_t wave = s_.wave() / units;
        for (std::int64_t first = splits.begin; first < splits.end; first += wave) {
            const std::int64_t n = std::min(wave, splits.end - first);
            pool_.parallel_for(units * n, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
                for (std::int64_t i = begin; i < end; ++i) {
                    const Block b = unit(i / n);
                    Work mine = work(thread);
                    load_q(b, mine.q);
                    attend_split(b, keys_of(b), first + i % n, mine, partial(units + i));
                }
            });
            // Each row's splits in their order, by whichever thread.
            constexpr std::int64_t kMergedRows = 8;
            const std::int64_t pieces = (s_.rows + kMergedRows - 1) / kMergedRows;
            pool_.parallel_for(units * pieces, 1, [&](std::int64_t begin, std::int64_t end, int) {
                for (std::int64_t piece = begin; piece < end; ++piece) {
                    const std::int64_t u = piece / pieces, row = piece % pieces * kMergedRows,
                                       last = std::min(row + kMergedRows, rows_of(unit(u)));
                    for (std::int64_t i = u * n; i < (u + 1) * n; ++i)
                        merge(partial(u), partial(units + i), row, last, s_.padded);
                }
            });
        }
        for (std::int64_t u = 0; u < units; ++u) finish(unit(u), partial(u));
    }

    /// Calls body(row of the block, element of q and of the output where that row begins).
    template <class Body>
    void each_row(const Block& b, Body&& body) const {
        std::int64_t row = 0;
        for (std::int64_t head = b.head; head < b.head + b.heads; ++head)
            for (std::int64_t t = b.first; t < b.first + b.tokens; ++t)
                for (std::int64_t g = 0; g < s_.group; ++g) body(row++, (t * s_.heads + head * s_.group + g) * s_.d);
    }

    void load_q(const Block& b, float* q) const {
        const float scale = call_.attributes.as<Attention>().scale;
        dispatch_float(call_.in(Attention::kQ).dtype, [&]<class Q>(Q) {
            each_row(b, [&](std::int64_t row, std::int64_t at) {
                simd::each(s_.d, [&](std::int64_t i, auto lanes) {
                    simd::store(q + row * s_.padded + i,
                                simd::load(call_.in(Attention::kQ).as<Q>() + at + i, lanes) * scale);
                });
            });
        });
    }

    void finish(const Block& b, const Partial total) const {
        dispatch_float(call_.out().dtype, [&]<class Q>(Q) {
            each_row(b, [&](std::int64_t row, std::int64_t at) {
                const Floats sum = simd::broadcast(total.largest[row] == kMasked ? 1.0f : total.sum[row]);
                simd::each(s_.d, [&](std::int64_t i, auto lanes) {
                    simd::store(call_.out().as<Q>() + at + i, simd::load(total.values + row * s_.padded + i) / sum,
                                lanes);
                });
            });
        });
    }

    void attend_split(const Block& b, Range keys, std::int64_t split, Work mine, Partial out) const {
        const std::int64_t start = split * kSplitKeys, rows = rows_of(b);
        keys = {std::max(keys.begin - start, std::int64_t{0}), std::min(keys.end - start, kSplitKeys)};
        if (keys.empty()) return out.clear(s_, rows);
        const std::int64_t begin = keys.begin / kLanes * kLanes, end = round_up(keys.end, kLanes);
        find_rows(visible_.sequences[b.first], start, keys, begin, end, mine.cache_rows);
        if (is_few(b))
            scores_in_place(b, begin, end, mine);
        else
            scores_packed(b, begin, end, mine);
        if (call_.attributes.as<Attention>().softcap > 0) cap(mine.scores, rows, begin, end);
        for (std::int64_t row = 0; row < rows; ++row) {
            const auto [first, last] = visible_(b.first + row / s_.group % b.tokens);
            weigh(mine.scores + row * kSplitKeys, begin, end, {first - start, last - start}, out.largest[row],
                  out.sum[row]);
        }
        if (is_few(b))
            values_in_place(b, begin, end, mine, out.values);
        else
            values_packed(b, begin, end, mine, out.values);
        for (std::int64_t row = 0; row < rows; ++row)
            if (!is_finite(out.values + row * s_.padded)) values_of_row(b, row, start, keys, mine, out.values);
    }

    /// Whether the sums of a row are all finite.
    bool is_finite(const float* values) const {
        Floats zeros{};
        for (std::int64_t i = 0; i < s_.padded; i += kLanes) zeros += simd::load(values + i) * 0.0f;
        return simd::sum(zeros) == 0.0f;
    }

    /// One row's values once more, over the keys that it sees alone: 0 times a value that is not finite is NaN, and
    /// what a token does not see takes no part. In the order of the tiles, so that other rows' values change no bit.
    void values_of_row(const Block& b, std::int64_t row, std::int64_t start, Range keys, const Work& mine,
                       float* values) const {
        const Range sees = visible_(b.first + row / s_.group % b.tokens);
        const std::int64_t head = b.head + row / (s_.group * b.tokens);
        float* const out = values + row * s_.padded;
        std::fill_n(out, s_.padded, 0.0f);
        for (std::int64_t j = std::max(keys.begin, sees.begin - start); j < std::min(keys.end, sees.end - start); ++j) {
            const Floats weight = simd::broadcast(mine.scores[row * kSplitKeys + j]);
            const Row from = row_of(call_.in(Attention::kVCache), mine.cache_rows[j], head);
            simd::each(s_.d, [&](std::int64_t i, auto lanes) {
                simd::store(out + i, simd::multiply_add(weight, simd::load(from + i, lanes), simd::load(out + i)));
            });
        }
    }

    void cap(float* scores, std::int64_t rows, std::int64_t begin, std::int64_t end) const {
        const float softcap = call_.attributes.as<Attention>().softcap;
        for (std::int64_t row = 0; row < rows; ++row, scores += kSplitKeys)
            for (std::int64_t j = begin; j < end; j += kLanes)
                simd::store(scores + j, softcap_lanes(simd::load(scores + j), softcap));
    }

    /// Where the keys [begin, end) of a split stand in the caches; outside of `keys` a row that may be read.
    void find_rows(std::int64_t sequence, std::int64_t start, Range keys, std::int64_t begin, std::int64_t end,
                   std::int64_t* rows) const {
        for (std::int64_t j = keys.begin; j < keys.end;) {
            const std::int64_t position = start + j, first = pages_.row(sequence, position);
            const std::int64_t run = std::min(pages_.slots - position % pages_.slots, keys.end - j);
            for (std::int64_t i = 0; i < run; ++i) rows[j + i] = first + i;
            j += run;
        }
        std::fill(rows + begin, rows + keys.begin, rows[keys.begin]);
        std::fill(rows + keys.end, rows + end, rows[keys.end - 1]);
    }

    Row row_of(const Tensor& cache, std::int64_t row, std::int64_t head) const {
        return {cache.as<T>() + (row * s_.kv_heads + head) * s_.d / kElementsOf<T>};
    }

    /// Calls body(first key, first row of a head, where that head stands in each of four keys) in the order in which
    /// the cache lies in memory, what comes next on its way.
    template <class Body>
    void each_tile_in_place(const Block& b, const Tensor& cache, std::int64_t begin, std::int64_t end,
                            const std::int64_t* cache_rows, Body&& body) const {
        constexpr std::int64_t kLine = 64, kAhead = 4096;
        const std::int64_t head_bytes = bytes_of(cache.dtype, s_.d);
        const std::int64_t ahead = std::min(b.heads, (kAhead + head_bytes - 1) / head_bytes);  // heads
        for (std::int64_t j = begin; j < end; j += kTileKeys) {
            const std::int64_t next = j + kTileKeys < end ? j + kTileKeys : j;
            for (std::int64_t head = 0; head < b.heads; ++head) {
                const bool same = head + ahead < b.heads;
                const std::int64_t soon = b.head + head + ahead - (same ? 0 : b.heads);
                Row at[kTileKeys];
                for (int c = 0; c < kTileKeys; ++c) {
                    at[c] = row_of(cache, cache_rows[j + c], b.head + head);
                    const std::byte* line =
                        cache.as<std::byte>() + (cache_rows[(same ? j : next) + c] * s_.kv_heads + soon) * head_bytes;
                    for (std::int64_t i = 0; i < head_bytes; i += kLine) __builtin_prefetch(line + i);
                }
                body(j, head * b.tokens * s_.group, at);
            }
        }
    }

    /// Calls body(key, row, where the key's head of that row and of as many as the constant says stand), all heads of a
    /// position on end, for one row to each head of the cache.
    template <class Body>
    void each_position(const Block& b, const Tensor& cache, std::int64_t begin, std::int64_t end,
                       const std::int64_t* cache_rows, Body&& body) const {
        constexpr std::int64_t kLine = 64, kAhead = 8192;
        const std::int64_t head_bytes = bytes_of(cache.dtype, s_.d), row_bytes = s_.kv_heads * head_bytes;
        const std::int64_t ahead = (kAhead + row_bytes - 1) / row_bytes;  // positions
        for (std::int64_t j = begin; j < end; ++j) {
            const std::byte* soon =
                cache.as<std::byte>() + cache_rows[std::min(j + ahead, end - 1)] * row_bytes + b.head * head_bytes;
            in_tiles<kTileKeys>(b.heads, [&](std::int64_t row, auto n) {
                Row at[n];
                for (int r = 0; r < n; ++r) at[r] = row_of(cache, cache_rows[j], b.head + row + r);
                for (std::int64_t i = 0; i < n * head_bytes; i += kLine)
                    __builtin_prefetch(soon + row * head_bytes + i);
                body(j, row, at);
            });
        }
    }

    void scores_in_place(const Block& b, std::int64_t begin, std::int64_t end, Work mine) const {
        if (b.tokens * s_.group == 1) {
            each_position(b, call_.in(Attention::kKCache), begin, end, mine.cache_rows,
                          [&]<std::size_t n>(std::int64_t j, std::int64_t row, const Row(&at)[n]) {
                              score_pairs<n>(mine.q + row * s_.padded, s_.padded, at, s_.d,
                                             mine.scores + row * kSplitKeys + j);
                          });
            return;
        }
        each_tile_in_place(b, call_.in(Attention::kKCache), begin, end, mine.cache_rows,
                           [&](std::int64_t j, std::int64_t row, const Row(&at)[kTileKeys]) {
                               in_tiles<kTileRows>(b.tokens * s_.group, [&](std::int64_t r, auto n) {
                                   score_tile<n>(mine.q + (row + r) * s_.padded, s_.padded, at, s_.d,
                                                 mine.scores + (row + r) * kSplitKeys + j);
                               });
                           });
    }

    void values_in_place(const Block& b, std::int64_t begin, std::int64_t end, Work mine, float* out) const {
        std::fill_n(out, rows_of(b) * s_.padded, 0.0f);
        each_tile_in_place(b, call_.in(Attention::kVCache), begin, end, mine.cache_rows,
                           [&](std::int64_t j, std::int64_t row, const Row(&at)[kTileKeys]) {
                               in_tiles<kValueRows>(b.tokens * s_.group, [&](std::int64_t r, auto n) {
                                   add_values<n>(mine.scores + (row + r) * kSplitKeys + j, at, s_.d, s_.padded,
                                                 out + (row + r) * s_.padded);
                               });
                           });
    }

    /// One head's keys or values in fp32, zeros from d to whole vectors.
    void pack(const Tensor& cache, std::int64_t head, std::int64_t begin, std::int64_t end, const Work& mine) const {
        for (std::int64_t j = begin; j < end; ++j) {
            const Row from = row_of(cache, mine.cache_rows[j], head);
            float* to = mine.packed + j * s_.padded;
            simd::each(s_.d, [&](std::int64_t i, auto lanes) { simd::store(to + i, simd::load(from + i, lanes)); });
        }
    }

    void scores_packed(const Block& b, std::int64_t begin, std::int64_t end, Work mine) const {
        pack(call_.in(Attention::kKCache), b.head, begin, end, mine);
        for (std::int64_t j = begin; j < end; j += kTileKeys) {
            const float* const key = mine.packed + j * s_.padded;
            const float* const keys[kTileKeys] = {key, key + s_.padded, key + 2 * s_.padded, key + 3 * s_.padded};
            in_tiles<kTileRows>(rows_of(b), [&](std::int64_t r, auto n) {
                score_tile<n>(mine.q + r * s_.padded, s_.padded, keys, s_.padded, mine.scores + r * kSplitKeys + j);
            });
        }
    }

    void values_packed(const Block& b, std::int64_t begin, std::int64_t end, Work mine, float* out) const {
        pack(call_.in(Attention::kVCache), b.head, begin, end, mine);
        in_tiles<kTileVectors>(s_.padded / kLanes, [&](std::int64_t c, auto vectors) {
            in_tiles<kTileRows>(rows_of(b), [&](std::int64_t r, auto n) {
                value_tile<n, vectors>(mine.scores + r * kSplitKeys + begin,
                                       mine.packed + begin * s_.padded + c * kLanes, s_.padded, end - begin,
                                       out + r * s_.padded + c * kLanes);
            });
        });
    }

    const Call& call_;
    const Sizes s_;
    ThreadPool& pool_;
    const Pages pages_;
    const Visible visible_;
    float* memory_;         // [threads] of Work
    float* partials_;       // [partials()] of Partial
    std::int64_t* begins_;  // [tokens + 1], the first token of each block and the end
    std::int64_t blocks_ = 0;
};

void run(const Call& call) {
    dispatch_cache(call.in(Attention::kKCache).dtype, [&]<class T>(T) { Kernel<T>(call).run(); });
}

std::size_t scratch(const Call& call) {
    const Sizes s(call);
    const std::int64_t floats = s.threads * s.work_floats() + s.partials() * s.partial_floats();
    return static_cast<std::size_t>(floats) * sizeof(float) +
           static_cast<std::size_t>(s.tokens + 1) * sizeof(std::int64_t);
}

std::string refuses(std::span<const TensorType>, std::span<const TensorType>, const Attributes& attributes) {
    return attributes.as<Attention>().visibility.is_range()
               ? ""
               : "expected keys that are seen to be neighbours, found a pattern";
}

}  // namespace

extern const KernelDef kAttentionCpu{.op = "attention", .run = run, .refuses = refuses, .scratch = scratch};

}  // namespace vitro::inline VITRO_ISA
