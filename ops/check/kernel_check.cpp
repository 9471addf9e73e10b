#include "ops/check/kernel_check.h"

namespace vitro::check {

void for_each_case(const OpDef& op, int draws, const std::function<void(OpCase& each)>& body) {
    for (int draw = 1; draw <= draws; ++draw) {
        const auto seed = static_cast<std::uint64_t>(draw);
        Random random(seed);
        for (const Example& example : op.examples(random))
            for (const std::vector<TensorType>& types : dtype_variants(op, example)) {
                OpCase each(op, example, types, seed);
                body(each);
            }
    }
}

namespace {

Tolerance tolerance(OpCase& each, std::size_t output, const OpCase::Outputs& expected, bool rounds_between) {
    const DType dtype = each.output_types()[output].dtype;
    return rounds_between ? decomposition_tolerance(dtype, expected[output], each.input_types()[0].dtype)
                          : kernel_tolerance(dtype, expected[output]);
}

}  // namespace

std::vector<std::string> differences(OpCase& each, const OpCase::Outputs& expected, const OpCase::Outputs& found,
                                     bool rounds_between) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const TensorType& type = each.output_types()[i];
        const std::string difference =
            first_difference(type, expected[i], found.at(i), tolerance(each, i, expected, rounds_between));
        if (!difference.empty()) out.push_back(fmt::format("{}: output {}, {}", each.describe(), i, difference));
    }
    return out;
}

KernelReport check_kernel(const OpDef& op, const KernelDef& kernel, Backend& backend, int draws) {
    KernelReport report;
    const auto take = [&](const std::vector<std::string>& complaints) {
        report.complaints.insert(report.complaints.end(), complaints.begin(), complaints.end());
    };
    const auto run = [&](OpCase& each) {
        if (!each.refused_by(kernel).empty()) {
            ++report.refused;
            return;
        }
        ++report.cases;
        const std::size_t before = report.complaints.size();
        const auto tolerance_of = [&](std::size_t i, const OpCase::Outputs& expected) {
            return tolerance(each, i, expected, each.rounds_between(kernel, backend));
        };
        try {
            const OpCase::Outputs found = each.kernel(kernel, backend, 0xff);
            take(differences(each, each.reference(), found, each.rounds_between(kernel, backend)));
            if (found != each.kernel(kernel, backend, 0x7e))
                take({each.describe() + ": depends on what stood in the memory before"});
            if (each.can_run_in_place() && found != each.kernel_in_place(kernel, backend))
                take({each.describe() + ": gives something else in place"});
            if (report.complaints.size() > before) return take(each.complaints());  // enough is said of this case
            each.put_special(report.cases);
            const OpCase::Outputs expected = each.reference(), special = each.kernel(kernel, backend, 0xff);
            for (std::size_t i = 0; i < expected.size(); ++i) {
                const TensorType& type = each.output_types()[i];
                const std::string difference =
                    special_difference(type, expected[i], special[i], tolerance_of(i, expected));
                if (!difference.empty())
                    take({fmt::format("{}, with NaN or infinities: output {}, {}", each.describe(), i, difference)});
            }
        } catch (const Error& error) {
            take({each.describe() + ": " + error.what()});
        }
        take(each.complaints());
    };
    for_each_case(op, draws, run);
    Random random(1);
    for (Example& example : op.examples(random)) {
        if (example.symbols == SymbolValues{}) continue;
        example.symbols = {};
        OpCase empty(op, example, example.inputs, 1);
        run(empty);
    }
    return report;
}

}  // namespace vitro::check
