# CUDA sources without nvcc. vitro_emulated_sources(<target> <file.cu>...) compiles .cu files as plain C++ against
# backends/emulation and adds them to the target. A small .cpp that includes the .cu stands for it, so that the same
# file can also go to nvcc for another target.
#
# Outside of sanitizer builds the files are compiled with the compiler's access hooks (-fsanitize=thread, whose runtime is
# not linked: backends/emulation/hooks.cpp takes its place), one call for each access, hence no vectorizing. Loops must not
# become calls of memset or memcpy, which have no hook, and vectors (uint4) must not fall apart into their parts.
#
# All of it is one shared library, which a program loads when somebody asks for it (runtime/emulated_cuda.h). What it needs
# of the other rooms it finds in that program.
file(GLOB emulation_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/backends/emulation/*.cpp
     ${PROJECT_SOURCE_DIR}/runtime/emulation/*.cpp)
add_library(vitro_cuda_emulated SHARED ${emulation_sources})
target_include_directories(vitro_cuda_emulated PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(vitro_cuda_emulated PUBLIC fmt::fmt Threads::Threads)
target_link_options(vitro_cuda_emulated PRIVATE -Wl,-Bsymbolic-functions)  # a hook for each access: no detours

# Both names that the source directory may have: ccache makes paths relative where it is told to.
cmake_path(RELATIVE_PATH PROJECT_SOURCE_DIR BASE_DIRECTORY ${PROJECT_BINARY_DIR} OUTPUT_VARIABLE source_from_build)
set(VITRO_EMULATION_OPTIONS -Wno-unknown-pragmas -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=
    -fmacro-prefix-map=${source_from_build}/=)
if(NOT VITRO_SANITIZE)
  list(APPEND VITRO_EMULATION_OPTIONS -fsanitize=thread -fno-tree-vectorize -fno-tree-slp-vectorize
       -fno-tree-loop-distribute-patterns)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND VITRO_EMULATION_OPTIONS --param=tsan-instrument-func-entry-exit=0 -Wno-tsan -fno-tree-sra
         -fno-ipa-sra)
  else()
    list(APPEND VITRO_EMULATION_OPTIONS "SHELL:-mllvm -tsan-instrument-func-entry-exit=0")
  endif()
endif()

function(vitro_emulated_sources target)
  foreach(source ${ARGN})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE relative)
    set(wrapper ${PROJECT_BINARY_DIR}/emulated/${relative}.cpp)
    file(CONFIGURE OUTPUT ${wrapper} CONTENT "#include \"${relative}\"\n" @ONLY)
    set_source_files_properties(${wrapper} TARGET_DIRECTORY ${target}
                                PROPERTIES COMPILE_OPTIONS "${VITRO_EMULATION_OPTIONS}" SKIP_PRECOMPILE_HEADERS ON)
    target_sources(${target} PRIVATE ${wrapper})
  endforeach()
endfunction()

# The same files by nvcc. A binary made so starts without a driver: CUDA's runtime is static and looks for the driver when it
# is asked for a device; cuBLASLt is opened with the first device (backends/cuda/cublaslt.cu).
set(VITRO_CUDA AUTO CACHE STRING
    "build the CUDA kernels with nvcc: AUTO (where there are a GPU and nvcc, but not under a sanitizer), ON, OFF")
# For the GPUs of this machine, else for an H200.
set(architectures)
execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
                OUTPUT_VARIABLE capabilities RESULT_VARIABLE status ERROR_QUIET)
if(status EQUAL 0)
  string(REGEX MATCHALL "[0-9]+\\.[0-9]+" architectures "${capabilities}")
  list(TRANSFORM architectures REPLACE "\\." "")
  list(TRANSFORM architectures REPLACE "^90$" "90a")
  list(TRANSFORM architectures APPEND "-real")
  list(REMOVE_DUPLICATES architectures)
endif()
set(VITRO_HAS_GPU FALSE)
if(architectures)
  set(VITRO_HAS_GPU TRUE)
else()
  set(architectures "90a-real")
endif()
set(VITRO_CUDA_ARCHITECTURES "${architectures}" CACHE STRING
    "what nvcc compiles for, as CMAKE_CUDA_ARCHITECTURES takes it; all: 80-real;89-real;90a-real;90-virtual")
set(VITRO_HAS_NVCC FALSE)
if(VITRO_CUDA STREQUAL "ON" OR (VITRO_CUDA STREQUAL "AUTO" AND VITRO_HAS_GPU AND NOT VITRO_SANITIZE))
  find_program(VITRO_NVCC nvcc PATHS /usr/local/cuda ENV CUDA_PATH ENV CUDA_HOME PATH_SUFFIXES bin)
  if(VITRO_NVCC)
    set(CMAKE_CUDA_COMPILER ${VITRO_NVCC})
    set(CMAKE_CUDA_ARCHITECTURES ${VITRO_CUDA_ARCHITECTURES})
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
    enable_language(CUDA)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # CMake 3.25 does not know it
    set(VITRO_HAS_NVCC TRUE)
    if(CCACHE)
      set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
    endif()
  elseif(VITRO_CUDA STREQUAL "ON")
    message(FATAL_ERROR "VITRO_CUDA is ON, but there is no nvcc; name it with -DVITRO_NVCC=")
  endif()
endif()
if(VITRO_HAS_NVCC)
  message(STATUS "CUDA kernels: nvcc for ${CMAKE_CUDA_ARCHITECTURES}")
else()
  message(STATUS "CUDA kernels: none for a GPU")
endif()

# All files into vitro_cuda_emulated, and into vitro_cuda where nvcc compiles them; what links that one sees VITRO_HAS_CUDA.
function(vitro_cuda_libraries)
  set(emulated ${ARGN})
  list(FILTER emulated EXCLUDE REGEX "cublaslt")
  vitro_emulated_sources(vitro_cuda_emulated ${emulated})
  if(VITRO_HAS_NVCC)
    add_library(vitro_cuda STATIC ${ARGN})
    if("${CMAKE_CUDA_ARCHITECTURES}" MATCHES "90a")
      target_compile_definitions(vitro_cuda PRIVATE VITRO_CUDA_SM_90A)
    endif()
    # fmt 9 switches constexpr off under nvcc and then needs it. Kernels call constexpr functions of the host (base/random.h).
    target_compile_options(vitro_cuda PRIVATE -DFMT_USE_CONSTEXPR=1 --expt-relaxed-constexpr -lineinfo -Werror=all-warnings
                           -Xcompiler=-Wall,-Wno-unknown-pragmas)
    target_compile_definitions(vitro_cuda INTERFACE VITRO_HAS_CUDA=1)
    target_link_libraries(vitro_cuda PUBLIC vitro_ops ${CMAKE_DL_LIBS})
  endif()
endfunction()
