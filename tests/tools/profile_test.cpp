// vitro profile on the bundled model.
#include "tests/frontend/temp_dir.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <map>
#include <set>

namespace vitro::test {
namespace {

using Json = nlohmann::json;

constexpr double kVocabulary = 2112;
constexpr const char* kText = "The capital of France is";  // six tokens

Json profile_of(std::vector<std::string> words) {
    words.insert(words.begin(), {"profile", "-p", kText, "--json"});
    return Json::parse(out_of(words));
}

double sum_of(const Json& list, const char* field) {
    double sum = 0;
    for (const Json& row : list) sum += row.at(field).get<double>();
    return sum;
}

}  // namespace

TEST_CASE("profile: the parts of a step are the wall time, and every way to group the kernels adds up to them") {
    for (const std::string device : {"cpu", "cuda-emulated"}) {
        CAPTURE(device);
        const Json json = profile_of({"-n", "4", "--device", device});
        REQUIRE(json.at("phases").size() == 2);
        CHECK(json.at("peaks").at(device).at("bytes_per_second").get<double>() > 0);
        for (const Json& phase : json.at("phases")) {
            const bool is_prefill = phase.at("phase") == "prefill";
            CAPTURE(is_prefill);
            CHECK(phase.at("runs") == (is_prefill ? 1 : 4));
            CHECK(phase.at("tokens") == (is_prefill ? 6 : 4));
            const double wall = phase.at("wall_seconds");
            CHECK(wall > 0);
            CHECK(std::abs(sum_of(phase.at("parts"), "seconds") / wall - 1) < 0.03);
            for (const Json& part : phase.at("parts")) CHECK(part.at("seconds").get<double>() >= -0.01 * wall);
            const double kernels = phase.at("parts")[0].at("seconds");
            CHECK(phase.at("parts")[0].at("part") == "kernels");
            CHECK(kernels > 0.3 * wall);
            for (const char* by : {"by_op", "by_module", "by_layer", "by_path", "by_step"}) {
                CAPTURE(by);
                CHECK(std::abs(sum_of(phase.at(by), "seconds") / kernels - 1) < 1e-9);
                CHECK(sum_of(phase.at(by), "bytes") == phase.at("bytes").get<double>());
                CHECK(sum_of(phase.at(by), "flops") == phase.at("flops").get<double>());
            }
            for (const Json& step : phase.at("by_step")) {
                CHECK(step.at("seconds").get<double>() > 0);
                CHECK(step.at("calls") == phase.at("runs"));
            }
            CHECK(phase.at("by_layer").size() == 5);  // and what is outside of the four
            CHECK(phase.at("by_path").size() < phase.at("by_step").size());
        }
    }
}

TEST_CASE("profile: bytes and operations of a step are those of its op's cost") {
    const Json json = profile_of({"-n", "1", "--device", "cpu"});
    const Json& decode = json.at("phases")[1];
    // The head: one row of 256 by the vocabulary's bf16 weights, read whole.
    bool is_there = false;
    for (const Json& step : decode.at("by_step"))
        if (step.at("name") == "logits") {
            is_there = true;
            CHECK(step.at("flops").get<double>() >= 2.0 * 256 * kVocabulary);
            CHECK(step.at("flops").get<double>() < 2.01 * 256 * kVocabulary + 4096);
            CHECK(step.at("bytes").get<double>() >= 2.0 * 256 * kVocabulary);
        }
    CHECK(is_there);
}

TEST_CASE("profile costs at most 3% of a step's time") {
    // By the clock of a machine that may do other things as well: one quiet run of several is enough.
    double least = 1;
    for (int i = 0; i < 6 && least > 0.03; ++i)
        least = std::min(least, profile_of({"-n", "24"}).at("phases")[1].at("overhead").get<double>());
    CHECK(least <= 0.03);
}

// tests/tools/perfetto_slow.py asks Perfetto itself.
TEST_CASE("profile --trace: complete events that nest, one thread for each device") {
    const TempDir directory;
    const std::string file = (directory / "trace.json").string();
    out_of({"profile", "-p", kText, "-n", "3", "--trace", file});
    const Json trace = Json::parse(read_bytes(file));
    std::map<int, std::vector<std::pair<std::int64_t, std::int64_t>>> open;  // by thread: begin and end, in ns
    std::map<std::string, int> kinds;
    for (const Json& event : trace.at("traceEvents")) {
        CHECK(event.at("pid") == 1);
        if (event.at("ph") == "M") continue;
        CHECK(event.at("ph") == "X");
        ++kinds[event.at("cat")];
        const auto begin = std::llround(1000 * event.at("ts").get<double>()),
                   end = begin + std::llround(1000 * event.at("dur").get<double>());
        CHECK(end >= begin);
        auto& around = open[event.at("tid")];
        while (!around.empty() && around.back().second <= begin) around.pop_back();
        if (!around.empty()) CHECK(end <= around.back().second);
        around.emplace_back(begin, end);
        if (event.at("cat") == "step") {
            CHECK(event.at("args").at("path").get<std::string>() != "");
            CHECK(event.at("args").at("bytes").get<std::int64_t>() >= 0);
        }
    }
    CHECK(kinds.at("model") == 4);
    CHECK(kinds.at("host") == 12);
    CHECK(kinds.at("step") % 4 == 0);
    CHECK(open.size() == 2);
}

TEST_CASE("profile --format html: the graph with times on its boxes, a roofline and a timeline") {
    const TempDir directory;
    const std::string page = (directory / "page.html").string();
    out_of({"profile", "-p", kText, "-n", "2", "--format", "html", "-o", page});
    const std::string html = read_bytes(page);
    CHECK(contains(html, "Roofline of cpu, decode"));
    CHECK(contains(html, "Timeline of the last step, decode"));
    CHECK(contains(html, "\\u00b5s, ") != contains(html, "µs, "));
    CHECK(run_vitro({"profile", "-p", kText, "--format", "html"}).exit_code == 2);
}

TEST_CASE("profile prints what it was asked to group by, and says how much it leaves out") {
    const std::string text = out_of({"profile", "-p", kText, "-n", "2", "--by", "path", "--top", "3"});
    CHECK(contains(text, "cpu does at most, measured: reads "));
    CHECK(contains(text, "\nprefill: 6 tokens in 1 step, "));
    CHECK(contains(text, "\ndecode: 2 tokens in 2 steps, "));
    CHECK(contains(text, "model.layers.0-3."));
    CHECK(contains(text, " more (--top)\n"));
}

}  // namespace vitro::test
