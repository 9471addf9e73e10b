// Sizes of any magnitude: a graph is refused, or its plan is right. Nothing wraps around.
#include "backends/cpu/cpu_backend.h"
#include "base/random.h"
#include "graph/check_plan.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "ops/op_list.h"

#include <doctest/doctest.h>

namespace vitro {
namespace {

__extension__ using Wide = __int128;  // no sum or product of the test's sizes passes it

/// A size of any magnitude that may be written, more often near a power of two.
std::int64_t random_size(Random& random, std::int64_t most_bits) {
    const std::int64_t power = std::int64_t{1} << random.integer(0, most_bits);
    return std::max<std::int64_t>(1, power + random.integer(-1, 1));
}

struct Sized {
    std::string text;
    Wide inputs_and_results = 0, states = 0;  // bytes, each value rounded up to 64
};

/// Inputs, states and an op that reads each; a few dimensions are symbols.
Sized random_sizes(Random& random) {
    Sized out;
    const std::int64_t bits = random.integer(8, 62), bound = random_size(random, std::min<std::int64_t>(bits, 62));
    out.text = fmt::format("graph \"sizes\"\nsymbol T <= {}\n", bound);
    std::string nodes;
    for (std::int64_t i = random.integer(1, 5); i > 0; --i) {
        const bool is_state = random.integer(0, 3) == 0;
        Wide bytes = 4;
        std::string shape;
        for (std::int64_t axis = random.integer(1, 4); axis > 0; --axis) {
            const bool is_symbol = !is_state && random.integer(0, 3) == 0;
            const std::int64_t size = is_symbol ? bound : random_size(random, bits / (axis + 1));
            bytes = std::min(bytes * size, Wide{1} << 64);  // far beyond what is allowed, and a product that fits
            shape += (shape.empty() ? "" : ", ") + (is_symbol ? std::string("T") : std::to_string(size));
        }
        bytes = (bytes + 63) / 64 * 64;
        out.text += fmt::format("%x{} = {} f32 [{}]\n", i, is_state ? "state" : "input", shape);
        nodes += fmt::format("%y{0} = relu(%x{0}) : f32 [{1}]\nreturn %y{0}\n", i, shape);
        out.inputs_and_results += is_state ? bytes : 2 * bytes;
        out.states += is_state ? bytes : 0;
    }
    out.text += nodes;
    return out;
}

TEST_CASE("sizes of any magnitude are refused, or laid out without wrapping around") {
    CpuBackend host(1);
    constexpr std::uint64_t kGraphs = 3000;
    std::size_t laid_out = 0, beyond_32_bits = 0;
    for (std::uint64_t seed = 0; seed < kGraphs; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const Sized sized = random_sizes(random);
        CAPTURE(sized.text);
        const Wide all = sized.inputs_and_results + sized.states;
        Program program;
        try {
            program = compile(parse(sized.text, "g", find_op), {host, cpu_kernels()});
        } catch (const Error& error) {
            const std::string text = error.what();
            const bool is_size = text.find("at most") != std::string::npos ||
                                 text.find("63 bits") != std::string::npos ||
                                 text.find("a bound in") != std::string::npos;
            CHECK_MESSAGE(is_size, text);
            continue;
        }
        ++laid_out;
        beyond_32_bits += all > Wide{1} << 32;
        CHECK(check_plan(program).empty());
        CHECK(all <= Wide{2} * kMostGraphBytes);
        CHECK(Wide{program.plan.bytes(Region::io)} == sized.inputs_and_results);
        CHECK(Wide{program.plan.bytes(Region::states)} == sized.states);
    }
    MESSAGE(laid_out << " of " << kGraphs << " graphs are laid out, " << beyond_32_bits << " beyond 32 bits");
    CHECK(laid_out > kGraphs / 5);
    CHECK(laid_out < kGraphs * 9 / 10);
    CHECK(beyond_32_bits > kGraphs / 20);
}

}  // namespace
}  // namespace vitro
