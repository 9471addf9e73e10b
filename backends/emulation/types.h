// The words and vector types of CUDA C++, for a plain C++ compiler.
#pragma once

#include <cstddef>
#include <cstdint>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)

namespace vitro::emulation {

template <class T, std::size_t kAlignment>
struct alignas(kAlignment) Vector1 {
    T x;
};
template <class T, std::size_t kAlignment>
struct alignas(kAlignment) Vector2 {
    T x, y;
};
template <class T, std::size_t kAlignment>
struct alignas(kAlignment) Vector3 {
    T x, y, z;
};
template <class T, std::size_t kAlignment>
struct alignas(kAlignment) Vector4 {
    T x, y, z, w;
};

using char2 = Vector2<signed char, 2>;
using char4 = Vector4<signed char, 4>;
using uchar2 = Vector2<unsigned char, 2>;
using uchar4 = Vector4<unsigned char, 4>;
using short2 = Vector2<short, 4>;
using short4 = Vector4<short, 8>;
using ushort2 = Vector2<unsigned short, 4>;
using ushort4 = Vector4<unsigned short, 8>;
using int2 = Vector2<int, 8>;
using int3 = Vector3<int, 4>;
using int4 = Vector4<int, 16>;
using uint1 = Vector1<unsigned, 4>;
using uint2 = Vector2<unsigned, 8>;
using uint3 = Vector3<unsigned, 4>;
using uint4 = Vector4<unsigned, 16>;
using longlong2 = Vector2<long long, 16>;
using ulonglong2 = Vector2<unsigned long long, 16>;
using float2 = Vector2<float, 8>;
using float3 = Vector3<float, 4>;
using float4 = Vector4<float, 16>;
using double2 = Vector2<double, 16>;

inline char2 make_char2(signed char x, signed char y) { return {x, y}; }
inline char4 make_char4(signed char x, signed char y, signed char z, signed char w) { return {x, y, z, w}; }
inline uchar2 make_uchar2(unsigned char x, unsigned char y) { return {x, y}; }
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) { return {x, y, z, w}; }
inline short2 make_short2(short x, short y) { return {x, y}; }
inline short4 make_short4(short x, short y, short z, short w) { return {x, y, z, w}; }
inline ushort2 make_ushort2(unsigned short x, unsigned short y) { return {x, y}; }
inline ushort4 make_ushort4(unsigned short x, unsigned short y, unsigned short z, unsigned short w) {
    return {x, y, z, w};
}
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int3 make_int3(int x, int y, int z) { return {x, y, z}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

/// Sizes of a grid or of a block.
struct dim3 {
    unsigned x = 1, y = 1, z = 1;

    constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1) : x(width), y(height), z(depth) {}
};

}  // namespace vitro::emulation
