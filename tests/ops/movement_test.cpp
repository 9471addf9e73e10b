// reshape, transpose, slice, split, concat, repeat: the same elements elsewhere.
#include "base/packed.h"
#include "ops/common/example_fill.h"
#include "ops/concat/concat.h"
#include "ops/gather_rows/gather_rows.h"
#include "ops/repeat/repeat.h"
#include "ops/reshape/reshape.h"
#include "ops/slice/slice.h"
#include "ops/split/split.h"
#include "ops/transpose/transpose.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

using namespace vitro;
using namespace vitro::test;

namespace {

using Numbers = std::vector<float>;

/// The one output of reference and kernel, which have to agree.
Numbers output(const OpDef& op, const std::vector<Data>& inputs, const Attributes& attributes) {
    const Numbers reference = run_op(op, inputs, attributes, 0)[0].floats();
    for (const int threads : {1, 2, 3}) CHECK(run_op(op, inputs, attributes, threads)[0].floats() == reference);
    return reference;
}

/// The numbers of a tensor of blocks, as f32.
Data without_blocks(const Data& blocks) {
    Data out({DType::f32, blocks.type.shape});
    const Tensor tensor = blocks.tensor();
    dequantize_matrix(tensor.dtype, tensor.as<std::byte>(), tensor.rows(), tensor.dim(-1), out.tensor().as<float>());
    return out;
}

/// Checks, where the op takes x and the other inputs, that the outputs' blocks hold what the op makes of x's numbers.
/// Returns whether it takes them.
bool moves_numbers(const OpDef& op, const Data& x, const std::vector<Data>& others, const Attributes& attributes) {
    std::vector<TensorType> types{x.type};
    for (const Data& other : others) types.push_back(other.type);
    if (refusal(op, types, attributes) != "accepted") return false;
    std::vector<Data> blocks{x}, numbers{without_blocks(x)};
    for (const Data& other : others) {
        blocks.push_back(other);
        numbers.push_back(other.type.dtype == x.type.dtype ? without_blocks(other) : other);
    }
    const std::vector<Data> expected = run_op(op, numbers, attributes, 0);
    for (const int threads : {0, 1, 2}) {         // 0: the reference
        if (threads > 0 && op.is_view) continue;  // it has no kernel: nothing moves
        const std::vector<Data> found = run_op(op, blocks, attributes, threads);
        for (std::size_t i = 0; i < found.size(); ++i) {
            CAPTURE(op.name);
            CAPTURE(to_string(x.type));
            CAPTURE(threads);
            CHECK(found[i].type.dtype == x.type.dtype);
            CHECK(without_blocks(found[i]).floats() == expected[i].floats());
        }
    }
    return true;
}

}  // namespace

TEST_CASE("transpose puts dimension permutation[i] of x at i") {
    CHECK(output(kTranspose, {counting({2, 3})}, Transpose{{1, 0}}) == Numbers{0, 3, 1, 4, 2, 5});
    CHECK(output(kTranspose, {counting({2, 2, 2})}, Transpose{{1, 0, 2}}) == Numbers{0, 1, 4, 5, 2, 3, 6, 7});
    CHECK(output(kTranspose, {counting({2, 1, 3}, DType::i32)}, Transpose{{2, 0, 1}}) == Numbers{0, 3, 1, 4, 2, 5});
    CHECK(output(kTranspose, {counting({3}, DType::f16)}, Transpose{{0}}) == Numbers{0, 1, 2});

    // Every order of four dimensions, sizes beyond a tile, on either side of one.
    const std::array<std::int64_t, 4> sizes{3, 33, 5, 67};
    std::vector<std::int64_t> permutation{0, 1, 2, 3};
    do {
        CAPTURE(attribute_text(permutation));
        const Data x = counting({sizes[0], sizes[1], sizes[2], sizes[3]});
        const Numbers out = output(kTranspose, {x}, Transpose{permutation});
        std::array<std::int64_t, 4> at{}, index{};
        std::size_t element = 0, wrong = 0;
        const auto size = [&](std::size_t i) { return sizes[std::size_t(permutation[i])]; };
        for (at[0] = 0; at[0] < size(0); ++at[0])
            for (at[1] = 0; at[1] < size(1); ++at[1])
                for (at[2] = 0; at[2] < size(2); ++at[2])
                    for (at[3] = 0; at[3] < size(3); ++at[3]) {
                        for (std::size_t i = 0; i < 4; ++i) index[std::size_t(permutation[i])] = at[i];
                        const std::int64_t from = ((index[0] * 33 + index[1]) * 5 + index[2]) * 67 + index[3];
                        wrong += out[element++] != float(from);
                    }
        CHECK(wrong == 0);
    } while (std::next_permutation(permutation.begin(), permutation.end()));
}

TEST_CASE("transpose refuses what is no permutation") {
    const TensorType x{DType::f32, {2, 'T'}};
    CHECK(refusal(kTranspose, {x}, Transpose{{0}}) == "permutation: expected each of the 2 axes once, found [0]");
    CHECK(refusal(kTranspose, {x}, Transpose{{1, 1}}) == "permutation: expected each of the 2 axes once, found [1, 1]");
    CHECK(refusal(kTranspose, {x}, Transpose{{0, 2}}).find("found [0, 2]") != std::string::npos);
    CHECK(refusal(kTranspose, {x}, Transpose{{-1, 0}}) ==
          "permutation: element 0: expected an integer in [0, 4], found -1");
}

TEST_CASE("slice takes a range along an axis") {
    CHECK(output(kSlice, {counting({2, 4})}, Slice{1, 1, 3}) == Numbers{1, 2, 5, 6});
    CHECK(output(kSlice, {counting({2, 4})}, Slice{-1, 3, 4}) == Numbers{3, 7});
    CHECK(output(kSlice, {counting({3, 2})}, Slice{0, 1, 3}) == Numbers{2, 3, 4, 5});
    CHECK(output(kSlice, {counting({2, 3, 2}, DType::bf16)}, Slice{1, 1, 2}) == Numbers{2, 3, 8, 9});

    const TensorType x{DType::f32, {'T', 4}};
    CHECK(refusal(kSlice, {x}, Slice{1, 2, 5}) == "expected a range within [0, 4) along axis 1, found [2, 5)");
    CHECK(refusal(kSlice, {x}, Slice{1, 2, 2}) == "expected a range within [0, 4) along axis 1, found [2, 2)");
    CHECK(refusal(kSlice, {x}, Slice{1, -1, 2}) == "begin: expected an integer of at least 0, found -1");
    CHECK(refusal(kSlice, {x}, Slice{0, 0, 1}) == "expected a constant size along axis 0, found T");
    CHECK(refusal(kSlice, {x}, Slice{2, 0, 1}) == "expected an axis in [-2, 2), found 2");
}

TEST_CASE("a slice costs what it copies, not what it cuts from") {
    const Data x = counting({100, 4});
    const Data out = run_op(kSlice, {x}, Slice{0, 7, 9}, 0)[0];
    const Tensor in[] = {x.tensor()}, outs[] = {out.tensor()};
    CpuBackend backend(1);
    CHECK(cost_of(kSlice, {in, outs, Slice{0, 7, 9}, backend}).bytes == 2 * 2 * 4 * 4);
}

TEST_CASE("split gives consecutive pieces, and concat of the pieces is x") {
    const Data x = counting({2, 4, 2});
    for (const int threads : {0, 1, 2}) {
        const auto pieces = run_op(kSplit, {x}, Split{1, {1, 2, 1}}, threads);
        REQUIRE(pieces.size() == 3);
        CHECK(pieces[0].floats() == Numbers{0, 1, 8, 9});
        CHECK(pieces[1].floats() == Numbers{2, 3, 4, 5, 10, 11, 12, 13});
        CHECK(pieces[2].floats() == Numbers{6, 7, 14, 15});
        CHECK(run_op(kConcat, pieces, Concat{1}, threads)[0].memory == x.memory);
    }
    const TensorType type{DType::f32, {'T', 4}};
    CHECK(refusal(kSplit, {type}, Split{1, {1, 2}}) ==
          "sizes: expected positive numbers that add up to 4, the size along axis 1, found [1, 2]");
    CHECK(refusal(kSplit, {type}, Split{1, {5, -1}}) ==
          "sizes: element 1: expected an integer of at least 1, found -1");
    CHECK(refusal(kSplit, {type}, Split{1, {}}).find("found []") != std::string::npos);
    CHECK(refusal(kSplit, {type}, Split{0, {1}}) == "expected a constant size along axis 0, found T");
}

TEST_CASE("concat joins rows of blocks, whose bytes stay as they are") {
    Data a({DType::q4_k, {2, 512}}), b({DType::q4_k, {3, 512}}), c({DType::q4_k, {2, 256}});
    CHECK(a.memory.size() == 2 * 2 * 144);
    std::uint8_t next = 0;
    for (Data* each : {&a, &b, &c})
        for (std::byte& byte : each->memory) byte = std::byte(next += 7);
    std::vector<std::byte> below = a.memory;
    below.insert(below.end(), b.memory.begin(), b.memory.end());
    std::vector<std::byte> beside;
    for (std::ptrdiff_t row = 0; row < 2; ++row) {
        beside.insert(beside.end(), a.memory.begin() + row * 288, a.memory.begin() + (row + 1) * 288);
        beside.insert(beside.end(), c.memory.begin() + row * 144, c.memory.begin() + (row + 1) * 144);
    }
    for (const int threads : {0, 1, 2}) {  // 0: the reference
        CAPTURE(threads);
        CHECK(run_op(kConcat, {a, b}, Concat{0}, threads)[0].memory == below);
        CHECK(run_op(kConcat, {a, c}, Concat{1}, threads)[0].memory == beside);
    }
}

TEST_CASE("whole rows of blocks are moved like others, their parts are not") {
    Data x({DType::q8_0, {4, 3, 64}});
    std::uint8_t next = 0;
    for (std::byte& byte : x.memory) byte = std::byte(next += 7);
    constexpr std::ptrdiff_t kRow = 68;
    const auto rows = [&](std::vector<std::ptrdiff_t> order) {
        std::vector<std::byte> out;
        for (const std::ptrdiff_t row : order)
            out.insert(out.end(), x.memory.begin() + row * kRow, x.memory.begin() + (row + 1) * kRow);
        return out;
    };
    for (const int threads : {0, 1, 2}) {  // 0: the reference
        CAPTURE(threads);
        CHECK(run_op(kTranspose, {x}, Transpose{{1, 0, 2}}, threads)[0].memory ==
              rows({0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11}));
        CHECK(run_op(kSlice, {x}, Slice{1, 1, 3}, threads)[0].memory == rows({1, 2, 4, 5, 7, 8, 10, 11}));
        CHECK(run_op(kSplit, {x}, Split{0, {1, 3}}, threads)[1].memory == rows({3, 4, 5, 6, 7, 8, 9, 10, 11}));
    }
    const std::string reason =
        "expected an axis other than the rows' own, whose elements are in blocks, found 2 of "
        "q8_0 [4, 3, 64]";
    CHECK(refusal(kTranspose, {x.type}, Transpose{{0, 2, 1}}) == reason);
    CHECK(refusal(kSlice, {x.type}, Slice{-1, 0, 32}) == reason);
    CHECK(refusal(kSplit, {x.type}, Split{2, {32, 32}}) == reason);
    CHECK(refusal(kRepeat, {x.type}, Repeat{0, 2}) == "expected a type without blocks, found q8_0 [4, 3, 64]");
}

TEST_CASE("what an op that moves elements takes of blocks, it moves as it moves their numbers") {
    Random random(7);
    for (const DTypeInfo& type : kDTypes) {
        if (type.storage != Storage::blocks && type.storage != Storage::rounded) continue;
        const std::int64_t block = type.block_elements, width = 2 * block;
        const auto filled = [&](Shape shape) {
            Data out({type.dtype, std::move(shape)});
            fill_blocks(0, out.tensor(), random);
            return out;
        };
        int taken = 0;
        const auto try_op = [&](const OpDef& op, const Data& x, const std::vector<Data>& others,
                                const Attributes& attributes) { taken += moves_numbers(op, x, others, attributes); };
        for (const Shape& shape : {Shape{width}, Shape{4, width}, Shape{4, 2, width}}) {
            const Data x = filled(shape);
            const auto rank = static_cast<std::int64_t>(shape.size());
            std::vector<float> rows;  // as many as a block has elements: those of a vector would be blocks again
            for (std::int64_t i = 0; i < block; ++i) rows.push_back(static_cast<float>(i * 3 % shape[0].size));
            try_op(kGatherRows, x, {ints(rows)}, {});
            for (std::int64_t axis = 0; axis < rank; ++axis) {
                const std::int64_t half = shape[std::size_t(axis)].size / 2;
                try_op(kSlice, x, {}, Slice{axis, half, 2 * half});
                try_op(kSplit, x, {}, Split{axis, {half, half}});
                try_op(kConcat, x, {filled(shape)}, Concat{axis});
                try_op(kRepeat, x, {}, Repeat{axis, 2});
            }
            if (rank == 3)
                for (const auto& order : {std::vector<std::int64_t>{1, 0, 2}, {0, 2, 1}, {2, 1, 0}})
                    try_op(kTranspose, x, {}, Transpose{order});
            for (const Shape& other : {Shape{2, rank == 1 ? block : 2, width}, Shape{block, 8}, Shape{1, width}})
                try_op(kReshape, x, {}, Reshape{other});
        }
        CAPTURE(type.name);
        CHECK(taken >= 12);
    }
    const TensorType vector{DType::q8_0, {64}}, rounded{DType::q8_32, {2, 64}};
    CHECK(refusal(kGatherRows, {vector, {DType::i32, {32}}}, {}) ==
          "expected an axis other than the rows' own, whose elements are in blocks, found 0 of q8_0 [64]");
    CHECK(refusal(kSlice, {rounded}, Slice{1, 32, 64}).starts_with("expected an axis other than the rows' own"));
    CHECK(refusal(kRepeat, {rounded}, Repeat{0, 2}) == "expected a type without blocks, found q8_32 [2, 64]");
}

TEST_CASE("concat puts one behind the other") {
    const Data a = counting({2, 2}), b = floats({2, 1}, {7, 8});
    CHECK(output(kConcat, {a, b}, Concat{-1}) == Numbers{0, 1, 7, 2, 3, 8});
    CHECK(output(kConcat, {b, a, b}, Concat{1}) == Numbers{7, 0, 1, 7, 8, 2, 3, 8});
    CHECK(output(kConcat, {a, floats({1, 2}, {8, 9})}, Concat{0}) == Numbers{0, 1, 2, 3, 8, 9});
    CHECK(output(kConcat, {a}, Concat{0}) == Numbers{0, 1, 2, 3});

    const TensorType x{DType::f32, {'T', 4}};
    CHECK(refusal(kConcat, {x, {DType::f16, {'T', 4}}}, Concat{1}) ==
          "expected f32 [T, 4] in every dimension but axis 1, found f16 [T, 4]");
    CHECK(refusal(kConcat, {x, {DType::f32, {'R', 4}}}, Concat{1}).find("found f32 [R, 4]") != std::string::npos);
    CHECK(refusal(kConcat, {x, {DType::f32, {'T'}}}, Concat{1}).find("found f32 [T]") != std::string::npos);
    CHECK(refusal(kConcat, {x, x}, Concat{0}) == "expected a constant size along axis 0, found T");
    CHECK(refusal(kConcat, {x, {DType::f32, {'T', INT64_MAX}}}, Concat{1}) == "axis 1 gets too long");
}

TEST_CASE("repeat gives each index several times in a row") {
    CHECK(output(kRepeat, {counting({2, 2})}, Repeat{0, 2}) == Numbers{0, 1, 0, 1, 2, 3, 2, 3});
    CHECK(output(kRepeat, {counting({2, 2})}, Repeat{1, 3}) == Numbers{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3});
    CHECK(output(kRepeat, {counting({2, 2, 1}, DType::i32)}, Repeat{-2, 2}) == Numbers{0, 0, 1, 1, 2, 2, 3, 3});
    CHECK(output(kRepeat, {counting({2, 2})}, Repeat{0, 1}) == Numbers{0, 1, 2, 3});

    const TensorType x{DType::f32, {'T', 4}};
    CHECK(refusal(kRepeat, {x}, Repeat{1, 0}) == "times: expected an integer of at least 1, found 0");
    CHECK(refusal(kRepeat, {x}, Repeat{0, 2}) == "expected a constant size along axis 0, found T");
    CHECK(refusal(kRepeat, {x}, Repeat{1, INT64_MAX}) == "axis 1 gets too long");
}

TEST_CASE("long runs are shared among threads without a gap") {
    const std::int64_t n = 100003;
    const Numbers x = counting({n}).floats();
    CHECK(output(kSlice, {counting({n})}, Slice{0, 0, n}) == x);
    CHECK(output(kTranspose, {counting({n, 1})}, Transpose{{1, 0}}) == x);
}

TEST_CASE("reshape keeps elements and symbols") {
    CHECK(run_op(kReshape, {counting({2, 3})}, Reshape{{3, 2}}, 0)[0].floats() == Numbers{0, 1, 2, 3, 4, 5});
    const TensorType x{DType::f32, {'T', 6}};
    CHECK(kReshape.infer(std::span(&x, 1), Reshape{{'T', 2, 3}})[0] == TensorType{DType::f32, {'T', 2, 3}});
    CHECK(refusal(kReshape, {x}, Reshape{{6, 1, 'T'}}) == "accepted");
    CHECK(refusal(kReshape, {x}, Reshape{{'T', 7}}) ==
          "expected a shape with as many elements and the same symbols, found [T, 7]");
    CHECK(refusal(kReshape, {x}, Reshape{{'R', 6}}).find("found [R, 6]") != std::string::npos);
    CHECK(refusal(kReshape, {x}, Reshape{{6}}).find("found [6]") != std::string::npos);
    CHECK(refusal(kReshape, {x}, Reshape{{'T', 'T', 6}}).find("found [T, T, 6]") != std::string::npos);
    CHECK(refusal(kReshape, {x}, Reshape{{'T', -2, -3}}) ==
          "shape: element 1: expected an integer of at least 1, found -2");
    CHECK(refusal(kReshape, {x}, Reshape{{'T', INT64_MAX, 3}}).find("too many elements") != std::string::npos);
    CHECK(kReshape.is_view);
    CHECK(kReshape.aliases == std::vector<Alias>{{0, 0}});
}

TEST_CASE("the functions that model code calls") {
    Builder b("test");
    b.symbol('T', 8);
    const Value x = b.input("x", {DType::f32, {'T', 12}});
    const Value heads = reshape(b, x, {'T', 6, 2});
    CHECK(b.type(heads).shape == Shape{'T', 6, 2});
    const std::vector<Value> pieces = split(b, heads, {.axis = 1, .sizes = {4, 2}});
    CHECK(b.type(pieces[1]).shape == Shape{'T', 2, 2});
    const Value repeated = repeat(b, pieces[1], {.axis = 1, .times = 2});
    CHECK(b.type(repeated).shape == Shape{'T', 4, 2});
    const std::array<Value, 2> both{pieces[0], repeated};
    CHECK(b.type(concat(b, both, -1)).shape == Shape{'T', 4, 4});
    CHECK(b.type(slice(b, x, {.axis = 1, .begin = 2, .end = 5})).shape == Shape{'T', 3});
    b.result(transpose(b, heads, {1, 0, 2}));
    CHECK(b.finish().values.back().type.shape == Shape{6, 'T', 2});
}
