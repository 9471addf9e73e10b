// vitro compare on the bundled model.
#include "frontend/safetensors.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstring>

namespace vitro::test {
namespace {

using Json = nlohmann::json;

constexpr const char* kText = "The capital of France is";  // six tokens

std::string bytes_of(const SafetensorsFile& file, std::string_view name) {
    const TensorView* view = file.find(name);
    REQUIRE(view != nullptr);
    return {reinterpret_cast<const char*>(view->data), view->bytes};
}

}  // namespace

TEST_CASE("compare: kernels, passes and devices part nowhere; layers that are alike are one line") {
    for (const std::string b : {"cpu-kernels=reference", "passes=none", "passes=-fuse_attention-fuse_bias,threads=1",
                                "device=cuda-emulated", "device=cuda-emulated,activations=bf16,kv-type=bf16"}) {
        CAPTURE(b);
        const std::string text = out_of({"compare", "-p", kText, "-n", "2", "--exact", "--b", b});  // and 0
        CHECK(contains(text, " values of 3 steps and 8 tokens compared, none part\n"));
        CHECK(contains(text, "prefill  model.layers.0-3.mlp.gated "));
        CHECK(contains(text, "decode   logits "));
        CHECK(!contains(text, "the first to part"));
    }
}

TEST_CASE(
    "compare: fp8 weights part at the first product that reads them, by the pass that rounds them; exec repeats it") {
    const TempDir directory;
    const std::string step = (directory / "step").string(), again = (directory / "again.safetensors").string(),
                      taps = (directory / "taps.safetensors").string();
    const std::vector<std::string> words{"compare", "-p", kText, "--exact", "--b", "weights=fp8", "--replay", step};
    const ProcessResult text = run_vitro(words);
    CHECK(text.exit_code == 1);
    CHECK(
        contains(text.out, "\nthe first to part: model.layers.0.self_attn.qkv_proj (prefill step from position 0)\n"));
    CHECK(contains(text.out, "  cause     pass: the pass quantize_weights changes the value: from then on it is"));

    std::vector<std::string> as_json = words;
    as_json.push_back("--json");
    const ProcessResult result = run_vitro(as_json);
    CHECK(result.exit_code == 1);
    const Json json = Json::parse(result.out), &first = json.at("first");
    CHECK(first.at("value").at("path") == "model.layers.0.self_attn.qkv_proj");
    CHECK(first.at("fault") == "pass");
    CHECK(first.at("passes") == Json::array({"quantize_weights", "fuse_norm_matmul"}));
    CHECK(first.at("op") == "matmul");
    CHECK(first.at("step_op") == "linear");
    CHECK(first.at("source").get<std::string>().starts_with("models/phi3.cpp:"));
    const std::string replay = first.at("replay");
    CHECK(replay == "vitro exec " + step + ".vt --inputs " + step + ".safetensors --device cpu");
    CHECK(json.at("values").size() > 100);

    // The step alone gives the bits that the run gave.
    out_of({"exec", step + ".vt", "--inputs", step + ".safetensors", "--device", "cpu", "-o", again});
    const std::string path = first.at("step");
    out_of({"tap", path, "-p", kText, "--exact", "--weights", "fp8", "-o", taps});
    CHECK(bytes_of(SafetensorsFile::open(again), path) == bytes_of(SafetensorsFile::open(taps), path));
}

TEST_CASE("compare: a step that reads blocks, packed ones and rounded activations is repeated bit for bit") {
    const TempDir directory;
    const std::string step = (directory / "step").string(), again = (directory / "again.safetensors").string(),
                      taps = (directory / "taps.safetensors").string();
    for (const std::string weights : {"q8_0", "q4_0", "q4_k"}) {
        CAPTURE(weights);
        const Json first = Json::parse(run_vitro({"compare", "-p", kText, "--weights", weights, "--a", "exact=yes",
                                                  "--b", "exact=no", "--replay", step, "--json"})
                                           .out)
                               .at("first");
        CHECK(first.at("fault") == "pass");
        CHECK(contains(first.at("cause").get<std::string>(), "the pass quantize_activations changes the value"));
        CHECK(first.at("side") == "b");
        out_of({"exec", step + ".vt", "--inputs", step + ".safetensors", "--device", "cpu", "-o", again});
        const std::string path = first.at("step");
        out_of({"tap", path, "-p", kText, "--weights", weights, "-o", taps});
        CHECK(bytes_of(SafetensorsFile::open(again), path) == bytes_of(SafetensorsFile::open(taps), path));

        const SafetensorsFile inputs = SafetensorsFile::open(step + ".safetensors");
        std::size_t of_blocks = 0;
        for (const std::string& name : inputs.names()) of_blocks += inputs.raw(name)->dtype == "U8";
        CHECK(of_blocks == 2);  // the weight and what it is multiplied with
    }
}

TEST_CASE("compare --format html: the graph's page with a mark for every value") {
    const TempDir directory;
    const std::string page = (directory / "page.html").string();
    CHECK(run_vitro({"compare", "-p", kText, "--b", "weights=fp8", "--format", "html", "-o", page}).exit_code == 1);
    const std::string html = read_bytes(page);
    const std::string begin = "<script type=\"application/json\" id=\"program-0\">";
    const std::size_t at = html.find(begin) + begin.size();
    const Json data = Json::parse(html.substr(at, html.find("</script>", at) - at));
    const Json& marks = data.at("paint").at("marks");
    CHECK(data.at("paint").at("log") == true);
    CHECK(marks.at("model.layers.0.self_attn.qkv_proj")[0].get<double>() > 1e-5);
    CHECK(marks.at("model.layers.0.self_attn.qkv_proj")[1].get<std::string>().ends_with(", parts"));
    CHECK(marks.at("model.embed_tokens")[1] == "nmse 0");
}

TEST_CASE("compare: a file of another program's values is told from the model's by the paths of modules") {
    const TempDir directory;
    const std::string taps = (directory / "taps.safetensors").string(),
                      dump = (directory / "dump.safetensors").string();
    out_of({"tap", "layers.*.mlp_residual", "layers.2.self_attn.o_proj", "-p", kText, "-o", taps});
    const SafetensorsFile file = SafetensorsFile::open(taps);
    // As transformers names it: what a layer gives is called like the layer.
    std::vector<float> wrong;
    std::vector<std::int32_t> tokens;
    const Json run = Json::parse(out_of({"next", kText, "--json"}));
    for (const Json& token : run.at("tokens")) tokens.push_back(token.at("id"));
    const std::int64_t count = std::ssize(tokens);
    const auto write = [&](float offset) {
        std::vector<NamedTensor> tensors{{"tokens", Tensor(DType::i32, {&count, 1}, tokens.data())}};
        for (const std::string& name : file.names()) {
            const std::string module = name.ends_with(".mlp_residual") ? name.substr(0, name.rfind('.')) : name;
            Tensor tensor = file.find(name)->tensor();
            if (module == "model.layers.2") {
                wrong.assign(tensor.as<float>(), tensor.as<float>() + tensor.elements());
                wrong[300] += offset;
                tensor.data = wrong.data();
            }
            tensors.push_back({module, tensor});
        }
        tensors.push_back({"model.nothing", Tensor(DType::i32, {&count, 1}, tokens.data())});
        write_safetensors(dump, tensors);
    };
    write(0);
    const std::string same = out_of({"compare", "--b", dump});
    CHECK(contains(same, "5 values of 1 step and 6 tokens compared, none part\n"));
    CHECK(contains(same, "the model has no value for 1 of the file's tensors: \"model.nothing\"\n"));
    write(0.5f);
    const ProcessResult other = run_vitro({"compare", "--b", dump});
    CHECK(other.exit_code == 1);
    CHECK(contains(other.out, "the first to part: model.layers.2.mlp_residual (prefill step from position 0)\n"));
    CHECK(contains(other.out, " at [1, 44] of f32 [T, 256]\n"));
}

TEST_CASE("compare: a file's tensor of another shape is refused, though it has as many bytes") {
    const TempDir directory;
    const std::string dump = (directory / "dump.safetensors").string();
    std::vector<std::int32_t> tokens{1, 2, 3};
    std::vector<float> values(3 * 256);
    const auto refusal = [&](std::vector<std::int64_t> token_shape, DType dtype, std::vector<std::int64_t> shape) {
        write_safetensors(dump, std::vector<NamedTensor>{{"tokens", Tensor(DType::i32, token_shape, tokens.data())},
                                                         {"model.norm", Tensor(dtype, shape, values.data())}});
        const ProcessResult result = run_vitro({"compare", "--b", dump});
        CHECK(result.exit_code == 1);
        return result.err;
    };
    CHECK(refusal({3}, DType::f32, {3, 256}).empty());
    const std::string wanted =
        "tensor \"model.norm\": expected floating-point numbers of the shape of model.norm, [3, 256]";
    CHECK(contains(refusal({3}, DType::f32, {256, 3}), wanted + ", found f32 [256, 3]"));
    CHECK(contains(refusal({3}, DType::f32, {1, 3, 256}), wanted + ", found f32 [1, 3, 256]"));
    CHECK(contains(refusal({3}, DType::f32, {768}), wanted + ", found f32 [768]"));
    CHECK(contains(refusal({3}, DType::i32, {3, 256}), wanted + ", found i32 [3, 256]"));
    CHECK(contains(refusal({3}, DType::bf16, {3, 512}), wanted + ", found bf16 [3, 512]"));
    CHECK(contains(refusal({1, 3}, DType::f32, {3, 256}), "expected a tensor \"tokens\" of I32 [T]"));
}

TEST_CASE("compare says what it expected of a side") {
    const auto refusal = [](const std::string& b) {
        const ProcessResult result = run_vitro({"compare", "-p", kText, "--b", b});
        CHECK(result.exit_code == 2);
        return result.err;
    };
    CHECK(contains(refusal("fp8"), "--b: expected KEY=VALUE, apart by commas, found 'fp8'"));
    CHECK(contains(refusal("colour=red"), "found 'colour'"));
    CHECK(contains(refusal("weights=fp7"), "--b: weights: expected one of stored, fp8, q8_0, q4_0, q4_k, found 'fp7'"));
    CHECK(contains(refusal("passes=fuse_bias"), "passes: expected none, or names of passes with + or -"));
    CHECK(contains(refusal("passes=-fuse_bais"), "found '-fuse_bais'"));
    CHECK(contains(refusal("device=gpu"), "--b: device: expected auto, cpu"));
    const ProcessResult other =
        run_vitro({"compare", "-p", kText, "--b", "model=" + source_path("tests/golden/phi3_gqa").string()});
    CHECK(other.exit_code == 1);
    CHECK(
        contains(other.err, "expected two models of one architecture and the same sizes, found Phi3ForCausalLM with "));
    CHECK(run_vitro({"compare", "-p", kText, "--b", "cpu-kernels=sse"}).exit_code == 1);
    CHECK(run_vitro({"compare", "--b", "none.safetensors"}).exit_code == 1);
    CHECK(run_vitro({"compare", "-p", kText, "--format", "html"}).exit_code == 2);
}

}  // namespace vitro::test
