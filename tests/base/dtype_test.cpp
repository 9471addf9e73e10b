#include "base/dtype.h"
#include "base/tensor.h"

#include <doctest/doctest.h>

namespace vitro {
namespace {

TEST_CASE("the table's rows stand at their dtype's place, and names lead back") {
    for (const DTypeInfo& row : kDTypes) {
        CHECK(info(row.dtype).name == row.name);
        CHECK(dtype_named(row.name) == row.dtype);
    }
    CHECK(!dtype_named("float32").has_value());
    CHECK(!dtype_named("").has_value());
}

TEST_CASE("bytes of elements") {
    CHECK(bytes_of(DType::f32, 3) == 12);
    CHECK(bytes_of(DType::bf16, 3) == 6);
    CHECK(bytes_of(DType::i32, 0) == 0);
    CHECK(is_float(DType::f16));
    CHECK(!is_float(DType::i32));
    CHECK(!is_float(DType::f8e4m3));
    CHECK(is_stored_float(DType::f8e4m3));
    CHECK(is_stored_float(DType::bf16));
    CHECK(!is_stored_float(DType::i32));
}

TEST_CASE("a tensor's sizes, counted from either end") {
    const std::int64_t sizes[] = {2, 3, 5};
    const Tensor tensor(DType::f16, sizes, nullptr);
    CHECK(tensor.dim(0) == 2);
    CHECK(tensor.dim(-1) == 5);
    CHECK(tensor.elements() == 30);
    CHECK(tensor.rows() == 6);
    CHECK(tensor.count(1, 3) == 15);
    CHECK(tensor.bytes() == 60);
    const Tensor scalar(DType::f32, {}, nullptr);
    CHECK(scalar.elements() == 1);
    CHECK(scalar.rows() == 1);
}

}  // namespace
}  // namespace vitro
