#include "graph/statistics.h"

#include "base/packed.h"
#include "base/random.h"
#include "graph/elements.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace vitro::test {
namespace {

/// The numbers of a matrix, one by one.
std::vector<double> numbers_of(const Tensor& tensor) {
    std::vector<double> out;
    if (info(tensor.dtype).storage == Storage::plain) {
        for (std::int64_t i = 0; i < tensor.elements(); ++i)
            out.push_back(element(tensor.dtype, tensor.as<std::byte>(), i));
        return out;
    }
    std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
    dequantize_matrix(tensor.dtype, tensor.as<std::byte>(), tensor.dim(0), tensor.dim(1), values.data());
    return {values.begin(), values.end()};
}

TEST_CASE("statistics of a tensor of any type are those of its numbers, also where some are none") {
    Random random(3);
    for (const DTypeInfo& type : kDTypes)
        for (const int most : {0x1f, 0xff}) {  // bytes that make finite numbers, and any
            CAPTURE(type.name);
            CAPTURE(most);
            const std::int64_t sizes[] = {type.block_rows * 3, block_columns(type.dtype) * 2};
            std::vector<std::byte> memory(static_cast<std::size_t>(bytes_of(type.dtype, sizes[0] * sizes[1])));
            for (std::byte& byte : memory) byte = static_cast<std::byte>(random.integer(0, most));
            const Tensor tensor(type.dtype, sizes, memory.data());
            const std::vector<double> numbers = numbers_of(tensor);
            const std::vector<Statistics> all = statistics(tensor);
            REQUIRE(all.size() == 1);
            CHECK(all[0].elements == std::ssize(numbers));
            CHECK(all[0].nan == std::ranges::count_if(numbers, [](double x) { return std::isnan(x); }));
            CHECK(all[0].plus_infinity == std::ranges::count(numbers, INFINITY));
            CHECK(all[0].minus_infinity == std::ranges::count(numbers, -INFINITY));
            double least = INFINITY;
            for (const double x : numbers)
                if (std::isfinite(x)) least = std::min(least, x);
            if (std::isfinite(least)) CHECK(all[0].min == least);
            const auto none = std::ranges::find_if(numbers, [](double x) { return !std::isfinite(x); });
            CHECK(first_not_finite(tensor) == (none == numbers.end() ? -1 : none - numbers.begin()));
            CHECK(std::ssize(statistics(tensor, 0)) == sizes[0]);
        }
}

}  // namespace
}  // namespace vitro::test
