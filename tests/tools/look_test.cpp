// vitro tap, why, attend and next --lens on the bundled model.
#include "frontend/safetensors.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/runtime/tiny_model.h"
#include "tests/tools/json_of.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace vitro::test {
namespace {

using Json = nlohmann::json;

constexpr const char* kText = "The capital of France is";  // six tokens

}  // namespace

TEST_CASE("tap prints values by globs, copied or computed again, the same on the CPU and the emulated GPU") {
    const std::vector<std::string> words{
        "tap", "layers.*.mlp.gated", "layers.0.self_attn.attention_weights", "-p", kText, "--exact"};
    const Json json = json_of(words);
    REQUIRE(json.at("steps").size() == 1);
    const Json& values = json.at("steps")[0].at("values");
    REQUIRE(values.size() == 5);
    CHECK(json.at("steps")[0].at("tokens").size() == 6);
    std::size_t recomputed = 0;
    for (const Json& value : values) {
        if (!value.at("copied").get<bool>()) ++recomputed;
        CHECK(value.at("by_token") == true);
        CHECK(value.at("statistics").size() == 6);
        if (value.at("path") == "model.layers.0.self_attn.attention_weights") {
            CHECK(value.at("shape") == Json{4, 6, 6});
            for (std::size_t row = 0; row < 24; ++row) {  // relevance adds up to 1, and the future has none
                double sum = 0;
                for (std::size_t key = 0; key < 6; ++key) {
                    const double weight = value.at("elements")[row * 6 + key];
                    sum += weight;
                    if (key > row % 6) CHECK(weight == 0);
                }
                CHECK(std::abs(sum - 1) < 1e-5);
            }
        }
    }
    CHECK(recomputed == 1);

    std::vector<std::string> emulated = words;
    emulated.insert(emulated.end(), {"--device", "cuda-emulated", "--activations", "f32"});
    const Json there = json_of(emulated).at("steps")[0].at("values");
    REQUIRE(there.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(there[i].at("path") == values[i].at("path"));
        for (std::size_t t = 0; t < 6; ++t) {
            const double here = values[i].at("statistics")[t].at("rms"), other = there[i].at("statistics")[t].at("rms");
            CHECK(std::abs(here - other) <= 1e-3 * here);
        }
    }
}

TEST_CASE("tap writes what it prints to a safetensors file, steps of generated tokens too") {
    const TempDir directory;
    const std::string file = (directory / "taps.safetensors").string();
    out_of({"tap", "layers.3.mlp_residual", "logits", "-p", kText, "-n", "3", "-o", file});
    const SafetensorsFile taps = SafetensorsFile::open(file);
    const std::set<std::string> names(taps.names().begin(), taps.names().end());
    CHECK(names == std::set<std::string>{"logits", "logits@6", "logits@7", "model.layers.3.mlp_residual",
                                         "model.layers.3.mlp_residual@6", "model.layers.3.mlp_residual@7"});
    CHECK(taps.find("model.layers.3.mlp_residual")->shape == std::vector<std::int64_t>{6, 256});
    CHECK(taps.find("model.layers.3.mlp_residual@7")->shape == std::vector<std::int64_t>{1, 256});
}

TEST_CASE("what is rounded to 8 bits is written as the numbers that it stands for") {
    const TempDir directory;
    const std::string file = (directory / "taps.safetensors").string();
    out_of({"tap", "layers.0.input_layernorm*", "-p", kText, "--weights", "q8_0", "-o", file});
    const SafetensorsFile taps = SafetensorsFile::open(file);
    const TensorView *exact = taps.find("model.layers.0.input_layernorm"),
                     *rounded = taps.find("model.layers.0.input_layernorm.q8_32");
    REQUIRE(exact != nullptr);
    REQUIRE(rounded != nullptr);
    CHECK(rounded->shape == exact->shape);
    float largest = 0, apart = 0;
    for (std::int64_t i = 0; i < exact->tensor().elements(); ++i) {
        largest = std::max(largest, std::abs(exact->tensor().as<float>()[i]));
        apart = std::max(apart, std::abs(exact->tensor().as<float>()[i] - rounded->tensor().as<float>()[i]));
    }
    CHECK(apart > 0);
    CHECK(apart <= 0.51f * largest / 127);
}

TEST_CASE("models without a language model's head are looked at, too: labels, hidden states, texts seen as a whole") {
    for (const std::string name : {"bert", "bert_sequence", "modernbert", "roberta_tokens"}) {
        CAPTURE(name);
        const std::string golden = source_path("tests/golden/" + name).string();
        const auto with = [&](std::vector<std::string> words) {
            words.insert(words.end(), {"-m", golden, "--tokens", "5,17,3"});
            return words;
        };
        CHECK(json_of(with({"attend"})).at("heads").size() >= 2);
        CHECK(json_of(with({"tap", "*.attention_weights"})).at("steps")[0].at("values").size() >= 1);
        CHECK(json_of(with({"tap", "--stop-on-nan"})).at("finite") == true);
        CHECK(json_of(with({"compare", "--exact", "--b", "passes=none"})).at("first") == nullptr);
        CHECK(contains(out_of(with({"trace", "-n", "0"})), "\"count\":3,\"next\":[]}"));
        const Json profile = json_of(with({"profile"}));
        CHECK(profile.at("phases").size() == 1);
        CHECK(profile.at("phases")[0].at("phase") == "prefill");
        const ProcessResult more = run_vitro(with({"tap", "*", "-n", "3"}));
        CHECK(more.exit_code == 2);
        CHECK(contains(more.err, "which generates no text, found 3"));
    }
}

TEST_CASE("tap says what it expected: a path that is not there, none at all, no text") {
    const ProcessResult unknown = run_vitro({"tap", "layers.0.mlp.gatde", "-p", kText});
    CHECK(unknown.exit_code == 1);
    CHECK(unknown.err.find("found 'layers.0.mlp.gatde', which matches nothing") != std::string::npos);
    CHECK(run_vitro({"tap", "layers.9.mlp.gated", "-p", kText}).err.find("did you mean 'model.layers.0.mlp.gated'?") !=
          std::string::npos);
    CHECK(run_vitro({"tap", "-p", kText}).exit_code == 2);
    CHECK(run_vitro({"tap", "logits", "-p", kText, "--tokens", "1"}).exit_code == 2);
    CHECK(out_of({"tap", "--list", "-m", source_path("tests/golden/gpt2").string()}).find("attention_weights") !=
          std::string::npos);
    CHECK(out_of({"tap", "--list"}).find("model.layers.0.self_attn.scores") != std::string::npos);
}

TEST_CASE("a model of labels is looked at, but no text goes on by it") {
    const std::string model = source_path("tests/golden/qwen3_sequence").string();
    const auto run = [&](std::vector<std::string> words) {
        words.insert(words.end(), {"-m", model, "--tokens", "1,5,2"});
        return run_vitro(words);
    };
    const std::string expected =
        "--predict: expected 0 for Qwen3ForSequenceClassification, which generates no text, found 2";
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"compare", "-n", "2"}, {"tap", "logits", "-n", "2"}, {"trace", "-n", "2"}}) {
        CAPTURE(words[0]);
        const ProcessResult refused = run(words);
        CHECK(refused.exit_code == 2);
        CHECK(contains(refused.err, expected));
    }
    CHECK(run({"compare", "--exact", "--b", "passes=none"}).exit_code == 0);
    const ProcessResult page = run({"trace", "-n", "0"});
    CHECK(page.exit_code == 0);
    CHECK(contains(page.out, "\"count\":3,\"next\":[]}"));
}

TEST_CASE("tap --stop-on-nan: 0 where all is finite, else 1 and the value, its inputs and the cause") {
    CHECK(out_of({"tap", "--stop-on-nan", "-p", kText, "-n", "3"}) ==
          "all values are finite, in 3 steps of 9 tokens\n");
    CHECK(json_of({"tap", "--stop-on-nan", "-p", kText}) == Json{{"finite", true}, {"steps", 1}, {"first", nullptr}});
    const TempDir directory;
    write_tiny_model(directory.path());
    std::vector<OwnedTensor> tensors = tiny_tensors();
    for (OwnedTensor& tensor : tensors)
        if (tensor.name == "model.layers.0.mlp.down_proj.weight") tensor.values[7] = std::nanf("");
    write_tensors(directory / "model.safetensors", tensors);
    for (const std::string device : {"cpu", "cuda-emulated"}) {
        CAPTURE(device);
        const std::vector<std::string> words{"tap",      "--stop-on-nan", "-m",       directory.path().string(),
                                             "--tokens", "3,4,5",         "--device", device};
        const ProcessResult text = run_vitro(words);
        CHECK(text.exit_code == 1);
        CHECK(text.out.starts_with("model.layers.0.mlp.down_proj (matmul on " + device + ", models/phi3.cpp:"));
        CHECK(contains(text.out, "its input b, the weight model.layers.0.mlp.down_proj.weight, holds 1 NaN\n"));
        std::vector<std::string> as_json = words;
        as_json.push_back("--json");
        const Json first = Json::parse(run_vitro(as_json).out).at("first");
        CHECK(first.at("path") == "model.layers.0.mlp.down_proj");
        CHECK(first.at("where") == "[0, 0]");
        CHECK(first.at("inputs").size() == 2);
        CHECK(first.at("inputs")[1].at("statistics").at("nan") == 1);
    }
    CHECK(run_vitro({"tap", "logits", "--stop-on-nan", "-p", kText}).exit_code == 2);
}

TEST_CASE("trace of a model that sees a text as a whole: its values, no lesson") {
    const TempDir directory;
    const std::string page = (directory / "page.html").string(),
                      model = source_path("tests/golden/bert_masked").string();
    out_of({"trace", "-m", model, "--tokens", "1,5,3,7", "-o", page});
    CHECK(contains(read_bytes(page), "\"prompt\":4"));
    out_of({"trace", "-m", source_path("tests/golden/qwen3_sequence").string(), "--tokens", "1,5", "-o", page});
    CHECK(contains(read_bytes(page), "\"prompt\":2"));
    for (const char* tool : {"trace", "compare", "profile"}) {
        const ProcessResult asked = run_vitro({tool, "-m", model, "--tokens", "1,5,3,7", "-n", "2"});
        CHECK(asked.exit_code == 2);
        CHECK(contains(asked.err, "--predict: expected 0 for BertForMaskedLM, which generates no text, found 2"));
    }
    for (const auto& [directory_name, architecture] :
         {std::pair{"bert_masked", "BertForMaskedLM"}, std::pair{"qwen3_sequence", "Qwen3ForSequenceClassification"}}) {
        const std::string other = source_path(fmt::format("tests/golden/{}", directory_name)).string();
        const ProcessResult refused = run_vitro({"trace", "--lesson", "-m", other, "--tokens", "1,5,3,7"});
        CHECK(refused.exit_code == 1);
        CHECK(contains(refused.err, fmt::format("expected a model that goes on with a text token by token, which {} "
                                                "does not",
                                                architecture)));
    }
}

TEST_CASE("why tells where a value was written, which pass took it into what, and who reads it then") {
    const Json json = json_of({"why", "layers.2.mlp.gate_up_proj", "--exact"});
    CHECK(json.at("path") == "model.layers.2.mlp.gate_up_proj");
    CHECK(json.at("type") == "f32 [T, 1024]");
    CHECK(json.at("source").get<std::string>().starts_with("models/phi3.cpp:"));
    CHECK(json.at("tensors") == Json{"model.layers.2.mlp.gate_up_proj.weight"});
    CHECK(json.at("fates")[0] ==
          Json{{"pass", "fuse_gated_ffn"}, {"kind", "elided"}, {"into", "model.layers.2.mlp.gated"}});
    CHECK(json.at("program").at("path") == "model.layers.2.mlp.gated");
    CHECK(json.at("program").at("op") == "linear");
    CHECK(json.at("program").at("memory").at("region") == "arena");
    CHECK(json.at("program").at("read_by") == Json{"model.layers.2.mlp_residual (linear)"});
    CHECK(json.at("findings")[0].at("pass") == "fuse_gated_ffn");

    const std::string text = out_of({"why", "layers.2.mlp.gate_up_proj"});
    CHECK(text.find("became       elided in model.layers.2.mlp.gated, by fuse_gated_ffn") != std::string::npos);
    CHECK(std::count(text.begin(), text.end(), '\n') < 40);  // one screen

    CHECK(contains(text, "\nmemory       arena, "));
    CHECK(contains(text, "\ntime         -p TEXT runs the model and measures it\n"));
    for (const std::string phase : {"prefill", "decode"}) {
        const std::vector<std::string> timed{"why", "layers.2.mlp.gate_up_proj", "-p", kText, "--phase", phase};
        CHECK(contains(out_of(timed), " us, "));
        const Json time = json_of(timed).at("program").at("time");
        CHECK(time.at("seconds").get<double>() > 0);
        CHECK(time.at("of_step").get<double>() > 0);
        CHECK(time.at("of_step").get<double>() < 1);
        CHECK(time.at("runs") == (phase == "prefill" ? 1 : 16));
    }
    // Where load makes weights, too: the value's own place, and the bytes of its own step.
    const Json merged = json_of({"why", "layers.1.mlp.gated", "-m", source_path("tests/golden/llama_bias").string()});
    CHECK(merged.at("program").at("memory").at("region") == "arena");
    CHECK(merged.at("program").at("device") == "cpu");
    // Of a step with several outputs, each has its time.
    CHECK(json_of({"why", "layers.0.self_attn.v_cache.append", "-p", kText}).at("program").at("time").at("runs") == 16);
    CHECK(run_vitro({"why", "logits", "--phase", "load", "-p", kText}).exit_code == 2);

    CHECK(json_of({"why", "attention_mask"}).contains("program") == false);  // nothing wants it
    const ProcessResult ambiguous = run_vitro({"why", "mlp.gated"});
    CHECK(ambiguous.exit_code == 1);
    CHECK(ambiguous.err.find("and of 2 others: give more of the path") != std::string::npos);
    CHECK(run_vitro({"why", "layers.0.mlp.gates"}).exit_code == 1);
}

TEST_CASE("attend: relevance adds up to 1 in every head, nothing of the future, pictures too") {
    const Json json = json_of({"attend", "-p", kText});
    REQUIRE(json.at("heads").size() == 16);  // 4 layers, 4 heads
    for (const Json& head : json.at("heads"))
        for (const Json& query : head.at("queries")) {
            double sum = 0;
            const auto token = query.at("token").get<std::size_t>();
            for (std::size_t key = 0; key < query.at("weights").size(); ++key) {
                const double weight = query.at("weights")[key];
                sum += weight;
                if (key > token) CHECK(weight == 0);
            }
            CHECK(std::abs(sum - 1) < 1e-5);
            CHECK(query.at("norm").get<double>() > 0);
        }
    CHECK(out_of({"attend", "-p", kText, "--layer", "1", "--head", "2"}).starts_with("layer 1, head 2: "));
    CHECK(out_of({"attend", "-p", kText}).starts_with("token 5 '"));
    CHECK(out_of({"attend", "-p", kText, "--layer", "0", "--svg", "-"}).starts_with("<svg "));
    CHECK(run_vitro({"attend", "-p", kText, "--layer", "4"}).exit_code == 2);
    CHECK(run_vitro({"attend", "-p", kText, "--head", "-1"}).exit_code == 2);
}

TEST_CASE("next --lens ends with the token that the model does choose, and its probability") {
    const Json json = json_of({"next", kText, "--lens", "--top", "1", "--exact"});
    const Json& lens = json.at("lens");
    REQUIRE(lens.size() == 5);
    CHECK(lens[0].at("after") == "model.embed_tokens");
    CHECK(lens[4].at("after") == "model.layers.3.mlp_residual");
    CHECK(lens[4].at("id") == json.at("next")[0].at("id"));
    CHECK(std::abs(lens[4].at("probability").get<double>() - json.at("next")[0].at("probability").get<double>()) <
          1e-4);
    CHECK(lens[4].at("rms").get<double>() > lens[0].at("rms").get<double>());
    // Of a head whose weights are blocks, too: as a file has them.
    const TempDir directory;
    const std::string gguf = (directory / "model.gguf").string();
    out_of({"convert", source_path("models/bundled/tiny-phi3").string(), "-o", gguf, "--type", "q8_0"});
    const Json of_blocks = json_of({"next", kText, "--lens", "--top", "1", "--exact", "-m", gguf});
    CHECK(of_blocks.at("lens")[4].at("id") == of_blocks.at("next")[0].at("id"));
    CHECK(std::abs(of_blocks.at("lens")[4].at("probability").get<double>() -
                   of_blocks.at("next")[0].at("probability").get<double>()) < 1e-4);
    // As the lens is off, so is all that it costs: the same answer.
    CHECK(json_of({"next", kText, "--top", "1", "--exact"}).at("next") == json.at("next"));
}

}  // namespace vitro::test
