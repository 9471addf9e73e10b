// Copies on the device that move bytes and know no dtype.
#pragma once

#include "ops/common/elements_cuda.h"
#include "ops/common/strided.h"

namespace vitro::VITRO_DEVICE {

/// Calls body with a value of the widest of 1, 2, 4, 8 and 16 bytes that divides all of the addresses and `bytes`.
template <class Body>
void with_unit(std::initializer_list<const void*> addresses, std::int64_t bytes, Body&& body) {
    auto all = static_cast<std::uint64_t>(bytes);
    for (const void* address : addresses) all |= reinterpret_cast<std::uintptr_t>(address);
    if (all % 16 == 0)
        body(uint4{});
    else if (all % 8 == 0)
        body(uint2{});
    else if (all % 4 == 0)
        body(unsigned{});
    else if (all % 2 == 0)
        body(static_cast<unsigned short>(0));
    else
        body(static_cast<unsigned char>(0));
}

/// to[index] = from[index]; same sizes and dtype, memory apart.
void copy_strided(const Call& call, const StridedView& from, const StridedView& to);

}  // namespace vitro::VITRO_DEVICE
