// Types that an op has no example of: it refuses them, or it computes with them.
#include "ops/check/op_case.h"
#include "ops/common/example_fill.h"
#include "ops/op_list.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace vitro::check {
namespace {

/// The example's types with `dtype` for one input. Where its rows are no whole blocks of it, the size of a row becomes
/// that of the largest blocks, in every input that has it; so does that of the rows that are packed together.
std::vector<TensorType> with_dtype(const Example& example, std::size_t input, DType dtype) {
    constexpr std::int64_t kWholeBlocks = 256, kWholeGroups = 16;
    std::vector<TensorType> types = example.inputs;
    types[input].dtype = dtype;
    const auto enlarge = [&](int axis, std::int64_t multiple, std::int64_t size) {
        if (types[input].rank() < -axis) return;
        const Dim old = types[input].dim(axis);
        const bool counts_indices = std::any_of(types.begin(), types.end(), [&](const TensorType& type) {
            return type.dtype == DType::i32 && std::find(type.shape.begin(), type.shape.end(), old) != type.shape.end();
        });
        if (old.is_symbol() || counts_indices || old.size % multiple == 0) return;
        for (TensorType& type : types)
            for (Dim& dim : type.shape)
                if (dim == old) dim = size;
    };
    enlarge(-1, block_columns(dtype), kWholeBlocks);
    enlarge(-2, info(dtype).block_rows, kWholeGroups);
    return types;
}

bool are_whole_blocks(const TensorType& type, const SymbolValues& symbols) {
    if (type.absent || block_columns(type.dtype) == 1) return true;
    const std::int64_t rows = type.rank() < 2 ? 1 : symbols(type.dim(-2));
    return type.rank() > 0 && !type.dim(-1).is_symbol() && type.dim(-1).size % block_columns(type.dtype) == 0 &&
           rows % info(type.dtype).block_rows == 0;
}

/// The example's values, but for the input of another type.
decltype(Example::fill) fill_other(const Example& example, std::size_t input) {
    return [fill = example.fill, input](std::size_t index, const Tensor& tensor, Random& random) {
        if (index != input) return fill && fill(index, tensor, random);
        return info(tensor.dtype).storage != Storage::plain && fill_blocks(index, tensor, random);
    };
}

TEST_CASE("an op refuses a type of an input, or its reference computes with it") {
    constexpr std::size_t kMostExamples = 6;
    int refused = 0, computed = 0;
    for (const OpDef* op : all_ops()) {
        Random random(3);
        const std::vector<Example> examples = op->examples(random);
        const std::size_t step = std::max<std::size_t>(1, examples.size() / kMostExamples);
        for (std::size_t i = 0; i < examples.size(); i += step)
            for (std::size_t input = 0; input < examples[i].inputs.size(); ++input)
                for (const DTypeInfo& type : kDTypes) {
                    Example example = examples[i];
                    const TensorType& old = example.inputs[input];
                    if (old.absent || old.dtype == DType::i32 || old.dtype == type.dtype) continue;
                    example.inputs = with_dtype(example, input, type.dtype);
                    example.fill = fill_other(example, input);
                    const auto are_whole = [&](const std::vector<TensorType>& types) {
                        return std::all_of(types.begin(), types.end(), [&](const TensorType& each) {
                            return are_whole_blocks(each, example.symbols);
                        });
                    };
                    if (!are_whole(example.inputs)) continue;
                    CAPTURE(op->name);
                    CAPTURE(input);
                    CAPTURE(to_string(example.inputs[input]));
                    try {
                        OpCase run(*op, example, example.inputs, 1);
                        if (!are_whole(run.output_types())) continue;  // no graph has such values
                        run.reference();
                        CHECK(run.complaints() == std::vector<std::string>{});
                        ++computed;
                    } catch (const Error&) {
                        ++refused;
                    }
                }
    }
    CHECK(refused > 1000);
    CHECK(computed > 500);
}

}  // namespace
}  // namespace vitro::check
