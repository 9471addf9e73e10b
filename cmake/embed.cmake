# Text files that the binary carries. vitro_embed(<target> <function> <file>...) adds a source file to the target that
# defines `std::string_view vitro::<function>(std::string_view name)`: a file's text by its name without folders, empty
# when there is none. Run as a script it writes that source file.
if(CMAKE_SCRIPT_MODE_FILE)
  set(text "#include <string_view>\n\nnamespace vitro {\n\nstd::string_view ${FUNCTION}(std::string_view name);\n\n")
  string(APPEND text "std::string_view ${FUNCTION}(std::string_view name) {\n")
  foreach(file ${FILES})
    file(READ ${file} content)
    get_filename_component(name ${file} NAME)
    string(APPEND text "    if (name == \"${name}\") return R\"VITRO(${content})VITRO\";\n")
  endforeach()
  file(WRITE ${OUTPUT} "${text}    return {};\n}\n\n}  // namespace vitro\n")
  return()
endif()

set(VITRO_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(vitro_embed target function)
  set(output ${PROJECT_BINARY_DIR}/embedded/${function}.cpp)
  list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
  add_custom_command(OUTPUT ${output} DEPENDS ${files} ${VITRO_EMBED_SCRIPT} VERBATIM
                     COMMAND ${CMAKE_COMMAND} -D OUTPUT=${output} -D FUNCTION=${function} -D "FILES=${files}"
                             -P ${VITRO_EMBED_SCRIPT})
  target_sources(${target} PRIVATE ${output})
endfunction()
