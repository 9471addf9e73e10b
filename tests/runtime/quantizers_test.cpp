// Quantizers against llama.cpp's, on the bundled model's weights. What they do with numbers of other kinds is tested in
// tests/base/quantize_test.cpp.
#include "base/blocks.h"
#include "base/half.h"
#include "base/quantize.h"
#include "frontend/checkpoint.h"
#include "frontend/json.h"
#include "tests/paths.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace vitro;
using namespace vitro::test;

TEST_CASE("the mean squared error of a quantized tensor is at most llama.cpp's") {
    Checkpoint checkpoint = Checkpoint::open(source_path("models/bundled/tiny-phi3"));
    const JsonValue golden = JsonValue::read(source_path("tests/golden/quantize.json"));
    std::size_t compared = 0;
    for (const auto& [name, errors] : golden.at("errors").members()) {
        const Tensor tensor = checkpoint.tensor(name);
        std::vector<float> values(static_cast<std::size_t>(tensor.elements())), found(values.size());
        dispatch_float(tensor.dtype, [&]<class T>(T) {
            for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(tensor.as<T>()[i]);
        });
        for (const auto& [type, error] : errors.members()) {
            CAPTURE(name);
            CAPTURE(type);
            const DType dtype = dtype_named(type).value();
            std::vector<std::byte> blocks(static_cast<std::size_t>(bytes_of(dtype, tensor.elements())));
            quantize(dtype, values.data(), tensor.elements(), blocks.data());
            dequantize(dtype, blocks.data(), tensor.elements(), found.data());
            double sum = 0;
            for (std::size_t i = 0; i < values.size(); ++i) sum += std::pow(double(found[i]) - double(values[i]), 2);
            const double mean = sum / static_cast<double>(values.size());
            CHECK(mean <= error.number());
            CHECK(mean > 0.5 * error.number());
            ++compared;
        }
    }
    CHECK(compared == 63);
}
