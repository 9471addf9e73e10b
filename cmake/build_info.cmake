# What the binary says of how it was built. vitro_build_info(<target>) adds a source file that defines
# vitro::build_info() (tools/build_info.h). The commit is looked up at every build; run as a script this file writes the
# source, which changes only when what it says does.
if(CMAKE_SCRIPT_MODE_FILE)
  set(commit "")
  if(EXISTS ${SOURCE}/.git)
    execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
                    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  if(NOT commit)
    set(commit "unknown")
  endif()
  file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[#include "tools/build_info.h"

namespace vitro {

const BuildInfo& build_info() {
    static const BuildInfo info{.version = "@VERSION@",
                                .commit = "@commit@",
                                .compiler = "@COMPILER@",
                                .kind = "@KIND@",
                                .plugin_flags = R"VITRO(@FLAGS@)VITRO",
                                .emulated_flags = R"VITRO(@EMULATED@)VITRO",
                                .cuda_flags = R"VITRO(@NVCC@)VITRO",
                                .isas = "@ISAS@",
                                .cuda_architectures = "@CUDA@"};
    return info;
}

}  // namespace vitro
]])
  return()
endif()

set(VITRO_BUILD_INFO_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(vitro_build_info target)
  # What a plugin is compiled with: all but the warnings, which are the project's own business.
  string(TOUPPER "${CMAKE_BUILD_TYPE}" kind)
  set(flags ${VITRO_CXX_OPTIONS})
  list(FILTER flags EXCLUDE REGEX "^-W")
  list(JOIN flags " " flags)
  string(CONCAT flags "-std=c++20 -shared -fPIC ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${kind}} ${flags} "
                      "-march=native -I${PROJECT_SOURCE_DIR}")
  string(REGEX REPLACE "  +" " " flags "${flags}")
  # A .cu file against the emulation: with its access hooks, and without the sanitizer's runtime, whose place they take.
  set(hooks ${VITRO_EMULATION_OPTIONS})
  list(FILTER hooks EXCLUDE REGEX "^-fmacro-prefix-map")
  list(TRANSFORM hooks REPLACE "^SHELL:" "")
  list(JOIN hooks " " hooks)
  string(CONCAT emulated "${flags} ${hooks} -U__SANITIZE_THREAD__ -nodefaultlibs -L${PROJECT_BINARY_DIR} "
                         "-Wl,-rpath,${PROJECT_BINARY_DIR} -Wl,--no-as-needed -lvitro_cuda_emulated -lfmt -lstdc++ -lm -lc "
                         "-lgcc_s -x c++")
  list(JOIN VITRO_COMPILED_ISAS " " isas)
  set(cuda "")
  set(nvcc "")
  if(VITRO_HAS_NVCC)
    list(JOIN CMAKE_CUDA_ARCHITECTURES " " cuda)
    set(targets ${CMAKE_CUDA_ARCHITECTURES})
    list(TRANSFORM targets REPLACE "^([0-9]+a?)-real$" "-gencode=arch=compute_\\1,code=sm_\\1")
    list(TRANSFORM targets REPLACE "^([0-9]+a?)-virtual$" "-gencode=arch=compute_\\1,code=compute_\\1")
    list(TRANSFORM targets REPLACE "^([0-9]+a?)$" "-gencode=arch=compute_\\1,code=[sm_\\1,compute_\\1]")
    list(JOIN targets " " targets)
    string(CONCAT nvcc "-std=c++20 -shared -Xcompiler=-fPIC ${CMAKE_CUDA_FLAGS} ${CMAKE_CUDA_FLAGS_${kind}} "
                       "-DFMT_USE_CONSTEXPR=1 --expt-relaxed-constexpr ${targets} -I${PROJECT_SOURCE_DIR}")
    string(REGEX REPLACE "  +" " " nvcc "${nvcc}")
  endif()
  set(output ${PROJECT_BINARY_DIR}/build_info.cpp)
  add_custom_target(vitro_write_build_info BYPRODUCTS ${output} VERBATIM
                    COMMAND ${CMAKE_COMMAND} -D OUTPUT=${output} -D SOURCE=${PROJECT_SOURCE_DIR}
                            -D VERSION=${PROJECT_VERSION}
                            -D "COMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
                            -D KIND=${CMAKE_BUILD_TYPE} -D "FLAGS=${flags}" -D "EMULATED=${emulated}"
                            -D "NVCC=${nvcc}" -D "ISAS=${isas}" -D "CUDA=${cuda}"
                            -P ${VITRO_BUILD_INFO_SCRIPT})
  add_dependencies(${target} vitro_write_build_info)
  target_sources(${target} PRIVATE ${output})
endfunction()
