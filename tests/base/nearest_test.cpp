#include "base/nearest.h"

#include <doctest/doctest.h>

#include <array>

namespace vitro::test {
namespace {

constexpr std::array<std::string_view, 6> kCommands = {"run",        "chat",  "tokenize",
                                                       "detokenize", "graph", "fuse_attention"};

}  // namespace

TEST_CASE("the nearest name: one letter more, less, wrong or swapped") {
    for (const std::string_view typed : {"tokenze", "tokenizee", "tokinize", "tokeinze", "TOKENIZE"})
        CHECK(nearest(typed, kCommands) == "tokenize");
    CHECK(nearest("runn", kCommands) == "run");
    CHECK(nearest("rnu", kCommands) == "run");
    CHECK(nearest("fuse_attentoin", kCommands) == "fuse_attention");
}

TEST_CASE("the beginning or the end of a name is near, if it has three letters") {
    CHECK(nearest("fuse_att", kCommands) == "fuse_attention");
    CHECK(nearest("attention", kCommands) == "fuse_attention");
    CHECK(nearest("fu", kCommands).empty());
}

TEST_CASE("what is far from every name has no nearest one") {
    for (const std::string_view typed : {"", "x", "sing", "abc", "everything"})
        CHECK(nearest(typed, kCommands).empty());
    CHECK(nearest(std::string(100'000, 'a'), kCommands).empty());
    CHECK(nearest("run", {}).empty());
}

TEST_CASE("of paths, the one whose end is nearest to what was written") {
    constexpr std::array<std::string_view, 4> kPaths = {"model.embed_tokens", "model.layers.0.mlp.gated",
                                                        "model.layers.1.mlp.down_proj", "logits"};
    CHECK(nearest_path("layers.9.mlp.gated", kPaths) == "model.layers.0.mlp.gated");
    CHECK(nearest_path("mlp.gatde", kPaths) == "model.layers.0.mlp.gated");
    CHECK(nearest_path("embed_token", kPaths) == "model.embed_tokens");
    CHECK(nearest_path("a.b.c.d.e.logits", kPaths).empty());
    CHECK(nearest_path("logit", kPaths) == "logits");
    CHECK(nearest_path("", kPaths).empty());
    CHECK(nearest_path(".", kPaths).empty());
    CHECK(did_you_mean_path("layers.1.mlp.down_prj", kPaths) == ": did you mean 'model.layers.1.mlp.down_proj'?");
}

TEST_CASE("the hint ends an error, or is nothing") {
    CHECK(did_you_mean("runn", kCommands) == ": did you mean 'run'?");
    CHECK(did_you_mean("sing", kCommands).empty());
}

}  // namespace vitro::test
