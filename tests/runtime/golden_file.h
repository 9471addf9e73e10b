// Tensors of a golden's file.
#pragma once

#include "frontend/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string_view>
#include <vector>

namespace vitro::test {

/// All elements of a tensor that must be there.
template <class T>
std::vector<T> values(const SafetensorsFile& file, std::string_view name) {
    const TensorView* view = file.find(name);
    REQUIRE(view != nullptr);
    std::vector<T> out(view->bytes / sizeof(T));
    std::memcpy(out.data(), view->data, view->bytes);
    return out;
}

}  // namespace vitro::test
