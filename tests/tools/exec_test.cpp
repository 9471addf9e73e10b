// exec: one run of a graph file.
#include "frontend/safetensors.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstring>

using namespace vitro;
using namespace vitro::test;

namespace {

const std::string kFfn = source_path("tests/tools/ffn.vt").string();

template <class T>
NamedTensor tensor(const std::string& name, DType dtype, std::initializer_list<std::int64_t> shape,
                   std::vector<T>& data) {
    return {name, Tensor(dtype, std::span(shape.begin(), shape.size()), data.data())};
}

constexpr std::string_view kLookup = R"(graph "rows of a table, added to a state"
symbol R <= 4
%rows = input i32 [R]
%x = input f32 [3, 2]
%s = state f32 [3, 2]
%next = add(%s, %x) : f32 [3, 2]
%y = gather_rows(%next, %rows) : f32 [R, 2]
return %y
return %next
)";

/// The lookup graph and a file of inputs.
struct Lookup {
    TempDir directory;
    std::string graph = (directory / "lookup.vt").string(), inputs = (directory / "inputs.safetensors").string();
    std::vector<std::int32_t> rows = {2, 0};
    std::vector<float> x = {1, 2, 3, 4, 5, 6}, s = {10, 20, 30, 40, 50, 60};

    Lookup() {
        write_bytes(graph, kLookup);
        write();
    }
    void write() {
        const NamedTensor tensors[] = {tensor("rows", DType::i32, {std::ssize(rows)}, rows),
                                       tensor("x", DType::f32, {3, 2}, x), tensor("s", DType::f32, {3, 2}, s)};
        write_safetensors(inputs, tensors);
    }
};

}  // namespace

TEST_CASE("exec runs a graph on the inputs of a file, with the sizes of their shapes") {
    Lookup files;
    CHECK(out_of({"exec", files.graph, "--inputs", files.inputs}) ==
          "y f32 [2, 2]: 55, 66, 11, 22\nnext f32 [3, 2]: 11, 22, 33, 44, 55, 66\n");
    const auto json = nlohmann::json::parse(out_of({"exec", files.graph, "--inputs", files.inputs, "--json"}));
    CHECK(json.at(0).at("values") == std::vector<double>{55, 66, 11, 22});
    CHECK(json.at(0).at("shape") == std::vector<int>{2, 2});
    CHECK(json.at(1).at("kind") == "result");
    CHECK(json.at(1).at("mean") == 38.5);

    const std::string out = (files.directory / "out.safetensors").string();
    out_of({"exec", files.graph, "--inputs", files.inputs, "-o", out});
    const auto file = SafetensorsFile::open(out);
    std::vector<float> y(4);
    std::memcpy(y.data(), file.find("y")->data, file.find("y")->bytes);
    CHECK(y == std::vector<float>{55, 66, 11, 22});
    CHECK(file.find("next")->shape == std::vector<std::int64_t>{3, 2});
}

TEST_CASE("what is not given is made up, the same for the same seed") {
    const std::string first = out_of({"exec", kFfn, "--seed", "1"});
    CHECK(first.starts_with("out f32 [5, 8]: min "));
    CHECK(out_of({"exec", kFfn, "--seed", "1"}) == first);
    CHECK(out_of({"exec", kFfn, "--seed", "2"}) != first);
    CHECK(out_of({"exec", kFfn, "--symbol", "T=16"}).starts_with("out f32 [16, 8]: "));
}

TEST_CASE("a graph and what passes make of it give the same, random weights or a model's") {
    const TempDir directory;
    const auto floats = [&](const std::string& graph, std::vector<std::string> more) {
        const std::string out = (directory / "out.safetensors").string();
        std::vector<std::string> arguments{"exec", graph, "-o", out};
        arguments.insert(arguments.end(), more.begin(), more.end());
        out_of(arguments);
        const auto file = SafetensorsFile::open(out);
        const TensorView& view = *file.find(file.names().front());
        std::vector<float> data(view.bytes / sizeof(float));
        std::memcpy(data.data(), view.data, view.bytes);
        return data;
    };
    const auto check_near = [](const std::vector<float>& a, const std::vector<float>& b) {
        REQUIRE(a.size() == b.size());
        for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= 1e-4f * (1 + std::abs(a[i])));
    };
    const std::string fused = (directory / "fused.vt").string(), naive = (directory / "naive.vt").string(),
                      decode = (directory / "decode.vt").string();
    out_of({"opt", kFfn, "--disable-pass", "merge_projections,quantize_activations", "-o", fused});
    check_near(floats(kFfn, {}), floats(fused, {}));

    const std::string model = source_path("models/bundled/tiny-phi3").string();
    out_of({"graph", "--after", "build", "-c", "64", "-o", naive});
    out_of({"graph", "--exact", "-c", "64", "-o", decode});
    const std::vector<std::string> weights = {"-m", model, "--seed", "5", "--symbol", "C=9"};
    check_near(floats(naive, weights), floats(decode, weights));
    // With weights that are joined and rounded when they are loaded.
    const std::string llama = source_path("tests/golden/llama_bias").string();
    out_of({"graph", "-m", llama, "--after", "build", "-c", "64", "-o", naive});
    out_of({"graph", "-m", llama, "--exact", "-c", "64", "-o", decode});
    check_near(floats(naive, {"-m", llama, "--seed", "5"}), floats(decode, {"-m", llama, "--seed", "5"}));
    check_near(floats(naive, {"--seed", "5"}), floats(decode, {"--seed", "5"}));
    const std::string fp8 = (directory / "fp8.vt").string(), rounded = (directory / "rounded.vt").string();
    out_of({"graph", "-m", llama, "--weights", "fp8", "-c", "64", "-o", fp8});
    out_of({"graph", "-m", llama, "--weights", "fp8", "-c", "64", "--after", "quantize_weights", "-o", rounded});
    check_near(floats(rounded, {"-m", llama}), floats(fp8, {"-m", llama}));

    out_of({"graph", "-c", "64", "-o", decode});
    const std::string text = out_of({"exec", decode, "-m", model});
    CHECK(text.starts_with("logits f32 [1, "));
    CHECK(text.find("k_cache.append f16 [4, 16, ") != std::string::npos);
    CHECK(text.find(", the next state: min ") != std::string::npos);
}

TEST_CASE("exec refuses what does not fit, naming it") {
    Lookup files;
    const auto refuse = [&](const std::vector<std::string>& parts) {
        check_error(run_vitro({"exec", files.graph, "--inputs", files.inputs}), parts);
    };
    files.rows = {2, 3};
    files.write();
    refuse({"input rows: element 1: expected a number in [0, 3)", "found 3"});
    files.rows = {0, 0, 0, 0, 0};
    files.write();
    refuse({"tensor \"rows\": expected R in [1, 4], found 5"});
    const NamedTensor wrong[] = {tensor("x", DType::f32, {2, 3}, files.x)};
    write_safetensors(files.inputs, wrong);
    refuse({"tensor \"x\": expected F32 [3, 2], found F32 [2, 3]"});
    const NamedTensor unknown[] = {tensor("next", DType::f32, {3, 2}, files.x)};
    write_safetensors(files.inputs, unknown);
    refuse({"tensor \"next\"", "has no input or state of that name"});
    check_error(run_vitro({"exec", kFfn, "-m", source_path("models/bundled/tiny-phi3").string()}), {"norm.weight"});
}

TEST_CASE("exec refuses a step whose tokens do not fit the cache, whatever is wrong with them") {
    const TempDir directory;
    const std::string graph = (directory / "g.vt").string(), in = (directory / "in.safetensors").string();
    write_bytes(directory / "g.vt", R"(graph "two sequences"
symbol C <= 8
symbol T <= 4
%cache = state f32 [4, 2, 1, 1]
%x = input f32 [T, 1, 1]
%positions = input i32 [T]
%sequences = input i32 [T]
%pages = input i32 [2, 2]
%lengths = input i32 [2]
%next = kv_append(%cache, %x, %positions, %sequences, %pages) : f32 [4, 2, 1, 1]
%all = kv_gather(%next, %pages, %lengths) : f32 [C, 1, 1]
return %all
update %cache = %next
)");
    using Numbers = std::vector<std::int32_t>;
    std::vector<float> cache = {0, 1, 2, 3, 4, 5, 6, 7}, x = {10, 20};
    const auto run = [&](Numbers positions, Numbers sequences, Numbers pages, Numbers lengths) {
        const NamedTensor tensors[] = {
            tensor("cache", DType::f32, {4, 2, 1, 1}, cache), tensor("x", DType::f32, {2, 1, 1}, x),
            tensor("positions", DType::i32, {2}, positions),  tensor("sequences", DType::i32, {2}, sequences),
            tensor("pages", DType::i32, {2, 2}, pages),       tensor("lengths", DType::i32, {2}, lengths)};
        write_safetensors(in, tensors);
        return run_vitro({"exec", graph, "--inputs", in});
    };
    const ProcessResult good = run({2, 0}, {0, 1}, {3, 1, 0, 2}, {3, 1});
    check_success(good);
    CHECK(good.out.starts_with("all f32 [4, 1, 1]: 6, 7, 10, 20\n"));
    check_error(run({2, 2}, {0, 0}, {3, 1, 0, 2}, {3, 1}),
                {"kv_append at next",
                 "expected a row of the cache for each token, found tokens 0 and 1 in slot 0 of "
                 "page 1"});
    check_error(run({2, 0}, {0, 1}, {3, 1, 1, 2}, {3, 1}), {"found tokens 0 and 1 in slot 0 of page 1"});
    check_error(run({2, 4}, {0, 1}, {3, 1, 0, 2}, {3, 1}), {"input positions: element 1: expected a number in [0, 4)"});
    check_error(run({2, 0}, {0, 2}, {3, 1, 0, 2}, {3, 1}), {"input sequences: element 1: expected a number in [0, 2)"});
    check_error(run({2, 0}, {0, 1}, {3, 1, 0, 4}, {3, 1}), {"input pages: element 3: expected a number in [0, 4)"});
    check_error(run({2, 0}, {0, 1}, {3, 1, 0, 2}, {5, -1}), {"input lengths: element 0: expected a number in [0, 5)"});
    check_error(run({2, 0}, {0, 1}, {3, 1, 0, 2}, {0, 0}),
                {"input lengths: expected lengths that add up to C, a number from 1 to 8, found 0"});
    check_error(run({2, 0}, {0, 1}, {3, 1, 0, 2}, {INT32_MAX, INT32_MAX}),
                {"input lengths: expected lengths that add up to C, a number from 1 to 8, found 4294967294"});
}

TEST_CASE("f8e4m3 states are read from a file and written to one") {
    const TempDir directory;
    const std::string graph = (directory / "g.vt").string(), in = (directory / "in.safetensors").string(),
                      out = (directory / "out.safetensors").string();
    write_bytes(directory / "g.vt", R"(graph "one key more"
%s = state f8e4m3 [1, 4, 1, 1]
%x = input f32 [1, 1, 1]
%p = constant i32 [1] {2}
%q = constant i32 [1] {0}
%t = constant i32 [1, 1] {0}
%n = kv_append(%s, %x, %p, %q, %t) : f8e4m3 [1, 4, 1, 1]
return %n
update %s = %n
)");
    // OCP OFP8, E4M3: 1 is 0x38, -2 is 0xc0, 448 is 0x7e, 2^-9 is 0x01, NaN is 0x7f.
    std::vector<std::uint8_t> s = {0x38, 0xc0, 0x7f, 0x01};
    std::vector<float> x = {448};
    const NamedTensor tensors[] = {tensor("s", DType::f8e4m3, {1, 4, 1, 1}, s), tensor("x", DType::f32, {1, 1, 1}, x)};
    write_safetensors(in, tensors);
    CHECK(out_of({"exec", graph, "--inputs", in, "-o", out}) == "n f8e4m3 [1, 4, 1, 1]: 1, -2, 448, 0.00195312\n");
    const auto file = SafetensorsFile::open(out);
    const TensorView* n = file.find("n");
    REQUIRE(n != nullptr);
    CHECK(n->dtype == DType::f8e4m3);
    CHECK(std::memcmp(n->data, std::vector<std::uint8_t>{0x38, 0xc0, 0x7e, 0x01}.data(), 4) == 0);
}

TEST_CASE("a product whose result has a type of its own is the same on every device, however many tokens there are") {
    const TempDir directory;
    const std::string graph = (directory / "g.vt").string();
    for (const std::string x : {"f32", "f16", "bf16"})
        for (const std::string out : {"f32", "f16", "bf16"})
            for (const char* tokens : {"T=3", "T=17", "T=33"}) {
                CAPTURE(x);
                CAPTURE(out);
                CAPTURE(tokens);
                write_bytes(
                    graph,
                    fmt::format("graph \"g\"\nsymbol T <= 40\n%x = input {0} [T, 34]\n%w = weight bf16 [31, 34]\n"
                                "%y = linear(%x, %w) {{x_rounded = true, dtype = {1}}} : {1} [T, 31]\nreturn %y\n",
                                x, out));
                nlohmann::json found[2];
                for (const bool emulated : {false, true})
                    found[emulated] = nlohmann::json::parse(out_of({"exec", graph, "--symbol", tokens, "--json",
                                                                    "--device", emulated ? "cuda-emulated" : "cpu"}))
                                          .at(0);
                for (const char* key : {"min", "max", "mean"})
                    CHECK(found[0].at(key).get<double>() ==
                          doctest::Approx(found[1].at(key).get<double>()).epsilon(0.02).scale(1));
            }
}

TEST_CASE("a graph that gives nothing back is refused on every device") {
    const TempDir directory;
    write_bytes(directory / "g.vt", "graph \"g\"\n%x = input f32 [4]\n%y = relu(%x) : f32 [4]\n");
    for (const char* device : {"cpu", "cuda-emulated"}) {
        check_error(run_vitro({"exec", (directory / "g.vt").string(), "--device", device}),
                    {"expected 'return' of a value or 'update' of a state, found neither"});
    }
}

TEST_CASE("values in blocks, packed or not, and rounded ones are summed up by the numbers they stand for") {
    const TempDir directory;
    const std::string graph = (directory / "blocks.vt").string();
    for (const std::string type : {"q8_0", "q5_1", "q4_k", "q6_k", "iq4_xs", "mxfp4"}) {
        write_bytes(
            graph, "graph \"blocks\"\n%w = weight " + type + " [32, 512]\n%p = pack(%w) {dtype = " + type + "_r16} : " +
                       type + "_r16 [32, 512]\n%y = dequantize(%p) : f32 [32, 512]\nreturn %w\nreturn %p\nreturn %y\n");
        const auto json = nlohmann::json::parse(out_of({"exec", graph, "--json"}));
        CHECK(json.at(1).at("dtype") == type + "_r16");
        for (const char* key : {"min", "max", "mean", "nan"})
            for (const std::size_t i : {0u, 1u}) CHECK(json.at(i).at(key) == json.at(2).at(key));
        CHECK(json.at(2).at("max") > json.at(2).at("min"));
    }
    write_bytes(graph,
                "graph \"rounded\"\n%x = input f32 [2, 64]\n%q = quantize_activations(%x) : q8_32 [2, 64]\n"
                "%y = dequantize(%q) : f32 [2, 64]\nreturn %q\nreturn %y\n");
    const auto json = nlohmann::json::parse(out_of({"exec", graph, "--json"}));
    CHECK(json.at(0).at("mean") == json.at(1).at("mean"));
    write_bytes(graph,
                "graph \"cast\"\n%x = input f32 [2, 64]\n%q = quantize_activations(%x) : q8_32 [2, 64]\n"
                "%y = cast(%q) : f32 [2, 64]\nreturn %y\n");
    check_error(run_vitro({"exec", graph}), {"cast at y: x: expected a float, i32 or a block-quantized type"});
}

TEST_CASE("what is no number stands in JSON as a text") {
    const TempDir directory;
    const std::string graph = (directory / "nan.vt").string();
    write_bytes(graph, "graph \"n\"\n%x = constant f32 [3] {nan, -inf, 1}\n%y = add(%x, %x) : f32 [3]\nreturn %y\n");
    CHECK(out_of({"exec", graph}) == "y f32 [3]: nan, -inf, 2, 1 NaN\n");
    const auto json = nlohmann::json::parse(out_of({"exec", graph, "--json"})).at(0);
    CHECK(json.at("values") == nlohmann::json{"NaN", "-Infinity", 2.0});
    CHECK(json.at("min") == "-Infinity");
    CHECK(json.at("max") == 2.0);
    CHECK(json.at("nan") == 1);
}
