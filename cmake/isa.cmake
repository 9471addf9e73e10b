# The CPU's kernels, *_cpu.cpp, are compiled once for each instruction set (backends/cpu/isa.h), and all that they are made
# of with them. Inline functions and templates of other headers (std, fmt) would be merged with those of the rest of the
# program, which must run on every CPU: so the objects of a set are linked into one object of which only the list of its
# kernels can be seen from outside.
set(VITRO_ISA_OPTIONS_baseline "")
set(VITRO_ISA_OPTIONS_avx2 -march=x86-64-v3)
set(VITRO_ISA_OPTIONS_avx2_vnni -march=x86-64-v3 -mavxvnni)
# GCC 12 warns of undefined values in its own header of AVX-512 (PR 105593).
set(VITRO_ISA_OPTIONS_avx512 -march=x86-64-v4 $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
set(VITRO_ISA_OPTIONS_avx512_vnni ${VITRO_ISA_OPTIONS_avx512} -mavx512vnni)
set(VITRO_ISA_OPTIONS_avx512_amx ${VITRO_ISA_OPTIONS_avx512_vnni} -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16)
set(VITRO_ALL_ISAS baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(VITRO_ALL_ISAS baseline avx2 avx2_vnni avx512 avx512_vnni avx512_amx)
endif()
set(VITRO_ISAS native CACHE STRING
    "instruction sets to compile the CPU's kernels for: native (baseline and the best of this machine), all, or a list of ${VITRO_ALL_ISAS}")

# The sets that this machine runs, by the flags of its first core.
set(VITRO_MACHINE_ISAS baseline)
if(EXISTS /proc/cpuinfo AND NOT CMAKE_CROSSCOMPILING)
  file(STRINGS /proc/cpuinfo flags REGEX "^flags" LIMIT_COUNT 1)
  string(REGEX MATCHALL "[^ \t:]+" flags "${flags}")
  set(needs_avx2 avx2 fma f16c bmi1 bmi2 movbe abm)
  set(needs_avx2_vnni ${needs_avx2} avx_vnni)
  set(needs_avx512 ${needs_avx2} avx512f avx512bw avx512cd avx512dq avx512vl)
  set(needs_avx512_vnni ${needs_avx512} avx512_vnni)
  set(needs_avx512_amx ${needs_avx512_vnni} avx512_bf16 amx_tile amx_int8 amx_bf16)
  foreach(isa IN LISTS VITRO_ALL_ISAS)
    set(missing ${needs_${isa}})
    list(REMOVE_ITEM missing ${flags})
    if(isa STREQUAL avx512_amx AND CMAKE_HOST_SYSTEM_VERSION VERSION_LESS 5.16)
      continue()  # such a Linux tells of AMX, but lets no process use it
    endif()
    if(NOT missing)
      list(APPEND VITRO_MACHINE_ISAS ${isa})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES VITRO_MACHINE_ISAS)
endif()

if(VITRO_ISAS STREQUAL "all")
  set(VITRO_COMPILED_ISAS ${VITRO_ALL_ISAS})
elseif(VITRO_ISAS STREQUAL "native")
  list(GET VITRO_MACHINE_ISAS -1 best)
  set(VITRO_COMPILED_ISAS baseline ${best})
else()
  set(VITRO_COMPILED_ISAS baseline ${VITRO_ISAS})  # what every CPU runs is always there
  foreach(isa IN LISTS VITRO_COMPILED_ISAS)
    if(NOT isa IN_LIST VITRO_ALL_ISAS)
      message(FATAL_ERROR "VITRO_ISAS: expected native, all or a list of ${VITRO_ALL_ISAS}, found ${isa}")
    endif()
  endforeach()
endif()
string(REPLACE ";" "|" pattern "${VITRO_COMPILED_ISAS}")
set(VITRO_COMPILED_ISAS ${VITRO_ALL_ISAS})
list(FILTER VITRO_COMPILED_ISAS INCLUDE REGEX "^(${pattern})$")  # each once, in order
message(STATUS "CPU kernels: ${VITRO_COMPILED_ISAS}")

# vitro_cpu_kernels(<target> <file_cpu.cpp>...) compiles the files for every set and adds them to the target. They define
# `kernels()` and `cpu_limits()` in their set's namespace.
function(vitro_cpu_kernels target)
  foreach(isa IN LISTS VITRO_COMPILED_ISAS)
    set(objects ${target}_${isa})
    add_library(${objects} OBJECT ${ARGN})
    target_include_directories(${objects} PRIVATE $<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>)
    target_link_libraries(${objects} PRIVATE vitro_graph)
    # Inline variables would be symbols that no linker makes local.
    target_compile_options(${objects} PRIVATE ${VITRO_ISA_OPTIONS_${isa}} $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
    if(VITRO_ISAS STREQUAL "native" AND NOT isa STREQUAL best)  # this machine runs it in tests alone
      target_compile_options(${objects} PRIVATE $<$<CONFIG:Release>:-O1>)
    endif()
    target_precompile_headers(${objects} PRIVATE ${VITRO_COMMON_HEADERS})
    string(LENGTH ${isa} length)
    set(isolated ${CMAKE_CURRENT_BINARY_DIR}/${objects}.o)
    set(compiled $<FILTER:$<TARGET_OBJECTS:${objects}>,INCLUDE,\\.o$>)  # the precompiled header counts as an object
    add_custom_command(OUTPUT ${isolated} DEPENDS ${objects} ${compiled} COMMAND_EXPAND_LISTS VERBATIM
                       COMMAND ${CMAKE_LINKER} -r --force-group-allocation -o ${isolated} ${compiled}
                       COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=_ZN5vitro${length}${isa}7kernelsEv
                               --keep-global-symbol=_ZN5vitro${length}${isa}10cpu_limitsEv ${isolated})
    set_source_files_properties(${isolated} PROPERTIES EXTERNAL_OBJECT TRUE)
    target_sources(${target} PRIVATE ${isolated})
    set_property(TARGET ${target} APPEND PROPERTY VITRO_ISOLATED_OBJECTS ${isolated})
  endforeach()
endfunction()

# The list of the sets, for ops/op_list.h.
set(declarations "")
set(rows "")
foreach(isa IN LISTS VITRO_COMPILED_ISAS)
  string(APPEND declarations "namespace ${isa} {\nstd::span<const KernelDef> kernels();\nconst CpuLimits* cpu_limits();\n}\n")
  string(APPEND rows "        {Isa::${isa}, ${isa}::kernels, ${isa}::cpu_limits},\n")
endforeach()
set(VITRO_ISA_LIST ${PROJECT_BINARY_DIR}/isa_kernels.cpp)
file(CONFIGURE OUTPUT ${VITRO_ISA_LIST} CONTENT [[
#include "ops/op_list.h"

namespace vitro {

@declarations@
std::span<const IsaKernels> isa_kernels() {
    static constexpr IsaKernels all[] = {
@rows@    };
    return all;
}

}  // namespace vitro
]] @ONLY)
