#include "base/half.h"

#include "base/error.h"

namespace vitro {

void no_element_type(DType dtype) {
    check_failed("blocks of one element", __FILE__, __LINE__, fmt::format("found {}", name(dtype)));
}

}  // namespace vitro
