# cmake -D NM=… -D OBJDUMP=… -D OBJECTS=… -D SANITIZE=… -P isolation.cmake
# The kernels of an instruction set show nothing to the rest of the program but two lists and constant data: a
# function that the linker could take for another's would then run where the CPU lacks its instructions. Nor do they run
# anything when the program starts.
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} --defined-only --extern-only --demangle ${object} OUTPUT_VARIABLE symbols
                  COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" symbols "${symbols}")
  foreach(list kernels cpu_limits)
    set(lists ${symbols})
    list(FILTER lists INCLUDE REGEX " T vitro::[a-z0-9_]+::${list}\\(\\)$")
    list(LENGTH lists count)
    if(NOT count EQUAL 1)
      message(SEND_ERROR "${object}: expected one function ${list}(), found ${count}")
    endif()
  endforeach()
  list(FILTER symbols EXCLUDE REGEX " T vitro::[a-z0-9_]+::(kernels|cpu_limits)\\(\\)$| u vitro::")
  foreach(symbol IN LISTS symbols)
    message(SEND_ERROR "${object}: visible from outside: ${symbol}")
  endforeach()
  execute_process(COMMAND ${OBJDUMP} -h ${object} OUTPUT_VARIABLE sections COMMAND_ERROR_IS_FATAL ANY)
  if(NOT SANITIZE AND sections MATCHES "\\.(init_array|ctors)")
    message(SEND_ERROR "${object}: something runs when the program starts (section ${CMAKE_MATCH_0})")
  endif()
endforeach()
