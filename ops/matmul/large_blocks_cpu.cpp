#include "ops/matmul/block_functions_cpu.h"

namespace vitro::inline VITRO_ISA {

std::span<const BlockFunctions> functions_of_large_blocks() {
    static constexpr BlockFunctions all[] = {block_functions<DType::q2_k>(), block_functions<DType::q3_k>(),
                                             block_functions<DType::q4_k>(), block_functions<DType::q5_k>(),
                                             block_functions<DType::q6_k>(), block_functions<DType::iq4_xs>()};
    return all;
}

}  // namespace vitro::inline VITRO_ISA
