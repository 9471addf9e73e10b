#include "backends/cpu/isa.h"

#include "base/error.h"

#include <doctest/doctest.h>

#include <string>

namespace vitro {
namespace {

constexpr Isa kCompiled[] = {Isa::baseline, Isa::avx2, Isa::avx512_vnni};

bool runs_avx2(Isa isa) { return isa <= Isa::avx2; }
bool runs_all(Isa) { return true; }

std::string refusal(std::string_view wanted, bool (*runs_here)(Isa) = runs_avx2) {
    try {
        return "chose " + std::string(name(choose_isa(kCompiled, wanted, runs_here)));
    } catch (const Error& error) {
        return error.what();
    }
}

TEST_CASE("the best instruction set that the CPU runs is chosen, unless one is named") {
    CHECK(choose_isa(kCompiled, {}, runs_avx2) == Isa::avx2);
    CHECK(choose_isa(kCompiled, {}, runs_all) == Isa::avx512_vnni);
    CHECK(choose_isa(kCompiled, {}, [](Isa isa) { return isa == Isa::baseline; }) == Isa::baseline);
    CHECK(refusal("baseline") == "chose baseline");
    CHECK(refusal("avx2") == "chose avx2");
}

TEST_CASE("an instruction set that is unknown, not compiled or not there is refused with those that can be used") {
    CHECK(refusal("sse9") == "VITRO_ISA: expected one of baseline, avx2, found 'sse9'");
    CHECK(refusal("") == "VITRO_ISA: expected one of baseline, avx2, found ''");
    CHECK(refusal("avx512", runs_all) ==
          "VITRO_ISA: expected one of baseline, avx2, avx512_vnni, found avx512, which this program was not compiled "
          "for (cmake --preset release -DVITRO_ISAS=all)");
    CHECK(refusal("avx512_vnni") ==
          "VITRO_ISA: expected one of baseline, avx2, found avx512_vnni; this CPU lacks it (AVX-512 with VNNI)");
}

TEST_CASE("every CPU runs the plainest set, and each set has its place in the list") {
    CHECK(runs(Isa::baseline));
    for (std::size_t i = 0; i < all_isas().size(); ++i) CHECK(static_cast<std::size_t>(all_isas()[i].isa) == i);
}

}  // namespace
}  // namespace vitro
