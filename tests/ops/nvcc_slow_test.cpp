// nvcc compiles every CUDA source for all architectures, without a warning, no kernel spills, and products of four
// warps are not made to wait for each other. Needs the toolkit, no GPU.
#include "tests/paths.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <regex>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

const fs::path kSource = vitro::test::source_path();

/// What a command writes, and its exit status.
struct Said {
    std::string text;
    int status = -1;
};

Said run(const std::string& command) {
    Said said;
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    REQUIRE(pipe != nullptr);
    char buffer[4096];
    while (const std::size_t count = std::fread(buffer, 1, sizeof(buffer), pipe)) said.text.append(buffer, count);
    said.status = WEXITSTATUS(pclose(pipe));
    return said;
}

/// nvcc, or empty where there is none, which is said aloud.
std::string nvcc() {
    const std::string path = VITRO_NVCC_PATH;
    if (!fs::exists(path)) {
        MESSAGE("skipped: there is no nvcc (cmake -DVITRO_NVCC=)");
        return {};
    }
    return path;
}

/// Device code only, of sm_80, sm_89, sm_90a and PTX for later ones.
Said compile(const std::string& nvcc, const fs::path& source) {
    return run(
        fmt::format("cd '{}' && '{}' -std=c++20 -O3 -DFMT_USE_CONSTEXPR=1 --expt-relaxed-constexpr -I. "
                    "-Werror=all-warnings --threads 0 -Xptxas -v,-warn-spills -gencode arch=compute_80,code=sm_80 "
                    "-gencode arch=compute_89,code=sm_89 -gencode arch=compute_90a,code=sm_90a "
                    "-gencode arch=compute_90,code=compute_90 --fatbin -o /dev/null '{}'",
                    kSource.string(), nvcc, source.string()));
}

/// The kernels that spill registers, as "name for sm_80: 8 bytes"; `kernels` counts all.
std::vector<std::string> spills(const std::string& said, int& kernels) {
    static const std::regex kEntry("Compiling entry function '([^']*)' for '([^']*)'");
    static const std::regex kSpills("(\\d+) bytes spill stores, (\\d+) bytes spill loads");
    std::vector<std::string> out;
    std::string kernel;
    std::smatch match;
    for (std::size_t begin = 0; begin < said.size();) {
        const std::size_t end = std::min(said.find('\n', begin), said.size());
        const std::string line = said.substr(begin, end - begin);
        begin = end + 1;
        if (std::regex_search(line, match, kEntry)) {
            kernel = match[1].str() + " for " + match[2].str();
            ++kernels;
        } else if (std::regex_search(line, match, kSpills) && match[1].str() + match[2].str() != "00") {
            out.push_back(fmt::format("{}: {} and {} bytes", kernel, match[1].str(), match[2].str()));
        }
    }
    return out;
}

/// What ptxas says of products of four warps that it runs one after the other, and of setmaxnreg that it leaves out.
std::vector<std::string> losses(const std::string& said) {
    std::vector<std::string> out;
    for (std::size_t at = 0; (at = said.find("Potential Performance Loss", at)) != std::string::npos; ++at)
        out.push_back(said.substr(at, said.find('\n', at) - at));
    return out;
}

/// What bench/gpu/sass.py prints of a source's kernels for sm_90a; empty where a tool is missing, which is said aloud.
std::string sass_of(const std::string& source) {
    const std::string path = nvcc();
    if (path.empty()) return {};
    const fs::path cubin = fs::temp_directory_path() / fmt::format("vitro_{}.cubin", getpid());
    const Said compiled =
        run(fmt::format("cd '{}' && '{}' -std=c++20 -O3 -DFMT_USE_CONSTEXPR=1 --expt-relaxed-constexpr -I. -gencode "
                        "arch=compute_90a,code=sm_90a -cubin -o '{}' '{}'",
                        kSource.string(), path, cubin.string(), source));
    REQUIRE_MESSAGE(compiled.status == 0, compiled.text);
    const Said said = run(fmt::format("python3 '{}/bench/gpu/sass.py' '{}'", kSource.string(), cubin.string()));
    fs::remove(cubin);
    if (said.text.find("cuobjdump is not there") != std::string::npos) {
        MESSAGE("skipped: ", said.text);
        return {};
    }
    REQUIRE_MESSAGE(said.status == 0, said.text);
    return said.text;
}

/// Calls body(kernel, number) for each line of `said` that matches; how many do.
int each_line(const std::string& said, const char* pattern,
              const std::function<void(const std::string& kernel, int number)>& body) {
    const std::regex expected(pattern);
    int kernels = 0;
    for (std::sregex_iterator line(said.begin(), said.end(), expected), end; line != end; ++line, ++kernels)
        body((*line)[1], std::stoi((*line)[2]));
    return kernels;
}

}  // namespace

TEST_CASE("nvcc compiles all kernels for all architectures, without warnings and spills") {
    const std::string path = nvcc();
    if (path.empty()) return;
    int kernels = 0;
    for (const char* room : {"ops", "backends"})
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(kSource / room)) {
            if (entry.path().extension() != ".cu") continue;
            const fs::path source = entry.path().lexically_relative(kSource);
            const Said said = compile(path, source);
            CHECK_MESSAGE(said.status == 0, source.string(), ":\n", said.text);
            for (const std::string& spill : spills(said.text, kernels)) FAIL_CHECK(source.string(), ": ", spill);
            for (const std::string& loss : losses(said.text)) FAIL_CHECK(source.string(), ": ", loss);
        }
    CHECK(kernels > 3 * 20);
}

TEST_CASE("no product waits for its weights before the next kernel may start") {
    for (const char* source : {"ops/matmul/linear_product_cuda.cu", "ops/qkv_projection/qkv_projection_cuda.cu"}) {
        const std::string said = sass_of(source);
        if (said.empty()) return;
        const auto none_waits = [](const std::string& kernel, int waits) { CHECK_MESSAGE(waits == 0, kernel); };
        // bf16 and f16, fp8 weights or the same; up to 8 tokens or 16, with a norm or without
        CHECK(each_line(said, "(resident_product_kernel<.*>): (\\d+) waits before PREEXIT", none_waits) == 16);
        // up to 16 tokens, 32 or 64, and a norm with bf16 alone
        CHECK(each_line(said, "(tile_product_kernel<.*>): (\\d+) waits before PREEXIT", none_waits) == 18);
    }
}

TEST_CASE("attention of single tokens asks for what the caches hold before it waits for the kernel in front") {
    const std::string said = sass_of("ops/attention/attention_decode_cuda.cu");
    if (said.empty()) return;
    const int kernels = each_line(said, "(attention_decode_kernel<.*>): .* (\\d+) copies before ACQBULK",
                                  [](const std::string& kernel, int copies) { CHECK_MESSAGE(copies > 0, kernel); });
    CHECK(kernels == 20);  // bf16 and f16, caches of fp8 or the same, five sizes of heads
}

TEST_CASE("attention of many tokens: what is loaded of keys and values feeds two tiles of rows") {
    const std::string said = sass_of("ops/attention/attention_prefill_cuda.cu");
    if (said.empty()) return;
    const int kernels = each_line(said, "(attention_prefill_kernel<.*, (?:64|80|96|128)>): .* (\\d+) products for",
                                  [](const std::string& kernel, int products) {
                                      // One tile of rows has 20, less q's where that is in shared memory.
                                      CHECK_MESSAGE(products >= 26, kernel);
                                  });
    CHECK(kernels == 16);  // bf16 and f16, caches of fp8 or the same
}

TEST_CASE("attention by products of four warps: weights are made beside products, groups of warps trade registers") {
    const std::string said = sass_of("ops/attention/attention_hopper_cuda.cu");
    if (said.empty()) return;
    const auto all_have = [&](int size, int expected, const char* what) {
        const auto body = [&](const std::string& kernel, int count) { CHECK_MESSAGE(count == expected, kernel); };
        const std::string pattern = fmt::format("(attention_hopper_kernel<.*, {}>): .* (\\d+) {}", size, what);
        CHECK(each_line(said, pattern.c_str(), body) == 2);  // bf16 and f16
    };
    for (const int size : {64, 96, 128}) {
        const int keys = size > 96 ? 96 : 128;  // of a tile
        // The first keys and the last values stand alone.
        all_have(size, 2 * (size / 16 + keys / 16), "by four warps");
        // Of a thread's two rows a quarter of the keys, with a softcap and without, and what becomes of earlier sums.
        all_have(size, 2 * 2 * (keys / 4) + 2, "exponentials beside them");
        all_have(size, 2, "changes of registers");
        all_have(size, 0, "of local memory");
    }
}

TEST_CASE("what only Hopper has compiles for every card") {
    const std::string path = nvcc();
    if (path.empty()) return;
    const Said said = compile(path, "tests/backends/hopper_kernels.cu");
    CHECK_MESSAGE(said.status == 0, said.text);
}

TEST_CASE("products that wait for each other are noticed") {
    CHECK(
        losses("ptxas info : (C7515) Potential Performance Loss: wgmma.mma_async instructions are serialized\nptxas") ==
        std::vector<std::string>{"Potential Performance Loss: wgmma.mma_async instructions are serialized"});
    CHECK(losses("ptxas info : Used 168 registers").empty());
}

TEST_CASE("a spill is noticed") {
    int kernels = 0;
    const std::string said =
        "ptxas info    : Compiling entry function 'a' for 'sm_80'\n"
        "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
        "ptxas info    : Compiling entry function 'b' for 'sm_90a'\n"
        "    16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads\n";
    CHECK(spills(said, kernels) == std::vector<std::string>{"b for sm_90a: 8 and 4 bytes"});
    CHECK(kernels == 2);
}
