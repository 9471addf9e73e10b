# CUDA sources without nvcc. vitro_emulated_sources(<target> <file.cu>...) compiles .cu files as plain C++ against
# backends/cuda/emulation and adds them to the target. A small .cpp that includes the .cu stands for it, so that the same
# file can also go to nvcc for another target.
#
# Outside of sanitizer builds the files are compiled with the compiler's access hooks (-fsanitize=thread, whose runtime is
# not linked: backends/cuda/emulation/hooks.cpp takes its place), one call for each access, hence no vectorizing. Loops must not
# become calls of memset or memcpy, which have no hook, and vectors (uint4) must not fall apart into their parts.
file(GLOB emulation_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/backends/cuda/emulation/*.cpp)
add_library(vitro_emulation STATIC ${emulation_sources})
target_link_libraries(vitro_emulation PUBLIC vitro_base Threads::Threads)

set(VITRO_EMULATION_OPTIONS -Wno-unknown-pragmas -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
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
    file(CONFIGURE OUTPUT ${wrapper} CONTENT "#include \"${source}\"\n" @ONLY)
    set_source_files_properties(${wrapper} TARGET_DIRECTORY ${target}
                                PROPERTIES COMPILE_OPTIONS "${VITRO_EMULATION_OPTIONS}")
    target_sources(${target} PRIVATE ${wrapper})
  endforeach()
endfunction()

# What nvcc wants beside the targets. fmt 9 switches constexpr off under nvcc and then needs it.
set(VITRO_NVCC_OPTIONS -std=c++20 -DFMT_USE_CONSTEXPR=1)
