// vitro devices, --device and vitro bench, through the binary.
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace vitro::test;
using Json = nlohmann::json;

namespace {

Json json_of(const std::vector<std::string>& arguments) {
    const ProcessResult result = run_vitro(arguments);
    check_success(result);
    return Json::parse(result.out);
}

}  // namespace

TEST_CASE("devices lists what there is, and says why there is no GPU") {
    const Json json = json_of({"devices", "--json"});
    CHECK(json.at("cpu").at("threads") >= 1);
    const ProcessResult text = run_vitro({"devices"});
    check_success(text);
    CHECK(contains(text.out, "cuda-emulated  the CUDA kernels on the CPU"));
    if (json.at("cuda").empty()) {
        const std::string why = json.at("why_no_cuda");
        CHECK(!why.empty());
        check_error(run_vitro({"run", "--device", "cuda", "The"}), {"cuda: " + why});
    } else {
        MESSAGE("there is a GPU: that its absence is explained is not tested here");
    }
}

TEST_CASE("devices says why there is no emulation where the program stands without its library") {
    const TempDir folder;
    const std::string alone = (folder.path() / "vitro").string();
    std::filesystem::copy_file(vitro_binary(), alone);
    const ProcessResult result = run_program({alone, "devices"});
    check_success(result);
    CHECK(contains(result.out, "cuda-emulated  none: expected libvitro_cuda_emulated.so beside the program"));
}

TEST_CASE("VITRO_ISA chooses the instruction set of the kernels, and a wrong name is refused with the right ones") {
    const auto cpu_with = [](std::vector<std::string> environment) {
        environment.insert(environment.begin(), "env");
        for (const std::string& word : {vitro_binary(), std::string("devices"), std::string("--json")})
            environment.push_back(word);
        const ProcessResult result = run_program(environment);
        check_success(result);
        return Json::parse(result.out).at("cpu");
    };
    const Json best = cpu_with({"-u", "VITRO_ISA"});
    CHECK(best.at("isas").at(0) == "baseline");
    CHECK(best.at("isas").back() == best.at("isa"));
    for (const Json& isa : best.at("isas")) CHECK(cpu_with({"VITRO_ISA=" + isa.get<std::string>()}).at("isa") == isa);
    const ProcessResult wrong = run_program({"env", "VITRO_ISA=sse9", vitro_binary(), "devices"});
    check_error(wrong, {"VITRO_ISA: expected one of baseline", "found 'sse9'"});
}

TEST_CASE("an unknown device is a wrong command line") {
    for (const std::string device : {"gpu", "cuda:", "cuda:-1", "cuda:x"}) {
        const ProcessResult result = run_vitro({"run", "--device", device, "The"});
        CHECK(result.exit_code == 2);
        CHECK(result.err.find("expected auto, cpu, cuda, cuda:N or cuda-emulated") != std::string::npos);
    }
}

TEST_CASE("the emulated GPU continues a text as the CPU does") {
    const std::vector<std::string> run = {"run", "The capital of France is", "-n", "2", "-c", "32", "--json"};
    auto on = [&](const std::string& device) {
        std::vector<std::string> arguments = run;
        arguments.insert(arguments.end(), {"--device", device});
        return json_of(arguments).at("tokens");
    };
    CHECK(on("cuda-emulated") == on("cpu"));
}

TEST_CASE("run takes token ids and gives token ids, without a tokenizer") {
    const Json text = json_of({"run", "The capital of France is", "-n", "3", "--json"});
    std::string ids;
    for (const Json& id : text.at("prompt_tokens")) ids += (ids.empty() ? "" : ",") + id.dump();
    const Json tokens = json_of({"run", "--tokens", ids, "-n", "3", "--json"});
    CHECK(tokens.at("tokens") == text.at("tokens"));
    CHECK(tokens.at("text") == "");
}

TEST_CASE("bench measures steps, prompts, generation and kinds of kernels") {
    const Json json = json_of({"bench", "--decode", "1:4,2:4", "--prefill", "8", "--generate", "2", "--kernels",
                               "--repeats", "3", "--json", "-t", "1"});
    REQUIRE(json.at("decode").size() == 2);
    for (const Json& row : json.at("decode")) {
        CHECK(row.at("tokens_per_second") > 0);
        CHECK(row.at("bytes") > 5'000'000);  // the bundled model's weights
        CHECK(!row.at("kernels").empty());
    }
    CHECK(json.at("prefill").at(0).at("tokens") == 8);
    CHECK(json.at("prefill").at(0).at("flops") > 0);
    CHECK(json.at("peak_memory_bytes") > 5'000'000);
    for (const char* phase : {"decode", "prefill"})
        for (const Json& row : json.at(phase)) {
            CHECK(row.at("of_peak") > 0);
            CHECK(row.at("of_peak") < 1);
            CHECK(row.at("of_read_bandwidth") > 0);
        }
    CHECK(json.at("generate").at("seconds_without_cache") > 0);
}

TEST_CASE("bench counts what a step reads and multiplies, whatever its weights are called") {
    for (const char* model : {"gpt2", "mixtral", "starcoder2"}) {
        CAPTURE(model);
        const Json json = json_of({"bench", "-m", source_path("tests/golden") / model, "-n", "1", "-p", "16", "-r", "1",
                                   "--kernels", "-t", "1", "--json"});
        for (const char* phase : {"decode", "prefill"}) {
            const Json& row = json.at(phase).at(0);
            double flops = 0, bytes = 0;
            for (const Json& kernel : row.at("kernels")) {
                flops += kernel.at("count").get<double>() * kernel.at("flops").get<double>();
                bytes += kernel.at("count").get<double>() * kernel.at("bytes").get<double>();
            }
            CHECK(row.at("flops").get<double>() == flops);
            CHECK(row.at("bytes").get<double>() > bytes / 4);  // the rest passes from step to step
            CHECK(row.at("bytes").get<double>() < bytes);
        }
    }
    CHECK(out_of({"bench", "--machine", "-t", "1"}).find("GB/s, ") != std::string::npos);
}

TEST_CASE("bench takes the short options of llama-bench: each length at each depth") {
    const Json json =
        json_of({"bench", "-p", "4,8", "-n", "3", "-d", "0,20", "--batch", "1,2", "-r", "2", "-t", "1", "--json"});
    std::vector<std::vector<std::int64_t>> prompts, decoded;
    for (const Json& row : json.at("prefill")) prompts.push_back({row.at("tokens"), row.at("context")});
    for (const Json& row : json.at("decode")) decoded.push_back({row.at("batch"), row.at("context"), row.at("tokens")});
    CHECK(prompts == std::vector<std::vector<std::int64_t>>{{4, 0}, {8, 0}, {4, 20}, {8, 20}});
    CHECK(decoded == std::vector<std::vector<std::int64_t>>{{1, 0, 3}, {1, 20, 3}, {2, 0, 3}, {2, 20, 3}});
    // Behind more tokens a step reads more of the cache.
    CHECK(json.at("decode").at(1).at("bytes") > json.at("decode").at(0).at("bytes"));
    CHECK(json.at("prefill").at(3).at("flops") > json.at("prefill").at(1).at("flops"));
    const std::string table = out_of({"bench", "-p", "4", "-n", "3", "-d", "20", "-r", "1", "--format", "csv"});
    CHECK(count(table, "decode 1 of 3 after 20,") == 1);
    CHECK(count(table, "prefill 4 after 20,") == 1);
    CHECK(run_vitro({"bench", "-d", "20"}).exit_code == 2);
    CHECK(run_vitro({"bench", "-p", "4", "--batch", "2"}).exit_code == 2);
}

TEST_CASE("bench prints tables of several models") {
    const std::string bundled = source_path("models/bundled/tiny-phi3").string();
    const std::vector<std::string> words{
        "bench", "--models", bundled + "," + bundled, "--decode", "1:4", "--repeats", "2", "-t", "1", "--prefill",
        "8",     "--format"};
    const auto table = [&](const std::string& format) {
        std::vector<std::string> all = words;
        all.push_back(format);
        return out_of(all);
    };
    const std::string markdown = table("markdown"), csv = table("csv");
    CHECK(markdown.starts_with("| model | test | tokens/s | ± tokens/s | GB/s | % of read bandwidth | GOP/s |"));
    CHECK(count(markdown, "\n") == 6);
    CHECK(count(markdown, "| tiny-phi3 | decode 1 after 4 | ") == 2);
    CHECK(count(csv, "\n") == 5);
    CHECK(count(csv, "tiny-phi3,prefill 8,") == 2);
    CHECK(count(csv, ",") == 5 * 9);
}

TEST_CASE("bench prints each case when it is measured, and with --json --lines all so far") {
    const ProcessResult text =
        run_vitro({"bench", "--decode", "2:4,1:4", "--prefill", "8", "--repeats", "1", "--warm-up", "1"});
    CHECK(text.exit_code == 0);
    CHECK(text.out.find("decode  batch    1") < text.out.find("decode  batch    2"));
    CHECK(text.out.find("decode  batch    2") < text.out.find("prefill      8"));
    const ProcessResult lines =
        run_vitro({"bench", "--decode", "2:4,1:4", "--prefill", "8", "--repeats", "1", "--json", "--lines"});
    std::istringstream stream(lines.out);
    std::vector<Json> found;
    for (std::string line; std::getline(stream, line);) found.push_back(Json::parse(line));
    REQUIRE(found.size() == 4);  // the load, two decodes, a prefill
    CHECK(!found[0].contains("decode"));
    CHECK(found[1].at("decode").size() == 1);
    CHECK(found[2].at("decode").size() == 2);
    CHECK(found[3].at("prefill").size() == 1);
}

TEST_CASE("bench verifies that steps of several shapes agree") {
    for (const char* device : {"cpu", "cuda-emulated"}) {
        CAPTURE(device);
        const Json json = json_of({"bench", "--verify", "3:40", "--json", "--repeats", "1", "--device", device});
        const Json& row = json.at("verify").at(0);
        CHECK(row.at("agrees") == true);
        CHECK(row.at("equal") == true);
        CHECK(row.at("decode_nmse") < row.at("allowed_nmse"));
        CHECK(row.at("ragged_nmse") < row.at("allowed_nmse"));
        if (std::string(device) == "cpu") CHECK(row.at("ragged_equal") == 3);
    }
}

TEST_CASE("bench refuses what the model is not made for, and measures nothing smaller in its place") {
    check_error(run_vitro({"bench", "--prefill", "100000"}),
                {"--prefill: expected at most 512 tokens", "found 100000"});
    check_error(run_vitro({"bench", "--decode", "1:0,1:512"}), {"--decode: expected at most 511 tokens", "found 512"});
    check_error(run_vitro({"bench", "-n", "12", "-d", "501"}), {"--depth: expected at most 500 tokens", "found 501"});
    check_error(run_vitro({"bench", "-n", "600"}), {"expected at most 512 tokens in all", "found 600"});
    check_error(run_vitro({"bench", "--generate", "508"}), {"--generate: expected at most 507 tokens", "found 508"});
}

TEST_CASE("limits are measured on every device") {
    const Json limits = json_of({"devices", "--limits", "cuda-emulated", "--json"}).at("limits");
    CHECK(limits.at("read_bytes_per_second") > 0);
    CHECK(limits.at("copy_bytes_per_second") > 0);
    CHECK(limits.at("gemm_flops_per_second") > 0);
    CHECK(limits.at("gemm_library") == "the emulation");
    for (const Json& product : limits.at("products")) CHECK(product.at("nmse") < 1e-4);
    CHECK(limits.at("products").size() == 4);
    const Json cpu = json_of({"devices", "--limits", "cpu", "--json"}).at("limits");
    for (const char* what : {"read_bytes_per_second", "flops_per_second", "integer_operations_per_second"})
        CHECK(cpu.at(what).get<double>() > 1e8);
}
