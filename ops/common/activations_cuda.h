// Activation functions of one element on the device.
#pragma once

#include "backends/cuda/cuda.h"

namespace vitro::VITRO_DEVICE {

struct Silu {
    __device__ float operator()(float x) const { return x / (1.0f + __expf(-x)); }
};

struct Relu {
    __device__ float operator()(float x) const { return x < 0.0f ? 0.0f : x; }
};

/// x · Φ(x); erfcf keeps its relative error in the tail where 1 + erf cancels.
struct GeluErf {
    __device__ float operator()(float x) const { return 0.5f * x * erfcf(-0.707106781f * x); }
};

/// (1 + tanh(u)) / 2 = 1 / (1 + e^-2u).
struct GeluTanh {
    __device__ float operator()(float x) const {
        const float twice_u = 1.59576912f * (x + 0.044715f * x * x * x);
        return x / (1.0f + __expf(-twice_u));
    }
};

}  // namespace vitro::VITRO_DEVICE
