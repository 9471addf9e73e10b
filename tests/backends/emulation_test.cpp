// The emulation of CUDA: right kernels give right results. emulation_faults_test.cpp has the wrong ones.
#include "backends/cuda/gemm.h"
#include "backends/cuda/ptx.h"
#include "tests/backends/emulated_device.h"
#include "tests/backends/emulation_kernels.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

using namespace vitro;
using namespace vitro::cuda_emulated;

TEST_CASE("emulation: a grid covers every element") {
    for (const int n : {1, 31, 1000}) {
        const auto x = random_values(std::size_t(n), 1);
        const DeviceArray<float> in(x), out{std::vector<float>(x.size())};
        launch(copy_elements, {.name = "copy_elements", .grid = unsigned(n + 127) / 128, .block = 128}, in.data(),
               out.data(), n);
        CHECK(out.host() == x);
    }
}

TEST_CASE_TEMPLATE("emulation: rms_norm with shuffles and shared memory", T, float, __half, __nv_bfloat16) {
    constexpr int kRows = 3;
    for (const int width : {32, 100, 1000}) {
        const auto x = random_values(std::size_t(kRows * width), 2), weight = random_values(std::size_t(width), 3);
        const DeviceArray<T> device_x(std::vector<T>(x.begin(), x.end())),
            device_weight(std::vector<T>(weight.begin(), weight.end())), out{std::vector<T>(x.size())};
        launch(rms_norm<T>, {.name = "rms_norm", .grid = kRows, .block = 96}, device_x.data(), device_weight.data(),
               out.data(), width, 1e-5f);
        const auto result = out.host();
        for (int row = 0; row < kRows; ++row) {
            double sum = 0;
            for (int i = 0; i < width; ++i) sum += std::pow(double(float(T(x[std::size_t(row * width + i)]))), 2);
            for (int i = 0; i < width; ++i) {
                const auto at = std::size_t(row * width + i);
                const double expected =
                    double(float(T(x[at]))) * double(float(T(weight[std::size_t(i)]))) / std::sqrt(sum / width + 1e-5);
                const double tolerance = std::is_same_v<T, float> ? 1e-6 : std::is_same_v<T, __half> ? 1e-3 : 1e-2;
                CHECK(double(float(result[at])) == doctest::Approx(expected).epsilon(tolerance));
            }
        }
    }
}

TEST_CASE("emulation: loops and copies that become memset and memcpy are seen") {
    const auto x = random_values(64 * 8, 15);
    const DeviceArray<float> in(x), out{std::vector<float>(x.size())};
    launch(fill_and_copy, {.name = "fill_and_copy", .grid = 1, .block = 64, .shared_bytes = 2 * 64 * 8 * sizeof(float)},
           in.data(), out.data());
    CHECK(out.host() == x);
}

TEST_CASE("emulation: shuffles follow the PTX manual") {
    const DeviceArray<int> out{std::vector<int>(160)};
    launch(shuffle_kinds, {.name = "shuffle_kinds", .grid = 1, .block = 32}, out.data());
    const auto result = out.host();
    for (int lane = 0; lane < 32; ++lane) {
        const auto at = std::size_t(lane);
        CHECK(result[at] == lane / 8 * 8 + 5);
        CHECK(result[32 + at] == (lane % 16 < 3 ? lane : lane - 3));
        CHECK(result[64 + at] == (lane % 16 > 12 ? lane : lane + 3));
        CHECK(result[96 + at] == (lane ^ 9));
        CHECK(result[128 + at] == (lane < 16 ? 2 : 20));
    }
}

TEST_CASE("emulation: votes, reductions and barriers that count") {
    const DeviceArray<int> out{std::vector<int>(8)};
    launch(count_votes, {.name = "count_votes", .grid = 1, .block = 64}, out.data());
    unsigned multiples = 0;
    for (int i = 32; i < 64; ++i) multiples |= unsigned(i % 3 == 0) << (i - 32);
    CHECK(out.host() == std::vector<int>{int(multiples), 1, 0, (32 + 63) * 16, 63, 127, 10, 3});
}

TEST_CASE("emulation: atomics on shared and global memory") {
    std::vector<int> x(1000), bins(8);
    float sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = int(random_bits(5, i) % 100);
        ++bins[std::size_t(x[i] % 8)];
        sum += float(x[i]);
    }
    const DeviceArray<int> device_x(x), device_bins{std::vector<int>(8)}, largest{std::vector<int>(1, -1)};
    const DeviceArray<float> device_sum{std::vector<float>(1)};
    launch(histogram, {.name = "histogram", .grid = 8, .block = 128}, device_x.data(), 1000, device_bins.data(),
           device_sum.data(), largest.data());
    CHECK(device_bins.host() == bins);
    CHECK(device_sum.host()[0] == sum);
    CHECK(largest.host()[0] == *std::max_element(x.begin(), x.end()));
}

TEST_CASE_TEMPLATE("emulation: mma, ldmatrix and cp.async make a matrix product", T, __half, __nv_bfloat16) {
    constexpr int kM = 20, kN = 12, kK = 48;
    const auto a = random_values(kM * kK, 6), b = random_values(kN * kK, 7);
    const std::vector<T> a_values(a.begin(), a.end()), b_values(b.begin(), b.end());
    const DeviceArray<T> device_a(a_values), device_b(b_values);
    const DeviceArray<float> c{std::vector<float>(kM * kN)};
    launch(matmul_mma<T>, {.name = "matmul_mma", .grid = {2, 2}, .block = 32}, device_a.data(), device_b.data(),
           c.data(), kM, kN, kK);
    const auto result = c.host();
    for (int i = 0; i < kM; ++i)
        for (int j = 0; j < kN; ++j) {
            double sum = 0;
            for (int k = 0; k < kK; ++k)
                sum +=
                    double(float(a_values[std::size_t(i * kK + k)])) * double(float(b_values[std::size_t(j * kK + k)]));
            CHECK(double(result[std::size_t(i * kN + j)]) == doctest::Approx(sum).epsilon(1e-5));
        }
}

TEST_CASE("emulation: mma in tf32") {
    constexpr int kK = 24;
    const auto a = random_values(16 * kK, 8), b = random_values(8 * kK, 9);
    const DeviceArray<float> device_a(a), device_b(b), c{std::vector<float>(16 * 8)};
    launch(matmul_tf32, {.name = "matmul_tf32", .grid = 1, .block = 32}, device_a.data(), device_b.data(), c.data(),
           kK);
    const auto result = c.host();
    const auto rounded = [](float x) { return double(std::bit_cast<float>(round_to_tf32(x))); };
    for (int i = 0; i < 16; ++i)
        for (int j = 0; j < 8; ++j) {
            double sum = 0;
            for (int k = 0; k < kK; ++k)
                sum += rounded(a[std::size_t(i * kK + k)]) * rounded(b[std::size_t(j * kK + k)]);
            CHECK(double(result[std::size_t(i * 8 + j)]) == doctest::Approx(sum).epsilon(1e-5));
        }
}

TEST_CASE("emulation: ldmatrix hands out rows and columns as the PTX manual says") {
    std::vector<unsigned short> x(32 * 8);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<unsigned short>(i);
    const DeviceArray<unsigned short> in(x);
    const DeviceArray<unsigned> out{std::vector<unsigned>(256)};
    launch(load_matrices, {.name = "load_matrices", .grid = 1, .block = 32}, in.data(), out.data());
    const auto result = out.host();
    for (unsigned lane = 0; lane < 32; ++lane)
        for (unsigned matrix = 0; matrix < 4; ++matrix) {
            const unsigned row = lane / 4, column = lane % 4 * 2, begin = matrix * 64;
            const unsigned plain = begin + row * 8 + column;
            CHECK(result[lane * 4 + matrix] == ((plain + 1) << 16 | plain));
            const unsigned transposed = begin + column * 8 + row;
            CHECK(result[128 + lane * 4 + matrix] == ((transposed + 8) << 16 | transposed));
        }
}

TEST_CASE("emulation: cp.async in two stages") {
    for (const int n : {4, 128, 1000}) {
        const auto x = random_values(std::size_t(n), 10);
        const DeviceArray<float> in(x), out{std::vector<float>(x.size())};
        launch(copy_through_shared, {.name = "copy_through_shared", .grid = 1, .block = 32, .shared_bytes = 2 * 512},
               in.data(), out.data(), n);
        CHECK(out.host() == x);
    }
}

TEST_CASE("emulation: named barriers order a producer and its consumers") {
    constexpr int kRounds = 5;
    const DeviceArray<float> data{std::vector<float>(kRounds * 2 * 32)};
    launch(pass_along, {.name = "pass_along", .grid = 1, .block = 96}, data.data(), kRounds);
    const auto result = data.host();
    for (int round = 0; round < kRounds; ++round)
        for (int i = 0; i < 64; ++i) CHECK(result[std::size_t(round * 64 + i)] == float(round * 32 + 31 - i % 32));
}

TEST_CASE("emulation: cooperative launches, and blocks that wait for each other") {
    std::vector<float> x(1000);
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] = float(i % 17);
    const DeviceArray<float> in(x), out{std::vector<float>(1)}, partial{std::vector<float>(8)};
    const Launch how{.name = "sum_of_grid", .grid = 6, .block = 64, .cooperative = true};
    launch(sum_of_grid, how, in.data(), out.data(), 1000);
    CHECK(out.host()[0] == float(2 * sum));
    CHECK_HAS(fault_of(sum_of_grid, {.name = "plain", .grid = 6, .block = 64}, in.data(), out.data(), 1000),
              "not cooperative");
    CHECK_HAS(fault_of(some_blocks_skip_the_grid_barrier, how), "divergent barrier");
    CHECK_THROWS_WITH_AS(launch(sum_of_grid, {.name = "huge", .grid = 5000, .block = 1024, .cooperative = true},
                                in.data(), out.data(), 1000),
                         doctest::Contains("too many blocks in cooperative launch"), Error);

    const DeviceArray<unsigned> arrived{std::vector<unsigned>(1)};
    launch(last_block_sums, {.name = "last_block_sums", .grid = 8, .block = 96}, in.data(), partial.data(),
           arrived.data(), out.data());
    double first = 0;
    for (std::size_t i = 0; i < 8 * 96; ++i) first += x[i];
    CHECK(out.host()[0] == float(first));

    launch(set_flag, {.name = "set_flag", .grid = 2, .block = 32, .cooperative = true}, arrived.data(), out.data());
    CHECK(out.host()[0] == 43.0f);
    emulation::options().patience_seconds = 0.05;
    const DeviceArray<unsigned> never{std::vector<unsigned>(1)};
    CHECK_HAS(fault_of(waits_for_nobody, {.name = "nobody", .grid = 1, .block = 1}, never.data()), "never comes");
    emulation::options() = {};
}

TEST_CASE("emulation: work runs when the host waits for it, and streams wait for events") {
    const DeviceArray<float> x{std::vector<float>(8)};
    cudaStream_t first = nullptr, second = nullptr;
    check(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking), "create");
    check(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking), "create");
    cudaEvent_t begin = nullptr, end = nullptr;
    check(cudaEventCreate(&begin), "create");
    check(cudaEventCreate(&end), "create");
    std::vector<float> host(8, -1.0f);

    check(cudaEventRecord(begin, first), "record");
    launch(add_one, {.name = "add_one", .grid = 1, .block = 32, .stream = first}, x.data(), 8);
    check(cudaEventRecord(end, first), "record");
    check(cudaStreamWaitEvent(second, end), "wait");
    check(cudaMemcpyAsync(host.data(), x.data(), 32, cudaMemcpyDeviceToHost, second), "copy");
    CHECK(host[0] == -1.0f);  // nobody has waited
    float milliseconds = -1.0f;
    CHECK(cudaEventElapsedTime(&milliseconds, begin, end) == cudaErrorNotReady);
    check(cudaStreamSynchronize(second), "synchronize");
    CHECK(host[0] == 1.0f);
    check(cudaEventElapsedTime(&milliseconds, begin, end), "elapsed");
    CHECK(milliseconds >= 0.0f);
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
}

TEST_CASE("emulation: a captured graph runs nothing, then replays with what memory holds") {
    const DeviceArray<float> x{std::vector<float>(8)}, out{std::vector<float>(8)};
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "create");
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
    float* extra = nullptr;
    CHECK(cudaMalloc(&extra, 4) == cudaErrorStreamCaptureUnsupported);
    CHECK(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported);
    launch(add_one, {.name = "add_one", .grid = 1, .block = 32, .stream = stream}, x.data(), 8);
    launch(double_after_wait, {.name = "double", .grid = 1, .block = 32, .stream = stream, .programmatic = true},
           x.data(), out.data(), 8);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    check(cudaStreamEndCapture(stream, &graph), "end");
    std::size_t nodes = 0;
    check(cudaGraphGetNodes(graph, nullptr, &nodes), "nodes");
    CHECK(nodes == 2);
    check(cudaGraphInstantiate(&executable, graph), "instantiate");
    check(cudaGraphDestroy(graph), "destroy");
    CHECK(x.host()[0] == 0.0f);
    for (int step = 1; step <= 3; ++step) {
        check(cudaGraphLaunch(executable, stream), "launch");
        check(cudaStreamSynchronize(stream), "synchronize");
        CHECK(x.host()[7] == float(step));
        CHECK(out.host()[7] == float(2 * step));
    }
    check(cudaGraphExecDestroy(executable), "destroy");
    cudaStreamDestroy(stream);
}

TEST_CASE("emulation: f16 and bf16 hold every value and round halves to even") {
    for (unsigned bits = 0; bits < 0x10000; ++bits) {
        const auto code = static_cast<unsigned short>(bits);
        const float half = __half2float(__ushort_as_half(code)), bfloat = __bfloat162float(__ushort_as_bfloat16(code));
        if (!std::isnan(half)) CHECK_EQ(__half_as_ushort(__float2half_rn(half)), code);
        if (!std::isnan(bfloat)) CHECK_EQ(__bfloat16_as_ushort(__float2bfloat16_rn(bfloat)), code);
        // Between two neighbours: the exact middle goes to the even one, a little more or less to the nearer one.
        if ((bits & 0x7fff) >= 0x7bff) continue;
        const auto next_code = static_cast<unsigned short>(bits + 1);
        const float next = __half2float(__ushort_as_half(next_code)), middle = 0.5f * (half + next);
        CHECK_EQ(__half_as_ushort(__float2half_rn(middle)), bits % 2 == 0 ? code : next_code);
        CHECK_EQ(__half_as_ushort(__float2half_rn(std::nextafter(middle, half))), code);
        CHECK_EQ(__half_as_ushort(__float2half_rn(std::nextafter(middle, next))), next_code);
    }
    CHECK(__half_as_ushort(__float2half_rn(65520.0f)) == 0x7c00);
    CHECK(__half_as_ushort(__float2half_rn(NAN)) == 0x7fff);
    CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(-NAN)) == 0x7fff);
    CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(1.00390625f)) == 0x3f80);  // 1 + 2^-8, the middle
    // From a double, rounding once: this lies above the middle by less than an fp32 can tell.
    CHECK(__half_as_ushort(__double2half(1.0 + 0x1p-11 + 0x1p-40)) == 0x3c01);
}

TEST_CASE("emulation: fp8 e4m3 against its definition") {
    // Value of a code, from sign, exponent (bias 7) and mantissa.
    const auto value = [](unsigned code) {
        const int exponent = int(code >> 3 & 15), mantissa = int(code & 7);
        const double magnitude = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
        return (code & 0x80) != 0 ? -magnitude : magnitude;
    };
    const auto convert = [](float x) { return unsigned(__nv_fp8_e4m3(x).__x); };
    for (unsigned code = 0; code < 256; ++code) {
        if ((code & 0x7f) == 0x7f) continue;
        __nv_fp8_e4m3 x;
        x.__x = static_cast<unsigned char>(code);
        CHECK(double(static_cast<float>(x)) == value(code));
        CHECK(convert(float(value(code))) == code);
        if ((code & 0x7f) == 0x7e) continue;
        const auto low = float(value(code)), high = float(value(code + 1)), middle = 0.5f * (low + high);
        CHECK(convert(middle) == (code % 2 == 0 ? code : code + 1));
        CHECK(convert(std::nextafter(middle, low)) == code);
        CHECK(convert(std::nextafter(middle, high)) == code + 1);
    }
    for (const float large : {449.0f, 464.0f, 465.0f, 1e30f, INFINITY}) {
        CHECK(convert(large) == 0x7e);
        CHECK(convert(-large) == 0xfe);
    }
    CHECK(convert(NAN) == 0x7f);
    CHECK(std::isnan(static_cast<float>(__nv_fp8_e4m3(NAN))));
    const auto four = static_cast<float4>(__nv_fp8x4_e4m3(make_float4(1.0f, -2.0f, 0.5f, 1000.0f)));
    CHECK(four.x == 1.0f);
    CHECK(four.y == -2.0f);
    CHECK(four.z == 0.5f);
    CHECK(four.w == 448.0f);
}

TEST_CASE("emulation: integer intrinsics") {
    CHECK(__byte_perm(0x33221100u, 0x77665544u, 0x7531u) == 0x77553311u);
    CHECK(__byte_perm(0x80000000u, 0u, 0xb000u) == 0xff000000u);
    CHECK(__brev(1u) == 0x80000000u);
    CHECK(__clz(1) == 31);
    CHECK(__popc(0xf0f0u) == 8);
    CHECK(__ffs(8) == 4);
    CHECK(__umulhi(0xffffffffu, 0xffffffffu) == 0xfffffffeu);
    CHECK(__funnelshift_l(0x80000000u, 1u, 1) == 3u);
    CHECK(__dp4a(int(0xff02ff02u), 0x03040506, 10) == 10 + (-1 * 3 + 2 * 4 + -1 * 5 + 2 * 6));
    CHECK(__float2int_rn(2.5f) == 2);
    CHECK(__float2int_rz(-1e20f) == std::numeric_limits<int>::min());
}

TEST_CASE_TEMPLATE("emulation: gemm with bias and residual", T, float, __half, __nv_bfloat16) {
    constexpr int kM = 5, kN = 7, kK = 33, kStride = 40;
    const DType dtype = std::is_same_v<T, float> ? DType::f32 : std::is_same_v<T, __half> ? DType::f16 : DType::bf16;
    const auto values = [](std::size_t count, std::uint64_t seed) {
        const auto floats = random_values(count, seed);
        return std::vector<T>(floats.begin(), floats.end());
    };
    const auto a = values(kM * kStride, 11), b = values(kN * kK, 12), bias = values(kN, 13), c = values(kM * kN, 14);
    const DeviceArray<T> device_a(a), device_b(b), device_bias(bias), device_c(c);
    const DeviceArray<float> plain{std::vector<float>(kM * kN)};
    Gemm gemm(nullptr, 0);
    bool by_kernel = false;
    SUBCASE("by the library's stand-in") {}
    SUBCASE("by the kernel for what the library refuses") { by_kernel = true; }
    GemmCall call{.input = dtype,
                  .output = DType::f32,
                  .m = kM,
                  .n = kN,
                  .k = kK,
                  .a = device_a.data(),
                  .b = device_b.data(),
                  .c = plain.data(),
                  .a_stride = kStride};
    const auto multiply = [&] {
        if (by_kernel)
            plain_gemm(call, nullptr);
        else
            CHECK(gemm.run(call, nullptr) == "");
    };
    multiply();
    call.output = dtype;
    call.c = device_c.data();
    call.bias = device_bias.data();
    call.residual = device_c.data();
    multiply();
    const auto product = plain.host();
    const auto result = device_c.host();
    for (std::size_t i = 0; i < kM; ++i)
        for (std::size_t j = 0; j < kN; ++j) {
            double sum = 0;
            for (std::size_t k = 0; k < kK; ++k)
                sum += double(float(a[i * kStride + k])) * double(float(b[j * kK + k]));
            CHECK(double(product[i * kN + j]) == doctest::Approx(sum).epsilon(1e-5));
            CHECK(double(float(result[i * kN + j])) ==
                  doctest::Approx(sum + double(float(bias[j])) + double(float(c[i * kN + j]))).epsilon(1e-2));
        }
    call.m = kM + 1;
    gemm.run(call, nullptr);
    CHECK_HAS(fault_of_queued(), "gemm: row 5 of a [6, 33]");
}
