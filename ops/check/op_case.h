// One call of an op on memory that notices mistakes: guard bytes around outputs and scratch, poison in them before. On
// any backend.
#pragma once

#include "graph/elements.h"
#include "graph/op_def.h"

#include <functional>
#include <string>
#include <vector>

namespace vitro::check {

/// Aligned memory of a backend, of exactly this size between `guard` bytes; without guard bytes an address sanitizer or
/// the emulation sees what reads past the end.
class GuardedMemory {
public:
    GuardedMemory(Backend& backend, std::size_t bytes, unsigned char fill, std::size_t guard);
    GuardedMemory(GuardedMemory&&) = default;

    std::byte* data() const { return memory_.data() + guard_; }
    std::size_t size() const { return size_; }
    void write(const void* host);
    std::vector<std::byte> read() const;
    bool guards_intact() const;

private:
    Backend& backend_;
    Buffer memory_;
    std::size_t size_, guard_;
};

/// The same op, attributes and inputs, to be run in several ways.
class OpCase {
public:
    /// Inputs of these types with the example's values, which depend on `seed` only.
    OpCase(const OpDef& op, const Example& example, std::vector<TensorType> input_types, std::uint64_t seed);

    using Outputs = std::vector<std::vector<std::byte>>;

    /// What the op's reference writes.
    Outputs reference();
    /// What the kernel writes into memory that held `poison` bytes. A guard byte or an input that has changed becomes a
    /// complaint.
    Outputs kernel(const KernelDef& kernel, Backend& backend, unsigned char poison);
    /// The same with output 0 written over input OpDef::in_place.
    Outputs kernel_in_place(const KernelDef& kernel, Backend& backend);
    bool can_run_in_place() const;
    /// Why the kernel does not take the case's types; empty when it does.
    std::string refused_by(const KernelDef& kernel) const;
    /// Puts a few NaN and infinities into one of the float inputs; which and where, `seed` decides.
    void put_special(std::uint64_t seed);
    /// KernelDef::rounds_between of this call on the kernel's backend.
    bool rounds_between(const KernelDef& kernel, Backend& backend) const;

    /// What the runs so far did that they must not do.
    const std::vector<std::string>& complaints() const { return complaints_; }

    Cost cost() const;

    const std::vector<TensorType>& input_types() const { return input_types_; }
    const std::vector<TensorType>& output_types() const { return output_types_; }
    const std::vector<Tensor>& inputs() const { return inputs_; }
    const SymbolValues& symbols() const { return example_.symbols; }
    const Attributes& attributes() const { return example_.attributes; }
    /// "softmax(f32 [3, 5])", with attributes.
    std::string describe() const;

private:
    using Run = void (*)(const Call& call);
    /// Calls body with a call that has sizes and no data.
    void with_sizes(Backend& backend, const std::function<void(const Call& call)>& body) const;
    Outputs execute(Run run, const KernelDef* kernel, Backend& backend, unsigned char poison, bool in_place);

    const OpDef& op_;
    Example example_;
    std::vector<TensorType> input_types_, output_types_;
    std::vector<std::vector<std::byte>> input_memory_;
    std::vector<Tensor> inputs_;  // in input_memory_
    std::vector<std::string> complaints_;
};

/// For an output whose expected elements these are. The reference is double precision rounded once; kernels compute in
/// fp32, so their error grows with the largest element (sums that cancel), and half types may differ by one unit in the
/// last place. i32 must be equal.
Tolerance kernel_tolerance(DType dtype, const std::vector<std::byte>& expected);

/// How the elements that are no finite numbers differ, and the finite ones by more than the tolerance, as
/// first_difference has it: NaN stays NaN, infinities stay infinite or become NaN, and a finite number is never made of
/// either, nor lost to them.
std::string special_difference(const TensorType& type, const Elements& expected, const Elements& found,
                               Tolerance tolerance);

/// For a decomposition, whose intermediate values are rounded to half types where the fused op keeps fp32: four units
/// in the last place of the largest element more. In f32 no looser. `between`: what they are rounded to.
Tolerance decomposition_tolerance(DType dtype, const std::vector<std::byte>& expected, DType between);
inline Tolerance decomposition_tolerance(DType dtype, const std::vector<std::byte>& expected) {
    return decomposition_tolerance(dtype, expected, dtype);
}

/// Each way to give the float inputs dtypes: one for the first (activations, cache), one for the others (weights).
/// Those that the op refuses are left out.
std::vector<std::vector<TensorType>> dtype_variants(const OpDef& op, const Example& example);

}  // namespace vitro::check
