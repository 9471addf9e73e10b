// What a kernel says that reads no blocks.
#pragma once

#include "base/blocks.h"
#include "graph/op_def.h"

namespace vitro {

/// As KernelDef::refuses.
inline std::string refuse_blocks(std::span<const TensorType> inputs, std::span<const TensorType>, const Attributes&) {
    for (const TensorType& input : inputs)
        if (info(input.dtype).storage != Storage::plain)
            return fmt::format("it does not read blocks of {}", name(input.dtype));
    return {};
}

}  // namespace vitro
