// Marks functions that kernels on a CUDA device call, too.
#pragma once

#ifdef __CUDACC__
#define VITRO_HOST_DEVICE __host__ __device__
#else
#define VITRO_HOST_DEVICE
#endif
