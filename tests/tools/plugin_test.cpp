// --plugin: ops, kernels and passes from a shared library.
#include "passes/plugin.h"
#include "graph/text.h"
#include "ops/op_list.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

using namespace vitro;
using namespace vitro::test;

namespace {

const std::string kPlugin = VITRO_TEST_PLUGIN, kWrong = VITRO_WRONG_PLUGIN;
const std::string kSquare = source_path("tests/tools/plugin/square.vt").string();

std::string out_with_plugin(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--plugin", kPlugin});
    return out_of(arguments);
}

}  // namespace

TEST_CASE("a plugin's op is listed, checked, found by its pass and run") {
    CHECK(out_with_plugin({"ops", "square_relu"}).starts_with("square_relu(x)  fused\n"));
    CHECK(run_vitro({"ops", "square_relu"}).exit_code == 2);

    const auto checks = nlohmann::json::parse(out_with_plugin({"ops", "--check", "square_relu", "--json"}));
    CHECK(checks.at(0).at("op") == "square_relu");
    CHECK(checks.at(0).at("passed") == true);

    const TempDir directory;
    const std::string file = (directory / "fused.vt").string();
    CHECK(out_with_plugin({"opt", kSquare, "--check-numerics", "-o", file}).empty());
    const std::string text = out_with_plugin({"opt", file});
    CHECK(text.find("square_relu(%x)") != std::string::npos);
    CHECK(out_with_plugin({"exec", file, "--seed", "3"}) == out_with_plugin({"exec", kSquare, "--seed", "3"}));
    // Without the plugin the graph cannot be read.
    check_error(run_vitro({"exec", file}), {"square_relu"});
}

TEST_CASE(
    "a plugin with a CUDA kernel, one .cu file built with the printed flags, is checked and run in the emulation") {
    const TempDir directory;
    const std::string library = (directory / "cube.so").string(), graph = (directory / "cube.vt").string();
    const ProcessResult built =
        run_program({"sh", "-c",
                     "c++ $('" + vitro_binary() + "' --plugin-flags-cuda-emulated) -o '" + library + "' '" +
                         source_path("tests/tools/plugin/cube.cu").string() + "'"});
    CHECK(built.err == "");
    REQUIRE(built.exit_code == 0);
    const auto checks = nlohmann::json::parse(
        out_of({"--plugin", library, "ops", "--check", "cube", "--device", "cuda-emulated", "--json"}));
    CHECK(checks.at(0).at("passed") == true);
    const auto& all = checks.at(0).at("checks");
    const auto on_device = std::find_if(all.begin(), all.end(),
                                        [](const auto& one) { return one.at("name") == "kernel on cuda-emulated"; });
    REQUIRE(on_device != all.end());
    CHECK(on_device->at("cases") > 0);

    // In a program the kernel runs on the device; the CPU, for which the plugin has none, takes the decomposition.
    write_bytes(graph,
                "graph \"a cube\"\nsymbol T <= 8\n%x = input f32 [T, 4]\n%y = cube(%x) : f32 [T, 4]\nreturn %y\n");
    const auto on = [&](const char* device) {
        return out_of({"--plugin", library, "exec", graph, "--seed", "3", "--symbol", "T=5", "--device", device});
    };
    CHECK(on("cuda-emulated") == on("cpu"));
}

TEST_CASE("a plugin may be given once; what it has must be new") {
    check_error(run_vitro({"--plugin", kPlugin, "--plugin", kPlugin, "ops"}),
                {"op square_relu: there already is one of this name"});
}

TEST_CASE("what is no plugin of this version is refused") {
    check_error(run_vitro({"--plugin", "no/such.so", "ops"}), {"plugin no/such.so: cannot open shared object file"});
    check_error(run_vitro({"--plugin", kSquare, "ops"}), {"plugin ", "square.vt"});
    check_error(run_vitro({"--plugin", "", "ops"}), {"plugin: expected the path of a shared library, found ''"});
    check_error(
        run_vitro({"--plugin", kWrong, "ops"}),
        {fmt::format("expected version {} of the plugin interface, found 1000: build it with this vitro's headers",
                     kPluginApi)});

    PluginVersion version;
    CHECK_NOTHROW(check_plugin_version(version, "lib.so"));
    version.abi.text[0] = 'x';
    CHECK_THROWS_WITH_AS(check_plugin_version(version, "lib.so"),
                         doctest::Contains("plugin lib.so: expected it to be built as"), Error);
}

namespace {

/// Where the parts of a library end that are loaded when it is opened.
std::size_t end_of_loaded(const std::string& library) {
    Elf64_Ehdr header;
    REQUIRE(library.size() >= sizeof header);
    std::memcpy(&header, library.data(), sizeof header);
    std::size_t end = 0;
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr part;
        REQUIRE(library.size() >= header.e_phoff + (i + 1) * sizeof part);
        std::memcpy(&part, library.data() + header.e_phoff + i * sizeof part, sizeof part);
        if (part.p_type == PT_LOAD) end = std::max<std::size_t>(end, part.p_offset + part.p_filesz);
    }
    return end;
}

}  // namespace

TEST_CASE("a pipe, a directory or a library that is cut off is refused, and nothing waits or dies") {
    const TempDir directory;
    const std::string pipe = (directory / "pipe").string(), cut = (directory / "cut.so").string();
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    check_error(run_vitro({"--plugin", pipe, "ops"}), {"expected a shared library, found a device, pipe or socket"});
    check_error(run_vitro({"--plugin", directory.path().string(), "ops"}), {"found a directory"});
    const std::string whole = read_bytes(kPlugin);
    const std::size_t loaded = end_of_loaded(whole);
    REQUIRE(loaded <= whole.size());
    for (const std::size_t size : {std::size_t{0}, std::size_t{3}, std::size_t{63}, std::size_t{64}, std::size_t{200},
                                   std::size_t{4096}, loaded / 4, loaded / 2, loaded - 1}) {
        CAPTURE(size);
        write_bytes(cut, whole.substr(0, size));
        check_error(run_vitro({"--plugin", cut, "ops"}), {"cut.so: expected "});
    }
    // What is cut off behind the parts that are loaded, such as debug information, may do no harm, but does not kill.
    for (std::size_t size = loaded; size < whole.size(); size += 1 + (whole.size() - loaded) / 8) {
        write_bytes(cut, whole.substr(0, size));
        const int exit_code = run_vitro({"--plugin", cut, "ops"}).exit_code;
        CHECK((exit_code == 0 || exit_code == 1));
    }
}

TEST_CASE("a plugin that was built in another way is refused; one built with the printed flags is taken") {
#ifdef __OPTIMIZE__
    check_error(run_vitro({"--plugin", VITRO_UNOPTIMIZED_PLUGIN, "ops"}),
                {"expected it to be built as this binary is (", ", optimized, ", "not optimized"});
#else
    MESSAGE("skipped: this build is not optimized, as the plugin that it would refuse otherwise");
#endif
    const TempDir directory;
    const std::string library = (directory / "built.so").string();
    const ProcessResult built = run_program({"sh", "-c",
                                             "c++ $('" + vitro_binary() + "' --plugin-flags) -o '" + library + "' '" +
                                                 source_path("tests/tools/plugin/square_relu.cpp").string() + "'"});
    CHECK(built.err == "");
    REQUIRE(built.exit_code == 0);
    CHECK(out_of({"--plugin", library, "ops", "square_relu"}).starts_with("square_relu(x)  fused\n"));
}

TEST_CASE("a definition that lacks what every op, kernel and pass has is refused") {
    const auto error_of = [](const std::vector<const OpDef*>& ops, const std::vector<KernelDef>& kernels = {}) {
        try {
            add_ops(ops, kernels);
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("none");
    };
    OpDef op = *find_op("relu");
    CHECK(error_of({nullptr}) == "an op: expected its definition, found none");
    for (const std::string_view name : {"", "a b", "f(", "Relu", "\xc3\xa9"}) {
        op.name = name;
        CHECK(error_of({&op}) == fmt::format("op '{}': expected a name of the letters a to z, digits and _", name));
    }
    op.name = "other";
    const auto without = [&](auto OpDef::*field, const char* name) {
        OpDef less = op;
        less.*field = nullptr;
        CHECK(error_of({&less}) == fmt::format("op other: expected its definition to have {}, found none", name));
    };
    without(&OpDef::infer, "infer");
    without(&OpDef::parse_attributes, "parse_attributes");
    without(&OpDef::reference, "reference");
    without(&OpDef::examples, "examples");
    CHECK(error_of({}, {{.op = "relu", .run = nullptr}}) ==
          "a kernel for relu: expected a function to run, found none");
    CHECK_THROWS_WITH_AS(add_gpu_kernels("cuda", std::vector<KernelDef>{{.op = "relu", .run = nullptr}}),
                         "a kernel for relu: expected a function to run, found none", Error);
    CHECK_THROWS_WITH_AS(add_pass({"mine", "x -> x", nullptr}, "fuse_attention"),
                         "pass mine: expected a function to run, found none", Error);
}

TEST_CASE("what a plugin throws is an error, whatever it is") {
    const TempDir directory;
    const std::string source = (directory / "throws.cpp").string(), library = (directory / "throws.so").string();
    write_bytes(source, R"(#include "passes/plugin.h"
extern "C" const vitro::PluginVersion vitro_plugin_version{};
extern "C" const vitro::Plugin& vitro_plugin() { throw 7; }
)");
    const ProcessResult built = run_program(
        {"sh", "-c", "c++ $('" + vitro_binary() + "' --plugin-flags) -o '" + library + "' '" + source + "'"});
    CHECK(built.err == "");
    REQUIRE(built.exit_code == 0);
    check_error(run_vitro({"--plugin", library, "ops"}), {"throws.so: it threw what is no std::exception"});
}
