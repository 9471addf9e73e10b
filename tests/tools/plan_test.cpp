// vitro plan.
#include "frontend/file.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/phi3_mini.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace vitro;
using namespace vitro::test;
using Json = nlohmann::json;

namespace {

const std::string kGolden = source_path("tests/golden/").string();

}  // namespace

TEST_CASE("plan tells bytes, whether they fit, and what sets the peak, as text and as JSON") {
    const std::string text = out_of({"plan", "-c", "64"});
    for (const std::string_view part :
         {"Phi3ForCausalLM: context 64, 1 sequence, chunks of 64 tokens", "weights, mapped", "weights, prepared",
          "KV cache", "arena", "inputs and results", "allocated", "are free", "prefill: the peak on cpu is at",
          "decode: the peak on cpu is at"})
        CHECK_MESSAGE(text.find(part) != std::string::npos, part);

    const Json json = Json::parse(out_of({"plan", "-c", "64", "--json"}));
    const Json& cpu = json.at("devices").at(0);
    CHECK(cpu.at("device") == "cpu");
    CHECK(cpu.at("fits") == true);
    CHECK(cpu.at("free").get<std::size_t>() <= cpu.at("total").get<std::size_t>());
    CHECK(cpu.at("allocated").get<std::size_t>() ==
          cpu.at("weights").get<std::size_t>() + cpu.at("kv_cache").get<std::size_t>() +
              cpu.at("arena").get<std::size_t>() + cpu.at("io").get<std::size_t>());
    CHECK(text.find(std::to_string(cpu.at("kv_cache").get<std::size_t>())) != std::string::npos);
    REQUIRE(json.at("programs").size() == 3);
    CHECK(json.at("programs").at(2).at("phase") == "load");
    CHECK(cpu.at("peak").get<std::size_t>() >= cpu.at("allocated").get<std::size_t>());
    std::size_t largest = 0;
    for (const Json& program : json.at("programs")) {
        const Json& arena = program.at("arenas").at(0);
        std::size_t live = 0;
        for (const Json& block : arena.at("live_at_peak")) live += block.at("bytes").get<std::size_t>();
        CHECK(live == arena.at("lower_bound").get<std::size_t>());
        CHECK(arena.at("bytes").get<std::size_t>() >= live);
        largest = std::max(largest, arena.at("bytes").get<std::size_t>());
    }
    CHECK(largest == cpu.at("arena").get<std::size_t>());
}

TEST_CASE("plan: more sequences and a longer context take more cache; a phase is shown alone") {
    const auto cache = [](const std::vector<std::string>& flags) {
        std::vector<std::string> arguments{"plan", "--json"};
        arguments.insert(arguments.end(), flags.begin(), flags.end());
        return Json::parse(out_of(arguments)).at("devices").at(0).at("kv_cache").get<std::size_t>();
    };
    CHECK(cache({"-c", "64", "--batch", "4"}) == 4 * cache({"-c", "64"}));
    CHECK(cache({"-c", "128"}) == 2 * cache({"-c", "64"}));
    const Json decode = Json::parse(out_of({"plan", "--phase", "decode", "--json"}));
    REQUIRE(decode.at("programs").size() == 1);
    CHECK(decode.at("programs").at(0).at("phase") == "decode");
}

TEST_CASE("plan works without weights: the dtype of config.json counts") {
    const TempDir directory;
    write_bytes(directory / "config.json", read_bytes(kGolden + "phi3_gqa/config.json"));
    const Json with = Json::parse(out_of({"plan", "-m", kGolden + "phi3_gqa", "--json"})),
               without = Json::parse(out_of({"plan", "-m", directory.path().string(), "--json"}));
    for (const char* key : {"weights_mapped", "weights", "kv_cache", "arena", "io"})
        CHECK(with.at("devices").at(0).at(key) == without.at("devices").at(0).at(key));
}

TEST_CASE("plan draws each block of the arena once, named, in a file that needs nothing else") {
    const Json json = Json::parse(out_of({"plan", "--phase", "prefill", "--json"}));
    const std::string svg = out_of({"plan", "--phase", "prefill", "--format", "svg"});
    CHECK(svg.starts_with("<svg "));
    CHECK(svg.ends_with("</svg>\n"));
    CHECK(count(svg, "<svg ") == 2);  // the picture in the stack of pictures
    CHECK(count(out_of({"plan", "--format", "svg"}), "<svg ") == 3);
    CHECK(count(svg, "<title>") == count(svg, "class=\"block"));
    CHECK(count(svg, "<title>") > 10);
    CHECK(count(svg, "class=\"block peak\"") == json.at("programs").at(0).at("arenas").at(0).at("live_at_peak").size());
    CHECK(svg.find("<title>model.layers.0.") != std::string::npos);

    const TempDir directory;
    const std::string file = (directory / "plan.html").string();
    CHECK(out_of({"plan", "--format", "html", "-o", file}).empty());
    const std::string html = read_bytes(file);
    CHECK(count(html, "<svg ") == 2);
    for (const std::string_view outside : {"http:", "https:", "<script src", "<link"})
        CHECK_MESSAGE(count(html, outside) == (outside == "http:" ? 2u : 0u), outside);  // the SVGs' namespace
}

TEST_CASE("--verify-plan checks every program that is compiled") {
    check_success(run_vitro({"plan", "--verify-plan", "--batch", "2"}));
    check_success(run_vitro({"run", "--verify-plan", "-n", "1", "Hello"}));
}

TEST_CASE("every stage of compiling is timed, verification too") {
    const std::string timings = out_of({"graph", "--timings", "--verify-plan"});
    for (const std::string_view stage :
         {"canonicalize", "verify ", "assign_devices", "schedule", "plan", "verify_plan", "graph to program"})
        CHECK_MESSAGE(timings.find(stage) != std::string::npos, stage);
}

TEST_CASE("plan refuses what cannot be") {
    check_error(run_vitro({"plan", "-c", "99999999"}), {"context", "99999999"});
    check_error(run_vitro({"plan", "-m", "nowhere"}), {"nowhere"});
    CHECK(run_vitro({"plan", "--format", "png"}).exit_code == 2);
    CHECK(run_vitro({"plan", "--batch", "0"}).exit_code == 2);
}

TEST_CASE("plan refuses sizes that no machine has, in place of numbers that have wrapped around") {
    const TempDir directory;
    Json config = Json::parse(read_file(source_path("models/bundled/tiny-phi3/config.json"), 1 << 20));
    config["num_hidden_layers"] = 64;
    config["hidden_size"] = 64 * 16384;
    config["num_attention_heads"] = config["num_key_value_heads"] = 64;
    config["max_position_embeddings"] = config["original_max_position_embeddings"] = 1 << 30;
    config["sliding_window"] = nullptr;
    write_bytes(directory / "config.json", config.dump());
    check_error(run_vitro({"plan", "-m", directory.path().string(), "-c", "1073741824"}), {"expected", "at most"});
}

TEST_CASE("plan: what does not fit is told with how much is missing and what would fit") {
    const TempDir directory;
    write_phi3_mini(directory.path());
    const std::vector<std::string> huge = {"plan", "-m", directory.path().string(), "--batch", "1024"};
    const ProcessResult text = run_vitro(huge);
    check_success(text);
    CHECK(contains(text.out, " are missing; it would fit with -c "));
    std::vector<std::string> as_json = huge;
    as_json.push_back("--json");
    const Json json = Json::parse(out_of(as_json));
    CHECK(json.at("devices").at(0).at("fits") == false);
    // What is told is true.
    std::string options = json.at("would_fit");
    std::vector<std::string> smaller = as_json;
    for (std::size_t space = 0; space != std::string::npos;) {
        space = options.find(' ');
        smaller.push_back(options.substr(0, space));
        options = options.substr(space + 1);
    }
    const Json fitting = Json::parse(out_of(smaller));
    CHECK(fitting.at("devices").at(0).at("fits") == true);
    CHECK_FALSE(fitting.contains("would_fit"));
    // And no change is smaller that would do.
    std::vector<std::string> larger = as_json;
    larger.insert(larger.end(), {"-c", std::to_string(2 * fitting.at("context").get<std::int64_t>())});
    CHECK(Json::parse(out_of(larger)).at("devices").at(0).at("fits") == false);
}
