#include "tests/ops/attention_steps.h"

#include "backends/cuda/devices.h"
#include "base/random.h"
#include "ops/check/kernel_check.h"
#include "ops/common/example_fill.h"
#include "tests/ops/cuda_kernel.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace vitro::test {

std::int64_t Step::tokens() const {
    std::int64_t n = 0;
    for (const Sequence& each : sequences) n += each.tokens;
    return n;
}

std::int64_t Step::pages() const {
    std::int64_t longest = 1;
    for (const Sequence& each : sequences) longest = std::max(longest, each.length);
    return (longest + kSlots - 1) / kSlots;
}

Example Step::example() const {
    const std::int64_t count = std::ssize(sequences), all_pages = count * pages();
    const auto fill = [*this, all_pages](std::size_t index, const Tensor& tensor, Random& random) {
        auto* at = tensor.as<std::int32_t>();
        for (std::size_t s = 0; s < sequences.size(); ++s)
            for (std::int64_t i = sequences[s].length - sequences[s].tokens; i < sequences[s].length; ++i) {
                if (index == Attention::kPositions) *at++ = static_cast<std::int32_t>(i);
                if (index == Attention::kSequences) *at++ = static_cast<std::int32_t>(s);
            }
        if (index == Attention::kLengths)
            for (const Sequence& each : sequences) *at++ = static_cast<std::int32_t>(each.length);
        if (index == Attention::kPageTable) fill_distinct(tensor, all_pages, random);
        return index >= Attention::kPositions;
    };
    const TensorType cache{cached, {all_pages, kSlots, heads.kv, heads.size}};
    return {{{dtype, {tokens(), heads.q, heads.size}},
             cache,
             cache,
             {DType::i32, {tokens()}},
             {DType::i32, {tokens()}},
             {DType::i32, {count, pages()}},
             {DType::i32, {count}}},
            attention,
            {},
            fill};
}

std::vector<std::string> differences(const Step& step, const KernelDef& kernel) {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    const Example example = step.example();
    check::OpCase each(kAttention, example, example.inputs, 1);
    const auto found = each.kernel(kernel, *backend, 0xff);
    auto out = check::differences(each, each.reference(), found, each.rounds_between(kernel, *backend));
    out.insert(out.end(), each.complaints().begin(), each.complaints().end());
    return out;
}

void check(const Step& step, bool with_special) {
    const KernelDef& kernel = cuda_kernel("attention");
    for (const std::string& difference : differences(step, kernel)) FAIL_CHECK(difference);
    if (!with_special) return;
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    const Example example = step.example();
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        check::OpCase special(kAttention, example, example.inputs, seed);
        special.put_special(seed);
        const auto expected = special.reference(), given = special.kernel(kernel, *backend, 0xff);
        const TensorType& type = special.output_types()[0];
        CHECK(check::special_difference(type, expected[0], given[0],
                                        check::decomposition_tolerance(type.dtype, expected[0])) == "");
    }
}

}  // namespace vitro::test
