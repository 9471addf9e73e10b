#include "ops/matmul/block_functions_cpu.h"

namespace vitro::inline VITRO_ISA {

std::span<const BlockFunctions> functions_of_small_blocks() {
    static constexpr BlockFunctions all[] = {block_functions<DType::q8_0>(), block_functions<DType::q4_0>(),
                                             block_functions<DType::q4_1>(), block_functions<DType::q5_0>(),
                                             block_functions<DType::q5_1>(), block_functions<DType::iq4_nl>(),
                                             block_functions<DType::mxfp4>()};
    return all;
}

}  // namespace vitro::inline VITRO_ISA
