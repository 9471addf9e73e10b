// vitro mask: which tokens see which. The expected patterns are the Sparse Transformer's formulas, counted by hand.
#include "tests/paths.h"
#include "tests/tools/json_of.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>

namespace vitro::test {
namespace {

TEST_CASE("mask draws a pattern by its name") {
    CHECK(out_of({"mask", "--pattern", "full", "--lengths", "3"}) == "full\n█··\n██·\n███\n");
    CHECK(out_of({"mask", "--pattern", "both-ways", "--lengths", "2"}) == "full, both ways\n██\n██\n");
    CHECK(out_of({"mask", "--pattern", "sliding", "--window", "2", "--lengths", "3"}) ==
          "sliding, window 2\n█··\n██·\n·██\n");
    CHECK(out_of({"mask", "--pattern", "strided", "--stride", "2", "--lengths", "5"}) ==
          "strided, stride 2\n█····\n██···\n███··\n·███·\n█·███\n");
    CHECK(out_of({"mask", "--pattern", "fixed", "--stride", "3", "--lengths", "6"}) ==
          "fixed, stride 3, summary 1\n█·····\n██····\n███···\n··██··\n··███·\n··████\n");
}

TEST_CASE("mask draws those of a model's layers, without its weights, and texts that share a step") {
    const std::string gemma = out_of({"mask", "-m", source_path("tests/golden/gemma3").string(), "--lengths", "2,1"});
    CHECK(gemma == "layers 0-1: sliding, window 6\n█··\n██·\n··█\n\nlayer 2: full\n█··\n██·\n··█\n");
    const auto json =
        json_of({"mask", "-m", source_path("tests/golden/ministral_patterns").string(), "--lengths", "8"});
    REQUIRE(json.size() == 2);
    CHECK(json[0].at("title") == "layer 0: strided, stride 5");
    CHECK(json[0].at("layers") == std::vector<int>{0});
    CHECK(json[0].at("sees")[7] == std::vector<int>{2, 3, 4, 5, 6, 7});
    CHECK(json[1].at("title") == "layer 1: fixed, stride 5, summary 2");
    CHECK(json[1].at("sees")[6] == std::vector<int>{3, 4, 5, 6});
    CHECK(out_of({"mask", "--pattern", "fixed", "--svg", "-"}).starts_with("<svg "));
    CHECK(run_vitro({"mask", "--lengths", "1025"}).exit_code == 2);
    CHECK(run_vitro({"mask", "--lengths", "1000,25"}).exit_code == 2);
    CHECK(run_vitro({"mask", "--lengths", "0"}).exit_code == 2);
}

}  // namespace
}  // namespace vitro::test
