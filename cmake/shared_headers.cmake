# <shared_headers.h>, whose VITRO_SHARED_HEADERS is a hash of all headers by which a program and the emulation of CUDA, a
# library of its own, know each other's types. vitro_shared_headers(<target>...) makes it for targets. Run as a script this
# file writes it.
if(CMAKE_SCRIPT_MODE_FILE)
  set(hashes "")
  foreach(header ${HEADERS})
    file(SHA256 ${header} hash)
    string(APPEND hashes ${hash})
  endforeach()
  string(SHA256 hash "${hashes}")
  file(WRITE ${OUTPUT} "#define VITRO_SHARED_HEADERS \"${hash}\"\n")
  return()
endif()

set(VITRO_SHARED_HEADERS_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(vitro_shared_headers)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS base/*.h backends/*.h graph/*.h ops/*.h runtime/emulated_cuda.h)
  set(output ${PROJECT_BINARY_DIR}/shared_headers/shared_headers.h)
  add_custom_command(OUTPUT ${output} DEPENDS ${headers} ${VITRO_SHARED_HEADERS_SCRIPT} VERBATIM
                     COMMAND ${CMAKE_COMMAND} -D OUTPUT=${output} -D "HEADERS=${headers}"
                             -P ${VITRO_SHARED_HEADERS_SCRIPT})
  foreach(target ${ARGN})
    target_sources(${target} PRIVATE ${output})
    target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/shared_headers)
  endforeach()
endfunction()
